"""A file as a tree in which every key and every value knows where it stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bridge.phrases import Phrase
from bridge.problems import Place

Span = tuple[int, int]
"""Offsets of the first character and of the one behind the last."""

_LINE_END = re.compile("\r\n|\r|\n")
_STEP = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
_SENSITIVE = r"secret|secert|passw|pwd|token|aes_?key|credential|api_?key"
# A value that a line gives away: under a key that sounds like a secret, or in a URL's query.
_GIVEN_AWAY = re.compile(
    rf"""["']?[\w.-]*(?:{_SENSITIVE})[\w.-]*["']?\s*[:=]\s*["']?\s*([^\s"',{{}}\[\]][^"'\r\n]*)"""
    rf"""|[?&][\w-]*(?:{_SENSITIVE}|sign|key)[\w-]*=([^&"'\s]+)|://([^/@"'\s]+)@""",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"""("[^"\\]*(?:\\.[^"\\]*)*(?:"|$)|'[^']*(?:'|$))(\s*:)?""")
_UNQUOTED = re.compile(r"""(?:: +|- +)([^\s"'{\[][^:]*)$""")
# References name where a secret is, they hold none.
_REFERENCE = re.compile(r"""^\{|^(?:true|false|null)\b""")


class BadSyntax(Exception):
    """The text is no JSON or YAML; ``span`` is where, ``second`` another place that explains it."""

    def __init__(
        self,
        code: str,
        span: Span,
        message: Phrase,
        *hints: Phrase,
        second: Span | None = None,
        second_label: Phrase | None = None,
    ) -> None:
        super().__init__(str(message))
        self.code = code
        self.span = span
        self.message = message
        self.hints = hints
        self.second = second
        self.second_label = second_label


@dataclass(slots=True, eq=False)
class Node:
    """
    A value, where it stands, and where its key stands (for a member of an object).

    ``value`` is a dict or list of nodes, or a plain text, number, truth value or None.
    """

    value: dict[str, Node] | list[Node] | str | int | float | bool | None
    start: int
    end: int
    key: Span | None = None

    @property
    def span(self) -> Span:
        return self.start, self.end

    @property
    def name(self) -> Span:
        """Where its key stands; where itself stands if it has none."""
        return self.key or (self.start, self.end)

    @property
    def opening(self) -> Span:
        """The bracket of an object or a list, all of anything else."""
        return (self.start, self.start + 1) if isinstance(self.value, dict | list) else self.span


def plain(node: Node) -> object:
    """The value without its places."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


@dataclass(slots=True)
class Document:
    """
    One file's text; ``secrets`` are the spans that no line may show.

    ``guarded`` is a file that may hold secrets: until it is understood (``root`` is None), no line of
    it shows any value. ``tolerated`` are mistakes after which the meaning was still clear.
    """

    file: str
    text: str
    root: Node | None = None
    guarded: bool = False
    tolerated: list[BadSyntax] = field(default_factory=list)
    secrets: list[Span] = field(default_factory=list)
    _lines: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = [0, *(end.end() for end in _LINE_END.finditer(self.text))]

    def line_of(self, span: Span) -> int:
        return bisect_right(self._lines, span[0])

    def place(self, span: Span) -> Place:
        """The part of ``span`` that is on its first line, and that line with its secrets masked."""
        line = self.line_of(span)
        begin = self._lines[line - 1]
        behind = self._lines[line] if line < len(self._lines) else len(self.text)
        source = self.text[begin:behind].rstrip("\r\n")
        column = span[0] - begin
        length = min(span[1], begin + len(source)) - span[0]
        return Place(self.file, line, column + 1, max(length, 1), self._masked(source, begin))

    def within(self, node: Node, at: int, length: int) -> Span:
        """Where ``length`` characters of a text value, ``at`` from its beginning, stand in the file."""
        raw = self.text[node.start : node.end]
        assert isinstance(node.value, str)
        escaped = raw[:1] == '"' and "\\" in raw
        found = raw.find(node.value) if node.value and not escaped else -1
        if found >= 0:
            start = node.start + found + at
            return start, start + length
        if raw[:1] != '"':
            return node.span
        ends = [step.end() for step in _STEP.finditer(raw, 1)]
        starts = [1, *ends]
        if at + length > len(ends):
            return node.span
        return node.start + starts[at], node.start + ends[max(at + length - 1, at)]

    def hide(self, spans: Iterable[Span]) -> None:
        self.secrets.extend(spans)

    def _masked(self, source: str, begin: int) -> str:
        hidden = [(start - begin, end - begin) for start, end in self.secrets]
        if self.guarded:
            hidden += _given_away(source)
        if self.guarded and self.root is None:
            hidden += _values(source)
        for start, end in hidden:
            start, end = max(start, 0), min(end, len(source))  # noqa: PLW2901 (cut to this line)
            if start < end:
                source = source[:start] + _mask(source[start:end]) + source[end:]
        return source


def _given_away(source: str) -> Iterator[Span]:
    """What stands under a name that sounds like a secret, in a URL's query, or before its host."""
    for given in _GIVEN_AWAY.finditer(source):
        group = given.lastindex or 0
        if not _REFERENCE.match(given.group(group)):
            yield given.span(group)


def _values(source: str) -> Iterator[Span]:
    """Every text of a line that is no name, and what stands unquoted at its end, as in YAML."""
    for text in _QUOTED.finditer(source):
        if text.group(2) is None:
            yield text.span(1)
    for text in _UNQUOTED.finditer(source):
        yield text.span(1)


def _mask(text: str) -> str:
    """Quotes and the white space at both ends stay: they are what may be wrong with it."""
    core = text.strip("\"' \t")
    before = len(text) - len(text.lstrip("\"' \t"))
    return text[:before] + "*" * len(core) + text[before + len(core) :]
