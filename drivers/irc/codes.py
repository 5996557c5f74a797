"""
Formatting codes, both ways: a line with codes as a tree, a tree as lines with codes. Pure.

https://modern.ircdocs.horse/formatting
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from bridge.text.plain import lines
from bridge.text.tree import (
    Code,
    Document,
    Emphasis,
    Image,
    Inline,
    Inlines,
    LineBreak,
    Link,
    Strike,
    Strong,
    Text,
)
from bridge.wild import clean_text

BOLD, ITALIC, STRIKE, MONO = "\x02", "\x1d", "\x1e", "\x11"
_RESET = "\x0f"
_ORDER = BOLD + ITALIC + STRIKE + MONO
_CODE = re.compile(
    "(?P<colour>\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?)"
    "|(?P<toggle>[\x02\x11\x1d\x1e])|(?P<reset>\x0f)|(?P<unsaid>[\x16\x1f])"
)

Styles = frozenset[str]
Run = tuple[Styles, str]
_NONE: Styles = frozenset()

# --- in ---------------------------------------------------------------------------------------------


def is_plain(text: str) -> bool:
    """No code in it."""
    return _CODE.search(text) is None


def stripped(text: str) -> str:
    """The words alone."""
    return _CODE.sub("", text)


def read(text: str) -> Inlines:
    """One line's words with their stress; colours, underlining and reversal mean nothing elsewhere."""
    return _nested(list(_runs_in(text)), _ORDER)


def _runs_in(text: str) -> Iterator[Run]:
    styles, at = _NONE, 0
    for code in _CODE.finditer(text):
        if code.start() > at:
            yield styles, clean_text(text[at : code.start()])
        at = code.end()
        if code["reset"]:
            styles = _NONE
        elif toggled := code["toggle"]:
            styles = styles ^ {toggled}
    if at < len(text):
        yield styles, clean_text(text[at:])


_WRAPPED: dict[str, Callable[[Inlines], Inline]] = {BOLD: Strong, ITALIC: Emphasis, STRIKE: Strike}


def _nested(runs: list[Run], order: str) -> Inlines:
    """Runs as a tree: neighbours of one style share a node, the first of ``order`` outermost."""
    if not order:
        words = "".join(text for _, text in runs)
        return (Text(words),) if words else ()
    style, rest = order[0], order[1:]
    nodes: list[Inline] = []
    for has, group in groupby(runs, key=lambda run: style in run[0]):
        inside = list(group)
        if not has:
            nodes += _nested(inside, rest)
        elif words := "".join(text for _, text in inside):
            nodes.append(Code(words) if style == MONO else _WRAPPED[style](_nested(inside, rest)))
    return tuple(nodes)


# --- out --------------------------------------------------------------------------------------------


def write(document: Document, *, formatting: bool = True) -> str:
    """
    Lines of text with codes, or without. Every line begins without any style, as clients read it.

    No character of the text itself is a code: all of them are taken out.
    """
    return "\n".join(_line(_runs(inlines, _NONE), formatting=formatting) for inlines in lines(document))


def _line(runs: Iterable[Run], *, formatting: bool) -> str:
    parts, now = [], _NONE
    for styles, text in runs:
        if formatting:
            parts.append("".join(code for code in _ORDER if code in styles ^ now))
            now = styles
        parts.append(clean_text(text).replace("\n", " "))
    return "".join(parts).rstrip(_ORDER)


_STRESS: dict[type[Inline], str] = {Strong: BOLD, Emphasis: ITALIC, Strike: STRIKE}


def _runs(inlines: Inlines, styles: Styles) -> Iterator[Run]:
    for inline in inlines:
        match inline:
            case Text(text):
                yield styles, text
            case LineBreak():
                yield styles, " "
            case Code(text):
                yield styles | {MONO}, text
            case Strong() | Emphasis() | Strike():
                yield from _runs(inline.children, styles | {_STRESS[type(inline)]})
            case Link(url, children):
                label = list(_runs(children, styles))
                yield from label
                if "".join(text for _, text in label) != url:
                    yield styles, f" ({url})" if label else url
            case Image(url, alt):
                yield styles, f"{alt} ({url})" if alt and url else alt or url
