"""Where deliveries go: an instance as a destination, and how far a lane is with its delivery there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bridge.driver import Driver
from bridge.gates import Gate
from bridge.limits import Limiter
from bridge.model import Delivery, InstanceId, MessageId, Outgoing
from bridge.render import Style


@dataclass(slots=True)
class Outlet:
    """
    One instance as a destination: its driver, and all that its lanes share.

    It stays the same while the instance is known; a reload puts another driver into it.
    """

    driver: Driver
    platform: str
    style: Style
    gate: Gate
    limiter: Limiter | None = None
    on_lost_answer: str = "repeat"
    send_timeout: float = 15.0
    paused: bool = False
    """By an operator; the gate is held."""
    removed: bool = False
    """From the configuration; the gate is held until it comes back."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A delivery rendered ahead of its turn, at a monotonic time, for this driver in this style."""

    delivery: Delivery
    driver: Driver
    style: Style
    at: float
    parts: tuple[Outgoing, ...]


@dataclass(slots=True)
class Progress:
    """What has been achieved for the delivery that a lane works on."""

    delivery: Delivery
    ahead: Ahead | None = None
    sending: bool = False
    ends_by: float = math.inf
    """In the loop's time: when what is being sent must have ended. The lanes' watch sees to it."""
    overdue: bool = False
    """The watch has interrupted the send."""
    asking: InstanceId | None = None
    """The instance that is asked for an attachment just now."""
    tries_at: float | None = None
    """In monotonic seconds, while the next attempt is waited for."""
    message_ids: list[MessageId] = field(default_factory=list)
