"""
Where a message goes, and why. Pure: a router is compiled from rules.json and never changes; a
reload makes a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from bridge.conditions import HEAVY, Condition, TextContains, TextMatches
from bridge.model import (
    AddressForm,
    ConversationId,
    ConversationRef,
    Envelope,
    EventKind,
    InstanceId,
    Plan,
    Route,
)
from bridge.phrases import Phrase, phrase

KINDS_BY_DEFAULT = frozenset(EventKind) - {EventKind.NOTICE}
"""What a rule without ``kinds`` takes: notices (members joined, …) must be asked for."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The wildcard: every conversation of one address form of an instance."""

    instance: InstanceId
    form: str

    def __str__(self) -> str:
        return f"{self.instance}/* ({self.form})"


@dataclass(frozen=True, slots=True)
class FromMessage:
    """A destination made from the message: ``{user_id}`` or ``{conversation}`` in an address."""

    instance: InstanceId
    form: AddressForm
    values: Mapping[str, str]

    def of(self, envelope: Envelope) -> ConversationRef:
        known = {"{user_id}": envelope.sender.id, "{conversation}": envelope.source.conversation}
        filled = {}
        for key, template in self.values.items():
            value = template
            for name, inserted in known.items():
                value = value.replace(name, inserted)
            filled[key] = value
        return ConversationRef(self.instance, self.form.conversation(filled))

    def __str__(self) -> str:
        return f"{self.instance}/{' '.join(self.values.values())}"


@dataclass(frozen=True, slots=True)
class Target:
    """One place that a rule sends to, and how."""

    where: ConversationRef | FromMessage
    plan: Plan
    route: Route | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        fixed = isinstance(self.where, ConversationRef)
        route = Route(self.where, self.plan) if fixed else None  # type: ignore[arg-type]  # narrowed by fixed
        object.__setattr__(self, "route", route)

    def route_for(self, envelope: Envelope) -> Route | None:
        """None where the message came from; only ``{conversation}`` answers in place."""
        if self.route is not None:
            return self.route if self.route.destination != envelope.source else None
        assert isinstance(self.where, FromMessage)
        return Route(self.where.of(envelope), self.plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of rules.json, compiled. ``file`` and ``line`` say where it stands."""

    id: str
    sources: tuple[ConversationRef | AnyOf, ...]
    targets: tuple[Target, ...]
    kinds: frozenset[EventKind] = KINDS_BY_DEFAULT
    when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    stop: bool = False
    otherwise: bool = False
    enabled: bool = True
    file: str = "rules.json"
    line: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule made of an envelope; ``line`` is the failed condition's, or the rule's."""

    rule: Rule
    matched: bool
    routes: tuple[Route, ...]
    because: Phrase
    line: int


_MATCHED = phrase("matched")
_NOT_ITS_SOURCE = "{source} is not one of its sources"
_DISABLED = phrase("it is switched off")
_OTHERS_FIRED = phrase("it is for messages that no rule above has taken")
_STOPPED = "rule {rule} has ended the search"


@dataclass(frozen=True, slots=True)
class Router:
    """All rules in the order of the file, and an index by (instance, conversation)."""

    rules: tuple[Rule, ...]
    _exact: Mapping[ConversationRef, tuple[int, ...]]
    _wild: Mapping[AnyOf, tuple[int, ...]]
    _form_of: Mapping[InstanceId, Callable[[ConversationId], str]]
    _weights: Mapping[int, int]
    _always: Mapping[ConversationRef, tuple[Route, ...]]
    """Where messages of a source go whatever they are, for sources of which that can be said."""

    @classmethod
    def of(
        cls,
        rules: Iterable[Rule],
        form_of: Mapping[InstanceId, Callable[[ConversationId], str]],
    ) -> Self:
        """``form_of`` tells for each instance which address form a conversation belongs to."""
        all_rules = tuple(rules)
        exact: dict[ConversationRef, list[int]] = {}
        wild: dict[AnyOf, list[int]] = {}
        for number, rule in enumerate(all_rules):
            for source in dict.fromkeys(rule.sources):
                if isinstance(source, AnyOf):
                    wild.setdefault(source, []).append(number)
                else:
                    exact.setdefault(source, []).append(number)
        always = {
            source: routes
            for source, numbers in exact.items()
            if not wild and (routes := _always(source, [all_rules[number] for number in numbers]))
        }
        return cls(
            all_rules,
            {source: tuple(numbers) for source, numbers in exact.items()},
            {source: tuple(numbers) for source, numbers in wild.items()},
            dict(form_of),
            {number: weight for number, rule in enumerate(all_rules) if (weight := _weight(rule))},
            always,
        )

    def route(self, envelope: Envelope) -> tuple[Route, ...]:
        """Each destination once, by the first rule that names it."""
        always = self._always.get(envelope.source)
        if always is not None and envelope.kind is EventKind.MESSAGE:
            return always
        routes: dict[ConversationRef, Route] = {}
        for decision in self._decide(envelope, self._candidates(envelope.source)):
            for route in decision.routes:
                routes.setdefault(route.destination, route)
        return tuple(routes.values())

    def is_heavy(self, envelope: Envelope) -> bool:
        """Whether `route` could hold up others, for its patterns: then call it in a thread."""
        if not self._weights:
            return False
        candidates = self._candidates(envelope.source)
        weight = sum(self._weights.get(number, 0) for number in candidates)
        return weight * len(envelope.message.text) > HEAVY

    def explain(self, envelope: Envelope) -> tuple[Decision, ...]:
        """What every rule of the file makes of it, by the same code that routes."""
        return tuple(self._decide(envelope, range(len(self.rules))))

    def _candidates(self, source: ConversationRef) -> Iterable[int]:
        exact = self._exact.get(source, ())
        form_of = self._form_of.get(source.instance)
        if not self._wild or form_of is None:
            return exact
        wild = self._wild.get(AnyOf(source.instance, form_of(source.conversation)), ())
        return sorted({*exact, *wild}) if exact and wild else exact or wild

    def _decide(self, envelope: Envelope, numbers: Iterable[int]) -> Iterable[Decision]:
        fired = False
        stopped_by = ""
        for number in numbers:
            rule = self.rules[number]
            refusal = (
                (phrase(_STOPPED, rule=stopped_by), rule.line)
                if stopped_by
                else self._why_not(rule, envelope, fired)
            )
            if refusal:
                yield Decision(rule, False, (), *refusal)
                continue
            fired = True
            if rule.stop:
                stopped_by = rule.id
            routes = tuple(route for target in rule.targets if (route := target.route_for(envelope)))
            yield Decision(rule, True, routes, _MATCHED, rule.line)

    def _why_not(self, rule: Rule, envelope: Envelope, fired: bool) -> tuple[Phrase, int] | None:
        """The first thing that keeps the rule from firing, and its line."""
        if not rule.enabled:
            return _DISABLED, rule.line
        if not self._is_source(rule, envelope.source):
            return phrase(_NOT_ITS_SOURCE, source=envelope.source), rule.line
        if envelope.kind not in rule.kinds:
            kinds = ", ".join(sorted(rule.kinds))
            because = phrase("it takes {kinds}, this is {kind}", kinds=kinds, kind=envelope.kind)
            return because, rule.line
        for condition in rule.when:
            if not condition.test.holds(envelope):
                return condition.test.why_not(envelope), condition.line
        for condition in rule.unless:
            if condition.test.holds(envelope):
                return phrase("unless: {key} holds", key=condition.key), condition.line
        if rule.otherwise and fired:
            return _OTHERS_FIRED, rule.line
        return None

    def _is_source(self, rule: Rule, source: ConversationRef) -> bool:
        if source in rule.sources:
            return True
        form_of = self._form_of.get(source.instance)
        return (
            form_of is not None and AnyOf(source.instance, form_of(source.conversation)) in rule.sources
        )


def _always(source: ConversationRef, rules: Iterable[Rule]) -> tuple[Route, ...] | None:
    """What `Router.route` makes of every message of ``source``; None if it depends on the message."""
    routes: dict[ConversationRef, Route] = {}
    for rule in rules:
        depends = rule.when or rule.unless or rule.otherwise or EventKind.MESSAGE not in rule.kinds
        if depends or any(target.route is None for target in rule.targets):
            return None
        if not rule.enabled:
            continue
        for target in rule.targets:
            if target.route is not None and target.route.destination != source:
                routes.setdefault(target.route.destination, target.route)
        if rule.stop:
            break
    return tuple(routes.values())


def _weight(rule: Rule) -> int:
    tests = [condition.test for condition in (*rule.when, *rule.unless)]
    return sum(test.weight for test in tests if isinstance(test, (TextMatches, TextContains)))
