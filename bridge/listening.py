"""
One aiohttp server for each listening port, with a bound on connections and on the wait for headers.

aiohttp limits the size of headers but not the time that they take; a peer that drips them, or says
nothing at all, is closed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

_BACKLOG = 1024
_GRACE = 3.0
_SWEEP = 0.5
_LINGER = 1.0
"""Seconds that the rest of a refused body is read, so that the peer can read our answer."""
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class _Turned(asyncio.Protocol):
    """Stands at the door when the house is full."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(_BUSY)
        transport.close()


class _Connection(RequestHandler):
    """``waits_since``: when the headers that have not arrived yet were first waited for, or None."""

    __slots__ = ("serving", "waits_since")

    serving: bool
    waits_since: float | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.serving = False
        self.waits_since = self._loop.time()

    def data_received(self, data: bytes) -> None:
        if not self.serving and self.waits_since is None:
            self.waits_since = self._loop.time()
        super().data_received(data)


class _Server(web.Server):
    def __call__(self) -> _Connection:
        return _Connection(self, loop=self._loop, **self._kwargs)


Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def listen(
    answer: Answer,
    host: str,
    port: int,
    *,
    max_connections: int = 1000,
    header_timeout: float = 10.0,
) -> AsyncIterator[int]:
    """
    Serve ``answer`` on ``host``:``port`` while the context lasts; yields the port (for port 0).

    ``header_timeout`` in seconds. At its end no new request is taken, and those that were received
    are answered first. Raises `OSError` when the port cannot be had.
    """
    loop = asyncio.get_running_loop()

    async def timed(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, _Connection)
        connection.serving = True
        connection.waits_since = None
        try:
            return await answer(request)
        finally:
            connection.serving = False

    server = _Server(timed, access_log=None, auto_decompress=False, lingering_time=_LINGER)

    def door() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < max_connections else _Turned()

    def sweep() -> None:
        overdue = loop.time() - header_timeout
        for connection in server.connections:
            assert isinstance(connection, _Connection)
            if connection.waits_since is not None and connection.waits_since < overdue:
                connection.force_close()
        next_sweep[:] = [loop.call_later(_SWEEP, sweep)]

    listener = await loop.create_server(door, host, port, backlog=_BACKLOG)
    next_sweep = [loop.call_later(_SWEEP, sweep)]
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        next_sweep[0].cancel()
        listener.close()
        server.pre_shutdown()  # idle connections end now, the others after their answer
        await server.shutdown(_GRACE)
