"""Room, kind and speed of the disk that holds the journal."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bridge.journal import Capacity
from bridge.model import Finding

SLOW_SYNC, WORST_SYNC = 0.02, 0.1
"""Seconds for one write that is really on the disk: worth a word, and too slow."""

_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs")
_WRITES = 15
_PATIENCE = 2.0


def room(free: int, journal: int, capacity: Capacity) -> Finding:
    """``free`` and ``journal`` (its size now) in bytes."""
    said = f"{_size(free)} free, the journal has {_size(journal)} of at most {_size(capacity.max_bytes)}"
    if capacity.min_free_disk >= capacity.refuse_at * free:
        return Finding(
            ok=False,
            what=f"the disk is too full, nothing is accepted: {said}",
            hint="make room, or lower journal.min_free_disk in config.json",
        )
    if capacity.min_free_disk >= capacity.warn_at * free:
        return Finding(
            ok=False, what=f"the disk is nearly too full: {said}", hint="make room before it is"
        )
    small = free - capacity.min_free_disk < capacity.max_bytes - journal
    return Finding(
        ok=True,
        what=f"there is room on the disk: {said}",
        hint="the disk would be full before the journal is" if small else "",
    )


def file_system(kind: str) -> Iterator[Finding]:
    """Where a journal is not safe; ``kind`` as mount(8) names it."""
    if kind in ("tmpfs", "ramfs"):
        yield Finding(
            ok=False,
            what=f"the data directory is in memory only: {kind}",
            hint="what was accepted is gone after a restart of the machine; use a disk for data_dir",
        )
    if kind in _NETWORK:
        yield Finding(
            ok=False,
            what=f"the data directory is on another machine: {kind}",
            hint="SQLite in WAL mode needs a local disk (https://www.sqlite.org/wal.html)",
        )


def measured_sync(path: Path) -> float:
    """The median time, in seconds, for 4 KiB to be really on the disk of folder ``path``."""
    times: list[float] = []
    with tempfile.TemporaryFile(dir=path) as file:
        begin = time.perf_counter()
        while len(times) < _WRITES and time.perf_counter() - begin < _PATIENCE:
            start = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def sync(took: float) -> Finding:
    """``took`` seconds for one write."""
    said = f"{took * 1000:.1f} ms"
    if took > WORST_SYNC:
        return Finding(
            ok=False,
            what=f"the disk takes very long to really write: {said}",
            hint="every answer to a platform waits for it, and a conversation is no faster than it; "
            "use a local SSD for data_dir",
        )
    return Finding(
        ok=True,
        what=f"the disk really writes within this time: {said}",
        hint="that is slow: every answer to a platform waits for it" if took > SLOW_SYNC else "",
    )


def _size(count: int) -> str:
    """Bytes for people."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 # of a step between units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
