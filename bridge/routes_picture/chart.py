"""What every picture of the routes shows: conversations, rules, and the way between them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridge.analysis.rounds import Round
from bridge.model import ConversationRef
from bridge.problems import printable
from bridge.routing import AnyOf, FromMessage, Router, Rule

Place = ConversationRef | AnyOf | str
"""A conversation, every conversation of a form, or an address made from a message, as it is written."""

Names = Mapping[ConversationRef, str]
"""What people call a conversation, where that is known."""


class Mark(StrEnum):
    """How a destination is."""

    WELL = "well"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One rule: from each of ``sources`` to each of ``targets``; some of both are part of a round."""

    rule: Rule
    sources: tuple[Place, ...]
    targets: tuple[Place, ...]
    asks: tuple[str, ...]
    round_from: frozenset[Place] = frozenset()
    round_to: frozenset[Place] = frozenset()

    @property
    def both_ways(self) -> bool:
        """A ``connect``: it sends to where it hears."""
        return len(self.targets) > 1 and set(self.sources) == set(self.targets)


@dataclass(frozen=True, slots=True)
class Chart:
    """``left_out`` is the number of rules for which there was no room."""

    rules: tuple[Drawn, ...]
    left_out: int = 0

    @property
    def sources(self) -> tuple[Place, ...]:
        """In the order in which rules name them."""
        return tuple(dict.fromkeys(place for drawn in self.rules for place in drawn.sources))

    @property
    def targets(self) -> tuple[Place, ...]:
        """In the order in which rules name them."""
        return tuple(dict.fromkeys(place for drawn in self.rules for place in drawn.targets))


def chart(router: Router, rounds: Collection[Round] = (), *, most: int | None = None) -> Chart:
    """Rules that are switched off carry nothing and are not drawn. ``most`` is how many rules may be."""
    steps = {step for found in rounds for step in found.steps}
    begins = {(rule, at) for found in rounds for rule, at in zip(found.rules, found.places, strict=True)}
    drawn = []
    numbers = [number for number, rule in enumerate(router.rules) if rule.enabled]
    for number in numbers[:most]:
        rule = router.rules[number]
        sources = tuple(dict.fromkeys(rule.sources))
        targets = tuple(dict.fromkeys(_written(target.where) for target in rule.targets))
        drawn.append(
            Drawn(
                rule,
                sources,
                targets,
                _asks(rule),
                frozenset(place for place in sources if _begins(place, number, begins, sources)),
                frozenset(place for place in targets if (number, str(place)) in steps),
            )
        )
    return Chart(tuple(drawn), len(numbers) - len(drawn))


def title(place: Place, names: Names) -> tuple[str, str]:
    """The instance, and what to call the conversation."""
    if isinstance(place, ConversationRef):
        return place.instance, printable(names.get(place, "") or place.conversation)
    if isinstance(place, AnyOf):
        return place.instance, f"* ({place.form})"
    instance, _, rest = place.partition("/")
    return instance, printable(rest)


def _written(where: ConversationRef | FromMessage) -> Place:
    return where if isinstance(where, ConversationRef) else str(where)


def _begins(
    place: Place, number: int, begins: Collection[tuple[int, str]], sources: Sequence[Place]
) -> bool:
    if (number, str(place)) in begins:
        return True
    # A round that enters by a wildcard names the conversation.
    named = any((number, str(other)) in begins for other in sources)
    return isinstance(place, AnyOf) and not named and any(rule == number for rule, _ in begins)


def _asks(rule: Rule) -> tuple[str, ...]:
    """The fields that narrow the rule, as they are called in the file."""
    flags = [name for name in ("stop", "otherwise") if getattr(rule, name)]
    when = [condition.key for condition in rule.when]
    unless = [f"unless {condition.key}" for condition in rule.unless]
    return (*when, *unless, *flags)
