"""Which deliveries a command means: by id, by filter, or all; and how far long work is."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.journal import Choice

_LINE_EVERY = 10.0
_BAR = 30


def add_choice_options(parser: argparse.ArgumentParser) -> None:
    """Filters are joined by "and"; `choice` reads them."""
    parser.add_argument("id", nargs="*", help="deliveries by id")
    parser.add_argument("--instance", default="", help="only to this instance")
    parser.add_argument("--conversation", default="", help="only to this conversation, by its id")
    parser.add_argument("--reason", default="", help="only with this reason, as in the list")
    parser.add_argument("--rule", default="", help="only planned by this rule")
    parser.add_argument("--since", type=moment, help="accepted since then: 2h (ago), or ISO 8601")
    parser.add_argument("--until", type=moment, help="accepted before then: as --since")
    parser.add_argument("--all", action="store_true", help="all of them, without a filter")


def moment(value: str) -> float:
    """Seconds since 1970. Raises ArgumentTypeError."""
    from bridge.config.units import duration

    try:
        return time.time() - duration(value)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(value)
    except ValueError as e:
        raise argparse.ArgumentTypeError(
            f"{value!r} is no time: write 2h (ago), or 2026-11-20T08:00:00Z"
        ) from e
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def choice(arguments: argparse.Namespace) -> Choice | None:
    """None when nothing was chosen, or ids and all at once."""
    from bridge.journal import Choice

    chosen = Choice(
        ids=tuple(arguments.id),
        instance=arguments.instance,
        conversation=arguments.conversation,
        reason=arguments.reason,
        rule=arguments.rule,
        since=arguments.since,
        until=arguments.until,
        everything=arguments.all,
    )
    return None if chosen == Choice() or (chosen.ids and chosen.everything) else chosen


def wired(chosen: Choice) -> dict[str, object]:
    """For the control socket, where numbers travel as text."""
    wanted: dict[str, object] = {
        "ids": list(chosen.ids),
        "instance": chosen.instance,
        "conversation": chosen.conversation,
        "reason": chosen.reason,
        "rule": chosen.rule,
        "everything": chosen.everything,
    }
    for name, at in (("since", chosen.since), ("until", chosen.until)):
        if at is not None:
            wanted[name] = repr(at)
    return wanted


class Meter:
    """How far it is: a bar on a terminal, a line every 10 seconds elsewhere; on stderr."""

    def __init__(self) -> None:
        self._bar = sys.stderr.isatty()
        self._said = time.monotonic()

    def show(self, done: int, total: int) -> None:
        """Not more often than is good to read."""
        if self._bar:
            full = _BAR * done // total if total else _BAR
            sys.stderr.write(f"\r[{'#' * full}{'.' * (_BAR - full)}] {done}/{total}")
            sys.stderr.flush()
        elif time.monotonic() - self._said >= _LINE_EVERY:
            self._said = time.monotonic()
            sys.stderr.write(f"{done}/{total}\n")

    def end(self) -> None:
        """Leave the line of the bar."""
        if self._bar:
            sys.stderr.write("\n")
