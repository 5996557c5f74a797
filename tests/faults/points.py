"""
The places in the program where dying is worst, by name.

Nothing in the program knows of them: `armed` wraps the functions named here in a process of its own.
Whoever renames or moves one of them finds this table by a red test, and a process that refuses to
start.
"""

import functools
import importlib
import inspect
import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bridge.journal.store import Store


class Side(StrEnum):
    BEFORE = "before"
    AFTER = "after"


class Under(StrEnum):
    """What brings the program to a point."""

    LOAD = "load"
    ERRORS = "a platform that answers 500"
    RELOAD = "a reload"
    PRUNING = "messages past their retention"
    STOP = "SIGTERM"
    RECOVERY = "a start after a crash"


When = Callable[..., bool]


@dataclass(frozen=True, slots=True)
class Point:
    """
    ``target`` is ``module:name`` or ``module:Class.name``. ``when`` is asked with the arguments of the
    call; only what it affirms counts as a passage. ``first`` is the first passage that is meant: some
    are passed at every start already. Out of how many passages one is chosen, ``spread`` says.
    """

    target: str
    side: Side
    under: Under = Under.LOAD
    when: When = lambda *_, **__: True
    first: int = 1
    spread: int = 20


def _accepts(store: Store, *_: object) -> bool:
    """The group that is being committed holds new messages."""
    return store.last > store.standing.last


def _settles(store: Store, *_: object) -> bool:
    """The group that is being committed holds nothing but what has ended."""
    return store.last == store.standing.last and store.rows < store.standing.rows


def _of_a_mark(body: bytes, *_: object) -> bool:
    return bytes(body[:4]) == b"sent"


_B, _A = Side.BEFORE, Side.AFTER
_ROBOT = "drivers.dingtalk.driver:AppRobotDriver"
_STORE = "bridge.journal.store:Store"
_JOURNAL = "bridge.journal.sqlite:SqliteJournal"
_OPENING = "bridge.journal.opening"
_MARKS = "bridge.journal.sent_log:SentLog"

POINTS: dict[str, Point] = {
    # a message comes in
    "accept: before the commit": Point(f"{_STORE}.finish", _A, when=_accepts),
    "accept: after the commit": Point(f"{_STORE}.commit", _B, when=_accepts),
    "accept: before the lanes hear of it": Point("bridge.delivery:Lanes.offer", _B),
    "accept: before the 200": Point("bridge.delivery:Lanes.offer", _A),
    # it goes out
    "render: on the bench": Point("bridge.rendering:render", _B),
    "send: before": Point(f"{_ROBOT}.send", _B),
    "send: after": Point(f"{_ROBOT}.send", _A),
    "part: before it is booked": Point(f"{_JOURNAL}.part_sent", _B),
    "part: after it is booked": Point(f"{_JOURNAL}.part_sent", _A),
    "retry: before it is booked": Point(f"{_JOURNAL}.postpone", _B, Under.ERRORS),
    "retry: after it is booked": Point(f"{_JOURNAL}.postpone", _A, Under.ERRORS),
    # it is booked as sent
    "mark: before": Point(f"{_MARKS}.add", _B),
    "mark: half-written": Point("zlib:crc32", _B, when=_of_a_mark),
    "mark: after": Point(f"{_MARKS}.add", _A),
    "settle: before the commit": Point(f"{_STORE}.finish", _A, when=_settles),
    "settle: after the commit": Point(f"{_STORE}.commit", _B, when=_settles),
    "settle: after the mark is let go": Point(f"{_MARKS}.reached", _A),
    # SQLite's log goes into its file
    "checkpoint: before": Point("bridge.journal.checkpoints:Checkpoints.copy", _B, spread=1),
    "checkpoint: after": Point("bridge.journal.checkpoints:Checkpoints.copy", _A, spread=1),
    # what is past its time goes
    "prune: before": Point("bridge.journal.sqlite:prune_step", _B, Under.PRUNING),
    "prune: between two tables": Point("bridge.journal.pruning:_delete", _A, Under.PRUNING),
    "prune: while names are sorted in": Point("bridge.journal.names:Names.sort_in", _A, Under.PRUNING),
    "prune: before the commit": Point("bridge.journal.sqlite:prune_step", _A, Under.PRUNING),
    "prune: after": Point(f"{_JOURNAL}.prune", _A, Under.PRUNING),
    # the files change
    "reload: before the swap": Point("bridge.reload:Reloader._swap", _B, Under.RELOAD),
    "reload: doors open, nothing swapped": Point("bridge.roster:Roster.take", _B, Under.RELOAD, first=2),
    "reload: half swapped": Point("bridge.doors:Doors.take", _B, Under.RELOAD, first=2),
    "reload: after the swap": Point("bridge.reload:Reloader._swap", _A, Under.RELOAD),
    "reload: the old driver is retired": Point("bridge.roster:Roster.retire", _A, Under.RELOAD),
    # it is told to stop
    "stop: asked for": Point("bridge.app:App.stop", _A, Under.STOP),
    "stop: doors closed": Point("bridge.delivery:Lanes.stop", _B, Under.STOP),
    "stop: lanes ended": Point("bridge.roster:Roster.close", _B, Under.STOP),
    "stop: before the journal is closed": Point("bridge.journal.writer:Writer.close", _B, Under.STOP),
    "stop: after the journal is closed": Point("bridge.journal.writer:Writer.close", _A, Under.STOP),
    # it starts after a crash
    "recovery: before the file is opened": Point(f"{_OPENING}:open_database", _B, Under.RECOVERY),
    "recovery: after the file is opened": Point(f"{_OPENING}:open_database", _A, Under.RECOVERY),
    "recovery: the log is stretched": Point(f"{_OPENING}:_stretch_wal", _A, Under.RECOVERY),
    "recovery: before its first commit": Point(f"{_OPENING}:_count_crash", _A, Under.RECOVERY),
    "recovery: before the marks are read": Point(f"{_OPENING}:_put_in", _B, Under.RECOVERY),
    "recovery: before the marks' commit": Point(f"{_STORE}.finish", _A, Under.RECOVERY),
    "recovery: after the marks' commit": Point(f"{_OPENING}:_put_in", _A, Under.RECOVERY),
    "recovery: the marks are let go": Point(f"{_MARKS}.forget", _A, Under.RECOVERY),
    "recovery: before the lanes look": Point("bridge.delivery:Lanes.refresh", _B, Under.RECOVERY),
    "recovery: before anybody is let in": Point("bridge.doors:Doors.take", _B, Under.RECOVERY),
}


def arm(point: Point, nth: int) -> None:
    """
    This process kills itself at the ``nth`` passage of the point.

    Raises `LookupError` for a target that is not there.
    """
    owner, name = find(point.target)
    original = vars(owner)[name]
    passages = itertools.count(1)

    def pass_by(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        if point.when(*arguments, **keywords) and next(passages) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        if point.side is Side.BEFORE:
            pass_by(arguments, keywords)
        result = original(*arguments, **keywords)
        if point.side is Side.AFTER:
            pass_by(arguments, keywords)
        return result

    async def wrapped_async(*arguments: Any, **keywords: Any) -> Any:
        if point.side is Side.BEFORE:
            pass_by(arguments, keywords)
        result = await original(*arguments, **keywords)
        if point.side is Side.AFTER:
            pass_by(arguments, keywords)
        return result

    chosen = wrapped_async if inspect.iscoroutinefunction(original) else wrapped
    setattr(owner, name, functools.wraps(original)(chosen))


def find(target: str) -> tuple[Any, str]:
    """Who has the function, and its name there. Raises `LookupError`."""
    module, _, path = target.partition(":")
    *holders, name = path.split(".")
    try:
        owner: Any = importlib.import_module(module)
        for holder in holders:
            owner = getattr(owner, holder)
        if not callable(vars(owner)[name]):
            raise TypeError("it cannot be called")
    except (ImportError, AttributeError, KeyError, TypeError) as e:
        raise LookupError(f"tests/faults/points.py names {target}, which is not there: {e!r}") from e
    return owner, name
