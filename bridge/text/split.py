"""A text that is too long becomes several that are not; nothing but blanks is lost."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

from bridge.model import TextFormat
from bridge.text.fences import Fence, fences
from bridge.text.graphemes import grapheme_floor, joined

_BLANKS = re.compile(r"\s*")
_BLANK = re.compile(r"\s")
_SENTENCE = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)|[。！？；][”’）」』]*")
# What loses its meaning when it is cut. Bounded, and "[" stops a label: linear on any text.
_WHOLE = re.compile(
    r"!?\[[^\[\]\n]{0,300}\]\([^()\s]{0,2000}\)"
    r"|https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+"
)
_FENCE_SHARE = 4
"""The lines that close a code block and open it again take at most a quarter of a part."""


def split(
    text: str,
    limit: int,
    measure: Callable[[str], int],
    format: TextFormat,  # noqa: A002 (the word of `Outgoing.format`)
) -> tuple[str, ...]:
    """
    ``text`` in parts of at most ``limit``, counted by ``measure``.

    A text that fits is returned as it is. Otherwise it is cut at the best place in the second half
    of what fits: between paragraphs, lines, sentences; else between words; else between graphemes.
    A word, a URL or a Markdown link that fits into a part is not cut; a grapheme that does not fit
    is cut between code points.

    PLAIN: the parts are slices of ``text``, in order, none of them blank, and what lies before,
    between and behind them is blank; so a text of blanks has no parts.
    MARKDOWN: the same, but a code block that is cut is closed at the end of its part and opened
    again, info string included, in the next; where only its own closing line would be left for the
    next part, the added one stands for it. A block whose fences would take more than a quarter of
    ``limit`` is cut like any text.

    ``measure`` must not grow when characters are taken out, nor count a text higher than its pieces
    together. Raises ValueError where a single code point exceeds ``limit``.
    """
    if not text or text.isspace():
        return ()
    if measure(text) <= limit:
        return (text,)
    blocks = fences(text) if format is TextFormat.MARKDOWN else ()
    return tuple(
        _Knife(
            text,
            limit,
            measure,
            blocks=tuple(
                block
                for block in blocks
                if measure(f"{block.opening}\n\n{block.marker}") * _FENCE_SHARE <= limit
            ),
            whole=tuple(found.span() for found in _WHOLE.finditer(text)),
        ).parts()
    )


class _Knife:
    """Walks through one text once; remembers how many code points the last part could hold."""

    def __init__(
        self,
        text: str,
        limit: int,
        measure: Callable[[str], int],
        *,
        blocks: tuple[Fence, ...],
        whole: tuple[tuple[int, int], ...],
    ) -> None:
        self._text = text
        self._limit = limit
        self._measure = measure
        self._blocks = blocks
        self._whole = whole
        self._closing = max((f"\n{block.marker}" for block in blocks), key=len, default="")
        self._stride = max(limit, 1)

    def parts(self) -> Iterator[str]:
        at, length = 0, len(self._text)
        while at < length:
            torn = self._block_at(at)
            opening = f"{torn.opening}\n" if torn else ""
            end = self._reach(at, opening)
            torn = None
            body = self._text[at:end]
            if end < length:
                end = self._cut(at, end)
                torn = self._block_at(end)
                body = self._text[at:end].rstrip()
            if body and not body.isspace():
                yield f"{opening}{body}\n{torn.marker}" if torn else f"{opening}{body}"
            at = self._resume(at, at + len(body), end, torn)

    def _block_at(self, at: int) -> Fence | None:
        """The code block that a cut at ``at`` tears apart."""
        i = bisect_right(self._blocks, at, key=lambda block: block.code) - 1
        return self._blocks[i] if i >= 0 and at < self._blocks[i].close else None

    def _reach(self, at: int, opening: str) -> int:
        """How far from ``at`` fits, even if a code block must be closed there."""
        rest = len(self._text) - at

        def fits(count: int) -> bool:
            closing = self._closing if count < rest else ""
            return self._measure(f"{opening}{self._text[at : at + count]}{closing}") <= self._limit

        # Neighbouring parts hold about as much: look around there in growing steps, then halve.
        low, high, step = 0, min(self._stride, rest), 1
        while fits(high):
            if high == rest:
                return len(self._text)
            low, high, step = high, min(high + step, rest), 2 * step
        while low == 0 and high > step and not fits(high - step):
            high, step = high - step, 2 * step
        low = max(low, high - step, 0)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        if low == 0:
            raise ValueError(f"a limit of {self._limit} does not hold a single code point")
        self._stride = low + 1
        return at + low

    def _cut(self, at: int, end: int) -> int:
        """The best place after ``at`` and not after ``end``."""
        half = at + (end - at + 1) // 2
        torn = self._block_at(end)
        if torn and torn.start >= half:
            return torn.start
        for cut in (
            self._text.rfind("\n\n", half, end + 2),
            self._text.rfind("\n", half, end + 1),
            self._sentence(half, end),
        ):
            if half <= (mended := self._mended(cut)):
                return mended
        if at < (mended := self._mended(self._word(at, end))):
            return mended
        if at < (mended := self._mended(end)) < end:
            return mended
        return grapheme_floor(self._text, at, end)

    def _sentence(self, start: int, end: int) -> int:
        """Where the last sentence ends; -1 where none does."""
        last = -1
        for found in _SENTENCE.finditer(self._text, start, end + 1):
            if found.end() <= end:
                last = found.end()
        return last

    def _word(self, at: int, end: int) -> int:
        """A place between words, unless the word around ``end`` is longer than a part; else -1."""
        text = self._text
        if text[end - 1].isspace() or text[end].isspace():
            return end
        words = text[at:end].rsplit(None, 1)
        start = end - len(words[-1])
        if joined(text, start):
            start -= 1  # a mark that sits on a blank
        if start <= at:
            return -1
        longest = max(self._limit, end - at)
        stop = _BLANK.search(text, end, end + longest)
        if stop is None and end + longest < len(text):
            return -1
        word = text[start : stop.start() if stop else None]
        return start if self._measure(word) <= self._limit else -1

    def _mended(self, cut: int) -> int:
        """``cut``, or the nearest place before it that tears no link, URL or fence line."""
        i = bisect_right(self._whole, cut, key=lambda span: span[0]) - 1
        if i >= 0 and cut < self._whole[i][1]:
            cut = self._whole[i][0]
        i = bisect_right(self._blocks, cut - 1, key=lambda block: block.start) - 1
        if i < 0 or cut >= self._blocks[i].stop:
            return cut
        block = self._blocks[i]
        if cut <= block.code or self._text[block.code : cut].isspace():
            return block.start
        return min(cut, block.close - 1)

    def _resume(self, at: int, body_end: int, cut: int, torn: Fence | None) -> int:
        """
        Where the next part begins: behind the blanks at the cut, but with the line's indentation.

        Where only the closing line of a torn block would follow, the part before has closed it.
        """
        word = _BLANKS.match(self._text, body_end).end()  # type: ignore[union-attr]  # matches ""
        if torn and word >= torn.close:
            return self._resume(at, torn.stop, torn.stop, None)
        line = self._text.rfind("\n", body_end, word) + 1
        if line > at and line > body_end:
            return line
        if word - 1 >= body_end and word - 1 > at and joined(self._text, word):
            return word - 1
        return max(word, cut)
