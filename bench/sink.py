"""
The far end: plays DingTalk's API and remembers what arrived when.

While a run lasts it only counts; `Arrivals` judges afterwards, so that the judging costs the run
nothing.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.callbacks import destination
from bench.wire import Framed, answer

TOKEN = b"/v1.0/oauth2/accessToken"
SEND = b"/v1.0/robot/groupMessages/send"
_TOKEN_ANSWER = answer(200, b'{"accessToken":"bench-token","expireIn":7200}')
_SENT_ANSWER = answer(200, b'{"processQueryKey":"bench12345678"}').replace(b"12345678", b"%08d")
_NUMBERS = re.compile("([0-9]{6}) ([0-9]{3}) ([0-9]{7}) build passed, 构建通过$")


@dataclass(slots=True)
class Sink:
    """Every POST that arrived: when (monotonic seconds) and its body."""

    port: int = 0
    times: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    wanted: int = 0
    total: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, count: int) -> None:
        """Forget what came, and wake `wait` after ``count`` more."""
        self.times.clear()
        self.bodies.clear()
        self.wanted = count
        self.arrived.clear()

    async def wait(self, seconds: float) -> None:
        """Until all expected have arrived. Raises `TimeoutError` with the count that is missing."""
        try:
            async with asyncio.timeout(seconds):
                await self.arrived.wait()
        except TimeoutError:
            got = len(self.times)
            raise TimeoutError(
                f"{got} of {self.wanted} messages arrived within {seconds:.0f} s"
            ) from None


class _Call(Framed):
    def __init__(self, sink: Sink, answer_after: float) -> None:
        super().__init__()
        self._sink = sink
        self._answer_after = answer_after

    def message_received(self, head: bytes, body: bytes) -> None:
        if TOKEN in head:
            self.transport.write(_TOKEN_ANSWER)
            return
        sink = self._sink
        sink.times.append(time.monotonic())
        sink.bodies.append(body)
        sink.total += 1
        answer = _SENT_ANSWER % sink.total
        if self._answer_after:
            asyncio.get_running_loop().call_later(self._answer_after, self.transport.write, answer)
        else:
            self.transport.write(answer)
        if len(sink.bodies) == sink.wanted:
            sink.arrived.set()


@asynccontextmanager
async def open_sink(port: int, *, answer_after: float = 0.0) -> AsyncIterator[Sink]:
    """A sink on 127.0.0.1, that takes its time (seconds) to answer a post."""
    sink = Sink(port)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Call(sink, answer_after), "127.0.0.1", port, backlog=1024)
    try:
        yield sink
    finally:
        server.close()


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What was wrong with a burst, counted."""

    missing: int
    doubled: int
    strange: int
    disordered: int

    @property
    def right(self) -> bool:
        return not (self.missing or self.doubled or self.strange or self.disordered)


def judge(bodies: Sequence[bytes], count: int) -> Arrivals:
    """Every one of ``count`` messages once, unaltered, in its own conversation, in order."""
    seen: Counter[int] = Counter()
    last: dict[tuple[str, str], int] = {}
    strange = disordered = 0
    for body in bodies:
        sent = json.loads(body)
        found = _NUMBERS.search(json.loads(sent["msgParam"])["content"])
        if not found or sent["openConversationId"] != destination(int(found[1])):
            strange += 1
            continue
        number = int(found[3])
        line = (found[1], found[2])
        if not seen[number]:
            disordered += number < last.get(line, -1)
            last[line] = number
        seen[number] += 1
    return Arrivals(
        missing=count - len(seen),
        doubled=sum(seen.values()) - len(seen),
        strange=strange,
        disordered=disordered,
    )
