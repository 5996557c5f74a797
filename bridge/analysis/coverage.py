"""Which rules the tests of a file have fired."""

from __future__ import annotations

from bridge.config import Config
from bridge.model import ConversationRef
from bridge.routing import AnyOf, Router, Rule
from bridge.rules import RulesFile


def unfired(config: Config, rules: RulesFile) -> tuple[Rule, ...]:
    """The rules that are switched on and that no test's message fires; all of them without a test."""
    every = rules.router.rules
    hearing: dict[ConversationRef | AnyOf, list[int]] = {}
    for number, rule in enumerate(every):
        for source in dict.fromkeys(rule.sources):
            hearing.setdefault(source, []).append(number)
    form_of = {id_: instance.spec.form_of for id_, instance in config.instances.items()}
    fired: set[str] = set()
    for test in rules.tests:
        # Asking only the rules that hear the message keeps a thousand tests of as many rules quick.
        source = test.envelope.source
        wild = AnyOf(source.instance, form_of[source.instance](source.conversation))
        asked = sorted({*hearing.get(source, ()), *hearing.get(wild, ())})
        router = Router.of((every[number] for number in asked), form_of)
        fired |= {decision.rule.id for decision in router.explain(test.envelope) if decision.matched}
    return tuple(rule for rule in every if rule.enabled and rule.id not in fired)
