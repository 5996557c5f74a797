"""
The text of a message as its rule wants it: plain, or in the bridge's Markdown. Pure.

What people typed never becomes markup: names, titles, marks and notes are escaped where the text is
Markdown, and so is a message that came as plain text. A template is Markdown only if its rule says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from bridge.model import Button, Envelope, Plan, TextFormat
from bridge.template import Template, compile_template
from bridge.text import BREAK, escape, lines, read_markdown, write_markdown, write_plain
from bridge.text.tree import Document, Inline, Link, Paragraph, Text
from bridge.transform import transformed

_BLOCK = re.compile(r" {0,3}(?:#{1,6}\s|>|[-+*]\s|[0-9]{1,9}[.)]\s|`{3}|~{3})").match
_CONTAINER = " \t>-+*"
_WEB = re.compile(r"https?://[^\s<>]+", re.IGNORECASE).fullmatch
_ALL = frozenset(TextFormat)


def format_of(envelope: Envelope, plan: Plan, formats: AbstractSet[TextFormat]) -> TextFormat:
    """What the text is written in: as the rule or the message asks, where the platform knows it."""
    asked = plan.format or envelope.message.format
    return asked if asked in formats else TextFormat.PLAIN


def compose(
    envelope: Envelope,
    plan: Plan,
    values: dict[str, str],
    formats: AbstractSet[TextFormat] = _ALL,
) -> str:
    """
    The template, filled with ``values`` and with what was said after the rule's transforms.

    Its format is `format_of`; Markdown for a platform without it becomes plain words.
    """
    said = envelope.message.text
    if plan.transform:
        said = transformed(said, plan.transform)
    template = compile_template(plan.template)
    in_markdown = envelope.message.format is TextFormat.MARKDOWN
    asked = plan.format or envelope.message.format
    if asked is TextFormat.PLAIN or (asked not in formats and plan.format is None):
        values["msg"] = write_plain(read_markdown(said)) if in_markdown else said
        return template.fill(values)
    values["msg"] = said
    text = _Composition(literal=plan.format is TextFormat.MARKDOWN, marked=in_markdown).of(
        template, values
    )
    return text if asked in formats else write_plain(read_markdown(text))


class _Composition:
    """Puts a text together, piece by piece; plain pieces in a row are escaped as one."""

    def __init__(self, *, literal: bool, marked: bool) -> None:
        self._literal = literal
        self._marked = marked
        self._written = ""
        self._plain = ""
        self._after_block = False

    def of(self, template: Template, values: dict[str, str]) -> str:
        for number, piece in enumerate(template.pieces):
            if number % 2 == 0 and self._literal:
                self._flush(piece[:1])
                self._put(piece)
            elif piece == "msg" and number % 2 and self._marked:
                self._flush("x")
                self._message(values[piece])
            else:
                self._plain += values[piece] if number % 2 else piece
        self._plain = self._plain.rstrip()
        self._flush("")
        return self._written

    def _flush(self, after: str) -> None:
        self._put(escape(self._plain, self._written, after))
        self._plain = ""

    def _put(self, piece: str) -> None:
        if piece and self._after_block and not piece.startswith("\n"):
            self._written += "\n\n"
        self._after_block = self._after_block and not piece
        self._written += piece

    def _message(self, said: str) -> None:
        """Whatever it begins and ends with stays apart from what stands around it."""
        document = read_markdown(said)
        if not document.blocks:
            return
        line = self._written[self._written.rfind("\n") + 1 :]
        if not isinstance(document.blocks[0], Paragraph) and line.strip(_CONTAINER):
            self._written = self._written.rstrip() + "\n\n"
        text = write_markdown(document)
        self._put(f"\\{text}" if text[0] == "(" and line.endswith("]") else text)
        self._after_block = not isinstance(document.blocks[-1], Paragraph)


# --- what is added to it ----------------------------------------------------------------------------


def marked(mark: str, text: str, format_: TextFormat) -> str:
    """``text`` behind a mark like ``[edited]``; on a line of its own before a heading or a list."""
    if format_ is TextFormat.PLAIN or not mark:
        return mark + text
    return escape(mark, "", "x") + ("\n\n" if _BLOCK(text) else "") + text


def quoted(line: str, text: str, format_: TextFormat) -> str:
    """``text`` below a quoted line."""
    if format_ is TextFormat.PLAIN:
        return f"> {line}\n{text}"
    return f"> {escape(line, '> ')}\n\n{text}"


def with_buttons(text: str, buttons: Sequence[Button], format_: TextFormat) -> str:
    """``text`` above labels and the URLs behind them."""
    lines = [f"{button.label}: {button.url}" for button in buttons]
    if format_ is TextFormat.MARKDOWN:
        lines = [_in_markdown(Link(button.url, (Text(button.label),))) for button in buttons]
        return below(text, lines, format_)
    return "\n".join([text, *lines])


def below(text: str, lines: Sequence[str], format_: TextFormat) -> str:
    """``text`` above ``lines``, which are written already; a list or a quote does not reach them."""
    gap = "\n" if format_ is TextFormat.PLAIN else "\n\n"
    return text.rstrip() + gap + listed(lines, format_)


def beside(text: str, lines: Sequence[str], format_: TextFormat) -> str:
    """``lines``, which are written already, behind a ``text`` that is no more than a name."""
    begin, *rest = lines
    return listed([f"{text.rstrip()} {begin}".lstrip(), *rest], format_)


def listed(lines: Sequence[str], format_: TextFormat) -> str:
    """``lines``, which are written already, as a text of their own."""
    return ("\n" if format_ is TextFormat.PLAIN else BREAK).join(lines)


def link_line(line: str, format_: TextFormat) -> str:
    """A URL or a note for a line of its own."""
    if format_ is TextFormat.PLAIN:
        return line
    return _in_markdown(Link(line, (Text(line),)) if _WEB(line) else Text(line))


def single_lines(text: str, format_: TextFormat) -> tuple[str, ...]:
    """The lines of ``text`` that say something, each by itself what it was together."""
    if format_ is TextFormat.PLAIN:
        return tuple(line for line in text.split("\n") if line.strip())
    return tuple(_in_markdown(*line) for line in lines(read_markdown(text)))


def _in_markdown(*inlines: Inline) -> str:
    return write_markdown(Document((Paragraph(inlines),)))
