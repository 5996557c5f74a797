"""
Strict JSON (RFC 8259) with the place of every key and every value.

Mistakes are explained by `mistakes`. Those after which the meaning is still clear are collected and
the scan goes on; any other ends it. Two members of one name are a mistake: plain parsers keep the
last one silently.
"""

from __future__ import annotations

import json
import math
import re

from bridge.phrases import phrase
from bridge.problems import mistakes
from bridge.problems.document import BadSyntax, Node, Span

MAX_DEPTH = 64
MAX_DIGITS = 30

_SPACE = re.compile(r"[ \t\r\n]*")
_BLANK = frozenset(" \t\r\n")
_NAME = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\r\n]*:[ \t\r\n]*')  # nearly all; others go the long way
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![\w.])")
_WORD = re.compile(r"(?:true|false|null)(?!\w)")
_WORDS = {"true": True, "false": False, "null": None}
_LONE = re.compile("[\ud800-\udfff]")


def scan(text: str, tolerated: list[BadSyntax]) -> Node:
    """Raises `BadSyntax`; adds to ``tolerated`` what is wrong but clear."""
    scanner = _Scanner(text, tolerated)
    root = scanner.value(0)
    end = scanner.skip(root.end)
    if end < len(text):
        raise mistakes.behind_the_end(text, end, root)
    return root


class _Scanner:
    """Recursive, but never deeper than `MAX_DEPTH`."""

    def __init__(self, text: str, tolerated: list[BadSyntax]) -> None:
        self.text = text
        self.tolerated = tolerated
        self.at = 0
        self.open: list[Span] = []

    def skip(self, at: int) -> int:
        if self.text[at : at + 1] not in _BLANK:
            return at
        match = _SPACE.match(self.text, at)
        assert match is not None
        return match.end()

    def value(self, depth: int) -> Node:
        text = self.text
        start = self.skip(self.at)
        first = text[start : start + 1]
        if first == '"':
            return Node(self.string(start), start, self.at)
        if first == "{":
            return self.object(start, depth)
        if first == "[":
            return self.array(start, depth)
        if word := _WORD.match(text, start):
            self.at = word.end()
            return Node(_WORDS[word.group()], start, self.at)
        if number := _NUMBER.match(text, start):
            self.at = number.end()
            return Node(_number(number), start, self.at)
        raise mistakes.no_value(text, start, self.open)

    def string(self, start: int) -> str:
        token = _STRING.match(self.text, start)
        if token is None:
            raise mistakes.bad_string(self.text, start)
        self.at = token.end()
        if "\\" not in token.group():
            return token.group()[1:-1]
        try:
            value: str = json.loads(token.group())
        except ValueError:
            self.tolerated.append(mistakes.bad_escape(self.text, start, self.at))
            return token.group()[1:-1]
        if _LONE.search(value):
            self.tolerated.append(mistakes.lone_surrogate(self.text, start, self.at))
            return _LONE.sub("\N{REPLACEMENT CHARACTER}", value)
        return value

    def object(self, start: int, depth: int) -> Node:
        self.enter(start, depth)
        members: dict[str, Node] = {}
        at = self.skip(start + 1)
        while self.text[at : at + 1] != "}":
            key, span = self.name(at)
            member = self.value(depth + 1)
            member.key = span
            if key in members:
                self.tolerated.append(mistakes.twice(key, span, members[key].name))
            members.setdefault(key, member)
            at = self.skip(self.at)
            if self.text[at : at + 1] != "}":
                at = self.next(at, member, "}", '"')
        return self.leave(members, start, at)

    def name(self, at: int) -> tuple[str, Span]:
        """A member's name and its colon."""
        if simple := _NAME.match(self.text, at):
            self.at = simple.end()
            return simple.group(1), (at, simple.end(1) + 1)
        if self.text[at : at + 1] != '"':
            raise mistakes.no_key(self.text, at, self.open)
        key = self.string(at)
        span = (at, self.at)
        colon = self.skip(self.at)
        if self.text[colon : colon + 1] != ":":
            raise mistakes.no_colon(self.text, colon, span)
        self.at = colon + 1
        return key, span

    def array(self, start: int, depth: int) -> Node:
        self.enter(start, depth)
        items: list[Node] = []
        at = self.skip(start + 1)
        while self.text[at : at + 1] != "]":
            self.at = at
            items.append(self.value(depth + 1))
            at = self.skip(self.at)
            if self.text[at : at + 1] != "]":
                at = self.next(at, items[-1], "]", '"{[')
        return self.leave(items, start, at)

    def next(self, at: int, last: Node, closing: str, beginnings: str) -> int:
        """Over the comma that must stand here, to what follows it."""
        found = self.text[at : at + 1]
        if found and found in beginnings:
            self.tolerated.append(mistakes.no_comma(self.text, at, last, self.open))
            return at
        if found != ",":
            raise mistakes.no_comma(self.text, at, last, self.open)
        following = self.skip(at + 1)
        if self.text[following : following + 1] == closing:
            self.tolerated.append(mistakes.trailing_comma(at))
        return following

    def enter(self, start: int, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise BadSyntax(
                "E007",
                (start, start + 1),
                phrase("brackets are nested more than {limit} deep", limit=MAX_DEPTH),
                phrase("no field of these files is that deep: look for brackets that are not closed"),
            )
        self.open.append((start, start + 1))

    def leave(self, value: dict[str, Node] | list[Node], start: int, at: int) -> Node:
        self.open.pop()
        self.at = at + 1
        return Node(value, start, self.at)


def _number(token: re.Match[str]) -> int | float:
    written = token.group()
    if len(written) > MAX_DIGITS:
        raise BadSyntax(
            "E003",
            token.span(),
            phrase("this number is too long"),
            phrase('an id that looks like a number is a text: put it in "quotes"'),
        )
    if token.group(1) is None and token.group(2) is None:
        return int(written)
    value = float(written)
    if not math.isfinite(value):
        raise BadSyntax("E003", token.span(), phrase("this number is too large"))
    return value
