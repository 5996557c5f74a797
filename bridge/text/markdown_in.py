"""
The bridge's Markdown, read: CommonMark and ``~~strike~~``, without HTML and without references,
and with stress where Chinese has no blanks.

A line end is a line end, as chats have it. Linear, and bounded: what is nested too deep or has too
many marks to be a message of a person is taken as it was typed. https://spec.commonmark.org/0.31.2/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from bridge.text.beside_chinese import beside_chinese
from bridge.text.tidy import Stress, tidy, words
from bridge.text.tree import (
    DEPTH,
    Block,
    Code,
    CodeBlock,
    Document,
    Emphasis,
    Heading,
    Image,
    Inline,
    ItemList,
    LineBreak,
    Link,
    Paragraph,
    Quote,
    Strike,
    Strong,
    Text,
    paragraphs,
)

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_MOST_LEVELS = 60
_MOST_MARKS = 3000
"""Each takes up to 14 µs, and the loop is not held for longer than 50 ms."""
_MOST_LABELS = 1000
"""Brackets: from each of them the parser looks for the one that closes it, up to the end."""
_MARK = re.compile(r"[\[*_~`<&!\\]|\n")
_RULE = "———"


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 (70 ms for those who meet Markdown)

    options = {"html": False, "maxNesting": _MOST_LEVELS}
    parser = MarkdownIt("commonmark", options).enable("strikethrough").disable("reference")
    parser.inline.ruler.before("emphasis", "beside_chinese", beside_chinese)
    return parser


def read_markdown(text: str) -> Document:
    """What ``text`` says. Any text is Markdown, so nothing is raised and no word is lost."""
    if len(_MARK.findall(text)) > _MOST_MARKS or text.count("[") > _MOST_LABELS:
        return paragraphs(text)
    tokens = _parser().parse(text)
    if any(token.level >= _MOST_LEVELS - 1 for token in tokens):
        return paragraphs(text)  # the parser leaves out what is deeper
    return tidy(Document(tuple(_Blocks(tokens).read())))


class _Blocks:
    """Walks through the tokens of a document once."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = iter(tokens)

    def read(self, closing: str = "") -> list[Block]:
        blocks: list[Block] = []
        for token in self._tokens:
            if token.type == closing:
                break
            match token.type:
                case "paragraph_open":
                    blocks.append(Paragraph(self._inlines()))
                case "heading_open":
                    blocks.append(Heading(int(token.tag[1:]), self._inlines()))
                case "fence" | "code_block":
                    blocks.append(CodeBlock(token.content.removesuffix("\n"), token.info))
                case "blockquote_open":
                    blocks.append(Quote(tuple(self.read("blockquote_close"))))
                case "bullet_list_open":
                    blocks.append(ItemList(self._items("bullet_list_close")))
                case "ordered_list_open":
                    start = int(token.attrGet("start") or 0) if token.attrGet("start") is not None else 1
                    blocks.append(ItemList(self._items("ordered_list_close"), ordered=True, start=start))
                case "hr":
                    blocks.append(Paragraph((Text(_RULE),)))
        return blocks

    def _items(self, closing: str) -> tuple[tuple[Block, ...], ...]:
        items: list[tuple[Block, ...]] = []
        for token in self._tokens:
            if token.type == closing:
                break
            items.append(tuple(self.read("list_item_close")))
        return tuple(items)

    def _inlines(self) -> tuple[Inline, ...]:
        content = next(self._tokens)
        next(self._tokens)  # the block's closing token
        return _inlines(content.children or [])


_STRESSES: dict[str, type[Stress]] = {"strong_open": Strong, "em_open": Emphasis, "s_open": Strike}


def _inlines(tokens: Sequence[Token]) -> tuple[Inline, ...]:
    """Without recursion: inlines may be nested as deep as a text is long."""
    stack: list[tuple[Token | None, list[Inline]]] = [(None, [])]
    for token in tokens:
        here = stack[-1][1]
        match token.type:
            case "text":
                here.append(Text(token.content))
            case "softbreak" | "hardbreak":
                here.append(LineBreak())
            case "code_inline":
                here.append(Code(token.content))
            case "image":
                here.append(Image(str(token.attrGet("src")), words(_inlines(token.children or []))))
            case "link_open" | "strong_open" | "em_open" | "s_open":
                stack.append((token, []))
            case "link_close" | "strong_close" | "em_close" | "s_close":
                opened, children = stack.pop()
                assert opened is not None, "the parser's tokens are balanced"
                if len(stack) < DEPTH:
                    children = [_closed(opened, tuple(children))]
                stack[-1][1].extend(children)
    return tuple(stack[0][1])


def _closed(opened: Token, children: tuple[Inline, ...]) -> Inline:
    if opened.type == "link_open":
        return Link(str(opened.attrGet("href")), children)
    return _STRESSES[opened.type](children)
