"""
Forgetting what is past its retention, a few messages at a time.

A message goes with all its deliveries and their links, once none of them waits or is held, its
dedupe time is over and no dead one is kept for an operator. What goes is added to a tally, so that
the ledger stays balanced.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence

from bridge.journal import Retention
from bridge.journal.names import Names, event_name, post_name
from bridge.journal.schema import NUMBER_OF
from bridge.model import ConversationId, ConversationRef, InstanceId, Status

STEP = 100
"""Messages that are looked at in one transaction."""

_OPEN = {NUMBER_OF[Status.WAITING], NUMBER_OF[Status.HELD]}
_DEAD = NUMBER_OF[Status.DEAD]


def prune_step(
    db: sqlite3.Connection,
    *,
    names: Names,
    after: int,
    retention: Retention,
    age: Callable[[float], float],
) -> int | None:
    """
    Look at the oldest messages after seq ``after``; where to go on, None when there is no more.

    ``age`` tells how many seconds ago a time (seconds since 1970) was.
    """
    found = db.execute(
        "SELECT seq, routes, accepted_at FROM messages WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, STEP),
    ).fetchall()
    messages = [(seq, routes) for seq, routes, at in found if age(at) > retention.dedupe]
    if not messages:
        return None  # what follows is younger still
    kept = set()
    by_message: dict[int, list[int]] = {seq: [] for seq, _ in messages}
    status_of = {}
    first, (last, routes) = messages[0][0], messages[-1]
    for seq, message, status, settled_at in db.execute(
        "SELECT seq, message, status, settled_at FROM deliveries WHERE seq BETWEEN ? AND ?",
        (first, last + routes),
    ).fetchall():
        if message not in by_message:
            continue
        by_message[message].append(seq)
        status_of[seq] = status
        if status in _OPEN or (status == _DEAD and age(settled_at) <= retention.dead):
            kept.add(message)
    gone = [seq for seq in by_message if seq not in kept]
    deliveries = [seq for message in gone for seq in by_message[message]]
    _tally(db, Counter(status_of[seq] for seq in deliveries))
    names.remove([*_event_names(db, gone), *_post_names(db, deliveries)])
    _delete(db, "links", "delivery", deliveries)
    _delete(db, "deliveries", "seq", deliveries)
    _delete(db, "messages", "seq", gone)
    return int(last)


def _tally(db: sqlite3.Connection, counts: Counter[int]) -> None:
    db.executemany(
        "INSERT INTO pruned VALUES (?, ?) "
        "ON CONFLICT (status) DO UPDATE SET count = count + excluded.count",
        counts.items(),
    )


def _event_names(db: sqlite3.Connection, messages: Sequence[int]) -> list[tuple[bytes, int]]:
    return [
        (event_name(instance, event_id), seq)
        for seq, instance, event_id in db.execute(
            "SELECT seq, instance, event_id FROM messages WHERE seq IN (SELECT value FROM json_each(?))",
            (json.dumps(messages),),
        ).fetchall()
    ]


def _post_names(db: sqlite3.Connection, deliveries: Sequence[int]) -> list[tuple[bytes, int]]:
    return [
        (
            post_name(ConversationRef(InstanceId(instance), ConversationId(conversation)), message_id),
            seq,
        )
        for seq, message_id, instance, conversation in db.execute(
            "SELECT delivery, message_id, instance, conversation FROM links "
            "JOIN deliveries ON seq = delivery JOIN places ON places.id = place "
            "WHERE delivery IN (SELECT value FROM json_each(?))",
            (json.dumps(deliveries),),
        ).fetchall()
    ]


def _delete(db: sqlite3.Connection, table: str, column: str, seqs: Sequence[int]) -> None:
    db.execute(
        f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))",  # noqa: S608 # names from above
        (json.dumps(seqs),),
    )
