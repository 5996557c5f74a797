"""
HTML that people's clients write, read: Matrix's ``formatted_body`` and its like. Nothing is fetched, no
attribute is believed but ``href``, ``start``, ``alt`` and the language of code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser

from bridge.text.tidy import Stress, run, tidy
from bridge.text.tree import (
    Block,
    CodeBlock,
    Document,
    Emphasis,
    Heading,
    Image,
    Inline,
    ItemList,
    LineBreak,
    Paragraph,
    Quote,
    Strike,
    Strong,
    Text,
    paragraphs,
)

_STRESSES: dict[str, type[Stress]] = {
    "b": Strong,
    "strong": Strong,
    "i": Emphasis,
    "em": Emphasis,
    "s": Strike,
    "del": Strike,
    "strike": Strike,
}
_SPANS = frozenset({*_STRESSES, "code", "tt", "a"})
_UNSEEN = frozenset({"mx-reply", "script", "style", "head", "template"})
"""What is in them is not said."""
_BLOCKS = frozenset({"blockquote", "ul", "ol", "li"})
_PARAGRAPHS = frozenset(
    "p div section article header footer details summary table caption tr".split()  # noqa: SIM905 (names)
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_TAG = re.compile(r"<[^<>]*>")
_ENDLESS = re.compile(r"&#[0-9]{8,};?|&#[xX][0-9a-fA-F]{8,};?")
"""No character has such a number, and Python refuses to read one of thousands of digits."""
_NO_TAG = re.compile(r"<(?![^<>]*>)")
_COMMENT = re.compile(r"<!--|<[!?]")
_LANGUAGE = re.compile(r"(?:^|\s)language-([\w+#.-]{1,32})", re.ASCII)
_SEEN = re.compile(r"https?://", re.IGNORECASE).match
_MOST_OPEN = 40
"""Elements that are open at once; of what is deeper only the words are taken."""
_MOST_TAGS = 5000
_NUMBER = re.compile(r"[0-9]{1,9}").fullmatch
_RULE = "———"

Attributes = list[tuple[str, str | None]]


def read_html(html: str) -> Document:
    """What ``html`` says. Nothing is raised, whatever it is; tags that are not known keep their words."""
    html = _ENDLESS.sub("\ufffd", html)
    if html.count("<") > _MOST_TAGS:
        return paragraphs(unescape(_TAG.sub("", html)))
    reader = _Reader()
    reader.feed(_NO_TAG.sub("&lt;", _without_comments(html)))
    reader.close()
    return tidy(reader.document())


def _without_comments(html: str) -> str:
    """
    Without comments, declarations and instructions, which say nothing; one that nobody ends is text.
    Python's parser raises for some of them, and for others its time grows with the square:
    https://github.com/python/cpython/issues/135462
    """
    kept: list[str] = []
    at = 0
    missing: set[str] = set()  # or each of thousands would look for its end through all of the text
    while found := _COMMENT.search(html, at):
        kept.append(html[at : found.start()])
        end = "-->" if found[0] == "<!--" else ">"
        stop = -1 if end in missing else html.find(end, found.end())
        if stop < 0:
            missing.add(end)
            kept.append("&lt;" + found[0][1:])
            at = found.end()
        else:
            at = stop + len(end)
    return "".join(kept) + html[at:]


@dataclass(slots=True)
class _Open:
    """An element of blocks that has not ended."""

    tag: str
    start: int = 1
    blocks: list[Block] = field(default_factory=list)
    items: list[tuple[Block, ...]] = field(default_factory=list)

    def closed(self) -> Block:
        blocks = tuple(self.blocks)
        if self.tag == "blockquote":
            return Quote(blocks)
        items = (*self.items, blocks) if blocks else tuple(self.items)
        return ItemList(items, ordered=self.tag == "ol", start=self.start)


class _Reader(HTMLParser):
    """Each run of words is stressed by what is open around it; `tidy` joins what belongs together."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._stack = [_Open("")]
        self._around: list[tuple[str, str]] = []
        """The spans that are open, and the URL of a link."""
        self._unseen: list[str] = []
        self._inlines: list[Inline] = []
        self._blank: Inline | None = None
        """A blank that is seen once something follows."""
        self._heading = 0
        self._code: list[str] | None = None
        self._language = ""

    def document(self) -> Document:
        self._end_code()
        while len(self._stack) > 1:
            self._pop()
        self._end_paragraph()
        return Document(tuple(self._stack[0].blocks))

    # --- what the parser tells ---

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _UNSEEN or self._unseen:
            if tag in _UNSEEN and len(self._unseen) < _MOST_OPEN:
                self._unseen.append(tag)
        elif self._code is not None:
            self._in_code(tag, given)
        elif tag in _SPANS:
            if len(self._around) < _MOST_OPEN:
                self._around.append((tag, given.get("href", "")))
        elif tag in _BLOCKS:
            self._push(tag, given)
        else:
            self._mark(tag, given)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        """HTML has no such thing: the tag of an element that can have content stays open."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._unseen:
            if tag in self._unseen:
                del self._unseen[self._unseen.index(tag) :]
        elif self._code is not None:
            if tag == "pre":
                self._end_code()
        elif tag in _SPANS:
            self._end_span(tag)
        elif tag in _BLOCKS:
            if any(one.tag == tag for one in self._stack):
                while self._stack[-1].tag != tag:
                    self._pop()
                self._pop()
        elif tag in _PARAGRAPHS or tag in _HEADINGS:
            self._end_paragraph()

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if self._code is not None:
            self._code.append(data)
            return
        words = _BLANKS.sub(" ", data)
        said = words.strip(" ")
        if words.startswith(" ") and self._inlines and not isinstance(self._inlines[-1], LineBreak):
            self._blank = self._stressed(" ")
        if said:
            self._add(self._stressed(said.replace("\u00a0", " ")))
            self._blank = self._stressed(" ") if words.endswith(" ") else None

    # --- what it means ---

    def _mark(self, tag: str, given: Mapping[str, str]) -> None:
        if tag == "br":
            self._blank = None
            self._add(LineBreak())
        elif tag == "img":
            self._picture(given)
        elif tag in ("td", "th"):
            self._blank = Text(" ") if self._inlines else None
        elif tag in _PARAGRAPHS or tag in _HEADINGS or tag in ("hr", "pre"):
            self._end_paragraph()
            self._heading = _HEADINGS.get(tag, 0)
            if tag == "hr":
                self._stack[-1].blocks.append(Paragraph((Text(_RULE),)))
            elif tag == "pre":
                self._code, self._language = [], ""

    def _picture(self, given: Mapping[str, str]) -> None:
        words = given.get("alt") or given.get("title", "")
        source = given.get("src", "")
        if _SEEN(source):
            self._add(Image(source, words))
        elif words:
            self.handle_data(words)

    def _in_code(self, tag: str, given: Mapping[str, str]) -> None:
        assert self._code is not None, "asked by the caller"
        if tag == "br":
            self._code.append("\n")
        elif tag == "code" and (named := _LANGUAGE.search(given.get("class", ""))):
            self._language = named[1]

    def _stressed(self, text: str) -> Inline:
        tags = {tag for tag, _ in self._around}
        return run(
            text,
            stresses=[_STRESSES[tag] for tag, _ in self._around if tag in _STRESSES],
            code=bool(tags & {"code", "tt"}),
            url=next((url for tag, url in reversed(self._around) if tag == "a"), ""),
        )

    def _add(self, inline: Inline) -> None:
        if self._blank is not None:
            self._inlines.append(self._blank)
        self._inlines.append(inline)
        self._blank = None

    def _end_span(self, tag: str) -> None:
        for at in range(len(self._around) - 1, -1, -1):
            if self._around[at][0] == tag:
                del self._around[at]
                return

    def _push(self, tag: str, given: Mapping[str, str]) -> None:
        self._end_paragraph()
        if tag == "li":
            while self._stack[-1].tag == "li":
                self._pop()
            if self._stack[-1].tag not in ("ul", "ol"):
                self._push("ul", {})
        if len(self._stack) < _MOST_OPEN:
            number = given.get("start", "")
            start = int(number) if _NUMBER(number) else 1
            self._stack.append(_Open(tag, start))

    def _pop(self) -> None:
        self._end_paragraph()
        closed = self._stack.pop()
        outer = self._stack[-1]
        if closed.tag != "li":
            outer.blocks.append(closed.closed())
        elif closed.blocks:
            outer.items.append(tuple(closed.blocks))

    def _end_paragraph(self) -> None:
        if self._inlines:
            while self._inlines and isinstance(self._inlines[-1], LineBreak):
                self._inlines.pop()
            children = tuple(self._inlines)
            block = Heading(self._heading, children) if self._heading else Paragraph(children)
            self._stack[-1].blocks.append(block)
        self._inlines, self._blank, self._heading = [], None, 0

    def _end_code(self) -> None:
        if self._code is not None:
            text = "".join(self._code).removeprefix("\n").removesuffix("\n")
            self._stack[-1].blocks.append(CodeBlock(text, self._language))
        self._code = None
