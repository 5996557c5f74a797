"""
Before a torn WAL is lost: SQLite writes over everything behind a damaged frame as soon as it may.

What was accepted may still stand there, whole. So the files are copied as they were found, for
`msgbridge journal salvage`, and the daemon goes on with what SQLite can read.
"""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from bridge.journal.gauge import BALLAST, free_on
from bridge.journal.reading import connect_to_read

_FILES = ("", "-wal", ".mark", ".sent")


def keep_if_torn(path: Path, last: int) -> Path | None:
    """
    A copy of the journal in ``path``, if it has a WAL and lacks what was accepted up to seq ``last``.

    None if nothing is missing, or there is no room for it.
    """
    if not last or not _size(_beside(path, "-wal")):
        return None
    there = _last_in(path)
    if there is None or there >= last:
        return None
    kept = path.with_name(f"{path.name}.torn-{last}")
    if free_on(path.parent) < sum(_size(_beside(path, end)) for end in _FILES) + 2 * BALLAST:
        return None
    with suppress(OSError):
        kept.mkdir(mode=0o700, exist_ok=True)
        for end in _FILES:
            if _beside(path, end).exists():
                shutil.copyfile(_beside(path, end), _beside(kept / path.name, end))
        return kept / path.name
    return None


def _last_in(path: Path) -> int | None:
    """The last seq that SQLite can see. None if it cannot read at all: then it will not write either."""
    try:
        with closing(connect_to_read(path)) as db:
            counted, message = db.execute(
                "SELECT last, (SELECT ifnull(max(seq + routes), 0) FROM messages) FROM counters"
            ).fetchone()
    except sqlite3.Error:
        return None
    return max(int(counted), int(message))


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
