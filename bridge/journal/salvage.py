"""
A fresh journal out of a damaged one: what is intact is taken over, what is not is counted.

Nothing is taken on trust. A message must fit its checksum, a delivery must fit its own and those of
its message, destination and rule; so what goes out later is what was accepted, or nothing.
"""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bridge.clock import Clock
from bridge.errors import JournalError
from bridge.journal.blackbox import last_committed
from bridge.journal.codec import Unreadable, checksum, decode, decode_plan, delivery_id, encode
from bridge.journal.names import event_name, post_name
from bridge.journal.opening import open_files
from bridge.journal.pages import Pages, Record, Row
from bridge.journal.reading import connect_to_read
from bridge.journal.schema import NUMBER_OF, STATUS_OF, open_database
from bridge.journal.store import seal
from bridge.model import ConversationId, ConversationRef, EventId, InstanceId, Status

_MESSAGE, _DELIVERY = 9, 16  # columns
_MOST_ROUTES = 1 << 20


class Kind(StrEnum):
    """What is saved or lost, as it is counted."""

    MESSAGES = "messages"
    WAITING = "waiting"
    HELD = "held"
    DEAD = "dead"
    SENT = "sent"
    SKIPPED = "skipped"
    DROPPED = "dropped"
    POSTED_IDS = "posted ids"
    SUSPENSIONS = "suspensions"
    LIMITS = "sends under limits"


@dataclass(slots=True)
class Report:
    """
    ``saved`` and ``lost`` by kind; ``lost_ids`` are deliveries that are damaged, or whose message,
    destination or rule is: id and status. ``unknown`` deliveries are counted in the books, but nothing
    is left of them. ``pages`` of the file make no sense.
    """

    saved: Counter[Kind] = field(default_factory=Counter)
    lost: Counter[Kind] = field(default_factory=Counter)
    lost_ids: list[tuple[str, Status]] = field(default_factory=list)
    unknown: int = 0
    pages: int = 0

    @property
    def whole(self) -> bool:
        """Nothing is missing."""
        return not (self.lost.total() or self.unknown or self.pages)


def salvage(source: Path, target: Path, *, clock: Clock) -> Report:
    """
    Write what ``source`` (a journal that nobody has open) still holds into the new journal ``target``.

    Raises `JournalError` if there is nothing to read, something at ``target`` already, or a daemon at
    ``source``; `OSError` when ``target`` cannot be written.
    """
    if not source.is_file():
        raise JournalError(f"{source}: there is no such file")
    if target.exists():
        raise JournalError(f"{target}: is there already: name a file that is not")
    part = target.with_name(target.name + ".part")
    _remove(part)
    try:
        with ExitStack() as stack:
            stack.enter_context(_nobody_else(source))
            pages = Pages(source, stack)
            db = stack.enter_context(closing(open_database(part)))
            report = _Salvage(source, pages, db).run()
        _put_in_what_was_sent(source, part, clock)
        part.rename(target)
    finally:
        _remove(part)
    return report


def _put_in_what_was_sent(source: Path, part: Path, clock: Clock) -> None:
    """What may not have reached the database before the end: a journal does it when it is opened."""
    sent = source.with_name(source.name + ".sent")
    if sent.exists():
        shutil.copyfile(sent, part.with_name(part.name + ".sent"))
    with ExitStack() as stack:
        open_files(part, clock.now().timestamp(), stack)


class _Salvage:
    def __init__(self, source: Path, pages: Pages, db: sqlite3.Connection) -> None:
        self._source = source
        self._pages = pages
        self._db = db
        self._places: dict[int, list[ConversationRef]] = {}
        self._plans: dict[int, tuple[bytes, int]] = {}
        self._report = Report()
        self._largest = 0
        self._planned = 0

    def run(self) -> Report:
        db, report = self._db, self._report
        db.execute("PRAGMA synchronous = OFF")  # nobody believes it before it has its name
        db.execute("BEGIN")
        for row in self._pages.rows():
            self._first(row)
        for row in self._pages.rows():
            self._second(row)
        db.execute("DELETE FROM links WHERE delivery NOT IN (SELECT seq FROM deliveries)")
        self._names()
        pruned = self._small_tables()
        self._count()
        written = last_committed(self._source.with_name(self._source.name + ".mark"))
        last = max(self._largest, written)
        there = db.execute("SELECT count(*) FROM deliveries").fetchone()[0]
        missing = self._planned - pruned - there - len(report.lost_ids)
        report.unknown = max(0, missing) + last - self._largest
        report.pages = len(self._pages.damaged)
        db.execute("UPDATE counters SET last = ?, planned = ?", (last, there + pruned))
        db.execute("COMMIT")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return report

    # --- what vouches for others -------------------------------------------------------------------

    def _first(self, row: Row) -> None:
        """Messages, destinations and rules; and how much there was."""
        match row.values:
            case (int(last), int(planned)) if row.key == 1:
                self._largest = max(self._largest, last)
                self._planned = max(self._planned, planned)
            case (None, str(instance), str(conversation)):
                self._place(row.key, instance, conversation)
            case (str(instance), str(conversation), int(number)) if not row.key:
                # The index over them, if not another's: a delivery tells by its id which is its own.
                self._place(number, instance, conversation)
            case (None, bytes(body), int(expected)):
                self._plan(row.key, body, expected)
            case values if len(values) == _MESSAGE and row.key > 0 and isinstance(values[7], bytes):
                self._message(row, values, values[7])

    def _place(self, number: int, instance: str, conversation: str) -> None:
        where = ConversationRef(InstanceId(instance), ConversationId(conversation))
        known = self._places.setdefault(number, [])
        if where not in known:
            known.append(where)

    def _plan(self, number: int, body: bytes, expected: int) -> None:
        if checksum(body, 0) != expected:
            return
        try:
            decode_plan(body)
        except Unreadable:
            return
        self._plans[number] = (body, expected)

    def _message(self, row: Row, values: Record, body: bytes) -> None:
        self._largest = max(self._largest, row.key)
        if checksum(body, row.key) != values[8]:
            self._report.lost[Kind.MESSAGES] += 1
            return
        try:
            envelope = decode(body)
        except Unreadable:
            self._report.lost[Kind.MESSAGES] += 1
            return
        # Nothing but the body is vouched for by the checksum, so the rest is taken from there.
        at = values[5]
        routes = values[6]
        message_id = str(envelope.message.id)
        self._db.execute(
            "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.key,
                envelope.source.instance,
                envelope.id,
                None if message_id == envelope.id else message_id,
                encode(envelope).fingerprint,
                _time(at) or envelope.received_at.timestamp(),
                routes if isinstance(routes, int) and 0 <= routes < _MOST_ROUTES else 0,
                body,
                values[8],
            ),
        )

    # --- what is vouched for -------------------------------------------------------------------------

    def _second(self, row: Row) -> None:
        """Deliveries, and the ids under which they were posted."""
        match row.values:
            case (int(seq), str(message_id), int(part)) if not row.key:
                self._db.execute("INSERT OR IGNORE INTO links VALUES (?, ?, ?)", (seq, part, message_id))
            case values if len(values) == _DELIVERY and row.key > 0 and isinstance(values[4], str):
                self._delivery(row, values)

    def _delivery(self, row: Row, values: Record) -> None:
        self._largest = max(self._largest, row.key)
        _, message, place, plan, name, expected, size, since, number, attempts, parts, crashes, *rest = (
            values
        )
        due_at, settled_at, reason, detail = rest
        status = STATUS_OF.get(number) if isinstance(number, int) else None
        if not (
            isinstance(message, int)
            and isinstance(place, int)
            and isinstance(plan, int)
            and isinstance(name, str)
            and self._fits(row.key, message, place, plan, name, expected)
        ):
            self._lose(str(name), status)
            return
        known = self._db.execute("SELECT status FROM deliveries WHERE seq = ?", (row.key,)).fetchone()
        if known and not row.newer and known[0] != NUMBER_OF[Status.WAITING]:
            return  # of two of one age, the one that has ended is the later
        if status is None:
            status, reason, detail = Status.HELD, "damaged", "its status could not be read"
        self._db.execute(
            "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.key,
                message,
                place,
                self._kept_plan(plan),
                name,
                expected,
                _whole(size),
                _time(since),
                NUMBER_OF[status],
                _whole(attempts),
                _whole(parts),
                _whole(crashes),
                _time(due_at),
                _time(settled_at) or None,
                reason if isinstance(reason, str) else "",
                detail if isinstance(detail, str) else "",
            ),
        )

    def _fits(self, seq: int, message: int, place: int, plan: int, name: str, expected: object) -> bool:
        """As it is asked of every delivery before it is sent."""
        found = self._db.execute(
            "SELECT instance, event_id FROM messages WHERE seq = ?", (message,)
        ).fetchone()
        return (
            found is not None
            and plan in self._plans
            and seal(seq, plan, name) == expected
            and self._place_of(place, name, found[0], found[1])
        )

    def _place_of(self, number: int, name: str, instance: str, event_id: str) -> bool:
        """Whether one is known that fits; it is written down then."""
        for where in self._places.get(number, ()):
            if delivery_id(InstanceId(instance), EventId(event_id), where) == name:
                self._db.execute(
                    "INSERT OR IGNORE INTO places VALUES (?, ?, ?)",
                    (number, where.instance, where.conversation),
                )
                return True
        return False

    def _lose(self, name: str, status: Status | None) -> None:
        self._report.lost[Kind(status) if status else Kind.WAITING] += 1
        self._report.lost_ids.append((name, status or Status.WAITING))

    def _kept_plan(self, number: int) -> int:
        self._db.execute("INSERT OR IGNORE INTO plans VALUES (?, ?, ?)", (number, *self._plans[number]))
        return number

    # --- the rest ------------------------------------------------------------------------------------

    def _small_tables(self) -> int:
        """As far as SQLite itself can read them. How many deliveries were pruned before."""
        with suppress(sqlite3.Error), closing(connect_to_read(self._source)) as old:
            for kind, table, marks in (
                (Kind.SUSPENSIONS, "suspensions", "?, ?, ?, ?, ?, ?"),
                (Kind.LIMITS, "rate", "?, ?, ?, ?"),
                (None, "pruned", "?, ?"),
            ):
                rows = old.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 # names from above
                self._db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 # as above
                if kind:
                    self._report.saved[kind] = len(rows)
            (pruned,) = self._db.execute("SELECT ifnull(sum(count), 0) FROM pruned").fetchone()
            return int(pruned)
        self._report.lost[Kind.SUSPENSIONS] += 1
        return 0

    def _names(self) -> None:
        """Made anew, from what bears them."""
        insert = "INSERT OR IGNORE INTO names VALUES (?, ?)"
        self._db.executemany(
            insert,
            (
                (event_name(instance, event_id), seq)
                for seq, instance, event_id in self._db.execute(
                    "SELECT seq, instance, event_id FROM messages ORDER BY seq"
                ).fetchall()
            ),
        )
        self._db.executemany(
            insert,
            (
                (post_name(ConversationRef(instance, conversation), message_id), seq)
                for seq, message_id, instance, conversation in self._db.execute(
                    "SELECT delivery, message_id, instance, conversation FROM links "
                    "JOIN deliveries ON seq = delivery JOIN places ON places.id = place ORDER BY seq"
                ).fetchall()
            ),
        )

    def _count(self) -> None:
        saved = self._report.saved
        (saved[Kind.MESSAGES],) = self._db.execute("SELECT count(*) FROM messages").fetchone()
        (saved[Kind.POSTED_IDS],) = self._db.execute("SELECT count(*) FROM links").fetchone()
        for number, count in self._db.execute("SELECT status, count(*) FROM deliveries GROUP BY status"):
            saved[Kind(STATUS_OF[number])] = count


def _time(value: object) -> float:
    """Seconds since 1970; SQLite keeps a whole number as one."""
    return float(value) if isinstance(value, float | int) and value > 0 else 0.0


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm", ".mark", ".sent"):
        path.with_name(path.name + end).unlink(missing_ok=True)


@contextmanager
def _nobody_else(path: Path) -> Iterator[None]:
    """A daemon that writes meanwhile would make nonsense of it."""
    mark = path.with_name(path.name + ".mark")
    if not mark.exists():
        yield
        return
    with mark.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise JournalError(f"{path}: a daemon uses it: stop it first") from e
        yield
