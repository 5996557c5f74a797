"""How long messages take, and how much of it is this harness's own: it shares two cores with the rest."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.judge import Sent, key_of
from tests.faults.platform import Platform
from tests.faults.senders import Sender

P99 = 0.25
"""Seconds from the first byte of a good message until the platform has it, for 99 of 100."""

_TICK = 0.01


@dataclass(slots=True)
class Resident(Sender):
    """Keeps its connection; remembers in ``written`` when each message was, by its key."""

    written: dict[str, float] = field(default_factory=dict)

    def compose(self, key: str, number: int) -> tuple[str, list[Sent]]:
        self.written[key] = time.monotonic()
        return Sender.compose(self, key, number)


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from a message's first byte until the platform took it."""

    count: int
    p50: float
    p99: float
    longest: float

    def __str__(self) -> str:
        return (
            f"p50 {self.p50 * 1000:.0f}, p99 {self.p99 * 1000:.0f}, "
            f"max {self.longest * 1000:.0f} ms of {self.count}"
        )


def latency(
    written: Mapping[str, float], platform: Platform, *, since: float = 0.0, until: float = math.inf
) -> Latency:
    """Of the messages that were written between two moments; those that never arrived are endless."""
    arrived: dict[str, float] = {}
    for post in platform.posts:
        arrived.setdefault(key_of(post.text), post.at)
    took = sorted(arrived.get(key, math.inf) - at for key, at in written.items() if since <= at < until)
    if not took:
        return Latency(0, math.inf, math.inf, math.inf)
    return Latency(len(took), took[len(took) // 2], took[len(took) * 99 // 100], took[-1])


@dataclass(slots=True)
class Lag:
    """Seconds by which this process, on the same machine, woke up late, once in every 10 ms."""

    late: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        return sorted(self.late)[len(self.late) * 99 // 100] if self.late else 0.0

    def __str__(self) -> str:
        return f"the harness itself was late by p99 {self.p99 * 1000:.0f} ms"


@asynccontextmanager
async def own_lag() -> AsyncIterator[Lag]:
    """What it is during the block."""
    lag = Lag()

    async def watch() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(_TICK)
            lag.late.append(time.monotonic() - began - _TICK)

    watching = asyncio.create_task(watch())
    try:
        yield lag
    finally:
        watching.cancel()


def too_slow(meanwhile: Latency, before: Latency, lag: Lag) -> Iterator[str]:
    """A complaint, if it was not the harness that was slow."""
    if meanwhile.p99 > P99 + lag.p99:
        yield f"good messages noticed: {meanwhile}, before it {before}; {lag}"
