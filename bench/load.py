"""The near end: posts prebuilt callbacks and insists on HTTP 200."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from bench.wire import Framed, status_of

_ANSWERED_WITHIN = 30.0


class _Sender(Framed):
    """One connection that posts the next callback as soon as the last one is answered."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        super().__init__()
        self._requests = requests
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered: list[float] = []

    def start(self) -> None:
        self._post_next()

    def message_received(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"HTTP/1.1 200"):
            self.answered.append(time.monotonic())
            self._post_next()
        elif not self.done.done():
            self.done.set_exception(RuntimeError(f"the ingress answered {status_of(head)}: {body!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the ingress hung up"))

    def _post_next(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self.transport.write(request)
        elif not self.done.done():
            self.done.set_result(None)


@asynccontextmanager
async def _connected(port: int, shares: Sequence[Iterator[bytes]]) -> AsyncIterator[list[_Sender]]:
    loop = asyncio.get_running_loop()
    senders: list[_Sender] = []
    try:
        for share in shares:
            _, sender = await loop.create_connection(partial(_Sender, share), "127.0.0.1", port)
            senders.append(sender)
        yield senders
    finally:
        for sender in senders:
            sender.done.cancel()
            sender.transport.close()


async def closed_loop(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> float:
    """
    Post all ``requests``, connection c every n-th of them; the monotonic time of the start.

    Raises `TimeoutError` after ``seconds``, `RuntimeError` for any answer but 200.
    """
    shares = [iter(requests[i::connections]) for i in range(connections)]
    async with asyncio.timeout(seconds), _connected(port, shares) as senders:
        started = time.monotonic()
        for sender in senders:
            sender.start()
        for sender in senders:
            await sender.done
    return started


async def open_loop(port: int, requests: Sequence[bytes], *, rate: float) -> list[float]:
    """
    Post ``rate`` requests a second whatever the answers take; the monotonic times before each write.

    The schedule is fixed at the start, so a slow answer makes the next message wait in the figure
    and not in the schedule. Eight connections take turns.
    """
    lanes = 8
    waiting: list[list[bytes]] = [[] for _ in range(lanes)]
    posted: list[float] = []
    loop = asyncio.get_running_loop()
    async with _connected(port, [iter(()) for _ in waiting]) as senders:
        first = loop.time()
        for i, request in enumerate(requests):
            await asyncio.sleep(first + i / rate - loop.time())
            posted.append(time.monotonic())
            senders[i % lanes].transport.write(request)
        await asyncio.sleep(0.2)
        for sender in senders:
            if sender.done.done():
                sender.done.result()
    return posted


async def answer_times(port: int, requests: Sequence[bytes], *, rate: float) -> list[float]:
    """
    Post ``rate`` requests a second; milliseconds from each write to its answer, by connection.

    Thirty-two connections take turns, so one that still waits for an answer holds up no other.
    """
    lanes = 32
    posted: list[list[float]] = [[] for _ in range(lanes)]
    loop = asyncio.get_running_loop()
    async with _connected(port, [iter(()) for _ in range(lanes)]) as senders:
        first = loop.time()
        for i, request in enumerate(requests):
            await asyncio.sleep(first + i / rate - loop.time())
            posted[i % lanes].append(time.monotonic())
            senders[i % lanes].transport.write(request)
        async with asyncio.timeout(_ANSWERED_WITHIN):
            while sum(len(sender.answered) for sender in senders) < len(requests):
                await asyncio.sleep(0.01)
    return [
        1e3 * (there - here)
        for sender, times in zip(senders, posted, strict=True)
        for here, there in zip(times, sender.answered, strict=True)
    ]
