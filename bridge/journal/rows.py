"""Rows as they are read: verified against their checksums, then decoded."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from bridge.journal import Row
from bridge.journal.codec import (
    Unreadable,
    checksum,
    decode,
    decode_plan,
    delivery_id,
)
from bridge.journal.schema import NUMBER_OF, STATUS_OF
from bridge.journal.store import seal
from bridge.model import (
    ConversationId,
    ConversationRef,
    Delivery,
    DeliveryId,
    Envelope,
    EventId,
    EventKind,
    InstanceId,
    Message,
    MessageId,
    Plan,
    Route,
    Sender,
    Status,
    UserId,
)

_SELECT = """
SELECT d.seq, d.id, d.plan, d.checksum, d.attempts, d.parts, d.due_at, d.since,
    d.status, d.settled_at, d.reason, d.detail,
    place.instance, place.conversation, plan.body, plan.checksum,
    d.message, m.instance, m.event_id, m.accepted_at, m.body, m.checksum
FROM deliveries d
LEFT JOIN places place ON place.id = d.place
LEFT JOIN plans plan ON plan.id = d.plan
LEFT JOIN messages m ON m.seq = d.message
"""


class _Found(NamedTuple):
    """The columns of ``_SELECT``; what comes from a joined table may be missing."""

    seq: int
    id: str
    plan: int
    checksum: int
    attempts: int
    parts: int
    due_at: float
    since: float
    status: int
    settled_at: float | None
    reason: str
    detail: str
    instance: str | None
    conversation: str | None
    plan_body: bytes | None
    plan_checksum: int | None
    message: int
    source: str | None
    event_id: str | None
    accepted_at: float | None
    body: bytes | None
    body_checksum: int | None


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN_PLAN = Plan(rule="?")


def waiting(
    db: sqlite3.Connection, place: int, after: int, limit: int
) -> Sequence[tuple[int, Delivery | None]]:
    """The waiting deliveries of one place after ``after``, by seq; None for one that is damaged."""
    found = db.execute(
        _SELECT + "WHERE d.status = 0 AND d.place = ? AND d.seq > ? ORDER BY d.seq LIMIT ?",
        (place, after, limit),
    ).fetchall()
    return [(row[0], _delivery(_Found(*row))) for row in found]


def still_waiting(db: sqlite3.Connection, seq: int) -> Delivery | None:
    """Delivery ``seq``, None if it does not wait or is damaged."""
    found = db.execute(_SELECT + "WHERE d.status = 0 AND d.seq = ?", (seq,)).fetchone()
    return _delivery(_Found(*found)) if found else None


def damaged_deliveries(db: sqlite3.Connection) -> Iterator[tuple[str, Status]]:
    """Ids and statuses of those that would not be sent as they are; dead ones are known already."""
    after = 0
    while found := db.execute(
        _SELECT + "WHERE d.seq > ? AND d.status < ? ORDER BY d.seq LIMIT 500",
        (after, NUMBER_OF[Status.DEAD]),
    ).fetchall():
        for row in (_Found(*columns) for columns in found):
            if _delivery(row) is None:
                yield row.id, STATUS_OF[row.status]
        after = found[-1][0]


def listing(
    db: sqlite3.Connection, status: Status, *, limit: int, instance: str, delivery_id: str
) -> Sequence[Row]:
    """What `Journal.rows` answers. ``instance`` is the destination's."""
    # The number stands in the text, so that the partial index of that status can be used.
    statement = _SELECT + f"WHERE d.status = {NUMBER_OF[status]}"
    values: list[object] = []
    if instance:
        statement += " AND place.instance = ?"
        values.append(instance)
    if delivery_id:
        statement += " AND d.id = ?"
        values.append(delivery_id)
    found = db.execute(statement + " ORDER BY d.seq LIMIT ?", (*values, limit)).fetchall()
    return [_row(db, _Found(*columns)) for columns in found]


def of_message(db: sqlite3.Connection, seq: int, routes: int) -> tuple[Row, ...]:
    """The deliveries of message ``seq``, which was planned for so many ``routes``."""
    found = db.execute(
        _SELECT + "WHERE d.seq BETWEEN ? AND ? ORDER BY d.seq", (seq + 1, seq + routes)
    ).fetchall()
    return tuple(_row(db, _Found(*columns)) for columns in found)


def envelope(db: sqlite3.Connection, seq: int) -> Envelope | None:
    """Message ``seq``, None if it is gone or damaged."""
    found = db.execute("SELECT body, checksum FROM messages WHERE seq = ?", (seq,)).fetchone()
    return _envelope(seq, *found) if found else None


def message_ids(db: sqlite3.Connection, delivery: int) -> Iterator[MessageId]:
    """The ids that a delivery's parts got, in order."""
    return (
        MessageId(message_id)
        for (message_id,) in db.execute(
            "SELECT message_id FROM links WHERE delivery = ? ORDER BY part, message_id", (delivery,)
        ).fetchall()
    )


def replay(db: sqlite3.Connection, delivery_ids: Iterable[str], now: float) -> int:
    """
    Dead and held deliveries wait again from ``now`` (seconds since 1970); how many there were.

    Their finished parts stay finished, so that nothing is sent twice.
    """
    return sum(
        db.execute(
            "UPDATE deliveries SET status = 0, attempts = 0, crashes = 0, due_at = 0, since = ?, "
            "settled_at = NULL, reason = '', detail = '' WHERE status IN (1, 2) AND id = ?",
            (now, delivery_id),
        ).rowcount
        for delivery_id in dict.fromkeys(delivery_ids)
    )


def _row(db: sqlite3.Connection, found: _Found) -> Row:
    delivery = _delivery(found) or Delivery(
        seq=found.seq,
        id=DeliveryId(found.id),
        envelope=_envelope(found.message, found.body, found.body_checksum) or _unreadable(found),
        route=_route(found) or Route(_destination(found), _UNKNOWN_PLAN),
        attempts=found.attempts,
        parts=found.parts,
        due_at=found.due_at,
        since=found.since,
    )
    return Row(
        delivery=delivery,
        status=STATUS_OF[found.status],
        accepted_at=found.accepted_at or 0.0,
        settled_at=found.settled_at,
        reason=found.reason,
        detail=found.detail,
        message_ids=tuple(message_ids(db, found.seq)),
    )


def _delivery(found: _Found) -> Delivery | None:
    """None if any of the rows that it is made of is not what was written."""
    envelope = _envelope(found.message, found.body, found.body_checksum)
    route = _route(found)
    if (
        envelope is None
        or route is None
        or seal(found.seq, found.plan, found.id) != found.checksum
        or delivery_id(envelope.source.instance, envelope.id, route.destination) != found.id
    ):
        return None
    return Delivery(
        seq=found.seq,
        id=DeliveryId(found.id),
        envelope=envelope,
        route=route,
        attempts=found.attempts,
        parts=found.parts,
        due_at=found.due_at,
        since=found.since,
    )


def _envelope(seq: int, body: bytes | None, expected: int | None) -> Envelope | None:
    if not isinstance(body, bytes) or checksum(body, seq) != expected:
        return None
    try:
        return decode(body)
    except Unreadable:
        return None


def _route(found: _Found) -> Route | None:
    plan = found.plan_body
    if not isinstance(plan, bytes) or checksum(plan, 0) != found.plan_checksum:
        return None
    try:
        return Route(_destination(found), decode_plan(plan))
    except Unreadable:
        return None


def _destination(found: _Found) -> ConversationRef:
    return ConversationRef(InstanceId(found.instance or "?"), ConversationId(found.conversation or "?"))


def _unreadable(found: _Found) -> Envelope:
    """What can be shown of a message whose body is damaged: where it came from, and its id."""
    event_id = found.event_id or "?"
    return Envelope(
        id=EventId(event_id),
        kind=EventKind.MESSAGE,
        source=ConversationRef(InstanceId(found.source or "?"), ConversationId("?")),
        sender=Sender(UserId("?"), "?"),
        message=Message(MessageId(event_id)),
        occurred_at=_NEVER,
        received_at=_NEVER,
    )
