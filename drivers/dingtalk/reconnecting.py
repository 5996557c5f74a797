"""When to open the next Stream connection, and why there has to be one. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

SHORTEST, LONGEST = 1.0, 60.0
"""Seconds between two attempts. Whatever happened: a gateway that closes at once is not stormed."""
STABLE_AFTER = 60.0
"""Seconds that a connection must last for the next one to count as the first again."""


_GROWTH = 1.5
_GROWN = 20  # long past LONGEST


class Ended(StrEnum):
    """Why a connection is of no more use, or did not come about; each is a metric label."""

    LEAVE = "disconnect"
    """The gateway said that it will close it."""
    CLOSED = "closed"
    """The gateway closed it, as WebSockets are closed."""
    LOST = "lost"
    """It broke."""
    SILENT = "silent"
    """Nothing came any more, not even an answer to our pings."""
    TOO_BIG = "frame_too_big"
    REFUSED = "open_refused"
    """DingTalk gave us no ticket."""
    UNREACHABLE = "unreachable"
    """DingTalk's API, or the endpoint that it named, could not be reached."""
    REJECTED = "ticket_rejected"
    """The endpoint did not take the ticket."""


def wait_before(attempt: int, random: Random) -> float:
    """
    Seconds to wait before an attempt, 0 the first after a connection that lasted.

    Full jitter: anything up to a bound that grows, so that many clients do not come back as one. It
    grows slowly, for what is said while there is no connection is lost, and a few more requests are not.
    """
    bound = min(LONGEST, SHORTEST * _GROWTH ** min(attempt + 1, _GROWN))
    return max(SHORTEST, random.uniform(0.0, bound))
