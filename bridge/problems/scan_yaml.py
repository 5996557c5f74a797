"""
YAML that is written like JSON: objects, lists, texts, numbers, true, false, null.

Read from the parser's events, not its nodes: events nest without recursion, and an alias is copied
under our own limit. Only ``true`` and ``false`` are truth values, a date is the text that was
written, and ``yes`` is a text: nothing turns into something that JSON does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from bridge.phrases import phrase
from bridge.problems import mistakes, quoted
from bridge.problems.document import BadSyntax, Node, Span
from bridge.problems.scan_json import MAX_DEPTH, MAX_DIGITS

MAX_ALIASED = 10_000
"""Values that aliases may stand for in one file; a "billion laughs" would be 10**9."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NULLS = ("", "~", "null", "Null", "NULL")
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_PLAIN_TAGS = {
    "tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "!",
    "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq",
}  # fmt: skip


def scan(text: str, tolerated: list[BadSyntax]) -> Node:
    """Raises `BadSyntax`; adds to ``tolerated`` what is wrong but clear."""
    try:
        return _Builder(text, tolerated).build()
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        at = min(mark.index if mark else 0, max(len(text) - 1, 0))
        if text[at : at + 1] == "\t" or (e.problem and "'\\t'" in e.problem):
            hint = phrase("YAML is indented by spaces, never by tabs")
        else:
            hint = phrase(
                "look at the indentation, at missing quotes and at a missing space behind a colon"
            )
        what = e.problem or e.context or "unreadable"
        raise BadSyntax("E004", (at, at + 1), phrase("not YAML: {reason}", reason=what), hint) from None
    except (yaml.YAMLError, ValueError, UnicodeError) as e:
        at = min(getattr(e, "position", 0) or 0, max(len(text) - 1, 0))
        raise BadSyntax(
            "E004", (at, at + 1), phrase("not YAML: {reason}", reason=type(e).__name__)
        ) from None


class _Builder:
    def __init__(self, text: str, tolerated: list[BadSyntax]) -> None:
        self.text = text
        self.tolerated = tolerated
        self.anchors: dict[str, Node] = {}
        self.aliased = 0

    def build(self) -> Node:
        events: Iterator[Event] = yaml.parse(self.text, Loader=_LOADER)
        root: Node | None = None
        open_: list[tuple[Node, list[Node]]] = []
        for event in events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                raise BadSyntax(
                    "E004",
                    self.span(event),
                    phrase("a second document begins here"),
                    phrase("a file holds one document: remove the line ---"),
                )
            if isinstance(event, MappingEndEvent | SequenceEndEvent):
                node, parts = open_.pop()
                self.close(node, parts, event)
            else:
                made = self.node(event)
                if made is None:
                    continue
                node = made
                if isinstance(event, MappingStartEvent | SequenceStartEvent):
                    if len(open_) >= MAX_DEPTH:
                        raise BadSyntax(
                            "E007",
                            self.span(event),
                            phrase("brackets are nested more than {limit} deep", limit=MAX_DEPTH),
                        )
                    open_.append((node, []))
                    continue
            if open_:
                open_[-1][1].append(node)
            else:
                root = node
        return root if root is not None else Node(None, 0, 0)

    def node(self, event: Event) -> Node | None:
        if isinstance(event, AliasEvent):
            return self.copied(event)
        if not isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent):
            return None
        span = self.span(event)
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            raise BadSyntax(
                "E004",
                span,
                phrase("the tag {tag} is not allowed here", tag=quoted(event.tag)),
                phrase("write a plain text, number, true or false"),
            )
        if isinstance(event, ScalarEvent):
            node = Node(self.scalar(event, span), *span)
        elif isinstance(event, MappingStartEvent):
            node = Node({}, *span)
        else:
            node = Node([], *span)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def scalar(self, event: ScalarEvent, span: Span) -> str | int | float | bool | None:
        written: str = event.value
        if event.style or not event.implicit[0]:
            return written
        if written in _NULLS:
            return None
        if written in _TRUTHS:
            return _TRUTHS[written]
        if len(written) <= MAX_DIGITS and _INTEGER.fullmatch(written):
            return int(written)
        if len(written) <= MAX_DIGITS and _FLOAT.fullmatch(written):
            value = float(written)
            if value in (float("inf"), float("-inf")):
                raise BadSyntax("E003", span, phrase("this number is too large"))
            return value
        return written

    def close(self, node: Node, parts: list[Node], event: Event) -> None:
        node.end = max(self.span(event)[1], node.start + 1)
        while node.end > node.start + 1 and self.text[node.end - 1 : node.end].isspace():
            node.end -= 1  # a block ends where its last value ends, not where the next key begins
        if isinstance(node.value, list):
            node.value.extend(parts)
            return
        assert isinstance(node.value, dict)
        for key, member in zip(parts[::2], parts[1::2], strict=True):
            if isinstance(key.value, dict | list):
                raise BadSyntax("E004", key.opening, phrase("a name must be a text"))
            raw = self.text[key.start : key.end]
            name = key.value if isinstance(key.value, str) else raw
            member.key = key.span
            if name in node.value:
                self.tolerated.append(mistakes.twice(name, key.span, node.value[name].name))
            node.value.setdefault(name, member)

    def copied(self, event: AliasEvent) -> Node:
        """The anchor's values, with its places; whole objects that are still open are circles."""
        span = self.span(event)
        anchor = self.anchors.get(str(event.anchor))
        if anchor is None:
            raise BadSyntax("E004", span, phrase("nothing above is called &{name}", name=event.anchor))
        return self.copy(anchor, span, 0)

    def copy(self, node: Node, alias: Span, depth: int) -> Node:
        self.aliased += 1
        if self.aliased > MAX_ALIASED or depth > MAX_DEPTH:
            raise BadSyntax(
                "E008",
                alias,
                phrase("aliases stand for more than {limit} values", limit=MAX_ALIASED),
                phrase("write the values out"),
            )
        value = node.value
        if isinstance(value, dict):
            value = {key: self.copy(member, alias, depth + 1) for key, member in value.items()}
        elif isinstance(value, list):
            value = [self.copy(item, alias, depth + 1) for item in value]
        return Node(value, node.start, node.end, node.key)

    @staticmethod
    def span(event: Event) -> Span:
        assert event.start_mark is not None and event.end_mark is not None  # noqa: PT018 (one claim)
        return event.start_mark.index, max(event.end_mark.index, event.start_mark.index)
