"""Where the fenced code blocks of a Markdown text are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# https://spec.commonmark.org/0.31.2/#fenced-code-blocks
_FENCE = re.compile(r"^ {0,3}(?P<marker>`{3,}|~{3,})(?P<info>[^\n]*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fence:
    """
    One code block, as offsets into its text.

    ``start`` begins the opening line, ``code`` what stands inside, ``close`` the closing line and
    ``stop`` follows it. A block that is never closed has ``close`` and ``stop`` one past the end.
    """

    start: int
    code: int
    close: int
    stop: int
    opening: str
    marker: str


def fences(text: str) -> Iterator[Fence]:
    """Every fenced code block, in order; one pass."""
    opened: re.Match[str] | None = None
    for line in _FENCE.finditer(text):
        if opened is None:
            if line["marker"][0] == "~" or "`" not in line["info"]:
                opened = line
        elif line["marker"].startswith(opened["marker"]) and not line["info"].strip():
            yield _fence(opened, line.start(), line.end())
            opened = None
    if opened is not None:
        yield _fence(opened, len(text) + 1, len(text) + 1)


def _fence(opened: re.Match[str], close: int, stop: int) -> Fence:
    return Fence(
        start=opened.start(),
        code=opened.end() + 1,
        close=close,
        stop=stop,
        opening=opened[0],
        marker=opened["marker"],
    )
