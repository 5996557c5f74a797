"""
How full the journal is, and the ballast that it throws off when the disk is.

The ballast is a file that only takes up room. On a full disk it goes, so that what was sent can
still be marked as sent; it comes back when there is room again. It is large enough for all that is
promised: the WAL emptied into the database, and one mark for each delivery that waits.
"""

import contextlib
import os
from pathlib import Path

from bridge.journal import Capacity

BALLAST = 12 << 20
"""Bytes: a WAL of 2,000 pages has room in the database, and the next WAL beside it."""

PER_DELIVERY = 256
"""Bytes that marking a delivery as sent may add to the database (links, names; 152 measured)."""

_GROWS_BY = 1 << 20
_ROOM_BESIDE = 4
_MEASURE_EVERY = 1.0


class Gauge:
    """
    ``fullness`` is the worst of the three limits (1.0 is the limit itself), ``full`` says whether to
    refuse. Written by one thread, read by any.
    """

    def __init__(self, path: Path, capacity: Capacity) -> None:
        self._folder = path.parent
        self._ballast = _ballast_of(path)
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
            self._measure_disk(BALLAST + PER_DELIVERY * rows)
        capacity = self._capacity
        self.fullness = max(rows / capacity.max_waiting, size / capacity.max_bytes, self._disk)
        self.full = self.fullness >= (capacity.resume_at if self.full else capacity.refuse_at)

    def disk_is_full(self) -> None:
        """A write found no room: refuse until it is measured anew, and throw off the ballast."""
        self.full = True
        self.fullness = self._disk = 1.0
        with contextlib.suppress(OSError):
            self._ballast.unlink(missing_ok=True)

    def _measure_disk(self, wanted: int) -> None:
        """What the ballast still lacks of the bytes ``wanted`` is not free for messages."""
        free = free_on(self._folder)
        lacking = max(0, wanted - _size(self._ballast))
        room = free - lacking
        least = self._capacity.min_free_disk
        self._disk = min(1.0, least / room) if room > 0 else 1.0
        if lacking >= _GROWS_BY and room > least + _ROOM_BESIDE * _GROWS_BY:
            self._take_ballast(wanted)

    def _take_ballast(self, wanted: int) -> None:
        with contextlib.suppress(OSError):  # without ballast the journal is only less safe
            file = os.open(self._ballast, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(file, 0, wanted)
            finally:
                os.close(file)


def make_room_to_open(path: Path) -> None:
    """A journal that is to be opened on a full disk needs what its ballast was kept for."""
    if free_on(path.parent) < BALLAST:
        with contextlib.suppress(OSError):
            _ballast_of(path).unlink(missing_ok=True)


def free_on(folder: Path) -> int:
    """Bytes that we may still write to the disk of ``folder``."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _ballast_of(path: Path) -> Path:
    return path.with_name(path.name + ".ballast")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
