"""Receivers of what Apprise posts: an HTTP server and a mail server on loopback, and a driver in front."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from bridge.clock import SystemClock
from bridge.driver import Toolbox
from bridge.model import InstanceId, Outgoing
from drivers.apprise import DRIVER
from drivers.apprise.driver import AppriseDriver
from tests.builders import an_outgoing

SECRET = "planted-5ecret-4711"
HOOK = InstanceId("pager")
LITTLE = 0.3
"""Seconds; for those that must wait until it is over."""


@dataclass
class Receiver:
    """``statuses`` by path, 200 elsewhere; ``hold`` keeps the answers back. Remembers what it took."""

    authority: str = ""
    statuses: dict[str, int] = field(default_factory=dict)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    posts: list[tuple[str, str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hold.set()

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            self.posts.append((request.path, request.content_type, await request.read()))
        await self.hold.wait()
        return web.Response(status=self.statuses.get(request.path, 200))

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.posts]

    def messages(self) -> list[dict[str, str]]:
        return [json.loads(body) for _, _, body in self.posts]


@asynccontextmanager
async def a_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.authority = f"127.0.0.1:{runner.addresses[0][1]}"
        yield receiver
    finally:
        receiver.hold.set()
        await runner.cleanup()


@asynccontextmanager
async def a_driver(*urls: str, patience: float = 10.0) -> AsyncIterator[AppriseDriver]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience)) as http,
        DRIVER.open(HOOK, {"urls": list(urls)}, Toolbox(http, SystemClock())) as driver,
    ):
        assert isinstance(driver, AppriseDriver)
        yield driver


@asynccontextmanager
async def a_mail_server(**replies: str) -> AsyncIterator[tuple[str, list[str]]]:
    """``replies`` by verb, else all is well; the URL of a mailbox behind it, and the lines it was told."""
    told: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        says = {"EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "235 ok", "DATA": "354 go on", **replies}
        writer.write(b"220 here\r\n")
        in_mail = False
        while line := await reader.readline():
            told.append(line.decode().rstrip())
            if in_mail and told[-1] != ".":
                continue
            verb = told[-1][:4].upper()
            said = says.get(verb, "250 ok")
            in_mail = verb == "DATA" and said.startswith("354")
            writer.write(f"{said}\r\n".encode())
            if verb == "QUIT":
                break
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        mailbox = "to=ops@example.com&from=bridge@example.com&smtp=127.0.0.1&mode=insecure"
        yield f"mailto://bridge:{SECRET}@localhost:{port}?{mailbox}", told


def a_post(text: str = "hello", *, key: str = "d1:1", **more: object) -> Outgoing:
    return an_outgoing(text, to="pager/default", key=key, **more)
