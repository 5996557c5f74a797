"""
One aiohttp server for each listening port, with a bound on connections and on the wait for headers.

aiohttp limits the size of headers but not the time that they take; a peer that drips them, says
nothing at all, or takes nothing of our answer is closed here. When the house is full, whoever keeps us
waiting gives way to a newcomer: strangers before guests, and among them the one that is waited for
longest.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

log = structlog.get_logger()

_BACKLOG = 1024
"""Connections that may wait in the kernel until they are let in."""

_AT_ONCE = 64
"""Connections that are let in before anybody else has a turn: a crowd shall not hold the loop."""

_GRACE = 3.0
_SWEEP = 0.5
_LINGER = 1.0
"""Seconds that the rest of a refused body is read, so that the peer can read our answer."""
_GOOD = 400
"""Answers below this status make a guest of a stranger."""
_RESET = struct.pack("ii", 1, 0)
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class _Turned(asyncio.Protocol):
    """Stands at the door when the house is full of people who are being served."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(_BUSY)
        transport.close()


@dataclass(slots=True)
class _House:
    """
    Who is inside. ``strangers`` and ``guests`` are those who keep us waiting, for a whole request or
    for room to write in, longest first; a guest has had a good answer before.

    One comes in with its door, before there is a transport: many are let in at once.
    """

    room: int
    inside: set[_Connection] = field(default_factory=set)
    strangers: OrderedDict[_Connection, None] = field(default_factory=OrderedDict)
    guests: OrderedDict[_Connection, None] = field(default_factory=OrderedDict)

    def has_room(self) -> bool:
        """Make some, if somebody can be asked to go."""
        if len(self.inside) < self.room:
            return True
        for waited_for in (self.strangers, self.guests):
            if waited_for:
                next(iter(waited_for)).end()
                return True
        return False

    def waits_for(self, one: _Connection) -> None:
        """Behind all others, from now on."""
        if one.queue is None:
            one.queue = self.guests if one.known else self.strangers
            one.queue[one] = None
        else:
            one.queue.move_to_end(one)

    def has_heard(self, one: _Connection) -> None:
        if one.queue is not None:
            del one.queue[one]
            one.queue = None

    def leave(self, one: _Connection) -> None:
        self.inside.discard(one)
        self.has_heard(one)


class _Connection(RequestHandler):
    """
    ``waits_since``: when the headers that have not arrived yet were first waited for, or None.
    ``queue`` is where it stands while it keeps us waiting, ``known`` when it had a good answer.
    ``unread`` are the bytes of our answers that the peer had not taken at the last sweep, and
    ``unread_since`` when they became so many.
    """

    __slots__ = ("_house", "known", "queue", "serving", "unread", "unread_since", "waits_since")

    def __init__(self, house: _House, server: web.Server, **kwargs: Any) -> None:  # noqa: ANN401  # aiohttp's own
        super().__init__(server, **kwargs)
        self._house = house
        self.known = False
        self.queue: OrderedDict[_Connection, None] | None = None
        self.serving = False
        self.waits_since: float | None = None
        self.unread = 0
        self.unread_since = 0.0
        house.inside.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.waits_since = self._loop.time()
        self._house.waits_for(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._house.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.serving and self.waits_since is None:
            self.waits_since = self._loop.time()
            self._house.waits_for(self)
        super().data_received(data)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Aiohttp calls this after every read, and has its parser run; only what was held must go on."""
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    def serve(self, request: web.BaseRequest) -> None:
        """Its headers are here. Until its body is, it can be asked to go."""
        self.serving = True
        self.waits_since = None
        if request.content.is_eof():
            self._house.has_heard(self)
        else:
            request.content.on_eof(lambda: self._house.has_heard(self))

    def served(self) -> None:
        self.serving = False
        if self in self._house.inside:
            self._house.waits_for(self)

    def takes_nothing_since(self, now: float) -> float:
        """When the peer last took some of what we have for it; ``now`` if there is nothing."""
        unread = self.transport.get_write_buffer_size() if self.transport is not None else 0
        if unread == 0 or unread != self.unread:
            self.unread, self.unread_since = unread, now
        return self.unread_since

    def end(self) -> None:
        """At once, whatever the peer has not read yet."""
        self._house.leave(self)
        transport = self.transport
        self.force_close()
        if transport is None:
            return
        if transport.get_write_buffer_size():
            # Or the kernel would keep for minutes what it holds for a peer that takes nothing.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()

    def log_exception(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # aiohttp's own
        """A traceback for a fault of ours; what is no HTTP at all is only refused."""
        if isinstance(kwargs.get("exc_info"), HttpProcessingError):
            log.debug("request.not_http", remote=str(self.peername))
        else:
            super().log_exception(*args, **kwargs)


class _Server(web.Server):
    def __init__(self, answer: Answer, house: _House, **kwargs: Any) -> None:  # noqa: ANN401  # aiohttp's own
        super().__init__(answer, **kwargs)
        self._house = house

    def __call__(self) -> _Connection:
        return _Connection(self._house, self, loop=self._loop, **self._kwargs)


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

    ``header_timeout`` in seconds; a peer that takes nothing of an answer gets as long. At its end no
    new request is taken, and those that were received are answered first. Raises `OSError` when the
    port cannot be had.
    """
    loop = asyncio.get_running_loop()
    house = _House(max_connections)

    async def timed(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, _Connection)
        connection.serve(request)
        try:
            response = await answer(request)
        except (ConnectionError, RuntimeError) as e:  # aiohttp raises both when a body breaks off
            if connection.transport is not None:
                raise
            e.__traceback__ = None  # it holds the request, which holds it: a crowd of them is megabytes
            return web.Response(status=400)  # the peer has hung up: nobody will read this
        else:
            connection.known = response.status < _GOOD
            return response
        finally:
            connection.served()

    server = _Server(timed, house, access_log=None, auto_decompress=False, lingering_time=_LINGER)

    def door() -> asyncio.BaseProtocol:
        return server() if house.has_room() else _Turned()

    def sweep() -> None:
        now = loop.time()
        overdue = now - header_timeout
        for one in tuple(house.inside):
            dripping = one.waits_since is not None and one.waits_since < overdue
            if dripping or one.takes_nothing_since(now) < overdue:
                one.end()
        next_sweep[:] = [loop.call_later(_SWEEP, sweep)]

    listener = await loop.create_server(door, host, port, backlog=_AT_ONCE)
    for one in listener.sockets:
        with socket.fromfd(one.fileno(), one.family, one.type) as waiting:
            waiting.listen(_BACKLOG)  # asyncio takes as many at once as it lets wait
    next_sweep = [loop.call_later(_SWEEP, sweep)]
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        next_sweep[0].cancel()
        listener.close()
        server.pre_shutdown()  # idle connections end now, the others after their answer
        await server.shutdown(_GRACE)
