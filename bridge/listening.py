"""One aiohttp server for each listening port, with a bound on connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

_BACKLOG = 1024
_GRACE = 3.0
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


@asynccontextmanager
async def listen(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    host: str,
    port: int,
    *,
    max_connections: int = 1000,
) -> AsyncIterator[int]:
    """
    Serve ``answer`` on ``host``:``port`` while the context lasts; yields the port (for port 0).

    At its end no new request is taken, and those that were received are answered first. Raises
    `OSError` when the port cannot be had.
    """
    server = web.Server(answer, access_log=None, auto_decompress=False)

    def door() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < max_connections else _Turned()

    loop = asyncio.get_running_loop()
    listener = await loop.create_server(door, host, port, backlog=_BACKLOG)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await server.shutdown(_GRACE)
