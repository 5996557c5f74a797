"""Who watches what a bridge says on IRC and on Matrix, while the servers die and come back."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp

from tests.conversation.matrix import Event, Person
from tests.drivers.irc.people import Raw, raw
from tests.faults.platform import Post

BOT = "bridge"
_LINE = re.compile(rb":(?P<nick>[^! ]+)!\S+ PRIVMSG (?P<channel>#\S+) :?(?P<text>[^\r\n]*)\r\n")
_AGAIN_AFTER = 0.05
_LOOKS_EVERY = 0.2


@dataclass(slots=True)
class IrcWitness:
    """
    Somebody in every channel, from before the bridge is there: the first in a channel is its operator.
    After the server's death it comes back at once.
    """

    port: int
    channels: Sequence[str]
    posts: list[Post] = field(default_factory=list)
    here: Raw | None = None
    """The connection while there is one."""

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with raw(self.port, "witness", *self.channels) as here:
                    self.here = here
                    await self._read(here)
            except (OSError, TimeoutError):
                pass  # the server is gone, or not there yet
            finally:
                self.here = None
            await asyncio.sleep(_AGAIN_AFTER)

    async def _read(self, here: Raw) -> None:
        """Until the connection breaks, and what came before that too."""
        seen = 0
        while True:
            gone = here.gone
            for line in here.lines[seen:]:
                seen += 1
                said = _LINE.fullmatch(line)
                if said and said["nick"].decode().rstrip("_") == BOT:
                    text = said["text"].decode("utf-8", "replace")
                    self.posts.append(Post(time.monotonic(), said["channel"].decode(), text))
            if gone:
                return
            await asyncio.sleep(_AGAIN_AFTER)

    async def until(self, true: Callable[[Raw], object], *, seconds: float) -> bool:
        """Whether something about a standing connection became so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.here is not None and true(self.here):
                return True
            await asyncio.sleep(_AGAIN_AFTER)
        return False


@dataclass(slots=True)
class MatrixWitness:
    """Somebody in every room (by its id: how it is called in the books), who reads it from its start."""

    person: Person
    rooms: dict[str, str]
    bot: str = f"@{BOT}:hs.test"
    posts: list[Post] = field(default_factory=list)

    async def watch(self) -> None:
        """Until cancelled."""
        places = dict.fromkeys(self.rooms, "")
        while True:
            for room, name in self.rooms.items():
                try:
                    events, places[room] = await self.person.page(room, places[room])
                except (aiohttp.ClientError, OSError, TimeoutError):
                    continue  # the homeserver is gone, or not there yet
                self.posts += [
                    Post(time.monotonic(), name, _body(event)) for event in events if self._is_ours(event)
                ]
            await asyncio.sleep(_LOOKS_EVERY)

    def _is_ours(self, event: Event) -> bool:
        return bool(event["type"] == "m.room.message" and event["sender"] == self.bot)


def _body(event: Event) -> str:
    return str(event["content"].get("body", ""))


@dataclass(slots=True)
class Neighbours:
    """Both, for the stage: what was posted anywhere, while it is open."""

    irc: IrcWitness
    matrix: MatrixWitness
    swallowed: Counter[str] = field(default_factory=Counter)
    """Answers that died with a server, by conversation: each may be one repeat."""
    _watching: AsyncExitStack = field(default_factory=AsyncExitStack)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def posts(self) -> list[Post]:
        return [*self.irc.posts, *self.matrix.posts]

    @property
    def texts(self) -> set[str]:
        return {post.text for post in self.posts}

    async def open(self) -> None:
        """Returns when the witness on IRC is in its channels."""
        self._tasks = [asyncio.create_task(self.irc.watch()), asyncio.create_task(self.matrix.watch())]
        there = await self.irc.until(lambda here: here, seconds=20.0)
        assert there, "the witness could not come to IRC"

    def refuse(self) -> None:
        """They look away."""
        for task in self._tasks:
            task.cancel()
