"""
The neutral tree: what a message says and how it is stressed, whatever the platform writes for it.

Readers make it, writers take it. It is never deeper than `DEPTH`, so that recursion has an end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEPTH = 12
"""Levels of blocks, and of inlines within one; a reader keeps the words of what is deeper."""


EMPTY_LINE = re.compile(r"(?<=[^\n])\n\n(?=\n*[^\n])")


@dataclass(frozen=True, slots=True)
class Text:
    """Words as they were typed, without line ends."""

    text: str


@dataclass(frozen=True, slots=True)
class LineBreak:
    """The end of a line within a paragraph."""


@dataclass(frozen=True, slots=True)
class Code:
    """A few characters of code within a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Bold."""

    children: Inlines


@dataclass(frozen=True, slots=True)
class Emphasis:
    """Italic."""

    children: Inlines


@dataclass(frozen=True, slots=True)
class Strike:
    """Struck through."""

    children: Inlines


@dataclass(frozen=True, slots=True)
class Link:
    """A label that opens ``url``, of whatever scheme: writers write those that are harmless."""

    url: str
    children: Inlines


@dataclass(frozen=True, slots=True)
class Image:
    """A picture by its URL, and the words that stand for it."""

    url: str
    alt: str = ""


Inline = Text | LineBreak | Code | Strong | Emphasis | Strike | Link | Image
Inlines = tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A run of lines."""

    children: Inlines


@dataclass(frozen=True, slots=True)
class Heading:
    """``level`` is 1 to 6."""

    level: int
    children: Inlines


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Lines of code, without the last line's end."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """What somebody else said."""

    blocks: Blocks


@dataclass(frozen=True, slots=True)
class ItemList:
    """A list. ``start`` is the number of the first item where it is ``ordered``."""

    items: tuple[Blocks, ...]
    ordered: bool = False
    start: int = 1


Block = Paragraph | Heading | CodeBlock | Quote | ItemList
Blocks = tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole message."""

    blocks: Blocks = ()


def paragraphs(text: str) -> Document:
    """``text`` without any markup: its lines, and a paragraph where an empty line is."""
    return Document(tuple(Paragraph(lines_of(one)) for one in EMPTY_LINE.split(text) if one))


def lines_of(text: str) -> Inlines:
    """``text`` as words and line ends."""
    inlines: list[Inline] = []
    for number, line in enumerate(text.split("\n")):
        if number:
            inlines.append(LineBreak())
        if line:
            inlines.append(Text(line))
    return tuple(inlines)
