"""
How long ago a moment of the wall clock was, in time that has really passed (contract clause 14).

What must be forgotten or given up after a while is written down with the time on the wall, and that
clock may be set: by an hour, by a year, back to 1970. So its steps are noted against the monotonic
clock, which only ever grows, and an age is counted along the piece of time that the moment lies in.
Where it may lie in several, the latest is taken: it is kept rather too long than too short.

A step while the process does not run cannot be told from time that passed.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.clock import Clock

_STEP = 5.0
"""Seconds that the clocks may drift apart before it counts as a step."""

_MOST_PIECES = 64


@dataclass(frozen=True, slots=True)
class _Piece:
    """From ``running`` (monotonic seconds) on the wall clock went on from ``wall`` (since 1970)."""

    running: float
    wall: float


class Ages:
    """One process's. `note` is called first, then every second or so, by one thread; `of` by any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pieces: tuple[_Piece, ...] = ()
        self._noted = 0.0

    def note(self) -> None:
        """Look whether the wall clock was set; if it was, then right after the last look."""
        running, wall = self._clock.monotonic(), self._clock.now().timestamp()
        last = self._pieces[-1] if self._pieces else None
        if last is None:
            self._pieces = (_Piece(running, wall),)
        elif abs(wall - last.wall - (running - last.running)) > _STEP:
            piece = _Piece(self._noted, wall - (running - self._noted))
            self._pieces = (*self._pieces[-_MOST_PIECES:], piece)
        self._noted = running

    def of(self, at: float) -> float:
        """Seconds since ``at`` (seconds since 1970), never negative."""
        pieces, now = self._pieces, self._clock.monotonic()
        end = now
        spans = []
        for piece in reversed(pieces):
            spans.append((piece, end))
            end = piece.running
        for piece, end in spans:
            moment = piece.running + at - piece.wall
            if piece.running - _STEP <= moment <= end + _STEP:
                return max(now - moment, 0.0)
        for piece, end in spans:
            if piece.wall <= at:  # written after the last look at a clock that was then set
                return max(now - end, 0.0)
        first = pieces[0]
        return max(first.wall - at + now - first.running, 0.0)
