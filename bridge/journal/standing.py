"""What must survive a restart besides messages: suspensions, and the history of rate limits."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bridge.journal import Suspension
from bridge.model import InstanceId


def suspend(db: sqlite3.Connection, suspension: Suspension) -> None:
    """One that lasts already keeps its beginning, and takes the newer reason."""
    changed = db.execute(
        "UPDATE suspensions SET reason = ?, detail = ? "
        "WHERE instance = ? AND conversation IS ? AND until IS NULL",
        (
            suspension.reason,
            suspension.detail,
            suspension.instance,
            suspension.conversation,
        ),
    ).rowcount
    if not changed:
        db.execute(
            "INSERT INTO suspensions VALUES (?, ?, ?, ?, ?, ?)",
            (
                suspension.instance,
                suspension.conversation,
                suspension.reason,
                suspension.detail,
                suspension.since.timestamp(),
                suspension.until and suspension.until.timestamp(),
            ),
        )


def resume(db: sqlite3.Connection, instance: str, conversation: str | None, until: float) -> None:
    """What lasts of exactly this scope ends; seconds since 1970."""
    db.execute(
        "UPDATE suspensions SET until = ? WHERE instance = ? AND conversation IS ? AND until IS NULL",
        (until, instance, conversation),
    )


def suspensions(db: sqlite3.Connection, ended_after: float = 0.0) -> Sequence[Suspension]:
    """Those that last or ended after ``ended_after`` (seconds since 1970), oldest first."""
    return [
        Suspension(
            instance=InstanceId(instance),
            conversation=conversation,
            reason=reason,
            detail=detail,
            since=datetime.fromtimestamp(since, UTC),
            until=None if until is None else datetime.fromtimestamp(until, UTC),
        )
        for instance, conversation, reason, detail, since, until in db.execute(
            "SELECT * FROM suspensions WHERE until IS NULL OR until >= ? ORDER BY since, rowid",
            (ended_after,),
        ).fetchall()
    ]


def rate_started(db: sqlite3.Connection, limiter: str, at: float) -> int:
    """The token of a send that begins at ``at`` (seconds since 1970)."""
    token = db.execute("INSERT INTO rate (limiter, started_at) VALUES (?, ?)", (limiter, at)).lastrowid
    assert token is not None
    return token


def rate_completed(db: sqlite3.Connection, limiter: str, token: int, at: float) -> None:
    db.execute("UPDATE rate SET completed_at = ? WHERE token = ? AND limiter = ?", (at, token, limiter))


def rate_history(db: sqlite3.Connection, limiter: str, since: float) -> Sequence[float]:
    """Completions after ``since``, oldest first."""
    return [
        at
        for (at,) in db.execute(
            "SELECT completed_at FROM rate WHERE limiter = ? AND completed_at > ? ORDER BY completed_at",
            (limiter, since),
        ).fetchall()
    ]


def complete_all(db: sqlite3.Connection, at: float) -> None:
    """The process before died with sends in flight: they count as completed now."""
    db.execute("UPDATE rate SET completed_at = ? WHERE completed_at IS NULL", (at,))


def forget(
    db: sqlite3.Connection,
    *,
    suspended: float,
    rated: float,
    now: float,
    age: Callable[[float], float],
) -> None:
    """
    Drop suspensions that ended, and sends that completed, so many seconds ago: by the wall clock
    (``now``, seconds since 1970) and by ``age``, for that clock may have been set.
    """
    db.create_function("age", 1, age)
    db.execute("DELETE FROM suspensions WHERE until < ? AND age(until) > ?", (now - suspended, suspended))
    db.execute("DELETE FROM rate WHERE completed_at < ? AND age(completed_at) > ?", (now - rated, rated))
