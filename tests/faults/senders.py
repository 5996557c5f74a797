"""People who write, each in a group of their own, one message after the other."""

import asyncio
import time
from dataclasses import dataclass, field

from bench.callbacks import Callback, destination, signature, source
from bench.wire import Framed, status_of
from tests.faults.judge import Sent, key_of

_ANSWER_WITHIN = 10.0
_TRIES_AGAIN_AFTER = 0.05
WORDS = '你好, "quoted" \\ back\\nslash, 👩\u200d🚀 & <b>1 < 2</b>\nsecond line, done'


class _Line(Framed):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._answer: asyncio.Future[int] | None = None

    async def post(self, request: bytes) -> int:
        """The status of the answer. Raises `OSError` when the connection breaks before it."""
        self._answer = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            raise ConnectionResetError("closed meanwhile")
        self.transport.write(request)
        return await self._answer

    def message_received(self, head: bytes, body: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status_of(head))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("closed without an answer"))


@dataclass(slots=True)
class Sender:
    """
    Writes to source group ``number``; everything goes into ``ledger`` before its first byte leaves.

    ``stubborn`` senders repeat an unanswered request with the same message id, as a platform would;
    the others go on with the next message. ``pause`` in seconds between two messages.
    """

    number: int
    port: int
    ledger: dict[str, Sent]
    stubborn: bool = False
    pause: float = 0.02
    refusals: int = 0
    _next: int = 0
    _line: _Line | None = field(default=None)

    async def write(self, stop: asyncio.Event, *, count: int = 1_000_000) -> None:
        """Up to ``count`` messages, until ``stop``."""
        try:
            for _ in range(count):
                if stop.is_set():
                    return
                await self._send(stop)
                await asyncio.sleep(self.pause)
        finally:
            self._hang_up()

    def compose(self, key: str, number: int) -> tuple[str, list[Sent]]:
        """A text, and all that must arrive once it is answered 200."""
        text = f"{key} {WORDS}"
        return text, [Sent(destination(self.number), number, text)]

    async def _send(self, stop: asyncio.Event) -> None:
        key = f"s{self.number:02d}-{self._next:06d}"
        text, promised = self.compose(key, self._next)
        self._next += 1
        self.ledger.update((key_of(sent.text), sent) for sent in promised)
        answered = False
        while not (answered or stop.is_set()):
            written = False
            try:
                async with asyncio.timeout(_ANSWER_WITHIN):
                    line = await self._connected()
                    written = True
                    callback = Callback(source(self.number), f"msg{key}==", text)
                    signed = signature(time.time_ns() // 1_000_000)
                    status = await line.post(callback.on_the_wire(self.port, signed))
            except (OSError, TimeoutError):
                self._hang_up()
                if written and not self.stubborn:
                    return
                await asyncio.sleep(_TRIES_AGAIN_AFTER)
                continue
            if status == 200:
                answered = True
                for sent in promised:
                    sent.answered = True
            else:
                self.refusals += 1
                await asyncio.sleep(0.05)

    async def _connected(self) -> _Line:
        if self._line is None:
            loop = asyncio.get_running_loop()
            _, self._line = await loop.create_connection(_Line, "127.0.0.1", self.port)
        return self._line

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.transport.close()
            self._line = None
