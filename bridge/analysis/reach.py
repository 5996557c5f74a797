"""Rules that no message can reach: their sources are silent, or an earlier rule takes everything."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import cast

from bridge.analysis.accounts import Accounts
from bridge.analysis.findings import Findings
from bridge.conditions import Condition, Kinds, TextMatches
from bridge.model import ConversationRef, EventKind
from bridge.phrases import phrase
from bridge.problems import listed, quoted
from bridge.routing import AnyOf, Rule

_MOST_TESTS = 8
"""Conditions of a rule whose subsets are all looked up; of a rule with more, each one and all."""

Source = ConversationRef | AnyOf
Tests = frozenset[Hashable]


def report_unreachable(rules: Iterable[Rule], accounts: Accounts, findings: Findings) -> None:
    """One pass in the order of the file: each rule is asked of those above it."""
    stopping, firing = _Cover(accounts), _Cover(accounts)
    for number, rule in enumerate(rules):
        if not rule.enabled:
            continue
        name = quoted(rule.id)
        if not _emitted(rule, accounts):
            _report_silent(number, rule, accounts, findings)
        elif (by := stopping.over(rule)) is not None:
            findings.report(
                "W304",
                findings.of_rule(number, rule),
                phrase(
                    "rule {id} is never asked: rule {other} ends the search before it",
                    id=name,
                    other=quoted(by[1].id),
                ),
                phrase('move it above that rule, or remove "stop" there'),
                second=findings.of_rule(*by, "stop"),
                second_label=phrase("this ends it"),
            )
        elif rule.otherwise and (by := firing.over(rule)) is not None:
            findings.report(
                "W306",
                findings.of_rule(number, rule, "otherwise"),
                phrase(
                    "rule {id} is for what no rule above takes, but rule {other} takes everything that "
                    "it hears",
                    id=name,
                    other=quoted(by[1].id),
                ),
                phrase('remove "otherwise", or narrow the other rule'),
                second=findings.of_rule(*by),
                second_label=phrase("this takes everything"),
            )
        if rule.stop and not rule.otherwise:
            stopping.add(number, rule)
        firing.add(number, rule)


def _emitted(rule: Rule, accounts: Accounts) -> frozenset[EventKind]:
    """The kinds that the rule takes and that any of its sources emits."""
    emitted: frozenset[EventKind] = frozenset()
    for source in rule.sources:
        emitted |= accounts.emits(source.instance)
        if emitted >= rule.kinds:
            return rule.kinds
    return emitted & rule.kinds


def _report_silent(number: int, rule: Rule, accounts: Accounts, findings: Findings) -> None:
    names = list(dict.fromkeys(source.instance for source in rule.sources))
    silent = [name for name in names if not accounts.emits(name)]
    if len(silent) == len(names):
        findings.report(
            "W305",
            findings.of_rule(number, rule, "from"),
            phrase(
                "rule {id} never fires: nothing comes from {names}",
                id=quoted(rule.id),
                names=listed(quoted(name) for name in names),
            ),
            phrase("such an instance is switched off, or can only send: name another one"),
        )
        return
    findings.report(
        "W305",
        findings.of_rule(number, rule, "when", "kinds"),
        phrase(
            "rule {id} never fires: {names} never has an event of kind {kinds}",
            id=quoted(rule.id),
            names=listed(quoted(name) for name in names),
            kinds=listed(sorted(rule.kinds)),
        ),
        phrase(
            "kinds that come from there: {kinds}",
            kinds=listed(sorted({kind for name in names for kind in accounts.emits(name)})),
        ),
    )


@dataclass(slots=True)
class _Cover:
    """
    Rules by what they hear and ask for. A rule takes all that another one takes if it hears the same
    sources and kinds and asks for nothing that the other does not ask for, too.
    """

    accounts: Accounts
    _by: dict[tuple[Source, Tests], list[tuple[int, Rule]]] = field(default_factory=dict)

    def add(self, number: int, rule: Rule) -> None:
        tests = _tests(rule)
        for source in dict.fromkeys(rule.sources):
            above = self._by.setdefault((source, tests), [])
            if not any(rule.kinds <= other.kinds for _, other in above):
                above.append((number, rule))

    def over(self, rule: Rule) -> tuple[int, Rule] | None:
        """The first of the rules that, together, take everything which ``rule`` could."""
        asked = list(_subsets(_tests(rule)))
        first = None
        for source in rule.sources:
            found = self._over(source, asked, rule.kinds)
            if found is None:
                return None
            first = first or found
        return first

    def _over(
        self, source: Source, asked: list[Tests], kinds: frozenset[EventKind]
    ) -> tuple[int, Rule] | None:
        places: list[Source] = [source]
        if isinstance(source, ConversationRef):
            places.append(self.accounts.anywhere(source))
        for place in places:
            for tests in asked:
                for number, rule in self._by.get((place, tests), ()):
                    if kinds <= rule.kinds:
                        return number, rule
        return None


def _tests(rule: Rule) -> Tests:
    """What it asks of a message, comparable; kinds are compared apart."""
    when = ((True, _meaning(test)) for test in rule.when if not isinstance(test.test, Kinds))
    unless = ((False, _meaning(test)) for test in rule.unless)
    return frozenset(chain(when, unless))


def _meaning(condition: Condition) -> Hashable:
    """Two conditions of one meaning ask the same. A compiled pattern is only equal to itself."""
    test = condition.test
    if isinstance(test, TextMatches):
        return "text_matches", test.pattern.pattern
    return cast("Hashable", test)


def _subsets(tests: Tests) -> Iterator[Tests]:
    if len(tests) <= _MOST_TESTS:
        sizes = (combinations(tests, size) for size in range(len(tests) + 1))
        yield from map(frozenset, chain.from_iterable(sizes))
        return
    yield frozenset()
    yield from (frozenset((test,)) for test in tests)
    yield tests
