"""
Stream mode: messages come over a WebSocket that we open, so no address of ours need be public.

A message is acknowledged when it is durable and never before: what is not acknowledged may come
again, and what was acknowledged never does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from bridge.errors import (
    DeliveryError,
    Indeterminate,
    IngressError,
    JournalBroken,
    JournalError,
    Malformed,
    Transient,
    Unsupported,
)
from bridge.model import Inbound

from . import stream_frames as frames
from .holding import Holding
from .reconnecting import STABLE_AFTER, Ended, wait_before
from .stream_link import QUIET, Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.driver import Emit, Toolbox

    from .stream_frames import Frame, Ticket

_GRACE = 3.0
"""Seconds at the end for what was received to become durable and be acknowledged."""
_LONGEST_PATIENCE = 300.0
_SETTLED = 1.0
_AGENT = "msgbridge"


class Stream:
    """
    The connection of one app. ``read`` turns a ROBOT or EVENT frame into an `Inbound`; it may raise
    an `IngressError`. ``quiet`` as `QUIET`.
    """

    def __init__(
        self,
        app_key: str,
        app_secret: str,
        api_base_url: str,
        toolbox: Toolbox,
        read: Callable[[Frame], Inbound],
        *,
        quiet: float = QUIET,
    ) -> None:
        self.quiet = quiet
        self._open_url = api_base_url + frames.OPEN_PATH
        self._open_body = frames.encode_open(app_key, app_secret, _AGENT)
        self._toolbox = toolbox
        self._read = read

    async def ticket(self) -> Ticket:
        """A place to connect to. Raises a `DeliveryError`; proves the app's key and secret too."""
        toolbox = self._toolbox
        try:
            answer = await toolbox.request(
                "POST", self._open_url, body=self._open_body, headers=frames.OPEN_HEADERS
            )
        except Indeterminate as e:  # a ticket that nobody uses does no harm
            raise Transient(str(e), reason=e.reason) from None
        return frames.decode_open(answer.status, answer.headers, answer.body, now=toolbox.clock.now())

    async def listen(self, emit: Emit) -> None:
        """Until cancelled; raises `JournalBroken`. What was received before the end is finished."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await _Listening(self, self._toolbox, self._read, emit, tasks).run()
        except BaseExceptionGroup as group:
            broken, rest = group.split(JournalBroken)
            if broken is None or rest is not None:
                raise
            raise JournalBroken("the journal broke while a message was taken") from broken


class _Listening:
    """One run of `Stream.listen`: the connections, and the messages between them and the journal."""

    def __init__(
        self,
        stream: Stream,
        toolbox: Toolbox,
        read: Callable[[Frame], Inbound],
        emit: Emit,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._stream = stream
        self._toolbox = toolbox
        self._read = read
        self._tasks = tasks
        self._holding = Holding(emit, toolbox.clock)
        self._reading: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            await self._stay_connected()
        finally:
            for reading in self._reading:
                reading.cancel()
            if self._reading:
                await asyncio.wait(self._reading, timeout=2 * _GRACE)

    async def _stay_connected(self) -> None:
        toolbox, attempt = self._toolbox, 0
        while True:
            asked = 0.0
            link = await self._connect()
            if isinstance(link, Link):
                began = toolbox.clock.monotonic()
                toolbox.show("stream_connected_since", toolbox.clock.now().timestamp())
                reading = self._tasks.create_task(self._follow(link))
                self._reading.add(reading)
                reading.add_done_callback(self._reading.discard)
                ended = await link.useless()
                toolbox.show("stream_connected_since", 0.0)
                lasted = toolbox.clock.monotonic() - began
                attempt = 0 if lasted >= STABLE_AFTER else attempt
                # It still carries messages, and the next connection should stand before it is gone.
                at_once = ended is Ended.LEAVE and attempt == 0 and lasted >= _SETTLED
            else:
                (ended, asked), at_once = link, False
            toolbox.report(f"stream_reconnect_{ended}")
            if not at_once:
                await toolbox.clock.sleep(max(wait_before(attempt, toolbox.random), asked))
            attempt += 1

    async def _connect(self) -> Link | tuple[Ended, float]:
        """A connection; or why there is none, and the seconds that DingTalk asks us to wait."""
        try:
            ticket = await self._stream.ticket()
        except DeliveryError as e:
            ended = Ended.UNREACHABLE if isinstance(e, Transient) else Ended.REFUSED
            return ended, min(e.retry_after or 0.0, _LONGEST_PATIENCE)
        try:
            return await Link.open(ticket, self._toolbox, quiet=self._stream.quiet)
        except aiohttp.WSServerHandshakeError:
            return Ended.REJECTED, 0.0
        except (aiohttp.ClientError, TimeoutError):
            return Ended.UNREACHABLE, 0.0

    async def _follow(self, link: Link) -> None:
        """Read one connection to its end, and close it when what it brought is acknowledged."""
        taking: set[asyncio.Task[None]] = set()
        async with link:
            try:
                while (text := await self._next(link)) is not None:
                    await self._meet(text, link, taking)
            finally:
                if taking:
                    await asyncio.wait(taking, timeout=_GRACE)

    async def _next(self, link: Link) -> str | None:
        await self._holding.over()
        return await link.receive()

    async def _meet(self, text: str, link: Link, taking: set[asyncio.Task[None]]) -> None:
        try:
            frame = frames.parse(text)
        except Malformed:
            self._toolbox.report("stream_bad_frame")
            return
        match frame.kind:
            case frames.Kind.PING:
                await link.send(frames.acknowledgement(frame, frame.data))
            case frames.Kind.LEAVE:
                link.leave()
            case frames.Kind.SYSTEM:
                pass
            case frames.Kind.UNKNOWN:
                self._toolbox.report("stream_unknown_topic")
                await link.send(frames.not_found(frame))
            case _:
                await link.room.acquire()
                # Tasks begin in the order in which they are made, so `emit` is called in the order
                # of arrival.
                task = self._tasks.create_task(self._take(frame, link))
                taking.add(task)
                task.add_done_callback(taking.discard)

    async def _take(self, frame: Frame, link: Link) -> None:
        try:
            if answer := await self._answer(frame):
                await link.send(answer)
        finally:
            link.room.release()

    async def _answer(self, frame: Frame) -> str:
        """What to say of a frame; empty where nothing may be said."""
        try:
            return await self._keep(frame)
        except JournalBroken:
            raise
        except JournalError:
            self._toolbox.report("stream_not_stored")
            later = frame.kind is frames.Kind.EVENT  # the one kind with a word for it
            return frames.acknowledgement(frame, frames.EVENT_LATER) if later else ""
        except Exception as e:  # noqa: BLE001 (a bug that one frame meets must not end all the others)
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a Stream frame could not be taken", "exception": e}
            )
            self._toolbox.report("stream_failed")
            return frames.failed(frame, 500)

    async def _keep(self, frame: Frame) -> str:
        """The acknowledgement, once there is something to acknowledge."""
        try:
            inbound = self._understand(frame)
        except Unsupported as e:
            inbound = Inbound(ignored=e.reason)
        except IngressError as e:
            await self._holding.keep(Inbound(ignored=type(e).__name__.lower()))
            return frames.failed(frame, e.status)
        await self._holding.keep(inbound)
        match frame.kind:
            case frames.Kind.EVENT:
                return frames.acknowledgement(frame, frames.EVENT_TAKEN)
            case frames.Kind.CARD:
                return frames.acknowledgement(frame, frames.CARD_ANSWER)
        return frames.acknowledgement(frame, frames.ROBOT_ANSWER)

    def _understand(self, frame: Frame) -> Inbound:
        if frame.kind is frames.Kind.CARD:
            return Inbound(ignored="card_callback")
        return self._read(frame)
