"""Words put into a text with spans, which stay where they were. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.text import Span

_CODEC = "utf-16-le"


def inserted(
    text: str, spans: Iterable[Span], words: Sequence[tuple[int, str]]
) -> tuple[str, tuple[Span, ...]]:
    """
    ``text`` with ``words``, each at its offset in UTF-16 units. What is put to an edge of a span is
    outside of it.
    """
    if not words:
        return text, tuple(spans)
    raw = text.encode(_CODEC, "surrogatepass")
    pieces, last = [], 0
    places: list[tuple[int, int]] = []
    for at, word in sorted(words, key=lambda one: one[0]):
        coded = word.encode(_CODEC)
        pieces += [raw[last : 2 * at], coded]
        places.append((at, len(coded) // 2))
        last = 2 * at
    pieces.append(raw[last:])
    return b"".join(pieces).decode(_CODEC, "replace"), tuple(_moved(span, places) for span in spans)


def _moved(span: Span, places: Sequence[tuple[int, int]]) -> Span:
    stop = span.offset + span.length
    before = sum(length for at, length in places if at <= span.offset)
    within = sum(length for at, length in places if span.offset < at < stop)
    return replace(span, offset=span.offset + before, length=span.length + within)
