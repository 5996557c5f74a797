"""A message as lines of IRC. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bridge.model import TextFormat
from bridge.text.markdown_in import read_markdown
from bridge.text.tree import paragraphs
from bridge.wild import clean_text

from . import codes, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bridge.model import Outgoing

    from .settings import Account

UNSEEN = "\u200b"
"""A blank without width: inside a nick it keeps clients from taking it for that nick."""

_URL = re.compile(r"https?://\S+")
_WORD = re.compile(r"[A-Za-z0-9_\[\]{}\\|^`-]+")
_PIECE = re.compile(r"[A-Za-z0-9_]+|[A-Za-z\[\]{}\\|^`_][A-Za-z0-9_\[\]{}\\|^`]*")
_ACTION = "ACTION"


def verb_of(account: Account) -> str:
    return "NOTICE" if account.send_as == "notice" else "PRIVMSG"


def texts(
    outgoing: Outgoing,
    account: Account,
    room: int,
    nicks: Collection[str] = (),
    fold: Callable[[str], str] = str.lower,
) -> list[str]:
    """
    The last parameters of its lines, each of at most ``room`` bytes. ``nicks`` are those of the channel,
    folded by ``fold``: nobody is highlighted but whom ``outgoing.mentions`` names.
    """
    name = outgoing.sender.display_name if outgoing.sender else ""
    said = outgoing.text
    plain = outgoing.format is not TextFormat.MARKDOWN
    document = paragraphs(clean_text(said)) if plain else read_markdown(said)
    said = codes.write(document, formatting=account.formatting)
    if account.pings != "always" and nicks:
        said = unpinged(said, name, nicks, fold, typed=account.pings == "typed")
    if outgoing.mentions:
        called = ", ".join(codes.stripped(mention.user_id) for mention in outgoing.mentions)
        said = f"{called}: {said}"
    if account.send_as != "action":
        return list(wire.lines(said, room))
    room -= wire.measure(wire.as_ctcp(_ACTION, ""))
    return [wire.as_ctcp(_ACTION, line) for line in wire.lines(said, room)]


def unpinged(
    text: str, name: str, nicks: Collection[str], fold: Callable[[str], str], *, typed: bool
) -> str:
    """
    ``text`` with `UNSEEN` in every nick; with ``typed`` only in the first ``name`` and behind an ``@``.

    URLs stay as they are. A nick of one character cannot be hidden and stays too.
    """
    kept = [found.span() for found in _URL.finditer(text)]
    begin = text.find(name) if name else -1
    own = range(begin, begin + len(name)) if begin >= 0 else range(0)
    cuts: set[int] = set()
    for start, word in _words(text, nicks):
        if len(word) == 1 or fold(word) not in nicks or any(a <= start < b for a, b in kept):
            continue
        if typed and start not in own and text[start - 1 : start] != "@":
            continue
        cuts.add(start + 1)
    pieces, last = [], 0
    for cut in sorted(cuts):
        pieces.append(text[last:cut])
        last = cut
    return UNSEEN.join([*pieces, text[last:]])


def _words(text: str, nicks: Collection[str]) -> list[tuple[int, str]]:
    """Every place where a client may see a nick: clients differ in what ends a word."""
    found = []
    for word in _WORD.finditer(text):
        found.append((word.start(), word[0]))
        found += [(word.start() + piece.start(), piece[0]) for piece in _PIECE.finditer(word[0])]
        bare = word[0].strip("_-`|^[]{}\\")
        if bare:
            found.append((word.start() + word[0].index(bare), bare))
    for nick in nicks:
        if not nick.isascii():
            found += [(at.start(), at[0]) for at in re.finditer(re.escape(nick), text, re.IGNORECASE)]
    return found
