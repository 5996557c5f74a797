"""
A look through the whole file: what a checksum of one row cannot see.

SQLite says nothing of a row that its tree no longer leads to, nor of one that an index has forgotten.
It takes seconds for a large journal, so it is done beside the daemon's work or by an operator.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.journal.blackbox import last_committed
from bridge.journal.codec import checksum
from bridge.journal.reading import Reader, connect_to_read, open_reader
from bridge.journal.rows import damaged_deliveries
from bridge.model import Status

_AT_MOST = 20
_MISJUDGED = "links"
"""SQLite 3.40 wrongly finds NULL in each row of a table with such a key: it is read instead."""
_BATCH = 500
_POLITE = 19


@dataclass(frozen=True, slots=True)
class Findings:
    """
    ``structure`` are SQLite's own complaints, ``messages`` the numbers of damaged ones, ``deliveries``
    the ids and statuses of damaged ones. ``lost`` is the gap (first and last number) between what was
    accepted and what is there. Without a ``journal`` nothing could be read but ``structure``.
    """

    structure: tuple[str, ...]
    messages: tuple[int, ...] = ()
    deliveries: tuple[tuple[str, Status], ...] = ()
    lost: tuple[int, int] | None = None
    balanced: bool = True
    counts: tuple[tuple[Status, int], ...] = ()

    @property
    def whole(self) -> bool:
        return not (self.structure or self.messages or self.deliveries or self.lost or not self.balanced)


def structure(path: Path) -> tuple[str, ...]:
    """
    What SQLite finds wrong in the file, at most 20 complaints. Reading goes on beside the daemon, at
    the lowest priority where the system grants one to a thread.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _POLITE)
    found: list[str] = []
    try:
        with closing(connect_to_read(path)) as db:
            tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            for (table,) in tables:
                found += _of_table(db, table)
    except sqlite3.Error as e:
        found.append(str(e))
    return tuple(found[:_AT_MOST])


def _of_table(db: sqlite3.Connection, table: str) -> Iterator[str]:
    if table == _MISJUDGED:
        db.execute("SELECT sum(length(message_id)) FROM links").fetchone()
        return
    for (said,) in db.execute(f"PRAGMA integrity_check('{table}')"):
        if said != "ok":
            yield " ".join(str(said).split())


async def structure_beside(path: Path) -> tuple[str, ...]:
    """As `structure`, in a thread of its own: a process that ends does not wait for it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def tell(found: tuple[str, ...]) -> None:
        if not answer.done():  # nobody may wait any more
            answer.set_result(found)

    def look() -> None:
        found = structure(path)
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=look, name="inspection", daemon=True).start()
    return await answer


def inspect(path: Path) -> Findings:
    """Everything that can be said of the journal in ``path``. Raises `JournalError`."""
    wrong = structure(path)
    with open_reader(path) as reader:
        try:
            return _by_rows(reader, path, wrong)
        except sqlite3.DatabaseError as e:
            return Findings(wrong or (str(e),))


def _by_rows(reader: Reader, path: Path, wrong: tuple[str, ...]) -> Findings:
    db = reader.db
    ledger = reader.ledger()
    last = db.execute("SELECT last FROM counters").fetchone()[0]
    written = last_committed(path.with_name(path.name + ".mark"))
    return Findings(
        structure=wrong,
        messages=tuple(_damaged_messages(db)),
        deliveries=tuple(damaged_deliveries(db)),
        lost=(last + 1, written) if written > last else None,
        balanced=ledger.balanced,
        counts=tuple(ledger.by_status.items()),
    )


def _damaged_messages(db: sqlite3.Connection) -> Iterator[int]:
    after = 0
    while found := db.execute(
        "SELECT seq, body, checksum FROM messages WHERE seq > ? ORDER BY seq LIMIT ?", (after, _BATCH)
    ).fetchall():
        for seq, body, expected in found:
            if not isinstance(body, bytes) or checksum(body, seq) != expected:
                yield seq
        after = found[-1][0]
