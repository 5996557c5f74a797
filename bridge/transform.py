r"""
A rule's ``transform``: RE2 patterns, so linear time whatever the text.

A replacement is literal text with ``\1`` … ``\9`` and ``\0`` for groups and ``\\`` for a backslash. It
is put in by our own code: the ``sub`` of google-re2 takes a replacement for Latin-1 bytes.

One search is linear; as many searches as there are matches are not, and a text may grow with every
step. So all steps together have a budget, and what is `heavy` belongs into a thread.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

from bridge.conditions import HEAVY
from bridge.errors import Refused
from bridge.model import Replacement

LONGEST_TEXT = 262_144
"""Characters that a step may leave; the largest request body is as long."""

LONGEST_WORK = 2.0
"""Seconds of processor time for all steps; a usual step takes microseconds."""

_PER_MATCH = 500
"""What a match costs beside its search, in instructions for one character."""

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)


class BadReplacement(ValueError):
    """``at`` is the offset of the backslash in the replacement, ``said`` what stands there."""

    def __init__(self, said: str, at: int) -> None:
        super().__init__(f"{said} at {at}")
        self.said = said
        self.at = at


class _Budget:
    """What is left for one text. Raises `Refused` when it is used up: half a change is none."""

    def __init__(self) -> None:
        # Processor time of this thread: it is the same work on a busy machine.
        self._until = time.thread_time() + LONGEST_WORK

    def spend(self, length: int) -> None:
        """A match was replaced, or a step ended; the text is ``length`` characters long by now."""
        if length > LONGEST_TEXT:
            raise Refused(
                f"the rule's transform makes a text longer than {LONGEST_TEXT} characters",
                reason="transform_too_large",
            )
        if time.thread_time() > self._until:
            raise Refused(
                f"the rule's transform takes longer than {LONGEST_WORK:g} s: write simpler patterns",
                reason="transform_too_slow",
            )


@lru_cache(maxsize=16)
def transformed(text: str, steps: tuple[Replacement, ...]) -> str:
    """
    ``text`` after all ``steps``. The last results are kept, for those who have them made in a thread.

    Raises `Refused` for steps that take too long, or make too long a text.
    """
    budget = _Budget()
    for step in steps:
        text = compile_step(step.pattern, step.replacement)(text, budget)
    return text


def is_heavy(text: str, steps: tuple[Replacement, ...]) -> bool:
    """Whether `transformed` could hold up others: rather than that, call it in a thread first."""
    return bool(steps) and len(text) * sum(_weight(step.pattern) for step in steps) > HEAVY


@lru_cache(maxsize=1024)
def compile_step(pattern: str, replacement: str) -> Callable[..., str]:
    """One step as a function of a text. Raises `re2.error` and `BadReplacement`."""
    compiled = _compiled(pattern)
    pieces = _pieces(replacement, compiled.groups)

    def apply(text: str, budget: _Budget | None = None) -> str:
        budget = budget or _Budget()
        left: list[str] = []
        length = end = 0
        for match in compiled.finditer(text):
            start = match.start()
            new = [piece if isinstance(piece, str) else match.group(piece) or "" for piece in pieces]
            left += [text[end:start], *new]
            length += start - end + sum(map(len, new))
            end = match.end()
            budget.spend(length)
        left.append(text[end:])
        budget.spend(length + len(text) - end)
        return "".join(left)

    return apply


def _compiled(pattern: str) -> Any:  # noqa: ANN401  # re2 has no type information
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


@lru_cache(maxsize=1024)
def _weight(pattern: str) -> int:
    return _PER_MATCH + int(_compiled(pattern).programsize)


def _pieces(replacement: str, groups: int) -> list[str | int]:
    """Literals and group numbers."""
    pieces: list[str | int] = []
    end = 0
    for escape in _ESCAPE.finditer(replacement):
        pieces.append(replacement[end : escape.start()])
        end = escape.end()
        what = escape.group(1)
        if what == "\\":
            pieces.append("\\")
        elif what.isascii() and what.isdecimal() and int(what) <= groups:
            pieces.append(int(what))
        else:
            raise BadReplacement(escape.group(), escape.start())
    return [*pieces, replacement[end:]]
