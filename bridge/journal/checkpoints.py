"""
Copying the log (SQLite's WAL) into the database, when it has grown and everybody is answered.

SQLite would do so by itself, within a commit, and would keep to itself that it failed: a disk that
cannot be trusted any more must end the daemon, loudly, and its fsync is never tried again.
https://www.sqlite.org/wal.html#ckpt
"""

import sqlite3

LIMIT = 2000
"""Frames, of one page each, that the log may hold before it is copied; 8 MB."""

_PAGE = 4096
_EACH = 5
"""Pages that any commit writes: the last ones of the tables and indexes that grow."""

_ROWS = 8
"""Rows that are changed for each further page: a guess, which every copy makes better."""

_WRONG = 4.0
"""So many times too long or too short may the guess have been, and no more is learnt from it."""


class Checkpoints:
    """
    Guesses how long the log is, which SQLite does not tell, and copies it in time. What another
    process still reads of it stays for the next time.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._changes = db.total_changes
        self._rate = 1.0
        self.frames = 0.0

    def committed(self, size: int) -> None:
        """A transaction has written rows, with bodies of ``size`` bytes in all."""
        changes = self._db.total_changes
        self.frames += self._rate * (_EACH + (changes - self._changes) / _ROWS + size / _PAGE)
        self._changes = changes

    @property
    def is_due(self) -> bool:
        return self.frames >= LIMIT

    def copy(self) -> None:
        """Raises `sqlite3.Error` when the disk fails, or is full."""
        _, log, copied = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if log < 0:  # another process is copying it: with the next commit
            return
        if self.frames:
            self._rate = min(max(self._rate * log / self.frames, 1 / _WRONG), _WRONG)
        self.frames = float(max(log - copied, 0))
