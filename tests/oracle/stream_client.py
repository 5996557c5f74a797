"""
The official ``dingtalk-stream``, run by the Python of its own environment. It is told what to try by
chat messages, and prints what came of it, one JSON object on a line.
"""

import asyncio
import json
import os
import sys
import threading
from urllib.parse import urlsplit

BASE_URL = os.environ["BASE_URL"]
os.environ["DINGTALK_OPENAPI_ENDPOINT"] = BASE_URL  # read when the package is imported

import dingtalk_stream  # noqa: E402
import requests  # noqa: E402
from dingtalk_stream import AckMessage, ChatbotMessage  # noqa: E402

_STRAIGHT = requests.Session.request


def redirected(self, method, url, *args, **more):
    """The only address that the package does not let anybody choose is that of uploads."""
    parts = urlsplit(url)
    if parts.hostname == "oapi.dingtalk.com":
        url = f"{BASE_URL}{parts.path}?{parts.query}"
    return _STRAIGHT(self, method, url, *args, **more)


def tell(**said):
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


class Robot(dingtalk_stream.ChatbotHandler):
    async def process(self, callback):
        message = ChatbotMessage.from_dict(callback.data)
        if message.message_type != "text":
            tell(heard=message.message_type, codes=message.get_image_list())
            return AckMessage.STATUS_OK, "OK"
        words = message.text.content.strip()
        tell(heard=words, by=message.sender_staff_id, group=message.conversation_id)
        if words.startswith("do "):
            # Its calls block, as every program that uses it has to know.
            done = await asyncio.to_thread(self.do, words[3:], message)
            tell(did=words[3:], said=done)
        return AckMessage.STATUS_OK, "OK"

    def do(self, what, message):
        if what == "reply_text":
            return self.reply_text("a reply", message)
        if what == "reply_markdown":
            return self.reply_markdown("标题", "**粗体**", message)
        if what == "token":
            return self.dingtalk_client.get_access_token()
        if what == "download":
            return self.get_image_download_url("simPicture+/=")
        if what == "upload":
            return self.dingtalk_client.upload_to_dingtalk(b"GIF89a", "image", "a.gif", "image/gif")
        if what == "reply_card":
            return self.reply_card({"config": {}, "contents": []}, message)
        raise ValueError(what)


class Events(dingtalk_stream.EventHandler):
    async def process(self, event):
        tell(event=event.headers.event_type, data=event.data)
        return AckMessage.STATUS_OK, "OK"


class Cards(dingtalk_stream.CallbackHandler):
    async def process(self, callback):
        tell(card=callback.data.get("outTrackId"))
        return AckMessage.STATUS_OK, {"cardData": {"cardParamMap": {"k": "v"}}}


def main():
    requests.Session.request = redirected
    credential = dingtalk_stream.Credential(os.environ["APP_KEY"], os.environ["APP_SECRET"])
    client = dingtalk_stream.DingTalkStreamClient(credential)
    client.register_callback_handler(ChatbotMessage.TOPIC, Robot())
    client.register_callback_handler("/v1.0/card/instances/callback", Cards())
    client.register_all_event_handler(Events())
    # Its loop swallows being cancelled: when nobody needs us any more, the process ends.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    asyncio.run(client.start())


main()
