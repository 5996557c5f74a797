"""A DingTalk that misbehaves on command and remembers every message that it took."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from bench.wire import Framed, answer, target_of

_SEND = "/v1.0/robot/groupMessages/send"
_TOKEN = answer(200, b'{"accessToken":"fault-token","expireIn":7200}')
_ERROR = answer(500, b'{"code":"system.error","requestid":"0","message":"out of order"}')
_THROTTLED = b'{"code":"send.too.fast","requestid":"0","message":"too fast"}'


class Mood(StrEnum):
    """How the platform treats a message."""

    WELL = "well"
    ERRORS = "answers 500"
    THROTTLES = "answers 429"
    HANGS = "never answers"
    SWALLOWS = "takes it and hangs up"


@dataclass(frozen=True, slots=True)
class Post:
    """A message that the platform took; ``at`` in monotonic seconds."""

    at: float
    conversation: str
    text: str


@dataclass(slots=True)
class Platform:
    """
    ``posts`` are the messages taken, in order. A message answered with an error, or hanging, is not
    taken. ``swallowed`` counts by conversation the messages taken whose answer was never given.
    """

    port: int
    longest_answer: float = 0.004
    mood: Mood = Mood.WELL
    retry_after: int = 2
    hanging: set[str] = field(default_factory=set)
    posts: list[Post] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    swallowed: Counter[str] = field(default_factory=Counter)
    turned_away: int = 0
    _held: list["tuple[Call, str, str]"] = field(default_factory=list)
    _calls: "set[Call]" = field(default_factory=set)
    _server: asyncio.Server | None = None
    _random: random.Random = field(default_factory=lambda: random.Random(4))

    async def open(self) -> None:
        """Listen (again)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Call(self), "127.0.0.1", self.port, backlog=1024)

    def refuse(self) -> None:
        """Break every connection and refuse new ones, until `open`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for call in list(self._calls):
            if call.unanswered:
                self.swallowed[call.unanswered] += 1
            call.transport.abort()

    def release(self) -> None:
        """Answer what hangs and is still waited for; hang no longer."""
        self.hanging.clear()
        held, self._held = self._held, []
        for call, conversation, text in held:
            if not call.transport.is_closing():
                self._take(call, conversation, text)

    def greet(self, call: "Call") -> None:
        self._calls.add(call)

    def forget(self, call: "Call") -> None:
        self._calls.discard(call)

    def receive(self, call: "Call", target: str, body: bytes) -> None:
        """One request."""
        if target != _SEND:
            call.transport.write(_TOKEN)
            return
        message = json.loads(body)
        conversation = message["openConversationId"]
        text = json.loads(message["msgParam"])["content"]
        if self.mood is Mood.HANGS or conversation in self.hanging:
            self._held.append((call, conversation, text))
            self.turned_away += 1
        elif self.mood is Mood.ERRORS:
            call.transport.write(_ERROR)
            self.turned_away += 1
        elif self.mood is Mood.THROTTLES:
            call.transport.write(answer(429, _THROTTLED, {"Retry-After": str(self.retry_after)}))
            self.turned_away += 1
        elif self.mood is Mood.SWALLOWS:
            self._remember(conversation, text)
            self.swallowed[conversation] += 1
            call.transport.abort()
        else:
            self._take(call, conversation, text)

    def take(self, call: "Call", conversation: str, text: str, said: bytes) -> None:
        """Remember the message, and answer ``said`` a little later, so that a kill can fall in between."""
        self._remember(conversation, text)
        call.unanswered = conversation
        asyncio.get_running_loop().call_later(
            self._random.uniform(0.0, self.longest_answer), call.answer, said
        )

    def _take(self, call: "Call", conversation: str, text: str) -> None:
        key = json.dumps({"processQueryKey": f"fault{len(self.posts) + 1:08d}"}).encode()
        self.take(call, conversation, text, answer(200, key))

    def _remember(self, conversation: str, text: str) -> None:
        self.posts.append(Post(time.monotonic(), conversation, text))
        self.texts.add(text)


class Call(Framed):
    """One connection of the daemon."""

    def __init__(self, platform: Platform) -> None:
        super().__init__()
        self._platform = platform
        self.unanswered = ""

    def answer(self, message: bytes) -> None:
        """Answer the message that was taken, if anybody still listens."""
        self.unanswered = ""
        if not self.transport.is_closing():
            self.transport.write(message)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._platform.greet(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._platform.forget(self)

    def message_received(self, head: bytes, body: bytes) -> None:
        self._platform.receive(self, target_of(head), body)


@asynccontextmanager
async def listening(platform: Platform) -> AsyncIterator[None]:
    """It listens until the block ends."""
    await platform.open()
    try:
        yield
    finally:
        platform.refuse()
