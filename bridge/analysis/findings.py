"""Warnings of the analysis, and where they belong in the two files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.phrases import Phrase
from bridge.problems import Place, Problem
from bridge.problems.document import Document, Node
from bridge.routing import Rule


@dataclass(slots=True)
class Findings:
    """Gathers warnings; ``rules`` and ``config`` are the texts that they are about."""

    config: Document | None
    rules: Document | None
    problems: list[Problem] = field(default_factory=list)

    def report(
        self,
        code: str,
        place: Place,
        message: Phrase,
        *hints: Phrase,
        second: Place | None = None,
        second_label: Phrase | None = None,
    ) -> None:
        self.problems.append(
            Problem(
                place=place,
                code=code,
                message=message,
                hints=hints,
                second=second,
                second_label=second_label,
                warning=True,
            )
        )

    def of_rule(self, number: int, rule: Rule, *keys: str) -> Place:
        """Where the innermost of ``keys`` stands that was written; the rule's id, or its bracket."""
        document = self.rules
        node = self._rule(number)
        if document is None or node is None:
            return Place(rule.file, rule.line)
        found = node
        for key in keys:
            inner = found.value.get(key) if isinstance(found.value, dict) else None
            if inner is None:
                break
            found = inner
        if found is not node:
            return document.place(found.name)
        named = node.value.get("id") if isinstance(node.value, dict) else None
        return document.place(named.span if named else node.opening)

    def of_targets(self, number: int, rule: Rule) -> Iterator[Place]:
        """One for each of the rule's targets, in their order: its address, or its instance."""
        node = self._rule(number)
        if self.rules is None or node is None or not isinstance(node.value, dict):
            yield from (Place(rule.file, rule.line) for _ in rule.targets)
            return
        block = node.value.get("to") or node.value["channels"]
        assert isinstance(block.value, dict)
        for inner in block.value.values():
            if isinstance(inner.value, list):
                yield from (self.rules.place(item.opening) for item in inner.value)
            else:
                yield self.rules.place(inner.name)

    def of_config(self, file: str, *keys: str) -> Place:
        """Where the innermost of ``keys`` stands that was written."""
        document = self.config
        if document is None or document.root is None:
            return Place(file)
        found = document.root
        for key in keys:
            inner = found.value.get(key) if isinstance(found.value, dict) else None
            if inner is None:
                break
            found = inner
        return document.place(found.name if found is not document.root else found.opening)

    def _rule(self, number: int) -> Node | None:
        root = self.rules.root if self.rules else None
        if root is None or not isinstance(root.value, dict):
            return None
        rules = root.value["rules"].value
        assert isinstance(rules, list)
        return rules[number]
