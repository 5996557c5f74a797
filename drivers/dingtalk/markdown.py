"""
The bridge's Markdown as DingTalk's. Pure.

DingTalk documents headings, quotes, bold, italic, links, pictures and lists, blanks as ``&nbsp;``, two
blanks before the end of a line (https://open.dingtalk.com/document/orgapp/robot-message-type). What is
not in its list (code, struck words, tables) clients show as they please, so it goes out in plain words.
Backslashes are not in the list either, but its clients honour them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.model import TextFormat
from bridge.text import Flavour, read_markdown, write_markdown, write_plain
from bridge.text.tree import paragraphs

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.model import Outgoing

DIALECT = Flavour(
    strike=False,
    code=False,
    code_blocks=False,
    autolinks=False,
    underscores=False,
    references=False,
    schemes=frozenset({"http", "https", "dingtalk"}),
    blank="&nbsp;",
)
_SPECIAL = "*_`[]<~&#|"


def growth(text: str) -> int:
    """Bytes in JSON that ``text`` can gain on its way into the dialect, as a rule: lines and escapes."""
    return (
        2 * text.count("\n")
        + 20 * text.count("\n    ")
        + 2 * sum(text.count(character) for character in _SPECIAL)
    )


def in_dialect(outgoing: Outgoing, measure: Callable[[str], int], max_text: int) -> Outgoing:
    """
    ``outgoing`` with its Markdown in the dialect, and a title in plain words.

    A text that grows beyond ``max_text`` on the way, by ``measure``, goes out as plain words.
    """
    if outgoing.format is TextFormat.PLAIN or outgoing.raw is not None:
        return outgoing
    document = read_markdown(outgoing.text)
    plain = write_plain(document)
    lines = (outgoing.title, *plain.splitlines())
    title = next((line for line in lines if line.strip()), "")
    text = write_markdown(document, DIALECT)
    if measure(text) <= max_text:
        return replace(outgoing, text=text, title=title)
    said = plain if measure(plain) <= max_text else outgoing.text
    return replace(outgoing, text=said, title=title, format=TextFormat.PLAIN)


def in_markdown(plain: str) -> str:
    """Plain text where only Markdown is taken: lines stay lines, and nothing in it is markup."""
    return write_markdown(paragraphs(plain), DIALECT)
