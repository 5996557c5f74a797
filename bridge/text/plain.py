"""The tree in plain words, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from bridge.text.tidy import tidy, words
from bridge.text.tree import (
    Block,
    Blocks,
    Code,
    CodeBlock,
    Document,
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
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what marks it as part of a list or a quote, and what it says."""

    prefix: str
    said: Inlines = ()


def write_plain(document: Document) -> str:
    """
    Every word of it: links as ``label (url)``, lists with ``-`` or numbers, quotes behind ``>``, code
    and headings as they are.
    """
    rows = _rows(tidy(document).blocks, code=Text)
    return "\n".join(row.prefix + spoken(row.said) if row.said else row.prefix.rstrip() for row in rows)


def lines(document: Document) -> tuple[Inlines, ...]:
    """
    Each line that says something, to be posted by itself: stress goes on in the next line, a line of a
    code block is code in a line.
    """
    rows = (row for row in _rows(tidy(document).blocks, code=Code) if words(row.said).strip())
    return tuple((Text(row.prefix), *row.said) if row.prefix else row.said for row in rows)


def spoken(inlines: Inlines) -> str:
    """What is said, with the URLs of links and pictures."""
    return "".join(map(_spoken, inlines))


def _spoken(inline: Inline) -> str:
    match inline:
        case Text(text) | Code(text):
            return text
        case LineBreak():
            return "\n"
        case Image(url, alt):
            return f"{alt} ({url})" if alt else url
        case Link(url, children):
            label = spoken(children)
            return label if label in (url, url.removeprefix("mailto:")) else f"{label} ({url})"
    return spoken(inline.children)


def _rows(blocks: Blocks, *, code: type[Text | Code]) -> Iterator[Row]:
    last: Block | None = None
    for block in blocks:
        if last is not None and apart(last, block):
            yield Row("")
        yield from _of_block(block, code=code)
        last = block


def apart(above: Block, below: Block) -> bool:
    """Whether an empty line stands between: not under a heading, nor under what introduces."""
    if isinstance(above, Heading):
        return False
    return not (isinstance(above, Paragraph) and isinstance(below, ItemList | CodeBlock))


def _of_block(block: Block, *, code: type[Text | Code]) -> Iterator[Row]:
    match block:
        case Paragraph(children) | Heading(_, children):
            yield from (Row("", line) for line in _split(children))
        case CodeBlock(text):
            yield from (Row("", (code(line),) if line else ()) for line in text.split("\n"))
        case Quote(inner):
            for row in _rows(inner, code=code):
                yield replace(row, prefix=f"> {row.prefix}")
        case ItemList(items, ordered, start):
            for number, item in enumerate(items, start):
                mark = f"{number}. " if ordered else "- "
                for row in _rows(item, code=code):
                    yield replace(row, prefix=mark + row.prefix)
                    mark = " " * len(mark)
        case _:
            assert_never(block)


def _split(inlines: Inlines) -> list[Inlines]:
    """The lines of a paragraph; what spans several is in each of them."""
    found: list[list[Inline]] = [[]]
    for inline in inlines:
        match inline:
            case LineBreak():
                found.append([])
            case Text() | Code() | Image():
                found[-1].append(inline)
            case _:
                first, *others = _split(inline.children)
                for number, children in enumerate((first, *others)):
                    if number:
                        found.append([])
                    if children:
                        found[-1].append(replace(inline, children=children))
    return [tuple(line) for line in found]
