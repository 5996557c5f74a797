"""What an operator asks of the journal: which deliveries fit, where they crowd, what became of one."""

import json
import sqlite3
from collections.abc import Sequence

from bridge.journal import Choice, Chosen, Crowd, Recorded
from bridge.journal.rows import envelope, of_message
from bridge.journal.schema import NUMBER_OF
from bridge.model import ConversationId, ConversationRef, DeliveryId, InstanceId, Status

_SELECT = """
SELECT d.seq, d.id, place.instance, place.conversation
FROM deliveries d JOIN places place ON place.id = d.place
"""
_WITH_PLAN = "JOIN plans plan ON plan.id = d.plan "
_WITH_MESSAGE = "JOIN messages m ON m.seq = d.message "


def choose(
    db: sqlite3.Connection, status: Status, choice: Choice, *, after: int, limit: int
) -> Sequence[Chosen]:
    """As `Journal.choose`."""
    statement = _SELECT
    if choice.rule:
        statement += _WITH_PLAN
    if choice.since is not None or choice.until is not None:
        statement += _WITH_MESSAGE
    # The number stands in the text, so that the partial index of that status can be used.
    statement += f"WHERE d.status = {NUMBER_OF[status]} AND d.seq > ?"
    values: list[object] = [after]
    for condition, value in (
        ("place.instance = ?", choice.instance or None),
        ("place.conversation = ?", choice.conversation or None),
        ("d.reason = ?", choice.reason or None),
        ("json_extract(CAST(plan.body AS TEXT), '$[1][0]') = ?", choice.rule or None),
        ("m.accepted_at >= ?", choice.since),
        ("m.accepted_at < ?", choice.until),
        ("d.id IN (SELECT value FROM json_each(?))", json.dumps(choice.ids) if choice.ids else None),
    ):
        if value is not None:
            statement += f" AND {condition}"
            values.append(value)
    found = db.execute(statement + " ORDER BY d.seq LIMIT ?", (*values, limit)).fetchall()
    return [
        Chosen(seq, DeliveryId(name), _place(instance, conversation))
        for seq, name, instance, conversation in found
    ]


def crowds(db: sqlite3.Connection) -> dict[ConversationRef, Crowd]:
    """As `Journal.crowds`."""
    found: dict[ConversationRef, Crowd] = {}
    for instance, conversation, count, oldest in db.execute(
        "SELECT p.instance, p.conversation, w.count, m.accepted_at FROM "
        "(SELECT place, count(*) AS count, min(seq) AS first FROM deliveries "
        "WHERE status = 0 GROUP BY place) w "
        "JOIN places p ON p.id = w.place JOIN deliveries d ON d.seq = w.first "
        "JOIN messages m ON m.seq = d.message"
    ):
        found[_place(instance, conversation)] = Crowd(waiting=count, oldest=oldest)
    for instance, conversation, count in db.execute(
        "SELECT instance, conversation, count(*) FROM deliveries d "
        "JOIN places p ON p.id = d.place WHERE status = 1 GROUP BY d.place"
    ):
        place = _place(instance, conversation)
        waits = found.get(place, Crowd())
        found[place] = Crowd(waits.waiting, count, waits.oldest)
    return found


def dead_by_reason(db: sqlite3.Connection) -> dict[str, int]:
    """As `Journal.dead_by_reason`."""
    return dict(
        db.execute(
            "SELECT reason, count(*) FROM deliveries WHERE status = 2 GROUP BY reason ORDER BY reason"
        ).fetchall()
    )


def recorded(db: sqlite3.Connection, message_id: str, instance: str) -> Recorded | None:
    """As `Journal.recorded`. Reads every row's id: seconds, for tens of millions."""
    statement = "SELECT seq, routes FROM messages WHERE (event_id = ? OR message_id = ?)"
    values = [message_id, message_id]
    if instance:
        statement += " AND instance = ?"
        values.append(instance)
    found = db.execute(statement + " ORDER BY seq DESC LIMIT 1", values).fetchone()
    if found is None:
        return None
    seq, routes = found
    said = envelope(db, seq)
    return Recorded(said, of_message(db, seq, routes)) if said else None


def _place(instance: str, conversation: str) -> ConversationRef:
    return ConversationRef(InstanceId(instance), ConversationId(conversation))
