"""Servers on loopback that take a post well, badly, or not at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from aiohttp import web

from tests.contract.cases import Behaviour


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, kept from everybody else."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@dataclass(frozen=True, slots=True)
class Says:
    """An HTTP answer; the body is repeated as often as told."""

    status: int
    body: bytes = b""
    retry_after: str = ""
    times: int = 1


class Scripted:
    """One path of a server that behaves as asked, and counts."""

    def __init__(self, behaviour: Behaviour, says: Says) -> None:
        self.posts = 0
        self.url = ""
        self._behaviour = behaviour
        self._says = says
        self._closing = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        if self._behaviour is Behaviour.DOWN:
            with closed_port() as port:
                self.url = f"http://127.0.0.1:{port}"
                yield
            return
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            self._closing.set()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.posts += request.method != "HEAD"
        assert request.transport is not None
        match self._behaviour:
            case Behaviour.HANG_UP:
                request.transport.abort()
            case Behaviour.HANG:
                await self._closing.wait()
            case Behaviour.GARBAGE:
                request.transport.write(b"\x00\xff what is HTTP?\r\n\r\n")
                request.transport.close()
        headers = {"Retry-After": self._says.retry_after} if self._says.retry_after else {}
        response = web.StreamResponse(status=self._says.status, headers=headers)
        try:
            await response.prepare(request)
            for _ in range(self._says.times if request.method != "HEAD" else 0):
                await response.write(self._says.body)
            await response.write_eof()
        except ConnectionError:
            pass  # they had enough
        return response
