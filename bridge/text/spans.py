"""
A text and what stresses parts of it, both ways: the form of platforms that speak of ranges.

Offsets count UTF-16 units, as https://core.telegram.org/bots/api#messageentity does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice, pairwise

from bridge.text.plain import apart
from bridge.text.tidy import Stress, run, tidy
from bridge.text.tree import (
    EMPTY_LINE,
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
)


class SpanKind(StrEnum):
    """What a range of a text can be."""

    STRONG = "strong"
    EMPHASIS = "emphasis"
    STRIKE = "strike"
    CODE = "code"
    CODE_BLOCK = "code_block"
    LINK = "link"
    QUOTE = "quote"


@dataclass(frozen=True, slots=True)
class Span:
    """``length`` units from ``offset`` on. ``url`` is a link's, ``language`` a code block's."""

    offset: int
    length: int
    kind: SpanKind
    url: str = ""
    language: str = ""


_STRESSES: dict[SpanKind, type[Stress]] = {
    SpanKind.STRONG: Strong,
    SpanKind.EMPHASIS: Emphasis,
    SpanKind.STRIKE: Strike,
}
_KINDS: dict[type[Inline], SpanKind] = {kind: name for name, kind in _STRESSES.items()}
_MOST = 200
"""Spans of one text; Telegram allows a hundred."""


def units(text: str) -> int:
    """The length of ``text`` in UTF-16."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


# --- out --------------------------------------------------------------------------------------------


def flatten(document: Document) -> tuple[str, tuple[Span, ...]]:
    """The text without any marks but those of lists, and the spans in it, outer ones first."""
    flat = _Flat()
    flat.blocks(tidy(document).blocks)
    spans = sorted(flat.spans, key=lambda span: (span.offset, -span.length))
    return "".join(flat.pieces), tuple(spans)


@dataclass(slots=True)
class _Flat:
    pieces: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    at: int = 0
    indent: str = ""
    quoted: bool = False

    def put(self, text: str) -> None:
        self.pieces.append(text)
        self.at += units(text)

    def close(self, start: int, kind: SpanKind, *, url: str = "", language: str = "") -> None:
        if self.at > start:
            self.spans.append(Span(start, self.at - start, kind, url, language))

    def blocks(self, blocks: Blocks) -> None:
        last: Block | None = None
        for block in blocks:
            if last is not None:
                self.put(f"\n\n{self.indent}" if apart(last, block) else f"\n{self.indent}")
            self._block(block)
            last = block

    def _block(self, block: Block) -> None:
        start = self.at
        match block:
            case Paragraph(children):
                self._inlines(children)
            case Heading(_, children):
                self._inlines(children)
                self.close(start, SpanKind.STRONG)
            case CodeBlock(text, language):
                self.put(text)
                self.close(start, SpanKind.CODE_BLOCK, language=language)
            case Quote(inner):
                outermost, self.quoted = not self.quoted, True
                self.blocks(inner)
                if outermost:
                    self.quoted = False
                    self.close(start, SpanKind.QUOTE)
            case ItemList(items, ordered, first):
                for number, item in enumerate(items, first):
                    self._item(item, f"{number}. " if ordered else "- ", first=number == first)

    def _item(self, item: Blocks, mark: str, *, first: bool) -> None:
        self.put(mark if first else f"\n{self.indent}{mark}")
        outer = self.indent
        self.indent += " " * len(mark)
        self.blocks(item)
        self.indent = outer

    def _inlines(self, inlines: Inlines) -> None:
        for inline in inlines:
            start = self.at
            match inline:
                case Text(text):
                    self.put(text)
                case LineBreak():
                    self.put(f"\n{self.indent}")
                case Code(text):
                    self.put(text)
                    self.close(start, SpanKind.CODE)
                case Image(url, alt):
                    self.put(alt or url)
                    self.close(start, SpanKind.LINK, url=url)
                case Link(url, children):
                    self._inlines(children)
                    self.close(start, SpanKind.LINK, url=url)
                case Strong() | Emphasis() | Strike():
                    self._inlines(inline.children)
                    self.close(start, _KINDS[type(inline)])


# --- in ---------------------------------------------------------------------------------------------


def from_spans(text: str, spans: Iterable[Span]) -> Document:
    """
    What a text with spans says, however they overlap. A span outside of the text is cut to it, one in
    the middle of a character begins before it. Quotes and code blocks are blocks of their own.
    """
    places = _places(text)
    found = [
        _Range(start, stop, span)
        for span in islice(spans, _MOST)
        if (start := places(span.offset)) < (stop := places(span.offset + span.length))
    ]
    blocks = _split(text, 0, len(text), found, SpanKind.QUOTE, SpanKind.CODE_BLOCK)
    return tidy(Document(tuple(blocks)))


@dataclass(frozen=True, slots=True)
class _Range:
    """A span by code points."""

    start: int
    stop: int
    span: Span


def _places(text: str) -> Callable[[int], int]:
    """From UTF-16 units to code points."""
    table = (
        range(len(text))
        if text.isascii()
        else [at for at, character in enumerate(text) for _ in range(units(character))]
    )
    return lambda offset: table[max(offset, 0)] if max(offset, 0) < len(table) else len(text)


def _split(
    text: str, start: int, stop: int, ranges: Sequence[_Range], *kinds: SpanKind
) -> Iterator[Block]:
    """Blocks at the edges of spans of the first of ``kinds``, the others within; the first one wins."""
    if not kinds:
        yield from _paragraphs(text, start, stop, ranges)
        return
    at = start
    for one in sorted((one for one in ranges if one.span.kind is kinds[0]), key=lambda one: one.start):
        begin, end = max(one.start, at), min(one.stop, stop)
        if begin < end:
            yield from _split(text, at, begin, ranges, *kinds[1:])
            if one.span.kind is SpanKind.QUOTE:
                yield Quote(tuple(_split(text, begin, end, ranges, *kinds[1:])))
            else:
                yield CodeBlock(text[begin:end].strip("\n"), one.span.language)
            at = end
    yield from _split(text, at, stop, ranges, *kinds[1:])


def _paragraphs(text: str, start: int, stop: int, ranges: Sequence[_Range]) -> Iterator[Block]:
    """Without the line ends beside a block, which are not there to be seen."""
    for _ in "\n\n":
        start += start > 0 and text[start:stop].startswith("\n")
        stop -= stop < len(text) and text[start:stop].endswith("\n")
    at = start
    for gap in (*EMPTY_LINE.finditer(text, start, stop), None):
        end = gap.start() if gap else stop
        if at < end:
            yield Paragraph(tuple(_runs(text, at, end, ranges)))
        at = gap.end() if gap else stop


def _runs(text: str, start: int, stop: int, ranges: Sequence[_Range]) -> Iterator[Inline]:
    here = sorted(
        (one for one in ranges if one.start < stop and start < one.stop),
        key=lambda one: (one.start, -one.stop),
    )
    edges = {
        start,
        stop,
        *(edge for one in here for edge in (one.start, one.stop) if start < edge < stop),
    }
    for begin, end in pairwise(sorted(edges)):
        over = [one.span for one in here if one.start <= begin and end <= one.stop]
        yield run(
            text[begin:end],
            stresses=[_STRESSES[one.kind] for one in over if one.kind in _STRESSES],
            code=any(one.kind is SpanKind.CODE for one in over),
            url=next((one.url for one in over if one.kind is SpanKind.LINK), ""),
        )
