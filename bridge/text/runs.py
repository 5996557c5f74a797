"""Where the stressed words of a Markdown text are, as offsets: what a cut would tear apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Escapes and code first, for in them nothing stresses; an empty line ends whatever is open.
_MARKS = re.compile(
    r"\\[!-/:-@\[-`{-~]"
    r"|(?P<code>`{1,8}(?!`))|`+"
    r"|(?P<gap>\n[ \t]*\n)"
    r"|(?P<mark>\*{1,3}|_{1,3}|~~)"
)
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Run:
    """``text[start:stop]`` with its ``mark`` on both ends."""

    start: int
    stop: int
    mark: str

    @property
    def inner(self) -> tuple[int, int]:
        return self.start + len(self.mark), self.stop - len(self.mark)


def runs(text: str, blocks: Sequence[tuple[int, int]] = ()) -> tuple[Run, ...]:
    """
    Stressed words and code, by their start; outer ones before inner ones. ``blocks`` are left out.

    It pairs the marks that the bridge writes, and of other Markdown those that stand alone; a mark
    that it does not understand is a character. Linear, at most `_MOST` runs.
    """
    edges = [0, *(edge for block in blocks for edge in block), len(text)]
    found: list[Run] = []
    for start, stop in list(pairwise(edges))[::2]:
        found += _runs(text, start, stop)
    return tuple(sorted(found, key=lambda run: (run.start, -run.stop))[:_MOST])


def _runs(text: str, start: int, stop: int) -> list[Run]:
    found: list[Run] = []
    opened: list[tuple[str, int]] = []
    lengths: dict[int, int] = {}
    at = start
    while mark := _MARKS.search(text, at, stop):
        at = mark.end()
        if mark["gap"]:
            opened.clear()
        elif mark["code"]:
            end = _code_end(text, mark["code"], at, stop, lengths)
            if end:
                found.append(Run(mark.start(), end, mark["code"]))
                at = end
        elif mark["mark"]:
            _pair(text, mark, opened, found)
    return found


def _code_end(text: str, ticks: str, at: int, stop: int, dead: dict[int, int]) -> int:
    """Behind the code that ``ticks`` open; 0 where they open none. Each length is sought in vain once."""
    if len(ticks) in dead:
        return 0
    closing = re.compile(rf"(?<!`){ticks}(?!`)|\n[ \t]*\n").search(text, at, stop)
    if closing is None:
        dead[len(ticks)] = at
        return 0
    return closing.end() if closing[0][0] == "`" else 0


def _pair(text: str, found: re.Match[str], opened: list[tuple[str, int]], pairs: list[Run]) -> None:
    """Close what is open with the same mark, else open."""
    mark, at = found[0], found.start()
    before, behind = text[at - 1 : at], text[found.end() : found.end() + 1]
    can_close = bool(before) and not before.isspace()
    can_open = bool(behind) and not behind.isspace()
    if mark[0] == "_" and before.isalnum() and behind.isalnum():
        return
    if can_close:
        for depth in range(len(opened) - 1, max(len(opened) - 8, -1), -1):
            if opened[depth][0] == mark:
                pairs.append(Run(opened[depth][1], found.end(), mark))
                del opened[depth:]
                return
    if can_open:
        opened.append((mark, at))
