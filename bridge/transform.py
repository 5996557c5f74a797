r"""
A rule's ``transform``: RE2 patterns, so linear time whatever the text.

A replacement is literal text with ``\1`` … ``\9`` and ``\0`` for groups and ``\\`` for a backslash. It
is put in by our own code: the ``sub`` of google-re2 takes a replacement for Latin-1 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)


class BadReplacement(ValueError):
    """``at`` is the offset of the backslash in the replacement, ``said`` what stands there."""

    def __init__(self, said: str, at: int) -> None:
        super().__init__(f"{said} at {at}")
        self.said = said
        self.at = at


@lru_cache(maxsize=1024)
def compile_step(pattern: str, replacement: str) -> Callable[[str], str]:
    """One step as a function of a text. Raises `re2.error` and `BadReplacement`."""
    options = re2.Options()
    options.log_errors = False
    compiled = re2.compile(pattern, options)
    pieces = _pieces(replacement, compiled.groups)

    def filled(match: Any) -> str:  # noqa: ANN401  # re2 has no type information
        return "".join(
            [piece if isinstance(piece, str) else match.group(piece) or "" for piece in pieces]
        )

    def apply(text: str) -> str:
        return str(compiled.sub(filled, text))

    return apply


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
