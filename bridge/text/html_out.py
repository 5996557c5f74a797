"""The tree as HTML of a platform's subset. What is typed is always escaped."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from html import escape as quoted

from bridge.text.plain import apart
from bridge.text.tidy import tidy
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
    Strike,
    Strong,
    Text,
)

TELEGRAM = frozenset({"b", "i", "s", "u", "code", "pre", "a", "blockquote"})
"""https://core.telegram.org/bots/api#html-style"""
MATRIX = frozenset(
    "h1 h2 h3 h4 h5 h6 blockquote p a ul ol li strong em del code br pre".split()  # noqa: SIM905 (a row of names)
)
"""https://spec.matrix.org/v1.16/client-server-api/#mroommessage-msgtypes"""

_NAMES: dict[type[Inline], tuple[str, ...]] = {
    Strong: ("strong", "b"),
    Emphasis: ("em", "i"),
    Strike: ("del", "s", "strike"),
}
_BLANK_RUN = re.compile(r"(?:^|(?<=<br>))[ \t]+|[ \t]+(?=$|<br>)|[ \t]{2,}|\t")
_OPENS = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+", re.IGNORECASE).fullmatch
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}", re.ASCII).fullmatch


def write_html(document: Document, tags: AbstractSet[str]) -> str:
    """
    HTML with these tags alone, and no attribute but ``href`` (http, https, mailto), ``start`` and
    ``class="language-…"``.

    What has no tag is said in words, as `write_plain` does; without ``p`` and ``br`` a line end is a line
    end. A picture is a link: to show it would fetch it.
    """
    return _Writer(tags).blocks(tidy(document).blocks)


class _Writer:
    def __init__(self, tags: AbstractSet[str]) -> None:
        self._tags = tags
        self._lines = "p" not in tags
        self._break = "<br>" if "br" in tags else "\n"

    def blocks(self, blocks: Blocks) -> str:
        written: list[str] = []
        last: Block | None = None
        for block in blocks:
            if last is not None and self._lines:
                written.append("\n\n" if apart(last, block) else "\n")
            written.append(self._block(block))
            last = block
        return "".join(written)

    def _wrapped(self, tag: str, inner: str, attribute: str = "") -> str:
        return f"<{tag}{attribute}>{inner}</{tag}>" if tag in self._tags else inner

    def _block(self, block: Block) -> str:
        match block:
            case Paragraph(children):
                return self._wrapped("p", self._line(children))
            case Heading(level, children):
                inner = self._line(children)
                tag = f"h{level}"
                return self._wrapped(tag, inner) if tag in self._tags else self._strong_line(inner)
            case CodeBlock(text, language):
                return self._code_block(text, language)
            case Quote(inner):
                return self._quote(inner)
            case ItemList():
                return self._list(block)

    def _strong_line(self, inner: str) -> str:
        return self._wrapped("p", self._named(Strong, inner))

    def _code_block(self, text: str, language: str) -> str:
        named = f' class="language-{language}"' if _LANGUAGE(language) else ""
        inner = quoted(text, quote=False)
        if "pre" not in self._tags:
            return self._wrapped("p", self._wrapped("code", inner.replace("\n", self._break)))
        code = self._wrapped("code", inner, named) if named or not self._lines else inner
        return f"<pre>{code}</pre>"

    def _quote(self, blocks: Blocks) -> str:
        if "blockquote" in self._tags:
            # Where lines are all there is (Telegram) there is no quote in a quote.
            inside = _Writer(self._tags - {"blockquote"}) if self._lines else self
            return f"<blockquote>{inside.blocks(blocks)}</blockquote>"
        lines = self.blocks(blocks).split("\n")
        return "\n".join(f"&gt; {line}".rstrip() for line in lines)

    def _list(self, block: ItemList) -> str:
        tag = "ol" if block.ordered else "ul"
        if tag in self._tags and "li" in self._tags:
            first = f' start="{block.start}"' if block.ordered and block.start != 1 else ""
            items = "".join(f"<li>{self._item(item)}</li>" for item in block.items)
            return f"<{tag}{first}>{items}</{tag}>"
        lines = []
        for number, item in enumerate(block.items, block.start):
            mark = f"{number}. " if block.ordered else "- "
            lines.append(mark + self.blocks(item).replace("\n", "\n" + " " * len(mark)))
        return "\n".join(lines)

    def _item(self, blocks: Blocks) -> str:
        """A single paragraph needs no tag, nor does one above a list."""
        match blocks:
            case (Paragraph(children), *others) if all(isinstance(one, ItemList) for one in others):
                return self._line(children) + self.blocks(tuple(others))
        return self.blocks(blocks)

    def _line(self, inlines: Inlines) -> str:
        """Where HTML would join blanks, or leave them out, they are hard."""
        written = self._inlines(inlines)
        return written if self._lines else _BLANK_RUN.sub(_hard, written)

    def _inlines(self, inlines: Inlines) -> str:
        return "".join(map(self._inline, inlines))

    def _inline(self, inline: Inline) -> str:
        match inline:
            case Text(text):
                return quoted(text, quote=False)
            case LineBreak():
                return self._break
            case Code(text):
                return self._wrapped("code", quoted(text, quote=False))
            case Image(url, alt):
                return self._link(url, quoted(alt or url, quote=False))
            case Link(url, children):
                return self._link(url, self._inlines(children))
        return self._named(type(inline), self._inlines(inline.children))

    def _named(self, kind: type[Inline], inner: str) -> str:
        tag = next((name for name in _NAMES[kind] if name in self._tags), "")
        return self._wrapped(tag, inner)

    def _link(self, url: str, label: str) -> str:
        if "a" in self._tags and _OPENS(url):
            return f'<a href="{quoted(url)}">{label}</a>'
        said = quoted(url, quote=False)
        return label if label == said else f"{label} ({said})"


def _hard(blanks: re.Match[str]) -> str:
    """Blanks that HTML would join."""
    return "&nbsp;" * len(blanks[0])
