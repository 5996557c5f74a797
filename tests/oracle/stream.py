"""``dingtalk-stream``: what comes in, what it says to that, and its way of answering."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.simulator import Simulator
from tests.oracle.client import Client, client
from tests.oracle.sheet import FAILS, GROUP, Row, Sheet


class Meeting:
    """An official client and the simulated gateway."""

    def __init__(self, name: str, simulator: Simulator, official: Client) -> None:
        self._name = name
        self._simulator = simulator
        self._gateway = simulator.gateway
        self._official = official
        self._number = 0

    async def takes_a_text(self) -> bool:
        message = await self._say("你好")
        heard = await self._official.tells(heard="你好")
        expected = {"heard": "你好", "by": "manager1001", "group": GROUP}
        return heard == expected and await self._is_acked(message)

    async def takes_a_picture(self) -> bool:
        chat = Chat(robot_code=self._simulator.robot_code)
        message = await self._gateway.say(
            chat.picture("simPicture+/=", message_id=f"{self._name}p", at_ms=int(time.time() * 1000))
        )
        said = await self._official.tells(heard="picture")
        fine = said is not None and said["codes"] == ["simPicture+/="]
        return fine and await self._is_acked(message)

    async def takes_an_event(self) -> bool:
        message = await self._gateway.happen("chat_update_title", {"title": "t"})
        said = await self._official.tells(event="chat_update_title")
        return said is not None and await self._is_acked(message)

    async def takes_a_card(self) -> bool:
        message = await self._gateway.press({"type": "actionCallback", "outTrackId": "ot-1"})
        ack = await self._gateway.acked(message)
        return "cardParamMap" in ack.data and await self._official.tells(card="ot-1") is not None

    async def answers_a_ping(self) -> bool:
        ack = await self._gateway.acked(await self._gateway.ping("op-1"))
        return bool(json.loads(ack.data) == {"opaque": "op-1"})

    async def comes_back(self) -> bool:
        await self._gateway.disconnect(await self._gateway.connection())
        before = self._gateway.accepted
        await self._gateway.until(lambda now: now.accepted > before, within=20)
        return await self._is_acked(await self._say("again"))

    async def is_told_that_its_secret_is_wrong(self) -> bool:
        async with asyncio.timeout(10):
            while not any("authFailed" in line for line in self._official.log):
                await asyncio.sleep(0.05)
        return bool(self._gateway.opens) and not self._gateway.accepted

    async def does(self, what: str, right: Callable[[str], bool]) -> bool:
        """It is told to do something; ``right`` looks at what its package gave back."""
        await self._say(f"do {what}")
        done = await self._official.tells(did=what)
        return done is not None and right(str(done["said"] or ""))

    def last_reply(self, kind: str) -> str:
        """What came by the session webhook of the last message."""
        session = self._simulator.webhooks.sessions[f"{self._name}{self._number}"]
        (reply,) = session.received
        return json.dumps(reply[kind], ensure_ascii=False)

    async def _say(self, text: str) -> str:
        self._number += 1
        name, soon = f"{self._name}{self._number}", datetime.now(UTC) + timedelta(hours=1)
        self._simulator.webhooks.open_session(name, GROUP, soon)
        body = Chat(robot_code=self._simulator.robot_code).text(
            text, message_id=f"{name}==", at_ms=int(time.time() * 1000)
        )
        body["sessionWebhook"] = f"{self._simulator.base_url}/robot/sendBySession?session={name}"
        body["sessionWebhookExpiredTime"] = int(soon.timestamp() * 1000)
        return await self._gateway.say(body)

    async def _is_acked(self, message_id: str) -> bool:
        return (await self._gateway.acked(message_id)).code == 200


async def stream(name: str, simulator: Simulator) -> list[Row]:
    sheet = Sheet(f"dingtalk-stream, {name}", simulator)
    async with client(name, "stream_client.py", **_environ(simulator, simulator.app_secret)) as official:
        it = Meeting(name, simulator, official)
        await sheet.check("receives a text and acknowledges it", it.takes_a_text())
        await sheet.check("receives a picture", it.takes_a_picture())
        await sheet.check("receives an event", it.takes_an_event())
        await sheet.check("receives a card callback and answers it", it.takes_a_card())
        await sheet.check("sends a ping back", it.answers_a_ping())
        await sheet.check("gets an access token", it.does("token", bool))
        await sheet.check(
            "replies with a text by the session webhook",
            it.does("reply_text", lambda _: "a reply" in it.last_reply("text")),
        )
        await sheet.check(
            "replies with Markdown by the session webhook",
            it.does("reply_markdown", lambda _: "**粗体**" in it.last_reply("markdown")),
        )
        await sheet.check(
            "gets the URL of a file",
            it.does("download", lambda url: url.startswith(simulator.base_url)),
        )
        await sheet.check("uploads a file", it.does("upload", bool), needs="/media/upload")
        await sheet.check(
            "replies with a card",
            it.does("reply_card", bool),
            needs="/v1.0/im/v1.0/robot/interactiveCards/send",
        )
        await sheet.check("comes back after a disconnect frame", it.comes_back())
        if any(row[2] == FAILS for row in sheet.rows):
            sys.stderr.write("".join(official.log[-40:]))
    return sheet.rows


async def refused(name: str, simulator: Simulator) -> list[Row]:
    """A wrong secret: it is told so, as DingTalk tells it, and gets no connection."""
    sheet = Sheet(f"dingtalk-stream, {name}", simulator)
    async with client(name, "stream_client.py", **_environ(simulator, "wrong")) as official:
        it = Meeting(name, simulator, official)
        await sheet.check("understands that its secret is wrong", it.is_told_that_its_secret_is_wrong())
    return sheet.rows


def _environ(simulator: Simulator, secret: str) -> dict[str, str]:
    return {"BASE_URL": simulator.base_url, "APP_KEY": simulator.app_key, "APP_SECRET": secret}
