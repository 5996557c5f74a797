"""A bad line between the daemon and a platform: a TCP proxy whose trouble can change while it runs."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

_RESET = struct.pack("ii", 1, 0)
_QUEUED = 4
_AFTER = 0.3


class Trouble(StrEnum):
    """What is wrong with the line."""

    NONE = "nothing"
    REFUSES = "refuses connections"
    BLACKHOLE = "swallows every packet"
    HANGS = "accepts and says nothing"
    RESETS = "resets after the request"
    HALVES = "cuts every answer in half"
    DELAYS = "is late by 0.3 s"


class Chaos:
    """``target`` is a port of 127.0.0.1; ``halved`` counts the answers that were cut."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.trouble = Trouble.NONE
        self.halved = 0
        self.nears: set[Near] = set()
        self._server: asyncio.Server | None = None
        self._packed: list[socket.socket] = []

    async def become(self, trouble: Trouble, *, target: int | None = None) -> None:
        """From now on; who is connected is cut off, except by a black hole, which tells nobody."""
        self.trouble = trouble
        self.target = target or self.target
        if trouble is not Trouble.BLACKHOLE:
            self.hang_up()
        self._close()
        if trouble is Trouble.BLACKHOLE:
            self._pack()
        elif trouble is not Trouble.REFUSES:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Near(self), "127.0.0.1", self.port)

    def hang_up(self) -> None:
        for near in list(self.nears):
            near.transport.abort()

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        while self._packed:
            self._packed.pop().close()

    def _pack(self) -> None:
        """A listener that accepts nobody, and as many in front of it as its queue holds."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(0)
        self._packed.append(listener)
        for _ in range(_QUEUED):
            waiting = socket.socket()
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", self.port))
            self._packed.append(waiting)


class Near(asyncio.Protocol):
    """The daemon's side of one connection; dials the platform when the first bytes come."""

    transport: asyncio.Transport

    def __init__(self, chaos: Chaos) -> None:
        self.chaos = chaos
        self._far: Far | None = None
        self._waiting = b""
        self._dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.chaos.nears.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.chaos.nears.discard(self)
        if self._far is not None:
            self._far.transport.abort()

    def data_received(self, data: bytes) -> None:
        match self.chaos.trouble:
            case Trouble.HANGS | Trouble.BLACKHOLE:
                return
            case Trouble.RESETS:
                line: socket.socket = self.transport.get_extra_info("socket")
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                self.transport.abort()
                return
        if self._far is not None:
            self._far.transport.write(data)
            return
        self._waiting += data
        if self._dialling is None:
            self._dialling = asyncio.get_running_loop().create_task(self._dial())

    def answered(self, data: bytes) -> None:
        """Bytes of the platform's answer."""
        match self.chaos.trouble:
            case Trouble.BLACKHOLE:
                return
            case Trouble.HALVES:
                self.chaos.halved += 1
                self.transport.write(data[: len(data) // 2])
                self.transport.close()
            case Trouble.DELAYS:
                asyncio.get_running_loop().call_later(_AFTER, self.transport.write, data)
            case _:
                self.transport.write(data)

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self._far = await loop.create_connection(lambda: Far(self), "127.0.0.1", self.chaos.target)
        except OSError:
            self.transport.abort()
            return
        self._far.transport.write(self._waiting)


class Far(asyncio.Protocol):
    """The platform's side."""

    transport: asyncio.Transport

    def __init__(self, near: Near) -> None:
        self._near = near

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._near.transport.is_closing():
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._near.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._near.transport.close()


@asynccontextmanager
async def chaos(port: int, target: int) -> AsyncIterator[Chaos]:
    """A good line until told otherwise, closed at the end of the block."""
    line = Chaos(port, target)
    await line.become(Trouble.NONE)
    try:
        yield line
    finally:
        await line.become(Trouble.REFUSES)
