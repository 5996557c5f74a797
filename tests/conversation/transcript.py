"""What a room shows, as a page that a person reads: no ids, no tokens, nothing invisible."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby
from urllib.parse import unquote

from tests.conversation.side import Shown

PUBLIC_URL = "https://bridge.example.com"

_MEDIA = re.compile(re.escape(PUBLIC_URL) + r"/media/[A-Za-z0-9_-]{20,}/([^\s)\]]+)")
_KEPT = "\n\u200d\ufe0f"
"""Line ends, and what holds an emoji together."""

_NUMBERED = re.compile(r"§(\d{4})")
_BEGIN = re.compile(r"(?:[^:§]{1,20}: )?§0001")
_MOST = 5
"""Messages of one long text that get a line each."""


def links(text: str) -> list[str]:
    """The bridge's own links to files in it."""
    return [found[0] for found in _MEDIA.finditer(text)]


def written(shown: Sequence[Shown]) -> str:
    """The page. Messages of a long text stand as which of its sentences they hold."""
    lines: list[str] = []
    for long, group in groupby(shown, key=_Texts()):
        messages = list(group)
        if long and len(messages) > _MOST:
            whole = " ".join(one.text for one in messages)
            lines.append(f"{messages[0].who}: {_summary(whole)} in {len(messages)} messages")
        else:
            lines += [line for one in messages for line in _lines(one)]
    return "\n".join(lines) + "\n"


class _Texts:
    """Which long text a message is a part of, by number; 0 for what is of none."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, one: Shown) -> int:
        self._count += bool(_BEGIN.match(one.text))
        return self._count if _long(one.text) else 0


def _lines(one: Shown) -> Iterable[str]:
    if one.answers:
        yield f"    ┌ {_short(_tidy(one.answers))}"
    if one.deleted:
        yield f"{one.who}: (deleted)"
        return
    said = _summary(one.text) if _long(one.text) else _tidy(one.text)
    first, *rest = said.split("\n")
    edited = " (edited)" if one.edited else ""
    yield f"{one.who}: {first}" + ("" if rest else edited)
    for number, line in enumerate(rest, 1):
        yield f"    {line}".rstrip() + (edited if number == len(rest) else "")
    for reaction in one.reactions:
        yield f"    └ {reaction}"


def _long(text: str) -> list[str]:
    """The numbers of the sentences in it, if it is a piece of a long text."""
    found: list[str] = _NUMBERED.findall(text)
    return found if len(found) > 1 or (found and len(text) < 400) else []


def _summary(text: str) -> str:
    numbers = _long(text)
    before = text.partition("§")[0]
    begin = before.strip() + " " if len(before) < 40 and before.strip() else ""
    return f"{_tidy(begin)}‹sentences {numbers[0]} to {numbers[-1]} of a long text›"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _tidy(text: str) -> str:
    return _seen(_MEDIA.sub(lambda found: f"‹link to {unquote(found[1])}›", text))


def _seen(text: str) -> str:
    """Nothing invisible."""
    return "".join(
        character
        if character in _KEPT or unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp")
        else f"‹U+{ord(character):04X}›"
        for character in text
    )
