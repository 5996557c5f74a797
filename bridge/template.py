"""
``msg_format``: literal text and ``{names}`` from a fixed list. Never ``str.format``, never eval: what
users write is a value, and values are put in once, without being looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

FIELDS = (
    "user",
    "nickname",
    "username",
    "user_id",
    "user_avatar",
    "platform",
    "instance_id",
    "from",
    "title",
    "msg",
    "time",
    "reply_to",
)
"""Every name that a template may use."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class BadTemplate(ValueError):
    """``name`` is the unknown field, or empty for a brace alone; ``at`` its offset in the template."""

    def __init__(self, name: str, at: int) -> None:
        super().__init__(f"{{{name}}} at {at}" if name else f"a brace alone at {at}")
        self.name = name
        self.at = at


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template: literals and field names in turn, a literal first."""

    pieces: tuple[str, ...]

    def fill(self, values: Mapping[str, str]) -> str:
        pieces = self.pieces
        return "".join([values[piece] if number % 2 else piece for number, piece in enumerate(pieces)])

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(self.pieces[1::2])


@lru_cache(maxsize=4096)
def compile_template(text: str) -> Template:
    """``{{`` and ``}}`` are braces. Raises `BadTemplate`."""
    pieces: list[str] = []
    literal = ""
    end = 0
    for token in _TOKEN.finditer(text):
        literal += text[end : token.start()]
        end = token.end()
        match token.group():
            case "{{":
                literal += "{"
            case "}}":
                literal += "}"
            case "{" | "}":
                raise BadTemplate("", token.start())
            case _:
                name = token.group(1)
                if name not in FIELDS:
                    raise BadTemplate(name, token.start())
                pieces += [literal, name]
                literal = ""
    return Template((*pieces, literal + text[end:]))
