"""Reading a tree with one's own eyes: asks for what must be there, and reports what is not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bridge.phrases import Phrase, phrase
from bridge.problems import Problem, did_you_mean, listed, quoted
from bridge.problems.document import Document, Node, Span

LONGEST_LIST = 24
"""Names beyond which a list of names helps nobody."""

_KINDS = {
    "object": phrase("an object {{…}}"),
    "list": phrase("a list […]"),
    "text": phrase("a text"),
    "flag": phrase("true or false"),
    "number": phrase("a number"),
    "null": phrase("null"),
}


def kind_of(value: object) -> str:
    """The word for what a value is."""
    match value:
        case dict():
            return "object"
        case list():
            return "list"
        case str():
            return "text"
        case bool():
            return "flag"
        case int() | float():
            return "number"
    return "null"


def kind_in_words(kind: str) -> Phrase:
    """One of ``object list text flag number null``, for a sentence."""
    return _KINDS[kind]


_SHAPES = {
    "object": phrase("put it in braces: {{…}}"),
    "list": phrase("put it in brackets: […]"),
    "text": phrase('a text stands in double quotes: "…"'),
    "flag": phrase("write true or false"),
    "number": phrase("write a number, without quotes"),
}
_MEANT = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_NUMBER = re.compile(r"-?[0-9]{1,18}")


def remedy(node: Node, wanted: str) -> Phrase | None:
    """What to write in place of a value of the wrong kind, if it is clear what was meant."""
    value = node.value
    if wanted == "flag" and isinstance(value, str) and (meant := _MEANT.get(value.lower())):
        return phrase("write {right}", right=meant)
    if wanted == "number" and isinstance(value, str) and _NUMBER.fullmatch(value):
        return phrase("write it without quotes: {value}", value=value)
    if wanted == "text" and isinstance(value, int | float):
        shown = str(value).lower() if isinstance(value, bool) else value
        return phrase('put it in quotes: "{value}"', value=shown)
    return None


@dataclass(slots=True)
class Reader:
    """Gathers the problems of one file."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def report(
        self,
        code: str,
        where: Node | Span,
        message: Phrase,
        *hints: Phrase,
        label: Phrase | None = None,
        second: Node | Span | None = None,
        second_label: Phrase | None = None,
        fields: Phrase | None = None,
        warning: bool = False,
    ) -> None:
        second_span = second.name if isinstance(second, Node) else second
        self.problems.append(
            Problem(
                place=self.document.place(where.opening if isinstance(where, Node) else where),
                code=code,
                message=message,
                hints=hints,
                label=label,
                second=self.document.place(second_span) if second_span else None,
                second_label=second_label,
                fields=fields,
                warning=warning,
            )
        )

    def wrong_kind(self, node: Node, wanted: str, what: str | Phrase, *hints: Phrase) -> None:
        found = kind_of(node.value)
        if not hints:
            hints = (remedy(node, wanted) or _SHAPES[wanted],)
        self.report(
            "E101",
            node,
            phrase(
                "{what} must be {wanted}, not {found}",
                what=what,
                wanted=_KINDS[wanted],
                found=_KINDS[found],
            ),
            *hints,
        )

    def members(self, node: Node, what: str | Phrase, *hints: Phrase) -> dict[str, Node] | None:
        if isinstance(node.value, dict):
            return node.value
        self.wrong_kind(node, "object", what, *hints)
        return None

    def items(self, node: Node, what: str) -> list[Node]:
        if isinstance(node.value, list):
            return node.value
        self.wrong_kind(node, "list", what)
        return []

    def text(self, node: Node, what: str) -> str | None:
        if isinstance(node.value, str):
            return node.value
        self.wrong_kind(node, "text", what)
        return None

    def texts(self, node: Node, what: str) -> list[tuple[str, Node]]:
        """One text, or a list of texts."""
        nodes = node.value if isinstance(node.value, list) else [node]
        return [(text, item) for item in nodes if (text := self.text(item, what)) is not None]

    def flag(self, members: Mapping[str, Node], key: str, *, default: bool) -> bool:
        node = members.get(key)
        if node is None:
            return default
        if isinstance(node.value, bool):
            return node.value
        self.wrong_kind(node, "flag", quoted(key))
        return default

    def choice(self, node: Node, what: str, choices: Collection[str]) -> str | None:
        if isinstance(node.value, str) and node.value in choices:
            return node.value
        close = did_you_mean(node.value, choices) if isinstance(node.value, str) else ""
        hints = [phrase("did you mean {name}?", name=quoted(close))] if close else []
        self.report(
            "E104",
            node,
            phrase(
                "{what} cannot be {found}",
                what=what,
                found=quoted(node.value)
                if not isinstance(node.value, dict | list)
                else kind_in_words(kind_of(node.value)),
            ),
            *hints,
            fields=phrase("one of: {names}", names=listed(choices)),
        )
        return None

    def known(
        self,
        members: Mapping[str, Node],
        names: Collection[str],
        what: Phrase,
        *,
        required: Collection[str] = (),
        aliases: Mapping[str, str] | None = None,
        of: Phrase,
    ) -> dict[str, Node]:
        """
        The members under their right names.

        A name that is not among ``names`` is reported, and read on as the name that it was meant to
        be, so that one slip does not hide what is wrong behind it. ``what`` begins the sentence
        (``rule "a"``), ``of`` the list of fields (``fields of a rule``).
        """
        right = {name: node for name, node in members.items() if name in names}
        if len(right) == len(members):
            return right
        fields = (
            phrase("{heading}: {names}", heading=of, names=listed(names))
            if len(names) <= LONGEST_LIST
            else None
        )
        for name, node in members.items():
            if name in names:
                continue
            meant = (aliases or {}).get(name) or did_you_mean(name, names)
            if meant in required and meant not in right:
                message = phrase(
                    "{what} has no {missing}, and {name} is not a field",
                    what=what,
                    missing=quoted(meant),
                    name=quoted(name),
                )
            else:
                message = phrase("{what}: {name} is not a field", what=what, name=quoted(name))
            if meant and meant in right:
                hints = [phrase("{name} is there already: remove one of the two", name=quoted(meant))]
            elif meant:
                hints = [phrase("did you mean {name}?", name=quoted(meant))]
                right[meant] = node
            else:
                hints = [phrase("remove it, or look it up in the schema: msgbridge schema")]
            self.report(
                "E102", node.name, message, *hints, label=phrase("not a known field"), fields=fields
            )
        return right

    def missing(self, node: Node, what: Phrase, name: str, *hints: Phrase) -> None:
        self.report(
            "E103",
            node.key or node.opening,
            phrase("{what} has no {missing}", what=what, missing=quoted(name)),
            *(hints or (phrase("add {name}", name=quoted(name)),)),
        )
