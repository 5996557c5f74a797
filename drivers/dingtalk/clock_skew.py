"""Our clock against DingTalk's, by the ``Date`` of an answer: signatures hold for a while only. Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from bridge.model import Finding

if TYPE_CHECKING:
    from datetime import datetime

TOLERATED = 60.0
"""Seconds; far below every window, far above the time that an answer takes."""


def compare(date: str, now: datetime) -> Finding | None:
    """``date`` is the header; None where it says nothing."""
    theirs = _moment(date)
    if theirs is None:
        return None
    skew = (now - theirs).total_seconds()
    if abs(skew) <= TOLERATED:
        return Finding(ok=True, what="this machine's clock agrees with DingTalk's")
    way = "fast" if skew > 0 else "slow"
    return Finding(
        ok=False,
        what=f"this machine's clock does not agree with DingTalk's: it is {abs(skew):.0f} s {way}",
        hint="set the clock, or switch on NTP: timedatectl set-ntp true",
    )


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
