"""The DingTalk side: a group of the simulator, with 李雷 in it."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.simulator import Received, Simulator
from tests.conversation.long_text import long_text
from tests.conversation.side import Shown
from tests.drivers.irc.ircds import free_port

GROUP = "cidSimGroup0000000001=="


class DingTalk:
    name = "dingtalk"
    keeps = False

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._port = free_port()
        self._own: list[tuple[int, Shown, str]] = []
        self._chat = Chat(robot_code=simulator.robot_code, conversation_id=GROUP, nick="李雷")

    def settings(self) -> tuple[str, dict[str, Any]]:
        simulator = self._simulator
        return "dingtalk", {
            "app_key": simulator.app_key,
            "app_secret": simulator.app_secret,
            "signing_secret": simulator.app_secret,
            "api_base_url": simulator.base_url,
            "oapi_base_url": simulator.base_url,
            "listen_port": self._port,
            "allowed_users": "*",
        }

    def address(self) -> dict[str, str]:
        return {"open_conversation_id": GROUP}

    @property
    def media_url(self) -> str:
        """Where the bridge serves its links, as seen from here."""
        return f"http://127.0.0.1:{self._port}"

    # --- what 李雷 does ---

    async def says(self, text: str) -> int:
        return await self._call(self._chat.text(text, **self._ids()), Shown("李雷", text))

    async def says_at_length(self) -> int:
        return await self.says(long_text("钉钉"))

    async def sends_picture(self, name: str, content: bytes) -> int:
        self._simulator.files[name] = content
        return await self._call(self._chat.picture(name, **self._ids()), Shown("李雷", "[a picture]"))

    async def replies(self, to: str, text: str) -> int:
        answered = self._find(to)
        body = self._chat.text(text, **self._ids())
        key, said = (
            ({"originalProcessQueryKey": answered.process_query_key}, answered.text)
            if isinstance(answered, Received)
            else ({"originalMsgId": answered[2]}, answered[1].text)
        )
        body["text"] |= {"isReplyMsg": True, "repliedMsg": {"msgType": "text", "content": {"text": said}}}
        return await self._call({**body, **key}, Shown("李雷", text, answers=said))

    def _find(self, words: str) -> Received | tuple[int, Shown, str]:
        ours = (one for one in self._own if words in one[1].text)
        return next(ours, None) or next(one for one in self._here() if words in one.text)

    def _ids(self) -> dict[str, Any]:
        return {"message_id": f"msg{len(self._own)}==", "at_ms": time.time_ns() // 1_000_000}

    async def _call(self, body: dict[str, Any], shown: Shown) -> int:
        """The group shows at once what is written in it; what came before stands before it."""
        self._own.append((len(self._here()), shown, body["msgId"]))
        url = f"http://127.0.0.1:{self._port}/dingtalk/event"
        status, _ = await self._simulator.post_event(url, body, now=datetime.now(UTC))
        assert 200 == status
        return 1

    # --- what he sees ---

    def _here(self) -> list[Received]:
        return [one for one in self._simulator.received if one.group == GROUP]

    async def heard(self) -> list[Shown]:
        shown = [self._shown(one) for one in self._here()]
        for before, own, _ in reversed(self._own):
            shown.insert(before, own)
        return shown

    def _shown(self, one: Received) -> Shown:
        recalled = one.process_query_key in self._simulator.recalled
        return Shown("bridge", self._text(one), deleted=recalled)

    def _text(self, one: Received) -> str:
        match one.msg_key:
            case "sampleText":
                return one.text
            case "sampleMarkdown":
                return f"[Markdown] {one.text}"
            case "sampleImageMsg":
                return f"[a picture: {self._file(one.params['photoURL'])}]"
            case "sampleFile":
                return f"[a file {one.params['fileName']}: {self._file(one.params['mediaId'])}]"
        return f"[{one.msg_key}] {dict(one.params)}"

    def _file(self, media_id: str) -> str:
        uploaded = self._simulator.media.uploaded[media_id]
        return f"{len(uploaded.content)} bytes"


@asynccontextmanager
async def dingtalk():
    async with Simulator() as simulator:
        yield DingTalk(simulator)
