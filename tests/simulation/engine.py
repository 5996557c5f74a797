"""The machine of a simulation: an event loop, a clock and a disk where nothing depends on real time."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.journal import Capacity, Retention
from bridge.journal.gauge import Gauge
from bridge.journal.opening import open_files
from bridge.journal.sqlite import SqliteJournal
from bridge.journal.store import Settling
from bridge.journal.writer import Order, Writer
from bridge.model import DeliveryId, Status
from tests.clock import NOON, VirtualLoop

_FILES = ("journal.db", "journal.db-wal", "journal.db.mark", "journal.db.sent")
_MAPPED = frozenset({"journal.db.mark", "journal.db.sent"})
"""Memory that outlives the process, but not a power cut."""

_TELLS = 0.003
"""Seconds from a commit until whoever waits is told, at most; the answers keep their order."""
_STALLS = 0.01
"""How likely a commit takes long."""


class SimulatedLoop(VirtualLoop):
    """What would run in a thread runs at once: threads keep no virtual time."""

    def run_in_executor(self, _executor: Any, work: Callable[..., Any], *args: Any) -> Any:
        future = self.create_future()
        try:
            future.set_result(work(*args))
        except Exception as e:  # noqa: BLE001 # it belongs to whoever waits
            future.set_exception(e)
        return future


class SteppingClock:
    """A `Clock` of one loop; ``step`` moves the wall clock alone."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._start = NOON
        self.stepped = 0.0
        """Seconds that the wall clock is ahead."""

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time() + self.stepped)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def step(self, seconds: float) -> None:
        self.stepped += seconds


class SlowDisk(Writer):
    """
    The journal's writer without its thread: a group is written when the disk before it is done, and
    answered a moment later, both by a seeded `random.Random`. A crash may fall between all of them.
    """

    def __init__(self, *parts: Any, chance: random.Random) -> None:
        self._chance = chance
        self._next: list[Order] = []
        self._busy = False
        self._cut = False
        self._told = 0.0
        super().__init__(*parts)

    def cut(self) -> frozenset[DeliveryId]:
        """The process dies: nothing is written any more. What was sent, but only marked so far."""
        self._cut = True
        self.broken = "the process died"
        return frozenset(
            order.work.delivery.id
            for order in (*self._next, *self._gathered)
            if isinstance(order.work, Settling) and order.work.outcome.status is Status.SENT
        )

    async def close(self) -> None:
        self._closing = True
        self._hand_over()
        while not self._cut and (self._busy or self._next):
            await asyncio.sleep(0.01)
        self._resources.close()

    def _run(self) -> None:
        """No thread."""

    def _hand_over(self) -> None:
        self._soon = False
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._next += self._gathered
        self._gathered = []
        if self._next and not self._busy:
            self._busy = True
            self._loop.call_later(self._takes(), self._write)

    def _write(self) -> None:
        if self._cut:
            return
        orders, self._next = self._next, []
        self._turn(orders)
        self._busy = False
        self._hand_over()

    def _takes(self) -> float:
        """Seconds of one commit; now and then the disk has better things to do."""
        stalls = self._chance.random() < _STALLS
        return self._chance.uniform(0.2, 2.0) if stalls else self._chance.uniform(0.001, 0.004)

    def _call(self, function: Callable[..., object], *args: object) -> None:
        if not self._cut:
            self._told = max(self._told, self._loop.time() + self._chance.uniform(0.0, _TELLS))
            self._loop.call_at(self._told, function, *args)


class Disk:
    """Where the journal lies: a folder for each life, as the life before left it."""

    def __init__(self, root: Path, clock: SteppingClock, capacity: Capacity, seed: str) -> None:
        self._root = root
        self._clock = clock
        self._capacity = capacity
        self._seed = seed
        self._life = 0
        self.writer: SlowDisk | None = None

    @property
    def folder(self) -> Path:
        return self._root / str(self._life)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[SqliteJournal]:
        """The journal, closed in good order at the end unless the process has died."""
        path = self.folder / "journal.db"
        chance = random.Random(f"{self._seed} disk {self._life}")
        with ExitStack() as stack:
            opened = open_files(path, self._clock.now().timestamp(), stack)
            gauge = Gauge(path, self._capacity)
            gauge.read(opened.store.rows, opened.store.bytes, self._clock.monotonic())
            self.writer = SlowDisk(
                opened.store, gauge, opened.box, self._clock, stack.pop_all(), chance=chance
            )
        journal = SqliteJournal(path, opened, self.writer, gauge, self._clock, Retention())
        try:
            yield journal
        finally:
            await journal.close()

    def crash(self, *, power_cut: bool) -> frozenset[DeliveryId]:
        """
        The process dies now; the next life finds the files as they are at this moment. A power cut
        takes the marks with it that are not in SQLite yet: the answer is whose.
        """
        assert self.writer is not None
        marked = self.writer.cut()
        before = self.folder
        self._life += 1
        self.folder.mkdir()
        for name in _FILES:
            if not (power_cut and name in _MAPPED):
                shutil.copyfile(before / name, self.folder / name)
        return marked if power_cut else frozenset()
