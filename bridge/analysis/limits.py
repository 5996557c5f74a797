"""What a rule wants of a platform that the platform cannot do."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from bridge.analysis.accounts import Ability, Accounts
from bridge.analysis.findings import Findings
from bridge.model import AttachmentMode, Capabilities, EventKind, InstanceId, Support
from bridge.phrases import Phrase, phrase
from bridge.problems import listed, quoted
from bridge.routing import Rule
from bridge.template import compile_template


def report_limits(rules: Iterable[Rule], accounts: Accounts, findings: Findings) -> None:
    """Of each rule and instance every limit once, however many conversations are named."""
    for number, rule in enumerate(rules):
        if not rule.enabled:
            continue
        told: set[InstanceId] = set()
        first: dict[tuple[InstanceId, str], int] = {}
        for at, target in enumerate(rule.targets):
            first.setdefault((target.where.instance, target.plan.template), at)
        for at in first.values():
            target = rule.targets[at]
            ability = accounts.abilities.get(target.where.instance)
            if ability is not None:
                _report(number, rule, at, ability, findings, again=target.where.instance in told)
                told.add(target.where.instance)


def _report(
    number: int, rule: Rule, at: int, ability: Ability, findings: Findings, *, again: bool
) -> None:
    target = rule.targets[at]
    can = ability.capabilities
    report = partial(_at_target, number, rule, at, findings)
    fixed = "".join(compile_template(target.plan.template).pieces[::2])
    if can.measure(fixed) > can.max_text:
        report(
            "W310",
            phrase(
                "rule {id}: the text around the message is longer than {to} takes at once",
                id=quoted(rule.id),
                to=quoted(target.where.instance),
            ),
            phrase(
                "every message will be cut into parts: it is {length} long, the limit is {limit}",
                length=can.measure(fixed),
                limit=can.max_text,
            ),
        )
    if again:
        return
    if not ability.sends:
        report(
            "W308",
            phrase(
                "rule {id} sends to {to}, which only receives",
                id=quoted(rule.id),
                to=quoted(target.where.instance),
            ),
            phrase("set in config.json what it sends with, or name another instance"),
        )
        return
    if target.plan.attachments is AttachmentMode.UPLOAD and can.attachments is not Support.NATIVE:
        findings.report(
            "W309",
            findings.of_rule(number, rule, "attachments"),
            phrase(
                "rule {id} uploads attachments, but {to} takes none: they go as links",
                id=quoted(rule.id),
                to=quoted(target.where.instance),
            ),
            phrase('write "attachments": "link" to say so, or send to another instance'),
        )
    if target.plan.format is not None and target.plan.format not in can.formats:
        report(
            "W313",
            phrase(
                "rule {id}: {to} does not know the format {format}: the text goes as it is",
                id=quoted(rule.id),
                to=quoted(target.where.instance),
                format=quoted(target.plan.format.value),
            ),
            phrase("formats there: {names}", names=listed(sorted(can.formats))),
        )
    lost = _lost(rule, can)
    if lost:
        report(
            "W314",
            phrase(
                "rule {id} takes only {kinds}, of which {to} can show none",
                id=quoted(rule.id),
                kinds=listed(lost),
                to=quoted(target.where.instance),
            ),
            phrase("nothing will be sent there: add other kinds, or name another instance"),
        )


def _at_target(
    number: int, rule: Rule, at: int, findings: Findings, code: str, message: Phrase, hint: Phrase
) -> None:
    places = list(findings.of_targets(number, rule))
    findings.report(code, places[at], message, hint)


def _lost(rule: Rule, can: Capabilities) -> list[EventKind]:
    """All kinds of the rule, if a platform with these abilities can show none of them."""
    support = {EventKind.EDIT: can.edit, EventKind.RECALL: can.recall, EventKind.REACTION: can.reaction}
    if any(support.get(kind, Support.NATIVE) > Support.DROPPED for kind in rule.kinds):
        return []
    return sorted(rule.kinds)
