"""A text that is too long becomes several that are not; nothing but blanks is lost."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from bridge.model import TextFormat
from bridge.text.fences import Fence, fences
from bridge.text.graphemes import grapheme_floor, joined
from bridge.text.runs import Run, runs

_BLANKS = re.compile(r"\s*")
_BLANK = re.compile(r"\s")
_SENTENCE = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)|[。！？；][”’）」』]*")
# What loses its meaning when it is cut. Bounded, and "[" stops a label: linear on any text.
_WHOLE = re.compile(
    r"!?\[[^\[\]\n]{0,300}\]\([^()\s]{0,2000}\)"
    r"|https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+"
)
# An escaped character, a reference.
_WHOLE_IN_MARKDOWN = re.compile(
    _WHOLE.pattern + r"|\\[!-/:-@\[-`{-~]|&#?[0-9A-Za-z]{1,31};",
)
# What would begin a block if a line began with it; it stays behind its word.
_MID_LINE = re.compile(r"(?<=\S)(?:[ \t](?:[0-9]{1,9}[.)]|[-+]|\#{1,6}|>|=+)(?=[ \t]))+")
_WORD = 30
_BLOCK_START = re.compile(
    r"(?P<number>[0-9]{1,9}(?=[.)]\s))|(?=\#{1,6}\s|>|[-+*]\s|=+\s*$|-+\s*$)", re.MULTILINE
)
_FENCE_SHARE = 4
"""What closes a code block or stressed words and opens them again takes at most a quarter of a part."""


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
    next part, the added one stands for it. Stressed words stay whole where they fit into a part, else
    their marks are closed and opened in the same way. A block whose fences, or words whose marks would
    take more than a quarter of ``limit`` are cut like any text. What begins a block only because a
    part begins with it gets a backslash.

    ``measure`` must not grow when characters are taken out, nor count a text higher than its pieces
    together. Raises ValueError where a single code point exceeds ``limit``.
    """
    if not text or text.isspace():
        return ()
    if measure(text) <= limit:
        return (text,)
    if format is TextFormat.PLAIN:
        whole = tuple(found.span() for found in _WHOLE.finditer(text))
        return tuple(_Knife(text, limit, measure, whole=whole).parts())
    blocks = tuple(fences(text))
    whole, torn = _stresses(text, limit, measure, blocks)
    cheap = (
        block for block in blocks if measure(f"{block.opening}\n\n{block.marker}") * _FENCE_SHARE <= limit
    )
    knife = _Knife(text, limit, measure, whole=whole, blocks=tuple(cheap), torn=torn, marked=True)
    return tuple(knife.parts())


def _stresses(
    text: str, limit: int, measure: Callable[[str], int], blocks: Sequence[Fence]
) -> tuple[tuple[tuple[int, int], ...], tuple[Run, ...]]:
    """What must not be cut, none within another, and the stressed words that no part holds."""
    whole = [found.span() for found in _WHOLE_IN_MARKDOWN.finditer(text)]
    words: set[tuple[int, int]] = set()
    for found in _MID_LINE.finditer(text):
        before = (
            max(text.rfind(blank, max(found.start() - _WORD, 0), found.start()) for blank in " \n") + 1
        )
        words.add((max(before, found.start() - _WORD), found.end()))
    whole += words
    torn: list[Run] = []
    last = 0
    for run in runs(text, [(block.start, min(block.stop, len(text))) for block in blocks]):
        if run.start < last:
            continue
        around = "".join(one.mark for one in torn if run.start < one.stop)
        if measure(text[run.start : run.stop] + 2 * around) <= limit:
            whole.append((run.start, run.stop))
            last = run.stop
        elif run.mark[0] != "`":
            torn.append(run)
    kept: list[tuple[int, int]] = []
    for start, stop in sorted(whole, key=lambda span: (span[0], -span[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, stop))
        elif kept[-1] in words and stop > kept[-1][1]:
            kept[-1] = start, stop  # what begins in a word has the mark behind it, too
        elif stop > kept[-1][1]:
            kept[-1] = kept[-1][0], stop
    marks = 2 * sum(len(run.mark) for run in torn)
    return tuple(kept), tuple(torn) if marks * _FENCE_SHARE <= limit else ()


class _Knife:
    """Walks through one text once; remembers how many code points the last part could hold."""

    def __init__(
        self,
        text: str,
        limit: int,
        measure: Callable[[str], int],
        *,
        whole: tuple[tuple[int, int], ...],
        blocks: tuple[Fence, ...] = (),
        torn: tuple[Run, ...] = (),
        marked: bool = False,
    ) -> None:
        self._text = text
        self._limit = limit
        self._measure = measure
        self._blocks = blocks
        self._whole = whole
        self._torn = torn
        self._marked = marked
        marks = "".join(run.mark for run in torn)
        self._closing = max((f"\n{block.marker}" for block in blocks), key=len, default="") + marks
        self._stride = max(limit, 1)

    def parts(self) -> Iterator[str]:
        at, length = 0, len(self._text)
        while at < length:
            torn = self._block_at(at)
            opening, at = (f"{torn.opening}\n", at) if torn else self._opening(at)
            end = self._reach(at, opening)
            torn = None
            body = self._text[at:end]
            if end < length:
                end = self._cut(at, end)
                torn = self._block_at(end)
                body = self._text[at:end].rstrip()
            if body and not body.isspace():
                yield opening + body + (f"\n{torn.marker}" if torn else self._marks(end)[::-1])
            at = self._resume(at, at + len(body), end, torn)

    def _opening(self, at: int) -> tuple[str, int]:
        """What a part must begin with so that it goes on as what it was, and where it goes on."""
        marks = self._marks(at)
        if not self._marked or at == 0 or not self._text[self._text.rfind("\n", 0, at) + 1 : at].strip():
            return marks, at
        block = _BLOCK_START.match(self._text, at)
        opening = f"{marks}{block['number'] or ''}\\" if block else marks
        if block is None or self._measure(opening) * _FENCE_SHARE > self._limit:
            return marks, at
        return opening, block.end()

    def _marks(self, at: int) -> str:
        """The marks of the stressed words that a cut at ``at`` tears apart, outer ones first."""
        return "".join(run.mark for run in self._torn if run.inner[0] <= at <= run.inner[1])

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
        for run in self._torn:
            if run.start < cut <= run.inner[0]:
                cut = run.start
            elif run.inner[1] <= cut < run.stop:
                blank = self._text.rfind(" ", run.inner[0], run.inner[1])
                cut = blank if blank > 0 else run.inner[1] - 1
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
