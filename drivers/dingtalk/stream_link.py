"""One WebSocket of Stream mode: texts in and out, and the end noticed whatever way it comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp import WSMsgType

from .reconnecting import Ended
from .stream_frames import MAX_FRAME

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from bridge.driver import Toolbox

    from .stream_frames import Ticket

MAX_AT_ONCE = 256
"""Messages of one connection that may wait for the journal together: it commits them as a group."""
QUIET = 8.0
"""Seconds without a frame after which we ping."""
_DEAF = 3
"""Quiet times in a row without even a pong: the connection is dead, 24 s after it last spoke."""
LINGER = 10.0
"""Seconds that the gateway still may send on a connection that it wants to close."""
_OPEN_WITHIN = 10.0
_SEND_WITHIN = 10.0
_CLOSE_WITHIN = 2.0
_SHOW_EVERY = 1.0


class Link:
    """Made by `open`. One task receives, any may send."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, toolbox: Toolbox, quiet: float) -> None:
        self.room = asyncio.Semaphore(MAX_AT_ONCE)
        self._socket = socket
        self._toolbox = toolbox
        self._quiet = quiet
        self._leave_by: float | None = None
        self._shown = 0.0
        self._useless: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, ticket: Ticket, toolbox: Toolbox, *, quiet: float = QUIET) -> Self:
        """Raises `aiohttp.ClientError` or TimeoutError. ``quiet`` as `QUIET`."""
        async with asyncio.timeout(_OPEN_WITHIN):
            socket = await toolbox.http.ws_connect(
                ticket.url,
                autoping=False,
                max_msg_size=MAX_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_WITHIN),
            )
        return cls(socket, toolbox, quiet)

    async def useless(self) -> Ended:
        """Wait until another connection is needed, and say why."""
        return await asyncio.shield(self._useless)

    def leave(self) -> None:
        """The gateway asked for it: what is on its way is still read, for `LINGER` seconds."""
        if self._leave_by is None:
            self._leave_by = self._toolbox.clock.monotonic() + LINGER
            self._end(Ended.LEAVE)

    async def receive(self) -> str | None:
        """The next text, or None at the end."""
        unheard = 0
        while True:
            left = self._quiet
            if self._leave_by is not None:
                left = min(left, self._leave_by - self._toolbox.clock.monotonic())
                if left <= 0:
                    return None
            try:
                message = await self._socket.receive(timeout=left)
            except TimeoutError:
                unheard += 1
                if unheard >= _DEAF:
                    self._end(Ended.SILENT)
                    return None
                await self._say(self._socket.ping())
                continue
            unheard = 0
            self._heard()
            if message.type is WSMsgType.TEXT:
                text: str = message.data
                return text
            if not await self._meet(message):
                return None

    async def _meet(self, message: aiohttp.WSMessage) -> bool:
        """What is no text; whether there may be more."""
        match message.type:
            case WSMsgType.PING:
                await self._say(self._socket.pong(message.data))
            case WSMsgType.PONG:
                pass
            case WSMsgType.BINARY:
                self._toolbox.report("stream_bad_frame")
            case WSMsgType.CLOSE:
                self._end(Ended.CLOSED)
                return False
            case _:
                too_big = getattr(message.data, "code", None) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
                self._end(Ended.TOO_BIG if too_big else Ended.LOST)
                return False
        return True

    async def send(self, text: str) -> None:
        """Never raises for a connection that is gone: the platform will send the message again."""
        if not await self._say(self._socket.send_str(text)):
            self._toolbox.report("stream_ack_lost")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(Ended.LOST)
        await self._say(self._socket.close())

    def _end(self, why: Ended) -> None:
        if not self._useless.done():
            self._useless.set_result(why)

    def _heard(self) -> None:
        now = self._toolbox.clock.now().timestamp()
        if now - self._shown >= _SHOW_EVERY:
            self._toolbox.show("stream_last_frame", now)
            self._shown = now

    async def _say(self, sending: Awaitable[object]) -> bool:
        """Whether it went out. A peer that reads nothing would hold up whoever writes to it."""
        try:
            async with asyncio.timeout(_SEND_WITHIN):
                await sending
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return False
        return True
