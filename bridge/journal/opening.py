"""How a journal is opened: what the process before left behind is read, judged and put in order."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from bridge.errors import JournalBroken
from bridge.journal import rows, standing
from bridge.journal.blackbox import BlackBox
from bridge.journal.gauge import BALLAST, free_on, make_room_to_open
from bridge.journal.keeping import keep_if_torn
from bridge.journal.schema import NUMBER_OF, open_database, unusable
from bridge.journal.sent_log import Mark, SentLog
from bridge.journal.store import Settling, Standing, Store, queued
from bridge.model import Outcome, Status

CRASHES = 3
"""A delivery that was on the bench at so many crashes is held."""


_WAL_FRAMES = 2048
_FRAME = 4096 + 24


class Opened:
    """A file that was opened, and what was found in it."""

    def __init__(
        self,
        db: sqlite3.Connection,
        box: BlackBox,
        sent: SentLog,
        now: float,
        kept: Path | None = None,
    ) -> None:
        self.box = box
        self.sent = sent
        self.kept = kept
        found, planned = _counted(db)
        last = max(found, box.last_found)
        self.lost = (found + 1, last) if last > found else None
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE counters SET last = ?", (last,))
        standing.complete_all(db, now)
        self.crashed = _count_crash(db, box.bench_found, now)
        db.execute("COMMIT")
        box.committed(last)
        box.on_the_bench(0)
        self.store = Store(db, Standing(last, planned, *queued(db)))
        if sent.found:
            _put_in(self.store, sent.found, now)
        sent.forget()


def open_files(path: Path, now: float, stack: ExitStack) -> Opened:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_room_to_open(path)
    box = stack.enter_context(BlackBox(path.with_name(path.name + ".mark")))
    sent = stack.enter_context(SentLog(path.with_name(path.name + ".sent")))
    kept = keep_if_torn(path, box.last_found)
    db = stack.enter_context(closing(open_database(path)))
    _stretch_wal(path)
    try:
        return Opened(db, box, sent, now, kept)
    except sqlite3.Error as e:
        raise JournalBroken(unusable(path, e)) from e


def _put_in(store: Store, marks: Sequence[Mark], now: float) -> None:
    """What was sent before the process died, and was not committed yet."""
    settling = []
    for mark in marks:
        delivery = rows.still_waiting(store.db, mark.seq)
        # A file restored from a backup may have given the number to another delivery.
        if delivery is not None and delivery.id == mark.id:
            outcome = Outcome(Status.SENT, mark.message_ids, attempts=mark.attempts)
            settling.append(Settling(delivery, outcome))
    store.db.execute("BEGIN IMMEDIATE")
    store.settle(settling, now)
    store.finish()
    store.db.execute("COMMIT")
    store.commit()


def _counted(db: sqlite3.Connection) -> tuple[int, int]:
    """The last seq that is in the file, and how many deliveries were ever planned."""
    last, planned = db.execute("SELECT last, planned FROM counters").fetchone()
    message = db.execute("SELECT ifnull(max(seq + routes), 0) FROM messages").fetchone()[0]
    return max(last, message), planned


def _count_crash(db: sqlite3.Connection, seq: int, now: float) -> bool:
    """Delivery ``seq`` was on the bench when the process died; whether it is held for that."""
    db.execute("UPDATE deliveries SET crashes = crashes + 1 WHERE seq = ? AND status = 0", (seq,))
    held = db.execute(
        "UPDATE deliveries SET status = ?, settled_at = ?, reason = 'crashed', detail = ? "
        "WHERE seq = ? AND status = 0 AND crashes >= ?",
        (
            NUMBER_OF[Status.HELD],
            now,
            f"it was being worked on when the process died, {CRASHES} times",
            seq,
            CRASHES,
        ),
    )
    return held.rowcount > 0


def _stretch_wal(path: Path) -> None:
    """
    Give the WAL its size beforehand: writing over blocks that are there takes an fsync half the time
    of writing new ones (measured on ext4). SQLite reads zeros as the end. Without room it is left: then
    the database needs it more.
    """
    size = _WAL_FRAMES * _FRAME
    if free_on(path.parent) < size + BALLAST:
        return
    wal = path.with_name(path.name + "-wal")
    with suppress(OSError), wal.open("r+b", buffering=0) as file:
        if os.fstat(file.fileno()).st_size == 0:
            file.write(bytes(size))
            os.fsync(file.fileno())
