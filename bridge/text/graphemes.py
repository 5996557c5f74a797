"""Where one visible character ends and the next begins (https://unicode.org/reports/tr29/)."""

import re
from functools import cache

# One match on a long run of flags takes quadratic time; on a chunk it does not matter.
_CHUNK = 64


@cache
def _cluster() -> re.Pattern[str]:
    import regex  # noqa: PLC0415 (60 ms that only a process which cuts long texts has to spend)

    pattern: re.Pattern[str] = regex.compile(r"\X")  # not the class, but all that we use of it
    return pattern


def joined(text: str, at: int) -> bool:
    """Do the two code points around ``at``, seen alone, make one grapheme?"""
    pair = text[at - 1 : at + 1]
    if pair.isascii():
        return pair == "\r\n"
    return len(pair) > 1 and _cluster().fullmatch(pair) is not None


def grapheme_floor(text: str, start: int, end: int) -> int:
    """
    The last boundary between graphemes in (``start``, ``end``], if ``start`` is one.

    ``end`` itself where a single grapheme goes from ``start`` beyond it, or where the text ends.
    """
    if end == len(text) or text[end - 1 : end + 1].isascii():
        return end - 1 if text[end - 1 : end + 1] == "\r\n" and end - 1 > start else end
    at, size = start, _CHUNK
    while True:
        chunk = text[at : min(at + size, end + 1)]
        starts = [cluster.start() for cluster in _cluster().finditer(chunk)]
        last = at + starts[-1]  # what begins here may go on behind the chunk
        if at + len(chunk) > end:
            return last if last > start else end
        at, size = (last, _CHUNK) if last > at else (at, 2 * size)
