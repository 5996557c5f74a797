"""Time for tests: set by hand, or virtual, where a whole day of waiting takes no time at all."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""When every test clock starts."""

WEEK = 7 * 86400.0


class FakeClock:
    """A clock that stands still until a test moves it; ``sleep`` moves it at once."""

    def __init__(self, now: datetime = NOON, *, monotonic: float = 0.0) -> None:
        self.wall = now
        self.running = monotonic
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.running

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Time passes, on both clocks."""
        self.wall += timedelta(seconds=seconds)
        self.running += seconds


class _Jump(selectors.DefaultSelector):
    """Instead of waiting it moves the time on to the next timer."""

    def __init__(self, horizon: float) -> None:
        super().__init__()
        self.now = 0.0
        self._horizon = horizon

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("deadlock: every task waits, and nothing is scheduled")
        self.now += max(timeout, 0.0)
        if self.now > self._horizon:
            raise AssertionError(f"still waiting after {self._horizon:.0f} virtual seconds")
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps. Not for sockets, processes or threads: those take real time."""

    def __init__(self, horizon: float = WEEK) -> None:
        self._jump = _Jump(horizon)
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


class VirtualClock:
    """A `Clock` bound to the running loop's time; ``step`` moves the wall clock alone."""

    def __init__(self, start: datetime = NOON) -> None:
        self._start = start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def step(self, seconds: float) -> None:
        """Somebody set the machine's clock."""
        self._start += timedelta(seconds=seconds)


def run_virtual(scenario: Coroutine[Any, Any, T], *, horizon: float = WEEK) -> T:
    """
    Run ``scenario`` in virtual time.

    Raises AssertionError where every task waits for something that nobody will do, also when a
    periodic task would keep the loop turning: after ``horizon`` virtual seconds.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(horizon)) as runner:
        return runner.run(scenario)
