"""
How full the journal is, and the ballast that it throws off when the disk is.

The ballast is a file that only takes up room. On a full disk it goes, so that what was sent can
still be marked as sent; it comes back when there is room again.
"""

import contextlib
import os
from pathlib import Path

from bridge.journal import Capacity

BALLAST = 4 << 20
"""Bytes: room for the WAL frames of some thousand settled deliveries."""

_ROOM_FOR_BALLAST = 4
_MEASURE_EVERY = 1.0


class Gauge:
    """
    ``fullness`` is the worst of the three limits (1.0 is the limit itself), ``full`` says whether to
    refuse. Written by one thread, read by any.
    """

    def __init__(self, path: Path, capacity: Capacity) -> None:
        self._folder = path.parent
        self._ballast = path.with_name(path.name + ".ballast")
        self._capacity = capacity
        self._measured_at = float("-inf")
        self._disk = 0.0
        self.fullness = 0.0
        self.full = False

    def stale(self, monotonic: float) -> bool:
        """The disk was measured more than a second ago."""
        return monotonic - self._measured_at > _MEASURE_EVERY

    def read(self, rows: int, size: int, monotonic: float) -> None:
        """``rows`` deliveries of ``size`` bytes wait or are held."""
        if self.stale(monotonic):
            self._measured_at = monotonic
            self._measure_disk()
        capacity = self._capacity
        self.fullness = max(rows / capacity.max_waiting, size / capacity.max_bytes, self._disk)
        self.full = self.fullness >= (capacity.resume_at if self.full else capacity.refuse_at)

    def disk_is_full(self) -> None:
        """A write found no room: refuse until it is measured anew, and throw off the ballast."""
        self.full = True
        self.fullness = self._disk = 1.0
        with contextlib.suppress(OSError):
            self._ballast.unlink(missing_ok=True)

    def _measure_disk(self) -> None:
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        self._disk = min(1.0, self._capacity.min_free_disk / free) if free else 1.0
        if free > self._capacity.min_free_disk + _ROOM_FOR_BALLAST * BALLAST:
            self._take_ballast()

    def _take_ballast(self) -> None:
        with contextlib.suppress(OSError):  # without ballast the journal is only less safe
            file = os.open(self._ballast, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(file, 0, BALLAST)
            finally:
                os.close(file)
