"""
Words between the bridge and Matrix. Pure.

A person is named, never called: what Matrix would show as a pill or take for ``@room`` is text.
https://spec.matrix.org/v1.16/client-server-api/#user-and-room-mentions
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from bridge.model import TextFormat
from bridge.text.html_in import read_html
from bridge.text.html_out import MATRIX, write_html
from bridge.text.markdown_in import read_markdown
from bridge.text.markdown_out import write_markdown
from bridge.text.plain import write_plain
from bridge.text.tree import (
    Block,
    Blocks,
    Code,
    CodeBlock,
    Document,
    Emphasis,
    Heading,
    Image,
    Inline,
    Inlines,
    ItemList,
    LineBreak,
    Link,
    Paragraph,
    Quote,
    Text,
    paragraphs,
)

MAX_TEXT = 48_000
"""
By `measure`. An event has 65,536 bytes with all that the homeserver puts around it; an edit says the
first of its words twice. https://spec.matrix.org/v1.16/client-server-api/#size-limits
"""
_MARKS = "*_~`#>-+[!\n<&\t"
_BYTES_OF_A_MARK = 24
"""At most, of HTML: a mark of Markdown opens or closes one element, or is escaped."""
_BYTES_OF_A_BLANK = 5
"""At most, beyond itself: blanks in a row are hard ones."""
_BYTES_OF_HOLDING = 3
_PERSON = re.compile(r"(?:https?://matrix\.to/#/|matrix:u/)(?P<id>[^?]+)", re.IGNORECASE)
_CALLS = re.compile(r"https?://\S+|(?<!\w)@(?=room\b|[^\s:@/\u200b]{1,255}:\w)", re.IGNORECASE)
_HELD = "@\u200b"
_REPLY = re.compile(r"\A> <@[^\n]*\n(?:>[^\n]*\n)*\n?")
_MOST_HTML = 65_536


# --- sizes ------------------------------------------------------------------------------------------


def measure(text: str) -> int:
    """Bytes that ``text`` takes in an event."""
    bytes_ = len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2
    return bytes_ + _BYTES_OF_HOLDING * text.count("@")


def measure_markdown(text: str) -> int:
    """Bytes that ``text`` takes in an event, in words and in HTML: never too few."""
    marks, blanks = sum(map(text.count, _MARKS)), text.count(" ")
    return 2 * measure(text) + _BYTES_OF_A_MARK * marks + _BYTES_OF_A_BLANK * blanks


# --- in ---------------------------------------------------------------------------------------------


def read_body(
    body: str, html: str, *, reply: bool = False, emote: bool = False
) -> tuple[str, TextFormat]:
    """
    What a message says: in Markdown where it is stressed, else plain. ``html`` may be empty; in a
    ``reply`` the quoted lines that old clients put in front are left out, an ``emote`` is in italics.
    """
    if html and len(html) <= _MOST_HTML:
        document = _renamed(read_html(html), _unpilled)
    else:
        body = _REPLY.sub("", body) if reply else body
        if not emote:
            return body, TextFormat.PLAIN
        document = paragraphs(body)
    if emote:
        document = Document(tuple(map(_in_italics, document.blocks)))
    if all(map(_is_plain, document.blocks)):
        return write_plain(document), TextFormat.PLAIN
    return write_markdown(document), TextFormat.MARKDOWN


def _in_italics(block: Block) -> Block:
    return Paragraph((Emphasis(block.children),)) if isinstance(block, Paragraph) else block


def _is_plain(block: Block) -> bool:
    return isinstance(block, Paragraph) and all(
        isinstance(one, Text | LineBreak) for one in block.children
    )


def _unpilled(inline: Inline) -> Inline:
    """A pill that names a person, as text."""
    if isinstance(inline, Link) and (person := person_of(inline.url)):
        name = write_plain(Document((Paragraph(inline.children),))) or person
        return Text(name if name.startswith("@") else f"@{name}")
    return inline


def person_of(url: str) -> str:
    """The user id that a link to a person holds; else empty."""
    found = _PERSON.fullmatch(url)
    if found is None:
        return ""
    given = unquote(found["id"])
    if url[:7].lower() == "matrix:":
        given = f"@{given}"
    return given if given.startswith("@") else ""


# --- out --------------------------------------------------------------------------------------------


def write_body(text: str, format_: TextFormat, mentions: tuple[str, ...] = ()) -> tuple[str, str]:
    """
    The words of a message, and the same as HTML; that is empty where there is nothing to stress.
    ``mentions`` are user ids that are to be called, at its beginning.
    """
    if format_ is TextFormat.PLAIN and not mentions:
        return held(text), ""
    document = read_markdown(text) if format_ is TextFormat.MARKDOWN else paragraphs(text)
    document = _renamed(document, _held)
    words = held(text) if format_ is TextFormat.PLAIN else write_plain(document)
    if mentions:
        return f"{', '.join(mentions)}: {words}", write_html(_calling(document, mentions), MATRIX)
    if all(map(_is_plain, document.blocks)):
        return words, ""
    return words, write_html(document, MATRIX)


def held(text: str) -> str:
    """``text``, in which no name is a call: an invisible character stands behind each ``@`` that is."""
    return _CALLS.sub(lambda found: _HELD if found[0] == "@" else found[0], text)


def _held(inline: Inline) -> Inline:
    match inline:
        case Text(text) | Code(text):
            return replace(inline, text=held(text))
        case Link(url, children) if person_of(url) or children == (Text(url),):
            return Text(held(write_plain(Document((Paragraph(children),)))))  # clients link bare URLs
    return inline


def _calling(document: Document, mentions: tuple[str, ...]) -> Document:
    calls: list[Inline] = []
    for person in mentions:
        calls += [Text(", ")] if calls else []
        calls.append(Link(f"https://matrix.to/#/{person}", (Text(person),)))
    calls.append(Text(": "))
    match document.blocks:
        case (Paragraph(children), *others):
            return Document((Paragraph((*calls, *children)), *others))
    return Document((Paragraph(tuple(calls)), *document.blocks))


# --- both -------------------------------------------------------------------------------------------


def _renamed(document: Document, change: Callable[[Inline], Inline]) -> Document:
    return Document(_blocks(document.blocks, change))


def _blocks(blocks: Blocks, change: Callable[[Inline], Inline]) -> Blocks:
    found: list[Block] = []
    for block in blocks:
        match block:
            case Paragraph(children) | Heading(_, children):
                found.append(replace(block, children=_inlines(children, change)))
            case Quote(inner):
                found.append(Quote(_blocks(inner, change)))
            case ItemList(items):
                found.append(replace(block, items=tuple(_blocks(item, change) for item in items)))
            case CodeBlock(text):
                found.append(replace(block, text=held(text)) if change is _held else block)
    return tuple(found)


def _inlines(inlines: Inlines, change: Callable[[Inline], Inline]) -> Inlines:
    found: list[Inline] = []
    for inline in inlines:
        changed = change(inline)
        match changed:
            case Text() | Code() | LineBreak() | Image():
                found.append(changed)
            case _:
                found.append(replace(changed, children=_inlines(changed.children, change)))
    return tuple(found)
