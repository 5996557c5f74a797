"""
What a reader makes of a text: which marks are in it, and what is seen. None of it is the bridge's own
code: Python's HTML parser, markdown-it as it comes, and lists of codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from markdown_it import MarkdownIt

_MARKS = {
    "strong": "bold", "b": "bold", "em": "italic", "i": "italic", "del": "struck", "s": "struck",
    "code": "code", "pre": "code", "a": "link", "img": "picture", "blockquote": "quote", "ul": "list",
    "ol": "list", "li": "list", "hr": "line", "table": "table",
    **{f"h{n}": "heading" for n in range(1, 7)},
}  # fmt: skip
_NEUTRAL = frozenset({"p", "br"})


@dataclass(slots=True)
class Page:
    """``marks`` by name; ``links`` are the URLs that stand behind other words."""

    seen: str = ""
    marks: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._href = ""
        self._label = ""

    def handle_starttag(self, tag, attrs):
        named = {key: value or "" for key, value in attrs}
        if tag == "a":
            self._href, self._label = named.pop("href", ""), ""
        elif tag not in _NEUTRAL:
            self.page.marks.add(_MARKS.get(tag, f"<{tag}>"))
        named.pop("class" if tag == "code" else "", None)
        self.page.marks.update(f"{tag} {key}=" for key in named)
        if tag in ("br", "p", "li"):
            self.page.seen += "\n"

    def handle_endtag(self, tag):
        if tag == "a" and self._label != self._href:
            self.page.marks.add("link")
            self.page.links.append(self._href)
        if tag == "a":
            self._href = ""

    def handle_data(self, data):
        self.page.seen += data
        self._label += data

    def handle_comment(self, data):
        self.page.marks.add("<!--")

    def handle_decl(self, decl):
        self.page.marks.add("<!")

    def unknown_decl(self, data):
        self.page.marks.add("<![")

    def handle_pi(self, data):
        self.page.marks.add("<?")


def html_page(text: str) -> Page:
    parser = _Html()
    parser.feed(text)
    parser.close()
    return parser.page


_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def markdown_page(text: str) -> Page:
    """As a client shows Markdown that knows all of it, HTML too."""
    return html_page(_MARKDOWN.render(text).rstrip("\n"))


_CODES = {"\x02": "bold", "\x1d": "italic", "\x1e": "struck", "\x11": "code"}


def irc_page(line: str) -> Page:
    """Codes with which clients change how words look; the others are controls like any other."""
    page = Page()
    for character in line:
        if character in _CODES:
            page.marks.add(_CODES[character])
        else:
            page.seen += character
    return page


_ENTITIES = {
    "bold": "bold", "italic": "italic", "strikethrough": "struck", "code": "code", "pre": "code",
    "text_link": "link", "blockquote": "quote",
}  # fmt: skip


def telegram_page(text: str, entities: list[dict[str, object]]) -> Page:
    marks = {_ENTITIES.get(str(one["type"]), str(one["type"])) for one in entities}
    return Page(text, marks, [str(one["url"]) for one in entities if "url" in one])
