"""Conditions that contradict each other, so that a rule can never match."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.analysis.findings import Findings
from bridge.conditions import Condition, Hours, Kinds, Senders, TextContains, TextMatches
from bridge.phrases import Phrase, phrase
from bridge.problems import quoted
from bridge.routing import Rule


def report_contradictions(rules: Iterable[Rule], findings: Findings) -> None:
    """Of each rule the first contradiction."""
    for number, rule in enumerate(rules):
        if rule.enabled and (rule.when or rule.unless):
            _report(number, rule, findings)


def _report(number: int, rule: Rule, findings: Findings) -> None:
    for side, conditions in (("when", rule.when), ("unless", rule.unless)):
        for condition in conditions:
            why = _alone(condition) if side == "when" else _always(condition)
            if why is not None:
                findings.report(
                    "W307",
                    findings.of_rule(number, rule, side, condition.key),
                    phrase("rule {id} never fires: {why}", id=quoted(rule.id), why=why),
                    phrase("remove this condition, or correct it"),
                )
                return
    wanted = {condition.key: condition for condition in rule.when}
    for condition in rule.unless:
        other = wanted.get(condition.key)
        if other is not None and _covers(condition, other):
            findings.report(
                "W307",
                findings.of_rule(number, rule, "unless", condition.key),
                phrase(
                    'rule {id} never fires: "unless" takes away all that "when" asks for',
                    id=quoted(rule.id),
                ),
                phrase("remove one of the two"),
                second=findings.of_rule(number, rule, "when", condition.key),
                second_label=phrase("this asks for it"),
            )
            return


def _alone(condition: Condition) -> Phrase | None:
    """Why no message meets it."""
    match condition.test:
        case Senders(include=include, exclude=exclude) if include is not None and include <= exclude:
            if not include:
                return phrase('"include" names nobody')
            return phrase('everybody whom "include" names is excluded')
        case Hours(days=days) if not days:
            return phrase('"days" names no day')
    return None


def _always(condition: Condition) -> Phrase | None:
    """Why every message meets it."""
    match condition.test:
        case Senders(include=None, exclude=exclude) if not exclude:
            return phrase('"senders" without a name holds for everybody')
    return None


def _covers(unless: Condition, when: Condition) -> bool:
    """Does every message that meets ``when`` meet ``unless``, too?"""
    match unless.test, when.test:
        case TextMatches(pattern=one), TextMatches(pattern=other):
            return one.pattern == other.pattern
        case TextContains(words=refused), TextContains(words=wanted):
            small = [word.casefold() for word in refused]
            return all(any(word in want.casefold() for word in small) for want in wanted)
        case Kinds(kinds=refused), Kinds(kinds=wanted):
            return wanted <= refused
        case Senders(include=refused, exclude=spared), Senders(include=wanted, exclude=out) if (
            refused is not None and wanted is not None
        ):
            # Somebody has two names, an id and a user name: whom "unless" spares may be anybody.
            return not spared and wanted - out <= refused
    return unless.test == when.test
