"""The tree as Markdown: the bridge's own, or what of it a platform understands."""

from __future__ import annotations

import re
from unicodedata import category

from bridge.text.escape import BREAK, entity, escape
from bridge.text.flavour import NEUTRAL, Flavour, lessened
from bridge.text.tidy import Stress, tame_url, tidy
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

_URL = re.compile(r"(https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+)")
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}").fullmatch
_ENTITY_IN_URL = re.compile(r"&(?=#?\w+;)")
_BACKTICKS = re.compile(r"`+")
_ASCII_MARKS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_MOST = 999_999_999
_INDENT = re.compile(r"^(?=.)", re.MULTILINE)


def write_markdown(document: Document, flavour: Flavour = NEUTRAL) -> str:
    """Markdown that `read_markdown` reads as ``document``, where the flavour has what is in it."""
    blocks = lessened(document.blocks, flavour)
    return _Writer(flavour).blocks(tidy(Document(blocks)).blocks)


class _Writer:
    def __init__(self, flavour: Flavour) -> None:
        self._flavour = flavour

    def blocks(self, blocks: Blocks) -> str:
        """Two lists in a row differ in their marks, or they were one."""
        written: list[str] = []
        other = False
        last: Block | None = None
        for block in blocks:
            alike = isinstance(block, ItemList) and isinstance(last, ItemList)
            other = alike and not other and block.ordered == last.ordered  # type: ignore[union-attr]  # told by alike
            if last is not None:
                written.append("\n" if self._close(last, block) else "\n\n")
            written.append(self._block(block, other=other))
            last = block
        return "".join(written)

    @staticmethod
    def _close(above: Block, below: Block) -> bool:
        """A list may stand on the line under its introduction, all but words under a heading."""
        if isinstance(above, Heading):
            return not isinstance(below, Paragraph | Heading)
        if not (isinstance(above, Paragraph) and isinstance(below, ItemList)):
            return False
        return not below.ordered or below.start == 1

    def _block(self, block: Block, *, other: bool) -> str:
        match block:
            case Paragraph(children):
                return _Line(self._flavour).write(children)
            case Heading(level, children):
                return f"{'#' * level} {_Line(self._flavour, '# ').write(children)}"
            case CodeBlock(text, language):
                return self._code_block(text, language)
            case Quote(inner):
                return "\n".join(f"> {line}" if line else ">" for line in self.blocks(inner).split("\n"))
            case ItemList():
                return self._list(block, other=other)

    def _list(self, block: ItemList, *, other: bool) -> str:
        written = []
        first = min(max(block.start, 0), _MOST - len(block.items))
        for number, item in enumerate(block.items, first):
            mark = f"{number}{')' if other else '.'} " if block.ordered else "* " if other else "- "
            body = _INDENT.sub(" " * len(mark), self.blocks(item))
            written.append(mark + body[len(mark) :])
        return "\n".join(written)

    def _code_block(self, text: str, language: str) -> str:
        longest = max(map(len, _BACKTICKS.findall(text)), default=0)
        fence = "`" * max(3, longest + 1)
        return f"{fence}{language if _LANGUAGE(language) else ''}\n{text}\n{fence}"


class _Line:
    """Writes the inlines of one block; knows what stands before, and what must not touch it."""

    def __init__(self, flavour: Flavour, before: str = "") -> None:
        self._flavour = flavour
        self._written: list[str] = []
        self._line = before
        """What stands on the line so far."""
        self._ended: tuple[str, str] | None = None
        """A stress that has just ended: its last character and its mark."""
        self._label = False
        """Within the label of a link."""

    def write(self, inlines: Inlines) -> str:
        self._inlines(inlines, family="", after="")
        return "".join(self._written)

    def _inlines(self, inlines: Inlines, *, family: str, after: str) -> None:
        """``family`` is the mark that stresses all of it, ``after`` the character that follows."""
        for number, inline in enumerate(inlines, 1):
            following = inlines[number] if number < len(inlines) else None
            ahead = after if following is None else _first_mark(following)
            match inline:
                case Text(text):
                    self._text(text, ahead)
                case LineBreak():
                    self._break(ahead)
                case Code(text):
                    self._code(text)
                case Link(url, children):
                    self._link(url, children, family)
                case Image(url, alt):
                    self._image(url, alt)
                case Strong() | Emphasis() | Strike():
                    self._stress(inline, family, ahead)

    def _put(self, piece: str) -> None:
        self._written.append(piece)
        self._line += piece
        if "\n" in piece:
            self._line = self._line[self._line.rfind("\n") + 1 :]
        self._ended = None

    # --- words ---

    def _text(self, text: str, after: str) -> None:
        if self._flavour.references:
            self._words(text, after)
            return
        if not self._line and (blanks := len(text) - len(text.lstrip())):
            self._put(self._flavour.blank * blanks)
            text = text[blanks:]
        pieces = _URL.split(text)
        for number, piece in enumerate(pieces):
            if number % 2 and not self._label and escape(piece, "x", "x") != piece:
                self._put(_own_label(piece))  # or the escapes would be part of the URL
            elif piece:
                self._words(piece, after if number == len(pieces) - 1 else "[")

    def _words(self, text: str, after: str) -> None:
        piece = escape(text, self._line, after, references=self._flavour.references)
        if self._ended and piece[:1] == text[0] and not _ends(*self._ended, text[0]):
            piece = entity(text[0]) + piece[1:] if self._flavour.references else f" {piece}"
        self._put(piece)

    def _break(self, after: str) -> None:
        if after and self._line:
            self._put(BREAK)
        elif self._flavour.references:
            self._put(entity("\n"))
        elif after:
            self._put(self._flavour.blank + BREAK)

    # --- code, links, pictures ---

    def _code(self, text: str) -> None:
        longest = max(map(len, _BACKTICKS.findall(text)), default=0)
        fence = "`" * (longest + 1) if longest else "`"
        padded = text[0] == "`" or text[-1] == "`" or (text[0] == text[-1] == " " and text.strip(" "))
        self._put(f"{fence} {text} {fence}" if padded else f"{fence}{text}{fence}")

    def _link(self, url: str, children: Inlines, family: str) -> None:
        bare = children == (Text(url),)
        if not self._flavour.opens(url):
            self._inlines(children, family=family, after="x")
            self._words(f" ({url})" if not bare else " ", "x")
        elif bare and "%" not in url and self._flavour.autolinks:
            self._put(f"<{url}>")
        elif bare and escape(url, "x", "x") == url and not self._flavour.autolinks:
            self._put(url)
        else:
            self._put("[")
            self._label = True
            self._inlines(children, family=family, after="]")
            self._label = False
            self._put(f"]({_destination(url)})")

    def _image(self, url: str, alt: str) -> None:
        self._put(f"![{escape(alt, '[', ']')}]({_destination(url)})")

    # --- stress ---

    def _stress(self, inline: Stress, family: str, after: str) -> None:
        mark = self._mark(inline, family)
        if not mark:
            self._inlines(inline.children, family=family, after=after)
            return
        if self._ended and self._ended[1][0] == mark[0]:
            self._put(" ")
        at, before = len(self._written), self._line[-1:]
        self._put(mark)
        inner = mark[0] if mark != "~~" else family
        self._inlines(inline.children, family=inner, after=mark[0])
        first = self._written[at + 1][0]
        if not _begins(before, mark, first):
            last = self._written[at - 1]
            apart = entity(before) if self._flavour.references else f"{before} "
            self._written[at - 1] = last[:-1] + apart
        last = self._line[-1]
        self._put(mark)
        self._ended = last, mark

    def _mark(self, inline: Stress, family: str) -> str:
        """The mark of a stress, other than that which it would run into; empty for plain words."""
        if isinstance(inline, Strike):
            return "~~"
        taken = family == "*" or (self._ended is not None and self._ended[1][0] == "*")
        if not self._flavour.underscores:
            return "" if family else "**" if isinstance(inline, Strong) else "*"
        mark = "_" if taken else "*"
        return mark * 2 if isinstance(inline, Strong) else mark


def _begins(before: str, mark: str, first: str) -> bool:
    """Whether ``mark`` begins a stress there (https://spec.commonmark.org/0.31.2/#left-flanking-delimiter-run)."""
    return _is_edge(before) or (mark[0] != "_" and not _may_be_mark(first))


def _ends(last: str, mark: str, following: str) -> bool:
    """Whether ``mark`` ends it there."""
    return _is_edge(following) or (mark[0] != "_" and not _may_be_mark(last))


def _is_edge(character: str) -> bool:
    return (
        not character or character.isspace() or category(character)[0] == "P" or character in _ASCII_MARKS
    )


def _may_be_mark(character: str) -> bool:
    """Versions of the specification differ about symbols."""
    return category(character)[0] in "PS"


def _first_mark(inline: Inline) -> str:
    match inline:
        case Text(text):
            return text[0]
        case LineBreak():
            return "\n"
        case Code():
            return "`"
        case Link():
            return "["
        case Image():
            return "!"
        case Strike():
            return "~"
    return "*"


def _own_label(url: str) -> str:
    return f"[{escape(url, '[', ']')}]({_destination(tame_url(url))})"


def _destination(url: str) -> str:
    return _ENTITY_IN_URL.sub(r"\\&", url)
