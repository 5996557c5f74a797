"""What holds back a conversation, or a whole instance: a pause asked for, or an operator needed."""

from __future__ import annotations

import asyncio
import contextlib
import math
from datetime import datetime

from bridge.clock import Clock
from bridge.journal import Suspension

PROBE_EVERY = 300.0
"""Seconds between two tries of a suspended scope, each with its oldest waiting message."""

PAUSED = "paused"
"""The reason of the suspension by which the journal remembers that an operator paused an instance."""

_RECHECK = 1.0
_LONGEST = 3600.0


class Gate:
    """
    Open as a rule. Paused until a moment, suspended until something gets through, or held until it
    is released.

    While suspended, one waiter at a time is let through every `PROBE_EVERY` seconds: the one with
    the oldest message. Its success opens the gate for all.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._paused_until = 0.0
        self._changed = asyncio.Event()
        self._waiting: set[int] = set()
        self._next_probe = 0.0
        self.suspension: Suspension | None = None
        self.throttles = 0
        """How often in a row the platform asked for patience."""
        self.held = False
        """By an operator, or because the instance is gone. Nobody passes, not even to try."""

    @property
    def is_open(self) -> bool:
        return self.suspension is None and not self.is_paused

    @property
    def is_paused(self) -> bool:
        """Nobody passes just now, not even to try whether something is mended."""
        return self._paused_until > 0.0 and self._paused_until > self._clock.monotonic()

    @property
    def opens_in(self) -> float:
        """Seconds until the next message may be tried; 0 when it may now."""
        until = self._paused_until if self.suspension is None or self.held else self._next_probe
        return max(until - self._clock.monotonic(), 0.0)

    def pause(self, seconds: float) -> None:
        """Nobody passes for so long; a longer pause already running stays."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def suspend(self, suspension: Suspension) -> None:
        self.suspension = suspension
        self._next_probe = self._clock.monotonic() + PROBE_EVERY

    def open(self) -> None:
        """What was suspended works again; a pause, if there is one, still runs its time."""
        self.suspension = None
        self.throttles = 0
        self._changed.set()
        self._changed = asyncio.Event()

    def hold(self) -> None:
        """Nobody passes until `release`."""
        self.held = True
        self._paused_until = math.inf

    def release(self) -> None:
        """End a hold. What is suspended is tried at once."""
        self.held = False
        self._paused_until = 0.0
        self.probe_now()

    def probe_now(self) -> None:
        """Let the oldest waiter try at once: an operator says that it is mended."""
        self._next_probe = 0.0
        self._changed.set()
        self._changed = asyncio.Event()

    async def passage(self, seq: int) -> None:
        """Return when message ``seq`` may be tried."""
        if self.is_open:
            return
        self._waiting.add(seq)
        try:
            while not self.is_open:
                wait = self.opens_in
                if self.suspension is not None and wait <= 0 and seq == min(self._waiting):
                    self._next_probe = self._clock.monotonic() + PROBE_EVERY
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(wait or _RECHECK, _LONGEST)):
                        await self._changed.wait()
        finally:
            self._waiting.discard(seq)


def suspended_for(suspensions: tuple[Suspension, ...], since: datetime, now: datetime) -> float:
    """Seconds between ``since`` and ``now`` during which any of ``suspensions`` lasted."""
    spans = sorted(
        (max(one.since, since), min(one.until or now, now))
        for one in suspensions
        if one.since < now and (one.until is None or one.until > since)
    )
    total = 0.0
    covered = since
    for start, end in spans:
        begin = max(start, covered)
        if end > begin:
            total += (end - begin).total_seconds()
            covered = end
    return total
