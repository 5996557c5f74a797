"""
What a user typed, written so that Markdown leaves it as it is.

https://spec.commonmark.org/0.31.2/#backslash-escapes and #entity-and-numeric-character-references.
Only what could mean something is escaped: most texts come out as they went in.
"""

from __future__ import annotations

import re

# In the order of the specification's inlines. A word between two letters is no emphasis, so
# snake_case and URLs keep their underscores; "&" and "!" matter before what they announce.
_INLINE = re.compile(
    r"[\\`*\[\]<]"
    r"|(?<![^\W_])_++|_++(?![^\W_])"
    r"|&(?=[#A-Za-z])"
    r"|!(?=\[)"
    r"|(?<=\A\])\("
    r"|~(?=~)|(?<=~)~"
)
# At the start of a line: headings, quotes, lists, rules, underlines of headings and of tables.
_LINE_START = re.compile(
    r"[ \t]*(?:(?P<number>[0-9]{1,9})(?=[.)](?:\s|$))"
    r"|(?=\#{1,6}(?:\s|$)|>|[-+](?:\s|$)|=+\s*$|[|:-][|: \t-]*$|~{3}))"
)
_HEADING_END = re.compile(r"(?<=[ \t])#+(?=[ \t]*$)")
_MAY_PRECEDE_A_NUMBER = " \t>-+*"
_MAY_START_A_LINE = " \t>-+*#0123456789.)"
_LINE_ENDS = re.compile(r"\n+")

BREAK = "  \n"
"""The end of a line: for who follows CommonMark to the letter, and for who does not."""


def escape(text: str, before: str = "", after: str = "", *, references: bool = True) -> str:
    """
    ``text`` as Markdown that reads as ``text`` to the last blank; empty lines part paragraphs.

    ``before`` is what stands in front of it (the line that it goes on with is enough), ``after``
    what follows; empty where it begins or ends a block. Without ``references`` a blank at the edge of a
    line is left out, and so are empty lines beyond the first.
    """
    if text.isalpha():
        return text
    pieces: list[str] = []
    at = 0
    for breaks in _LINE_ENDS.finditer(text):
        line = _line(text[at : breaks.start()], before, "\n", references=references)
        ahead = "\n" if breaks.end() < len(text) else after
        seen = bool((before or text[:at]).strip() or line)
        shown = bool(ahead) and seen
        pieces += (line, _breaks(len(breaks[0]), shown=shown, references=references))
        before, at = "\n", breaks.end()
    pieces.append(_line(text[at:], before, after, references=references))
    return "".join(pieces)


def entity(character: str) -> str:
    """``character`` as a reference: to Markdown it is no blank, no letter, and ends in a mark."""
    return f"&#{ord(character)};"


def _breaks(count: int, *, shown: bool, references: bool) -> str:
    """``count`` line ends; those that Markdown would not see are references."""
    if not shown:
        return entity("\n") * count if references else ""
    if count == 1:
        return BREAK
    return "\n\n" + (entity("\n") * (count - 2) if references else "")


def _line(line: str, before: str, after: str, *, references: bool) -> str:
    if not line:
        return ""
    so_far = before[before.rfind("\n") + 1 :]
    starts = not so_far.strip(_MAY_START_A_LINE)
    ends = after in ("", "\n")
    marks = _inline_marks(line, so_far[-1:], after[:1])
    if starts:
        marks |= _line_marks(line, so_far)
    if ends and (closing := _HEADING_END.search(line)):
        marks.add(closing.start())
    first = starts and line[0].isspace()
    last = (ends and line[-1].isspace()) or (starts and _numbers(so_far + line, after))
    pieces = [f"\\{character}" if at in marks else character for at, character in enumerate(line)]
    if first:
        pieces[0] = entity(line[0]) if references else ""
    if last:
        pieces[-1] = entity(line[-1]) if references else ""
    return "".join(pieces)


def _inline_marks(line: str, before: str, after: str) -> set[int]:
    """Where a backslash keeps characters from being inlines, also with those around the line."""
    probe = before + line + after
    return {
        at
        for found in _INLINE.finditer(probe)
        for at in range(found.start() - len(before), found.end() - len(before))
        if 0 <= at < len(line)
    }


def _numbers(line: str, after: str) -> bool:
    """Whether what follows would make it the number of an item."""
    return after in (".", ")") and line.lstrip(_MAY_PRECEDE_A_NUMBER).isdecimal()


def _line_marks(line: str, so_far: str) -> set[int]:
    """Where a backslash keeps the line from being a block."""
    if so_far[-1:].isdecimal() and line[0] in ".)":
        return {0}
    found = _LINE_START.match(line)
    if found is None:
        return set()
    return {found.end()}
