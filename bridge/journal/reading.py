"""
What an operator's command reads, beside a running daemon or without one.

Reading harms nobody: it takes no lock that a writer waits for. Only `replay` writes, and briefly.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bridge.clock import Clock
from bridge.errors import JournalBroken, JournalError
from bridge.journal import (
    Choice,
    Chosen,
    Crowd,
    Ledger,
    Recorded,
    Row,
    Suspension,
    choosing,
    rows,
    standing,
)
from bridge.journal.schema import (
    BUSY,
    MIGRATIONS,
    STATUS_OF,
    check_version,
    connect,
    unusable,
)
from bridge.journal.seen import Seen, seen_conversations
from bridge.model import ConversationRef, InstanceId, Status


@contextmanager
def open_reader(path: Path) -> Iterator["Reader"]:
    """
    A view of the journal in ``path``; nothing can be written through it.

    Raises `JournalError` if there is no journal, `JournalBroken` if it cannot be read.
    """
    _check_exists(path)
    try:
        with closing(connect_to_read(path)) as db:
            _check_readable(db, path)
            yield Reader(db)
    except sqlite3.Error as e:
        raise JournalBroken(unusable(path, e)) from e


class Reader:
    """One connection that only reads; every method is one snapshot. For one thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def rows(
        self, status: Status, *, limit: int = 100, instance: str = "", delivery_id: str = ""
    ) -> Sequence[Row]:
        """As `Journal.rows`; ``instance`` is the destination's."""
        return rows.listing(self.db, status, limit=limit, instance=instance, delivery_id=delivery_id)

    def find(self, delivery_id: str) -> Row | None:
        """One delivery, wherever it stands."""
        for status in Status:
            if found := self.rows(status, limit=1, delivery_id=delivery_id):
                return found[0]
        return None

    def ledger(self) -> Ledger:
        """As `Journal.ledger`. Counts every row: seconds, for tens of millions."""
        self.db.execute("BEGIN")
        try:
            planned = self.db.execute("SELECT planned FROM counters").fetchone()[0]
            counted = self.db.execute(
                "SELECT status, sum(count) FROM (SELECT status, count(*) AS count FROM deliveries "
                "GROUP BY status UNION ALL SELECT status, count FROM pruned) GROUP BY status"
            ).fetchall()
        finally:
            self.db.execute("COMMIT")
        by_status = dict.fromkeys(Status, 0)
        by_status.update((STATUS_OF[number], count) for number, count in counted)
        return Ledger(planned, by_status)

    def backlog(self) -> dict[InstanceId, tuple[int, float]]:
        """As `Journal.backlog`."""
        return {
            InstanceId(instance): (count, oldest)
            for instance, count, oldest in self.db.execute(
                "SELECT p.instance, sum(w.count), min(m.accepted_at) FROM "
                "(SELECT place, count(*) AS count, min(seq) AS first FROM deliveries "
                "WHERE status = 0 GROUP BY place) w "
                "JOIN places p ON p.id = w.place JOIN deliveries d ON d.seq = w.first "
                "JOIN messages m ON m.seq = d.message GROUP BY p.instance"
            ).fetchall()
        }

    def choose(
        self, status: Status, choice: Choice, *, after: int = 0, limit: int = 500
    ) -> Sequence[Chosen]:
        """As `Journal.choose`."""
        return choosing.choose(self.db, status, choice, after=after, limit=limit)

    def crowds(self) -> dict[ConversationRef, Crowd]:
        """As `Journal.crowds`."""
        return choosing.crowds(self.db)

    def dead_by_reason(self) -> dict[str, int]:
        """As `Journal.dead_by_reason`."""
        return choosing.dead_by_reason(self.db)

    def recorded(self, message_id: str, instance: str = "") -> Recorded | None:
        """As `Journal.recorded`."""
        return choosing.recorded(self.db, message_id, instance)

    def seen_conversations(self, instance: str) -> Sequence[Seen]:
        """Those that messages came from or went to, the latest first."""
        return seen_conversations(self.db, instance)

    def suspensions(self, ended_after: float) -> Sequence[Suspension]:
        """Those that last, and those that ended after ``ended_after`` (seconds since 1970)."""
        return standing.suspensions(self.db, ended_after)


def replay(path: Path, delivery_ids: Sequence[str], *, clock: Clock) -> int:
    """
    Let dead and held deliveries wait again; how many were found.

    A running daemon notices by `Journal.changed_outside`. Raises as `open_reader`.
    """
    _check_exists(path)
    try:
        with closing(connect(path)) as db:
            _check_readable(db, path)
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            found = rows.replay(db, delivery_ids, clock.now().timestamp())
            db.execute("COMMIT")
            return found
    except sqlite3.Error as e:
        raise JournalBroken(unusable(path, e)) from e


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise JournalError(f"{path}: there is no journal: has the daemon ever run with this file?")


def _check_readable(db: sqlite3.Connection, path: Path) -> None:
    version = check_version(db, path)
    if version == 0:
        raise JournalBroken(f"{path}: is not a journal: name another file")
    if version < len(MIGRATIONS):
        raise JournalBroken(f"{path}: is of an older msgbridge: start the daemon once to convert it")


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, whether or not others do. Raises `sqlite3.Error`."""
    try:
        return _read_only(path, "mode=ro")
    except sqlite3.OperationalError:
        if path.with_name(path.name + "-wal").exists():
            raise
        # A stopped daemon's file in a folder that we may not write: there is nothing to share.
        return _read_only(path, "mode=ro&immutable=1")


def _read_only(path: Path, mode: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.resolve().as_uri()}?{mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY,
        check_same_thread=False,
    )
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db
