"""
One thing that is wrong with a file: where, what, and the way out.

The texts are phrases, put into the reader's language at the edge; codes never change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from bridge.phrases import Phrase

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SHOWN = 60
_SHORTEST_MASKED = 4
_CLOSE = 0.6
_SHORT = 3
_CLOSE_IF_SHORT = 0.5
"""Of a name of two letters one is half."""


@dataclass(frozen=True, slots=True)
class Place:
    """
    A run of characters on one line. ``line`` and ``column`` count from 1, in characters.

    ``source`` is the whole line, with every secret in it already replaced by asterisks.
    """

    file: str
    line: int = 1
    column: int = 1
    length: int = 0
    source: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """
    ``label`` stands beside the caret, ``second`` is the other place when there are two.

    ``fields`` is a ready list of names with its heading; a ``warning`` does not stop the daemon.
    """

    place: Place
    code: str
    message: Phrase
    hints: tuple[Phrase, ...] = ()
    label: Phrase | None = None
    second: Place | None = None
    second_label: Phrase | None = None
    fields: Phrase | None = None
    warning: bool = False

    @property
    def file(self) -> str:
        return self.place.file

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column

    @property
    def length(self) -> int:
        return self.place.length


def in_order(problems: Iterable[Problem], files: Iterable[str]) -> tuple[Problem, ...]:
    """Sorted by place; ``files`` says which file comes first. One report for one thing at one place."""
    rank = {file: number for number, file in enumerate(files)}

    def key(problem: Problem) -> tuple[int, str, int, int, str]:
        file = problem.file
        return rank.get(file, len(rank)), file, problem.line, problem.column, problem.code

    seen: dict[tuple[object, ...], Problem] = {}
    for problem in sorted(problems, key=key):
        seen.setdefault((*key(problem), str(problem.message)), problem)
    return tuple(seen.values())


def without(secrets: frozenset[str], problem: Problem) -> Problem:
    """The same problem with every value of ``secrets`` masked in the lines that it shows."""
    found = [
        s
        for s in secrets
        if len(s) >= _SHORTEST_MASKED
        and (s in problem.place.source or (problem.second is not None and s in problem.second.source))
    ]
    if not found:
        return problem

    def masked(place: Place) -> Place:
        source = place.source
        for secret in sorted(found, key=len, reverse=True):
            source = source.replace(secret, "*" * len(secret))
        return replace(place, source=source)

    second = masked(problem.second) if problem.second else None
    return replace(problem, place=masked(problem.place), second=second)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known word that ``word`` was most likely meant to be; empty if none comes near."""
    names = list(known)
    by_small = {name.casefold(): name for name in reversed(names)}
    small = word.casefold()
    if small in by_small:
        return by_small[small]
    cutoff = _CLOSE if len(small) > _SHORT else _CLOSE_IF_SHORT
    if close := get_close_matches(small, list(by_small), n=1, cutoff=cutoff):
        return by_small[close[0]]
    begun = [name for name in by_small if _begins(name, small) or _begins(small, name)]
    return by_small[begun[0]] if len(begun) == 1 else ""


def _begins(word: str, beginning: str) -> bool:
    return len(beginning) > 1 and word.startswith(beginning)


def printable(text: str) -> str:
    """``text`` with nothing in it that could move a terminal's cursor or turn its direction."""
    return text if text.isprintable() else _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def quoted(value: object) -> str:
    """A value as it stands in the file, short enough for a sentence."""
    if isinstance(value, str) and value.isalnum() and len(value) < _SHOWN:
        return f'"{value}"'  # most are, and thousands of rules ask
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) > _SHOWN:
        text = text[: _SHOWN - 1] + "…"
    return printable(text)


def listed(names: Iterable[object]) -> str:
    """Names for a sentence."""
    return ", ".join(printable(str(name)) for name in names)
