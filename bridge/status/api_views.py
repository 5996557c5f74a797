"""What the desk shows, as JSON. Deliveries come without their text: programs ask for states, not talk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.desk import Reloaded, Snapshot
from bridge.desk.plain import plain
from bridge.driver import Entry
from bridge.journal import Row
from bridge.model import Status

Json = dict[str, Any]


def delivery(row: Row) -> Json:
    """One promise, and where it stands."""
    promise = row.delivery
    place = promise.route.destination
    waits = row.status is Status.WAITING and promise.due_at > 0
    return {
        "id": promise.id,
        "status": plain(row.status),
        "instance": place.instance,
        "conversation": place.conversation,
        "rule": promise.route.plan.rule,
        "accepted_at": _moment(row.accepted_at),
        "settled_at": None if row.settled_at is None else _moment(row.settled_at),
        "next_send": _moment(promise.due_at) if waits else None,
        "attempts": promise.attempts,
        "reason": row.reason,
        "detail": row.detail,
        "message_ids": plain(row.message_ids),
    }


def deliveries(rows: Sequence[Row]) -> Json:
    return {"deliveries": [delivery(row) for row in rows]}


def entries(found: Sequence[Entry]) -> Json:
    """People or conversations, each with the address that a letter takes."""
    return {"entries": plain(tuple(found))}


def whole(value: Snapshot | Reloaded) -> Json:
    """As the command line shows it with ``--json``."""
    shown = plain(value)
    assert isinstance(shown, dict)
    return shown


def _moment(seconds_since_1970: float) -> object:
    return plain(datetime.fromtimestamp(seconds_since_1970, UTC))
