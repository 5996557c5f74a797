"""
The one thread that writes: takes whatever has gathered, makes it one transaction, answers at once.

The loop's side appends to a list and hands it over once per turn of the loop (at once, after some
quiet), so groups form by themselves; while one is being committed, the next gathers. A group is
answered by one call back into the loop. What fails by its own fault fails alone; what fails by the
storage's fault ends the journal.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bridge.clock import Clock
from bridge.errors import JournalBroken, JournalError, JournalFull
from bridge.journal.blackbox import BlackBox
from bridge.journal.checkpoints import Checkpoints
from bridge.journal.gauge import Gauge
from bridge.journal.store import Accepting, Settling, Store

LATER = 0.02
"""Seconds that work which nobody waits for may gather."""

_QUIET = 0.01
"""Seconds without any work after which the next is alone, and need not wait for others of its turn."""

_RETRY_FULL = 1.0

# Errors of SQLite that say something of the statement or its values, not of the storage.
_OWN_FAULT = {"ERROR", "CONSTRAINT", "MISMATCH", "RANGE", "TOOBIG", "MISUSE", ""}
_NO_ROOM = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}


@dataclass(frozen=True, slots=True)
class Asking:
    """
    Anything that is not worth grouping; runs inside the group's transaction. What is not ``owed``
    fails on a full disk instead of waiting for room. What says that we ``posted`` something comes before
    anything is accepted, for that may be its echo.
    """

    work: Callable[[sqlite3.Connection], Any]
    owed: bool = True
    posted: bool = False


Work = Accepting | Settling | Asking


@dataclass(slots=True)
class Order:
    """Work, who waits for it, and what is to be called with its result once it is committed."""

    work: Work
    future: asyncio.Future[Any] | None
    then: Callable[[Any], None] | None
    result: Any = None
    error: Exception | None = None


class _DiskFull(Exception):  # a signal within this file
    pass


class Writer:
    """``broken`` is empty until the storage fails, then says why for ever; ``commits`` counts."""

    def __init__(
        self, store: Store, gauge: Gauge, box: BlackBox, clock: Clock, resources: ExitStack
    ) -> None:
        """``resources`` are closed by the thread when it ends: nobody else knows when that is."""
        self._store = store
        self._checkpoints = Checkpoints(store.db)
        self._gauge = gauge
        self._box = box
        self._clock = clock
        self._resources = resources
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Order] = []
        self._handed: queue.SimpleQueue[list[Order] | None] = queue.SimpleQueue()
        self._deferred: list[Order] = []
        self._handed_at = float("-inf")
        self._soon = False
        self._later: asyncio.TimerHandle | None = None
        self._stopped = self._loop.create_future()
        self._closing = False
        self.broken = ""
        self.commits = 0
        threading.Thread(target=self._run, name="journal", daemon=True).start()

    # --- on the loop ------------------------------------------------------------------------------

    def submit(self, work: Work, then: Callable[[Any], None] | None = None) -> asyncio.Future[Any]:
        """
        The answer to ``work``, once it is committed; ``then`` is called with it before. Raises
        `JournalBroken`.
        """
        if self.broken or self._closing:
            raise JournalBroken(self.broken or "the journal is closed")
        future = self._loop.create_future()
        self._gathered.append(Order(work, future, then))
        if self._loop.time() - self._handed_at > _QUIET:
            self._hand_over()
        elif not self._soon:
            self._soon = True
            self._loop.call_soon(self._hand_over)
        return future

    def submit_later(self, work: Work, then: Callable[[Any], None]) -> None:
        """
        As `submit`, for what nobody waits for: with the next group, or after `LATER` seconds. Only a
        success is told of.
        """
        if self.broken or self._closing:
            raise JournalBroken(self.broken or "the journal is closed")
        if not self._soon and self._later is None:
            self._later = self._loop.call_later(LATER, self._hand_over)
        self._gathered.append(Order(work, None, then))

    @property
    def has_gathered(self) -> bool:
        """Something was submitted that the thread has not been given yet."""
        return bool(self._gathered)

    async def close(self) -> None:
        """Commit what was submitted, then end the thread."""
        self._closing = True
        if self._gathered:
            self._hand_over()
        self._handed.put(None)
        await asyncio.shield(self._stopped)

    def _hand_over(self) -> None:
        self._soon = False
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._gathered:
            self._handed_at = self._loop.time()
            self._handed.put(self._gathered)
            self._gathered = []

    def _answer(self, orders: list[Order]) -> None:
        for order in orders:
            if order.then is not None and order.error is None:
                try:
                    order.then(order.result)
                except Exception as e:  # noqa: BLE001 # whoever asked must hear of it, and the others too
                    order.error = e
                    if order.future is None or order.future.done():
                        told = {"message": "committed, but not passed on", "exception": e}
                        self._loop.call_exception_handler(told)
            future = order.future
            if future is None or future.done():  # nobody asked, or was cancelled; the work stays done
                continue
            if order.error is not None:
                future.set_exception(order.error)
            else:
                future.set_result(order.result)

    # --- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        last = False
        while not last:
            handed, last = self._take()
            orders, self._deferred = self._deferred + handed, []
            try:
                self._turn(orders)
            except Exception as e:  # noqa: BLE001 # whatever it is, those who wait must hear of it
                self._break(f"the journal's thread failed: {e!r}")
                self._fail(orders, JournalBroken(self.broken))
        self._fail(self._deferred, JournalFull("the disk was full until the end"))
        try:
            self._resources.close()
        except Exception as e:  # noqa: BLE001 # what was promised is on disk; the end must come
            self._break(f"the journal could not be closed: {e!r}")
        self._call(self._stopped.set_result, None)

    def _turn(self, orders: list[Order]) -> None:
        if self.broken:
            self._fail(orders, JournalBroken(self.broken))
        elif orders:
            self._group(orders)

    def _take(self) -> tuple[list[Order], bool]:
        """Everything that was handed over, waiting for it if nothing else is to be done."""
        try:
            orders = self._handed.get(timeout=_RETRY_FULL if self._deferred else None)
        except queue.Empty:
            return [], False
        gathered: list[Order] = []
        while orders is not None:
            gathered += orders
            if self._handed.empty():  # there is no other who takes
                return gathered, False
            orders = self._handed.get()
        return gathered, True

    def _group(self, orders: list[Order]) -> None:
        try:
            self._transaction(orders)
        except _DiskFull:
            self._without_room(orders)
        except sqlite3.Error as e:
            if _is_own_fault(e):
                self._one_by_one(orders, e)
            else:
                self._storage_failed(e)
                self._fail(orders, JournalBroken(self.broken))
        except Exception as e:  # noqa: BLE001 # a value that cannot be written, or a bug: of one order
            self._one_by_one(orders, e)
        else:
            # Before anybody hears of it: who was accepted last must see that the journal is full.
            self._gauge.read(self._store.rows, self._store.bytes, self._clock.monotonic())
            self._call(self._answer, orders)
            if self._checkpoints.is_due:
                self._checkpoint()

    def _checkpoint(self) -> None:
        """Everybody is answered. Without room it waits for some: what is in the log is safe there."""
        try:
            self._checkpoints.copy()
        except sqlite3.Error as e:
            if _name(e) in _NO_ROOM:
                self._gauge.disk_is_full()
            else:
                self._storage_failed(e)

    def _transaction(self, orders: list[Order]) -> None:
        """All of it, or nothing."""
        store, db = self._store, self._store.db
        accepting = [(o, work) for o in orders if isinstance(work := o.work, Accepting)]
        settling = [o.work for o in orders if type(o.work) is Settling]
        asking = [(o, work) for o in orders if isinstance(work := o.work, Asking)]
        now = self._clock.now().timestamp()
        try:
            db.execute("BEGIN IMMEDIATE")
            if settling:  # first, so that what we posted is known when it comes back at once
                store.settle(settling, now)
            for order, asked in asking:
                if asked.posted:
                    order.result = asked.work(db)
            if accepting:
                store.accept([work for _, work in accepting], now)
            for order, asked in asking:
                if not asked.posted:
                    order.result = asked.work(db)
            store.finish()
            db.execute("COMMIT")
        except BaseException as e:
            self._roll_back()
            if isinstance(e, sqlite3.Error) and _name(e) in _NO_ROOM:
                raise _DiskFull from e
            raise
        store.commit()
        self._checkpoints.committed(sum(len(work.encoded.body) for _, work in accepting))
        self._box.committed(store.last)
        self.commits += 1
        for order, work in accepting:
            order.result = work.result

    def _roll_back(self) -> None:
        db = self._store.db
        with contextlib.suppress(sqlite3.Error):  # the first error is the one to be told
            if db.in_transaction:
                db.execute("ROLLBACK")
            self._store.forget()

    def _one_by_one(self, orders: list[Order], error: Exception) -> None:
        """One of them cannot be written: find out which, and let the others pass."""
        if len(orders) > 1:
            self._singly(orders)
            return
        failure = JournalError(f"cannot be written: {error!r}")
        failure.__cause__ = error
        self._fail(orders, failure)

    def _singly(self, orders: list[Order]) -> None:
        for order in orders:
            if self.broken:
                self._fail([order], JournalBroken(self.broken))
            else:
                self._group([order])

    def _without_room(self, orders: list[Order]) -> None:
        """
        On a full disk nothing is accepted, but what has ended is written down, if later. There is
        no end to that patience: a daemon that gave up could not even be started again.
        """
        self._gauge.disk_is_full()
        refused = [o for o in orders if not _is_owed(o.work)]
        owed = [o for o in orders if _is_owed(o.work)]
        self._fail(refused, JournalFull("the disk is full"))
        if len(orders) > 1:  # some of them may need less room, or none
            self._singly(owed)
        else:
            self._deferred += owed

    def _storage_failed(self, error: sqlite3.Error) -> None:
        self._break(f"the storage failed: {error}{_way_out(error)}")

    def _break(self, why: str) -> None:
        self.broken = self.broken or why

    def _fail(self, orders: list[Order], error: Exception) -> None:
        for order in orders:
            order.error = error
        if orders:
            self._call(self._answer, orders)

    def _call(self, function: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, *args)


def _way_out(error: sqlite3.Error) -> str:
    if _name(error) in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        return ": stop, keep a copy, then 'msgbridge journal salvage FROM TO' saves what is intact"
    return ": look at the disk (dmesg)"


def _is_owed(work: Work) -> bool:
    return type(work) is Settling or (type(work) is Asking and work.owed)


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or ""


def _is_own_fault(error: sqlite3.Error) -> bool:
    return _name(error).removeprefix("SQLITE_").split("_")[0] in _OWN_FAULT
