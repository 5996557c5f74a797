"""
A small bridge on the official ``dingtalk-stream``, run by the Python of its own environment: what
somebody writes to the robot is posted to a URL, and acknowledged when that was taken.
"""

import asyncio
import os
import sys
import threading

os.environ["DINGTALK_OPENAPI_ENDPOINT"] = os.environ["BASE_URL"]  # read when the package is imported

import aiohttp
import dingtalk_stream
from dingtalk_stream import AckMessage, ChatbotMessage


class Relay(dingtalk_stream.ChatbotHandler):
    def __init__(self, session):
        super().__init__()
        self.session = session

    async def process(self, callback):
        message = ChatbotMessage.from_dict(callback.data)
        said = {"text": message.text.content.strip()}
        async with self.session.post(os.environ["SINK_URL"], json=said) as response:
            response.raise_for_status()
        return AckMessage.STATUS_OK, "OK"


async def main():
    credential = dingtalk_stream.Credential(os.environ["APP_KEY"], os.environ["APP_SECRET"])
    client = dingtalk_stream.DingTalkStreamClient(credential)
    async with aiohttp.ClientSession() as session:
        client.register_callback_handler(ChatbotMessage.TOPIC, Relay(session))
        await client.start()


# Its loop swallows being cancelled: when nobody needs us any more, the process ends.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
asyncio.run(main())
