"""Says which routes lead round, and when that matters."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.analysis.accounts import Accounts
from bridge.analysis.findings import Findings
from bridge.analysis.rounds import Round, find_answers, find_rounds, find_shared
from bridge.phrases import phrase
from bridge.problems import listed, quoted
from bridge.routing import Rule

_MOST_PLACES = 6
_HARMLESS = phrase(
    "what this bridge posts it does not take for new, so this matters only where a platform gives our "
    "own posts back, or where two accounts sit in one conversation"
)
_TWO_ACCOUNTS = phrase("let one account do both: what another one posts looks like anybody's message")


def report_loops(rules: Sequence[Rule], accounts: Accounts, findings: Findings) -> None:
    """Rounds through several rules, answers in place, and one conversation under two accounts."""
    for found in find_rounds(rules, accounts):
        _report(found, rules, findings)
    for number, at in find_answers(rules, accounts):
        rule = rules[number]
        findings.report(
            "W311",
            list(findings.of_targets(number, rule))[at],
            phrase(
                "rule {id} answers where it hears: {to} may be where the message came from",
                id=quoted(rule.id),
                to=str(rule.targets[at].where),
            ),
            _HARMLESS,
        )
    for number, at, source in find_shared(rules, accounts):
        rule = rules[number]
        findings.report(
            "W312",
            list(findings.of_targets(number, rule))[at],
            phrase(
                "rule {id}: {one} and {other} are one conversation under two accounts",
                id=quoted(rule.id),
                one=str(source),
                other=str(rule.targets[at].where),
            ),
            phrase("everything would be said there twice"),
            _TWO_ACCOUNTS,
        )


def _report(found: Round, rules: Sequence[Rule], findings: Findings) -> None:
    first, second = found.rules[0], found.rules[1]
    places = [*found.places, found.places[0]]
    if len(places) > _MOST_PLACES:
        places = [*places[: _MOST_PLACES - 2], "…", places[-1]]
    names = list(dict.fromkeys(quoted(rules[number].id) for number in found.rules))
    shown = [*names[: _MOST_PLACES - 1], "…"] if len(names) > _MOST_PLACES else names
    hints = [phrase("rules on the way: {names}", names=listed(shown))]
    if found.shared is None:
        hints.append(_HARMLESS)
    else:
        posts, hears = found.shared
        hints.append(
            phrase(
                "{one} and {other} are one conversation: what the one posts the other hears, and it goes "
                "round",
                one=str(posts),
                other=str(hears),
            )
        )
        hints.append(_TWO_ACCOUNTS)
    findings.report(
        "W311",
        findings.of_rule(first, rules[first]),
        phrase("routes lead round: {places}", places=" → ".join(places)),
        *hints,
        second=findings.of_rule(second, rules[second]),
        second_label=phrase("and on from here"),
    )
