"""
What passed since the start: counted where it passes, read when somebody looks.

Whoever counts keeps the cell in hand, so that a message costs a few additions and no search.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from bridge.model import ConversationRef, InstanceId

MOST_DESTINATIONS = 10_000
"""Of which the last message is remembered; beyond that the one that was silent longest goes."""

_SLOT = 300
_SLOTS = 12
"""An hour is counted in twelve pieces of five minutes."""


@dataclass(slots=True)
class Source:
    """One instance as a source; ``last`` is when something last came from it."""

    received: int = 0
    duplicates: int = 0
    ignored: int = 0
    last: datetime | None = None


@dataclass(slots=True)
class RuleTally:
    """The messages that one rule sent somewhere."""

    matches: int = 0
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Setback:
    """The last thing that went wrong on the way to a destination."""

    at: datetime
    reason: str
    detail: str


@dataclass(slots=True)
class Destination:
    """One conversation that something was sent to. ``seconds`` is how long the last one took."""

    sent: int = 0
    last: datetime | None = None
    seconds: float | None = None
    setback: Setback | None = None
    _slot: int = 0
    _counts: list[int] = field(default_factory=lambda: [0] * _SLOTS)

    def count(self, at: datetime, seconds: float) -> None:
        """One was sent at ``at``, ``seconds`` after its acceptance."""
        self.sent += 1
        self.last = at
        self.seconds = seconds
        slot = int(at.timestamp()) // _SLOT
        if slot != self._slot:
            self._turn(slot)
        self._counts[slot % _SLOTS] += 1

    def per_hour(self, now: datetime) -> int:
        """Sent in the last 55 to 60 minutes."""
        slot = int(now.timestamp()) // _SLOT
        if slot != self._slot:
            self._turn(slot)
        return sum(self._counts)

    def _turn(self, slot: int) -> None:
        """Pieces that are over an hour old, or lie in the future of a stepped clock, are emptied."""
        passed = slot - self._slot
        if passed < 0 or passed >= _SLOTS:
            self._counts = [0] * _SLOTS
        else:
            for number in range(self._slot + 1, slot + 1):
                self._counts[number % _SLOTS] = 0
        self._slot = slot


class Tallies:
    """All cells of one daemon."""

    def __init__(self) -> None:
        self.sources: dict[InstanceId, Source] = {}
        self.rules: dict[str, RuleTally] = {}
        self.destinations: OrderedDict[ConversationRef, Destination] = OrderedDict()

    def source(self, instance: InstanceId) -> Source:
        """The cell of one instance; made when it is first asked for."""
        cell = self.sources.get(instance)
        if cell is None:
            cell = self.sources[instance] = Source()
        return cell

    def rule(self, rule: str) -> RuleTally:
        """The cell of one rule; made when it is first asked for."""
        cell = self.rules.get(rule)
        if cell is None:
            cell = self.rules[rule] = RuleTally()
        return cell

    def destination(self, ref: ConversationRef) -> Destination:
        """The cell of one conversation; made when it is first asked for."""
        cell = self.destinations.get(ref)
        if cell is None:
            cell = self.destinations[ref] = Destination()
            if len(self.destinations) > MOST_DESTINATIONS:
                self.destinations.popitem(last=False)
        else:
            self.destinations.move_to_end(ref)
        return cell

    def keep_rules(self, names: frozenset[str]) -> None:
        """Rules that are gone take their numbers with them."""
        self.rules = {name: cell for name, cell in self.rules.items() if name in names}
