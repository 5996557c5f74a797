"""
A platform of rooms where everybody hears everybody else, bridges too: the generic webhook plays it.

Each daemon has an account in some rooms: what it posts there comes to the accounts of all others, as a
message of somebody with that daemon's name. A room may also give its author's own words back.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bench.bridge_files import Bridge
from bench.ports import free_port
from bench.wire import get
from tests.faults.daemon import Daemon

REST = 0.6
"""Seconds without a post after which the rooms are at rest."""

_PATIENCE = 20.0


@dataclass(slots=True)
class Member:
    """One daemon; ``routes`` are pairs of rooms."""

    name: str
    routes: list[tuple[str, str]]
    daemon: Daemon
    port: int

    @property
    def rooms(self) -> list[str]:
        return list(dict.fromkeys(room for route in self.routes for room in route))


@dataclass(slots=True)
class Rooms:
    """
    ``posts`` are (room, daemon, text) of all that the daemons posted. With ``names`` the answer to a
    post has the id of the message. ``echo`` gives a daemon its own posts back: by the id of the
    room, by the daemon's own, or under a new one ("" does not). Nothing is told while ``hears`` is
    not set. While ``down``, posts are ``refused`` with 503.
    """

    port: int
    members: list[Member] = field(default_factory=list)
    posts: list[tuple[str, str, str]] = field(default_factory=list)
    names: bool = True
    echo: str = ""
    hears: asyncio.Event = field(default_factory=asyncio.Event)
    unheard: int = 0
    down: bool = False
    refused: int = 0
    _last: float = 0.0
    _ids: int = 0
    _queue: "asyncio.Queue[tuple[str, dict[str, Any]]]" = field(default_factory=asyncio.Queue)

    async def take(self, request: web.Request) -> web.Response:
        """A daemon posts."""
        name, room = request.match_info["daemon"], request.match_info["room"]
        said = await request.json()
        if self.down:
            self.refused += 1
            return web.Response(status=503)
        self.posts.append((room, name, said["text"]))
        id_ = self._tell(room, name, said["text"], own_id=said["id"])
        return web.json_response({"id": id_} if self.names else {})

    def says(self, room: str, who: str, text: str, *, again: str = "") -> str:
        """A person writes; the id of the message. ``again``: the platform repeats the one of that id."""
        return self._tell(room, who, text, again=again)

    def _tell(self, room: str, author: str, text: str, own_id: str = "", again: str = "") -> str:
        self._last = time.monotonic()
        self._ids += 1
        id_ = again or f"room-{self._ids}"
        for member in self.members:
            if room not in member.rooms:
                continue
            given = id_
            if member.name == author:
                if not self.echo:
                    continue
                given = {"room": id_, "own": own_id, "new": f"{id_}-again"}[self.echo]
            message = {"id": given, "text": text, "sender": {"id": author, "name": author}}
            self.unheard += 1
            self._queue.put_nowait((f"http://127.0.0.1:{member.port}/{room}", message))
        return id_

    async def carry(self) -> None:
        """Tell the daemons, one message after the other, until cancelled; each until it is taken."""
        async with aiohttp.ClientSession() as session:
            while True:
                url, message = await self._queue.get()
                await self.hears.wait()
                while not await _taken(session, url, message):
                    await asyncio.sleep(0.05)
                self._last = time.monotonic()
                self.unheard -= 1

    async def rest(self) -> bool:
        """Until nobody has posted for `REST` seconds; False if that takes too long."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if not self.unheard and time.monotonic() - self._last > REST:
                return True
            await asyncio.sleep(0.05)
        return False

    async def until_posts(self, count: int) -> bool:
        """Until there are so many; False if that takes too long."""
        deadline = time.monotonic() + _PATIENCE
        while len(self.posts) < count:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def member(
        self,
        folder: Path,
        name: str,
        routes: Iterable[tuple[str, str]],
        **makes: object,
    ) -> Member:
        """A daemon with its files, not started. ``makes`` are keys of its rules."""
        bridge = Bridge(folder / name, free_port(), free_port())
        made = Member(name, list(routes), Daemon(bridge), bridge.listen_port)
        self.members.append(made)
        bridge.directory.mkdir(parents=True, exist_ok=True)
        accounts = {
            room: {
                "url": f"http://127.0.0.1:{self.port}/{name}/{room}",
                "listen_port": made.port,
                "listen_path": f"/{room}",
            }
            for room in made.rooms
        }
        rules = [{"id": f"{a}-to-{b}", "from": {a: {}}, "to": {b: {}}, **makes} for a, b in made.routes]
        config = {
            "global": {
                "data_dir": str(bridge.directory / "data"),
                "http": {"host": "127.0.0.1"},
                "log": {"level": "warning"},
                "status": {"host": "127.0.0.1", "port": bridge.status_port},
            },
            "webhook": accounts,
        }
        (bridge.directory / "config.json").write_text(json.dumps(config))
        (bridge.directory / "rules.json").write_text(json.dumps({"rules": rules}))
        return made


async def _taken(session: aiohttp.ClientSession, url: str, message: dict[str, Any]) -> bool:
    try:
        async with session.post(url, json=message, timeout=aiohttp.ClientTimeout(5)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a daemon says of itself: loops found, deliveries stopped for them, and its ledger."""

    tripped: int
    stopped: int
    balanced: bool


async def numbers(member: Member) -> Numbers:
    """As its metrics say."""
    _, body = await get(member.daemon.bridge.status_port, "/metrics")
    page = body.decode()

    def total(pattern: str) -> int:
        return sum(int(float(value)) for value in re.findall(pattern + r" ([\d.]+)", page))

    return Numbers(
        tripped=total(r"msgbridge_loops_tripped_total\{[^}]*\}"),
        stopped=total(r'msgbridge_deliveries_settled_total\{[^}]*reason="loop"[^}]*\}'),
        balanced="msgbridge_ledger_balanced 1.0" in page,
    )


@asynccontextmanager
async def open_rooms() -> AsyncIterator[Rooms]:
    """They listen until the end; every daemon of them is ended then."""
    rooms = Rooms(free_port())
    rooms.hears.set()
    app = web.Application()
    app.router.add_post("/{daemon}/{room}", rooms.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", rooms.port).start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        carrying = asyncio.ensure_future(rooms.carry())
        try:
            yield rooms
        finally:
            carrying.cancel()
            for member in rooms.members:
                await member.daemon.end()
