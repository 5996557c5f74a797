"""Problems for a person's eye: the line, a caret under the very characters, the way out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

from bridge.i18n import Speak
from bridge.phrases import Phrase, phrase
from bridge.problems import Place, Problem, printable

WIDTH = 100
"""Columns of a line that are shown; a longer one is cut around the place."""

_TAB = "    "
_LEAD = 24
_ERROR = phrase("error")
_WARNING = phrase("warning")
_HELP = phrase("help")
_Painter = Callable[[str, str], str]
_RED, _YELLOW, _BLUE, _BOLD, _PLAIN = "\033[1;31m", "\033[1;33m", "\033[1;34m", "\033[1m", "\033[0m"


def show(problem: Problem, speak: Speak, *, colour: bool = False) -> str:
    """One problem as several lines, without a newline at the end."""
    paint = _paint if colour else _as_it_is
    tint = _YELLOW if problem.warning else _RED
    gutter = " " * len(str(max(problem.line, problem.second.line if problem.second else 0)))
    bar = paint("|", _BLUE)
    word = speak(_WARNING if problem.warning else _ERROR)
    head = paint(f"{word}[{problem.code}]", tint) + paint(f": {printable(speak(problem.message))}", _BOLD)
    lines = [head, f"{gutter}{paint('-->', _BLUE)} {problem.place}"]
    if problem.place.source.strip():
        lines += [f"{gutter} {bar}", *_snippet(problem.place, problem.label, gutter, speak, paint, tint)]
    if problem.second is not None:
        other = _snippet(problem.second, problem.second_label, gutter, speak, paint, _BLUE)
        if problem.second.file != problem.file:
            lines.append(f"{gutter}{paint(':::', _BLUE)} {problem.second}")
        elif other[0] in lines:
            del other[0]  # the line is shown already: one more caret under it
        else:
            lines.append(f"{gutter} {bar}")
        lines += other
    equals = paint("=", _BLUE)
    if problem.hints or problem.fields:
        lines.append(f"{gutter} {bar}")
    lines += [f"{gutter} {equals} {speak(_HELP)}: {printable(speak(hint))}" for hint in problem.hints]
    if problem.fields:
        lines.append(f"{gutter} {equals} {printable(speak(problem.fields))}")
    return "\n".join(lines)


def show_all(problems: Iterable[Problem], speak: Speak, *, colour: bool = False) -> str:
    """Every problem with an empty line behind it, then how many there are. Empty for none."""
    problems = tuple(problems)
    if not problems:
        return ""
    warnings = sum(problem.warning for problem in problems)
    count = phrase(
        "errors: {errors}, warnings: {warnings}", errors=len(problems) - warnings, warnings=warnings
    )
    shown = [show(problem, speak, colour=colour) for problem in problems]
    return "\n\n".join([*shown, speak(count)]) + "\n"


def as_json(problem: Problem) -> dict[str, object]:
    """For ``--json``: never translated, the same keys in every version."""

    def place(at: Place | None) -> dict[str, object] | None:
        if at is None:
            return None
        return {"file": at.file, "line": at.line, "column": at.column, "length": at.length}

    return {
        "code": problem.code,
        "severity": "warning" if problem.warning else "error",
        **(place(problem.place) or {}),
        "message": str(problem.message),
        "hints": [str(hint) for hint in problem.hints],
        "second": place(problem.second),
    }


def width(text: str) -> int:
    """Columns on a terminal: two for wide characters, none for those that join the one before."""
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _snippet(
    place: Place, label: Phrase | None, gutter: str, speak: Speak, paint: _Painter, tint: str
) -> list[str]:
    start, end = place.column - 1, place.column - 1 + place.length
    before, token, after = (
        printable(part).replace("\t", _TAB)
        for part in (place.source[:start], place.source[start:end], place.source[end:])
    )
    before = _cut_left(before, max(WIDTH - width(token) - _LEAD, _LEAD))
    token = _cut_right(token, WIDTH)
    after = _cut_right(after, max(WIDTH - width(before) - width(token), _LEAD))
    mark = ("^" if tint != _BLUE else "-") * max(width(token), 1)
    beside = f" {speak(label)}" if label else ""
    number = f"{place.line:>{len(gutter)}}"
    bar = paint("|", _BLUE)
    return [
        f"{paint(number, _BLUE)} {bar} {before}{token}{after}".rstrip(),
        f"{gutter} {bar} {' ' * width(before)}{paint(mark + beside, tint)}",
    ]


def _cut_left(text: str, columns: int) -> str:
    if width(text) <= columns:
        return text
    while width(text) > columns - 1:
        text = text[max(len(text) - columns, 1) :]
    return "…" + text


def _cut_right(text: str, columns: int) -> str:
    if width(text) <= columns:
        return text
    text = text[:columns]
    while width(text) > columns - 1:
        text = text[:-1]
    return text + "…"


def _paint(text: str, tint: str) -> str:
    return f"{tint}{text}{_PLAIN}"


def _as_it_is(text: str, tint: str) -> str:
    del tint
    return text
