"""
An event loop on whose clock it takes no time to stand still.

A process that was stopped, or a machine that was frozen, finds two things when it wakes: its time limits
are over, and the answers that it waited for are here. asyncio looks at the limits before it wakes
those who wait, so every answer of that moment would be taken for lost, and every message be sent twice.
Here the time of such a pause counts for no limit; whatever came meanwhile is read first.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable

LONGEST_LATE = 1.0
"""Seconds by which the loop may be late, on a busy machine, before that counts as standing still."""


_LOOKED_LATELY = 0.0005
"""
Seconds after a look at the sockets in which work that is ready comes first. asyncio would look between
any two steps of it, and each look gives the interpreter away and must win it back.
"""


class _Watched(selectors.DefaultSelector):
    """Tells ``stood_still`` of every pause, by its seconds, before anybody asks for the time."""

    def __init__(self, stood_still: Callable[[float], None], longest_late: float) -> None:
        super().__init__()
        self._stood_still = stood_still
        self._longest_late = longest_late
        self._left = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        entered = time.monotonic()
        if timeout is not None and timeout <= 0 and entered - self._left < _LOOKED_LATELY:
            return []
        found = super().select(timeout)
        left = time.monotonic()
        working, waiting = entered - self._left, left - entered
        self._left = left
        if working > self._longest_late:  # within our own callbacks
            self._stood_still(working)
        if timeout is not None and waiting > max(timeout, 0.0) + self._longest_late:
            self._stood_still(waiting)
        return found


class PatientLoop(asyncio.SelectorEventLoop):
    """Its ``time`` only grows, and not while the process stands still. ``longest_late`` in seconds."""

    def __init__(self, longest_late: float = LONGEST_LATE) -> None:
        self._still = 0.0
        super().__init__(_Watched(self._stand_still, longest_late))
        # asked several times for every message: as long as there was no pause it is the clock itself
        self.time = time.monotonic  # type: ignore[method-assign]  # for speed, see above

    def _time(self) -> float:
        return time.monotonic() - self._still

    def _stand_still(self, seconds: float) -> None:
        self._still += seconds
        self.time = self._time  # type: ignore[method-assign]  # from now on it is not
