"""
Rate limits that hold at the server's side (contract clause 17).

A platform counts when it has *received* a message, we know when it has *answered*. So a send may
start no earlier than ``per`` seconds after the *completion* of the send ``count`` places before it:
then no window of ``per`` seconds at the server holds more than ``count``, whatever the network does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.clock import Clock
from bridge.journal import Journal
from bridge.model import RateLimit

_LEAST = 1e-6
"""Seconds of a wait: less may be lost in the rounding of a clock, and the loop would turn for ever."""

_WORTH_JOURNALING = 5.0
"""
Completions inside a window shorter than this (seconds) are not journaled: instead a restart begins
with a full window, as if ``count`` sends had just completed.
"""


class Limiter:
    """One instance's limit, shared by all its lanes; first come, first served."""

    def __init__(self, name: str, limit: RateLimit, journal: Journal, clock: Clock) -> None:
        self._name = name
        self._limit = limit
        self._journal = journal
        self._clock = clock
        self._completions: deque[float] = deque()
        self._in_flight = 0
        self._turn = asyncio.Lock()
        self._completed = asyncio.Event()

    @property
    def _journaled(self) -> bool:
        return self._limit.per >= _WORTH_JOURNALING

    async def load(self) -> None:
        """Take up where the last process ended. Times from disk are clamped: clocks step."""
        now, wall = self._clock.monotonic(), self._clock.now().timestamp()
        if not self._journaled:
            self._completions.extend([now] * self._limit.count)
            return
        for at in await self._journal.rate_history(self._name, wall - self._limit.per):
            age = min(max(wall - at, 0.0), self._limit.per)
            self._completions.append(now - age)

    def change(self, limit: RateLimit) -> None:
        """Another limit from now on; what has completed and what is in flight still counts."""
        self._limit = limit

    @property
    def opens_in(self) -> float:
        """Seconds until the next send may start, as far as completions tell; 0 when it may now."""
        self._forget()
        if len(self._completions) + self._in_flight < self._limit.count or not self._completions:
            return 0.0
        return self._completions[0] + self._limit.per - self._clock.monotonic()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for the right to send, and keep it until the send has completed, in whatever way."""
        async with self._turn:
            await self._wait()
            self._in_flight += 1
        token = 0
        try:
            if self._journaled:
                token = await self._journal.rate_started(self._name, self._clock.now().timestamp())
            yield
        finally:
            self._in_flight -= 1
            self._completions.append(self._clock.monotonic())
            self._completed.set()
            if token:  # without waiting: what the platform has just answered may concern all lanes
                self._journal.rate_completed(self._name, token, self._clock.now().timestamp())

    async def _wait(self) -> None:
        while True:
            self._forget()
            if len(self._completions) + self._in_flight < self._limit.count:
                return
            self._completed.clear()
            if self._completions:
                wait = self._completions[0] + self._limit.per - self._clock.monotonic()
                await self._clock.sleep(max(wait, _LEAST))
            else:
                await self._completed.wait()

    def _forget(self) -> None:
        horizon = self._clock.monotonic() - self._limit.per
        while self._completions and self._completions[0] <= horizon:
            self._completions.popleft()
