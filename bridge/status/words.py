"""Times, sizes and states in words that every part of the page uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.desk import InstanceState, LaneState
from bridge.phrases import Phrase, phrase

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_KIB = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Level(StrEnum):
    """How much something wants a person: each has a colour and a sign, for those who see no colour."""

    GOOD = "good"
    QUIET = "quiet"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Standing:
    """A state for a person's eye."""

    level: Level
    sign: str
    word: Phrase


LANES: Mapping[LaneState, Standing] = {
    LaneState.OK: Standing(Level.GOOD, "✓", phrase("all right")),
    LaneState.RETRYING: Standing(Level.LOOK, "↻", phrase("trying again")),
    LaneState.PAUSED: Standing(Level.LOOK, "‖", phrase("asked for patience")),
    LaneState.SUSPENDED: Standing(Level.BAD, "✗", phrase("suspended")),
    LaneState.PAUSED_BY_OPERATOR: Standing(Level.LOOK, "‖", phrase("paused by an operator")),
    LaneState.REMOVED: Standing(Level.LOOK, "–", phrase("not configured any more")),
}

INSTANCES: Mapping[InstanceState, Standing] = {
    InstanceState.RUNNING: Standing(Level.GOOD, "✓", phrase("running")),
    InstanceState.SUSPENDED: Standing(Level.BAD, "✗", phrase("suspended")),
    InstanceState.PAUSED: Standing(Level.LOOK, "‖", phrase("paused by an operator")),
    InstanceState.REMOVED: Standing(Level.LOOK, "–", phrase("not configured any more")),
}


def lasting(seconds: float) -> Phrase:
    """A length of time, in its two largest units."""
    whole = max(int(seconds), 0)
    if whole < _MINUTE:
        return phrase("{seconds} s", seconds=whole)
    if whole < _HOUR:
        return phrase("{minutes} min", minutes=whole // _MINUTE)
    if whole < _DAY:
        return _two(
            phrase("{hours} h", hours=whole // _HOUR),
            phrase("{minutes} min", minutes=whole % _HOUR // _MINUTE),
            beside=whole % _HOUR >= _MINUTE,
        )
    return _two(
        phrase("{days} d", days=whole // _DAY),
        phrase("{hours} h", hours=whole % _DAY // _HOUR),
        beside=whole % _DAY >= _HOUR,
    )


def _two(large: Phrase, small: Phrase, *, beside: bool) -> Phrase:
    return phrase("{large} {small}", large=large, small=small) if beside else large


def seen_from(now: datetime, moment: datetime) -> Phrase:
    """``moment`` as a distance from ``now``."""
    seconds = (moment - now).total_seconds()
    if seconds >= 1:
        return phrase("in {time}", time=lasting(seconds))
    if seconds > -1:
        return phrase("just now")
    return phrase("{time} ago", time=lasting(-seconds))


def latency(seconds: float) -> Phrase:
    """How long a message took."""
    if seconds < 1:
        return phrase("{milliseconds} ms", milliseconds=round(seconds * 1000))
    if seconds < _MINUTE:
        return phrase("{seconds} s", seconds=f"{seconds:.1f}")
    return lasting(seconds)


def count(number: int) -> str:
    """With a mark for the thousands."""
    return f"{number:,}"


def size(number: int) -> str:
    """Bytes, in the largest unit that leaves a whole digit."""
    amount = float(number)
    for unit in _UNITS:
        if amount < _KIB or unit == _UNITS[-1]:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _KIB
    raise AssertionError("the last unit takes everything")
