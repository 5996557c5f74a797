"""
Lines of IRC, in and out. Pure.

https://modern.ircdocs.horse/#message-format
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from irctokens.line import Line, build, tokenise

from bridge.model import TextFormat
from bridge.text import split

LONGEST = 512
"""
Bytes of a line with its prefix and CR LF, without tags. What is longer, a server cuts without a word.
https://modern.ircdocs.horse/#compatibility-with-incorrect-software
"""

MAX_TEXT = 350
"""
Bytes of text that fit into a line under the longest usual prefix: a nick of 30, a user of 12, a host of
64, a target of 40. A constant, so that a text is cut at the same places at every attempt.
"""

_BREAKS = re.compile("[\r\n\u2028\u2029\x85]+")
_LAST_RESORT = 40
"""Bytes that a line has room for, however long the prefix is: a cut must have somewhere to be."""

_CTCP = re.compile("\x01(?P<verb>[A-Za-z]+)(?: (?P<rest>[^\x01]*))?\x01?")


def measure(text: str) -> int:
    """Bytes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def read(raw: bytes, charset: str = "latin-1") -> Line | None:
    """One line, without its CR LF; None for what is none. ``charset`` is for what is not UTF-8."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(charset, "replace")
    try:
        return tokenise(text)
    except (ValueError, IndexError):  # IndexError is how irctokens calls an empty line
        return None


def write(verb: str, *params: str, tags: Mapping[str, str] | None = None) -> bytes:
    """
    A line that is one line: what would end it becomes a blank.

    Raises ValueError where a parameter but the last is none (`is_word`): such a line would say
    something else.
    """
    tame = [_tame(param) for param in params]
    if not all(map(is_word, tame[:-1])):
        raise ValueError(f"not a parameter of {verb}")
    line = build(verb, tame, tags={k: _tame(v) for k, v in (tags or {}).items()})
    return line.format().encode("utf-8", "replace") + b"\r\n"


def is_word(param: str) -> bool:
    """Whether it can stand before other parameters: a nick or a channel that a server names may not."""
    return bool(param) and " " not in param and not param.startswith(":")


def _tame(param: str) -> str:
    return param.replace("\0", "").replace("\r", " ").replace("\n", " ")


def room(verb: str, prefix: str, target: str) -> int:
    """Bytes for the text of a line that the server hands on under ``prefix`` (nick!user@host)."""
    used = measure(f":{prefix} {verb} {target} :\r\n")
    return max(LONGEST - used, _LAST_RESORT)


def lines(text: str, limit: int) -> Iterator[str]:
    """``text`` in lines of at most ``limit`` bytes; blank ones are left out, for IRC has none."""
    for line in _BREAKS.split(text):
        if line.strip():
            yield from split(line, limit, measure, TextFormat.PLAIN)


def ctcp(text: str) -> tuple[str, str] | None:
    """
    The verb and what follows it, of a text that is a CTCP message.

    https://modern.ircdocs.horse/ctcp
    """
    if not text.startswith("\x01"):
        return None
    found = _CTCP.match(text)
    return (found["verb"].upper(), found["rest"] or "") if found else ("", "")


def as_ctcp(verb: str, rest: str) -> str:
    """A CTCP message; ``rest`` cannot end it."""
    return f"\x01{verb} {rest.replace(chr(1), '')}\x01"
