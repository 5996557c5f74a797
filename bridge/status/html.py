"""
HTML as values: whatever is not made here is text, and is escaped.

Names and texts of strangers come in through `foreign`: short, on one line, and in a frame of their own
for the direction of writing, so that they cannot turn or stretch what stands beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from bridge.problems import printable
from bridge.wild import clean_name

SHOWN = 80
"""Characters of a stranger's text that are shown."""

_VOID = frozenset({"meta", "link", "input", "br", "hr"})


class Html(str):
    """Markup that is right already. Only `tag`, `join` and `trusted` make one."""

    __slots__ = ()


Child = Html | str | int | None
"""A text is escaped; None is nothing."""


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """
    One element. Of attributes, ``True`` is written bare, ``None`` and ``False`` are left out;
    underscores are hyphens, and one behind the name is not written: ``class_``, ``aria_label``.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = key.rstrip("_").replace("_", "-")
        parts.append(f" {written}" if value is True else f' {written}="{escape(str(value))}"')
    parts.append(">")
    if name not in _VOID:
        parts += [_markup(child) for child in children]
        parts.append(f"</{name}>")
    return Html("".join(parts))


def join(children: Iterable[Child]) -> Html:
    """Several things one behind the other."""
    return Html("".join(_markup(child) for child in children))


def trusted(markup: str) -> Html:
    """``markup`` as it is: made by the bridge itself, and escaped there."""
    return Html(markup)


def foreign(text: str, *, limit: int = SHOWN) -> Html:
    """What a stranger wrote, at most ``limit`` characters of it."""
    return tag("bdi", shortened(text, limit))


def shortened(text: str, limit: int = SHOWN) -> str:
    """``text`` on one line, without what cannot be printed, cut with an ellipsis."""
    line = printable(clean_name(text[: limit * 4]))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def printable_lines(text: str, limit: int) -> str:
    """Several lines, each without what cannot be printed; at most ``limit`` characters."""
    lines = [printable(line) for line in text[:limit].splitlines()]
    return "\n".join([*lines, "…"] if len(text) > limit else lines)


def _markup(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else escape(str(child))
