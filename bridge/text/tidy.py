"""
One form for trees that say the same: what a writer can write, and a reader reads back.

Words are joined, blanks stand outside of stress, nothing is stressed twice, nothing is empty, and
what is nested deeper than `DEPTH` keeps its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote

from bridge.text.tree import (
    DEPTH,
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
    Strike,
    Strong,
    Text,
    lines_of,
)

_UNSAFE_IN_URL = re.compile(r"[\s()<>\\\"`\x00-\x1f]")

Stress = Strong | Emphasis | Strike


def tidy(document: Document) -> Document:
    """The same words in the one form."""
    return Document(_blocks(document.blocks, 1))


def words(inlines: Iterable[Inline]) -> str:
    """What is said, without how; a line end where one is."""
    return "".join(map(_words, inlines))


def _words(inline: Inline) -> str:
    match inline:
        case Text(text) | Code(text):
            return text
        case LineBreak():
            return "\n"
        case Image(url, alt):
            return alt or url
    return words(inline.children)


def run(text: str, *, stresses: Sequence[type[Stress]], code: bool, url: str) -> Inline:
    """Words with all that is around them, outer first; `tidy` joins what was stressed together."""
    said: Inline = Code(text) if code else Text(text)
    for kind in reversed(stresses):
        said = kind((said,))
    return Link(url, (said,)) if url else said


def _blocks(blocks: Blocks, depth: int) -> Blocks:
    kept = (one for block in blocks for one in _block(block, depth))
    return tuple(kept)


def _block(block: Block, depth: int) -> Iterator[Block]:
    match block:
        case Paragraph(children):
            if inlines := tidy_inlines(children):
                yield Paragraph(inlines)
        case Heading(level, children):
            if inlines := _stripped(tidy_inlines(_on_one_line(children))):
                yield Heading(min(max(level, 1), 6), inlines)
        case CodeBlock(text, language):
            yield CodeBlock(text, "".join(language.split()[:1]))
        case Quote(inner):
            said = _blocks(inner, depth + 1)
            yield from (Quote(said),) if said and depth < DEPTH else said
        case ItemList(items):
            tidied = tuple(filter(None, (_blocks(item, depth + 1) for item in items)))
            start = block.start if block.ordered else 1
            if depth >= DEPTH:
                yield from (inner for item in tidied for inner in item)
            elif tidied:
                yield replace(block, items=tidied, start=start)


def _on_one_line(inlines: Inlines) -> Inlines:
    return tuple(map(_unbroken, inlines))


def _unbroken(inline: Inline) -> Inline:
    match inline:
        case LineBreak():
            return Text(" ")
        case Text(text):
            return Text(text.replace("\n", " "))
        case Code() | Image():
            return inline
    return replace(inline, children=_on_one_line(inline.children))


def _stripped(inlines: Inlines) -> Inlines:
    if inlines and isinstance(first := inlines[0], Text):
        inlines = (*_text(first.text.lstrip()), *inlines[1:])
    if inlines and isinstance(last := inlines[-1], Text):
        inlines = (*inlines[:-1], *_text(last.text.rstrip()))
    return inlines


def _text(text: str) -> Inlines:
    return (Text(text),) if text else ()


def tidy_inlines(inlines: Iterable[Inline]) -> Inlines:
    """One paragraph's, or one label's."""
    return _joined(one for inline in _joined(inlines) for one in _inline(inline, frozenset(), 1))


def _inline(inline: Inline, active: frozenset[type], depth: int) -> Iterator[Inline]:
    match inline:
        case Text(text):
            yield from lines_of(text)
        case Code(text):
            if text:
                yield Code(text.replace("\n", " "))
        case LineBreak():
            yield inline
        case Image(url, alt):
            label = " ".join(alt.split())
            yield Text(label or url) if Link in active else Image(tame_url(url), label)
        case Link(url, children):
            inner = _inner(_on_one_line(children), active | {Link}, depth)
            if Link in active or depth >= DEPTH:
                yield from inner
            else:
                blank = not words(inner).strip()
                yield Link(tame_url(url), (Text(tame_url(url)),) if blank else inner)
        case Strong() | Emphasis() | Strike():
            kind = type(inline)
            inner = _inner(inline.children, active | {kind}, depth)
            if kind in active or depth >= DEPTH:
                yield from inner
            else:
                yield from _stressed(kind, inner)


def tame_url(url: str) -> str:
    """``url`` without what would end it where it stands in Markdown or HTML."""
    return _UNSAFE_IN_URL.sub(lambda found: quote(found[0], safe=""), url)


def _inner(children: Inlines, active: frozenset[type], depth: int) -> Inlines:
    return _joined(one for child in _joined(children) for one in _inline(child, active, depth + 1))


def _stressed(kind: type[Stress], inner: Inlines) -> Iterator[Inline]:
    """Blanks and line ends at its edges are not stressed."""
    start, stop = 0, len(inner)
    front: list[Inline] = []
    back: list[Inline] = []
    middle = list(inner)
    while start < stop and _is_blank(middle[start]):
        front.append(middle[start])
        start += 1
    while start < stop and _is_blank(middle[stop - 1]):
        stop -= 1
        back.insert(0, middle[stop])
    middle = middle[start:stop]
    if middle and isinstance(first := middle[0], Text):
        bare = first.text.lstrip()
        front += _text(first.text[: len(first.text) - len(bare)])
        middle[0] = Text(bare)
    if middle and isinstance(last := middle[-1], Text):
        bare = last.text.rstrip()
        back = [*_text(last.text[len(bare) :]), *back]
        middle[-1] = Text(bare)
    yield from front
    if middle:
        yield kind(tuple(middle))
    yield from back


def _is_blank(inline: Inline) -> bool:
    return isinstance(inline, LineBreak) or (isinstance(inline, Text) and not inline.text.strip())


def _joined(inlines: Iterable[Inline]) -> Inlines:
    """Neighbours of one kind are one."""
    joined: list[Inline] = []
    for inline in inlines:
        last = joined[-1] if joined else None
        match last, inline:
            case (Text(one), Text(other)):
                joined[-1] = Text(one + other)
            case (Code(one), Code(other)):
                joined[-1] = Code(one + other)
            case (Link(url, children), Link(other_url, others)) if (
                url == other_url and words(children) != url and words(others) != url
            ):
                joined[-1] = Link(url, _joined((*children, *others)))
            case (Strong() | Emphasis() | Strike(), Strong() | Emphasis() | Strike()) if type(
                last
            ) is type(inline):
                joined[-1] = type(inline)(_joined((*last.children, *inline.children)))
            case _:
                joined.append(inline)
    return tuple(joined)
