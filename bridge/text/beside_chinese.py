"""
Stress beside Chinese, Japanese and Korean letters and marks.

By CommonMark ``**注意：**请`` is not bold, for a mark stands inside and a letter outside: that rule was
made for languages with blanks between words. Here a character of those scripts does as a blank would.
https://spec.commonmark.org/0.31.2/#left-flanking-delimiter-run
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.rules_inline import StateInline

_EAST = re.compile(
    r"[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]"
).match


def beside_chinese(state: StateInline, silent: bool) -> bool:
    """A rule for the parser, before its own: takes ``*`` beside such a character, leaves all others."""
    from markdown_it.rules_inline.state_inline import Delimiter  # noqa: PLC0415 (only who parses is here)

    start = state.pos
    if silent or state.src[start] != "*":
        return False
    found = state.scanDelims(start, True)
    before = state.src[start - 1] if start else " "
    behind = state.src[start + found.length] if start + found.length < state.posMax else " "
    if not (_EAST(before) or _EAST(behind)):
        return False
    opens = found.can_open or (bool(_EAST(before)) and not behind.isspace())
    closes = found.can_close or (bool(_EAST(behind)) and not before.isspace())
    for _ in range(found.length):
        token = state.push("text", "", 0)
        token.content = "*"
        state.delimiters.append(
            Delimiter(ord("*"), found.length, len(state.tokens) - 1, -1, open=opens, close=closes)
        )
    state.pos += found.length
    return True
