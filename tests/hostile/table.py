"""What a class of hostile input is, as data, and the table of all of them for docs/security.md."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

BEGIN, END = "<!-- hostile input: written by make docs -->", "<!-- end of hostile input -->"

COLUMNS = {
    "robot": ("robot callback", "机器人回调"),
    "event": ("event callback", "事件回调"),
    "webhook": ("webhook", "webhook"),
    "status": ("status page, API", "状态页、API"),
    "control": ("control socket", "控制 socket"),
    "stream": ("Stream gateway", "Stream 网关"),
    "links": ("our links", "我们的链接"),
    "fetched": ("hosts of files", "文件主机"),
}
_SHOWN = 2
"""Outcomes that are named in a cell; where more are right, a mark stands for them."""


class Reason(NamedTuple):
    """Why a class makes no sense on a listener."""

    english: str
    chinese: str


@dataclass(frozen=True, slots=True)
class Try:
    """
    One hostile input: ``make`` gives it for a house, ``want`` are the outcomes that are right, and
    ``then`` looks at what became of it.
    """

    make: Callable[[Any], Any]
    want: frozenset[str]
    then: Callable[[Any], Awaitable[None]] | None = None
    what: str = ""


Tries = Sequence[Try] | Callable[[Any], Sequence[Try]]
"""Where they are thousands, made when they are needed."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """
    One class: for every listener what is tried there, or why nothing is.

    Of a ``bulk`` only the end is looked at closely: it is one input after the other.
    """

    name: str
    chinese: str
    cells: Mapping[str, Tries | Reason]
    bulk: str = ""
    """What is shown in its cells."""
    full: bool = False
    """Too long for every day."""


def outcomes(cell: Sequence[Try]) -> str:
    """What is right in one cell, as the table says it."""
    wanted = sorted({one for each in cell for one in each.want})
    return " ".join(f"`{one}`" for one in wanted) if len(wanted) <= _SHOWN else "✓"


def table(classes: Sequence[Hostile], language: str) -> str:
    """Markdown: class × listener in ``en`` or ``zh``, and below it the reasons of the empty cells."""
    which = 1 if language == "zh" else 0
    reasons: list[Reason] = []
    head = ["输入" if which else "input", *(names[which] for names in COLUMNS.values())]
    lines = [_row(head), "|" + "---|" * len(head)]
    for one in classes:
        cells = []
        for listener in COLUMNS:
            cell = one.cells[listener]
            if isinstance(cell, Reason):
                if cell not in reasons:
                    reasons.append(cell)
                cells.append(f"({reasons.index(cell) + 1})")
            else:
                cells.append(one.bulk if callable(cell) or one.bulk else outcomes(cell))
        lines.append(_row([(one.name, one.chinese)[which], *cells]))
    lines += ["", "这些格子是空的，因为：" if which else "Empty cells, and why:", ""]
    lines += [f"{number}. {reason[which]}" for number, reason in enumerate(reasons, 1)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def with_table(page: str, classes: Sequence[Hostile], language: str) -> str:
    """``page`` with the table between its marks. Raises ValueError where they are not."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the marks {BEGIN!r} and {END!r} are missing")
    return f"{before}{BEGIN}\n{table(classes, language)}\n{END}{after}"
