"""A journal's files as a crash or a power cut leaves them, between any two writes or within one."""

import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
"""Bytes that a disk writes whole."""

_BLOCK = 64 * SECTOR

DATABASE, WAL = "journal.db", "journal.db-wal"
MARKS = ("journal.db.mark", "journal.db.sent")
"""Mapped memory: the kernel keeps it when the process dies, a power cut may take it."""


@dataclass(frozen=True)
class Files:
    """What stood in a journal's folder at one moment."""

    content: dict[str, bytes]

    @classmethod
    def of(cls, folder: Path) -> "Files":
        names = (DATABASE, WAL, *MARKS)
        return cls({name: (folder / name).read_bytes() for name in names if (folder / name).exists()})

    def written(self, folder: Path) -> Path:
        """The same in another folder, which is made."""
        folder.mkdir()
        for name, content in self.content.items():
            (folder / name).write_bytes(content)
        return folder

    def with_file(self, name: str, content: bytes) -> "Files":
        return Files({**self.content, name: content})

    def without_marks(self) -> "Files":
        return Files({name: content for name, content in self.content.items() if name not in MARKS})


def cut_at(before: bytes, after: bytes, share: float) -> tuple[bytes, bool]:
    """``share`` of what was being written got there, in order; and whether that is all of it."""
    before = before.ljust(len(after), b"\0")
    sectors = _changed(before, after)
    if not sectors:
        return after, True
    first, last = sectors[0], min(sectors[-1] + SECTOR, len(after))
    while after[last - 1] == before[last - 1]:
        last -= 1
    stop = first + round((last - first) * share)
    return after[:stop] + before[stop:], stop == last


def scattered(before: bytes, after: bytes, arrives: Callable[[int], bool]) -> tuple[bytes, bool]:
    """Some sectors got there, in no order: those that ``arrives`` says, counted among those that change."""
    image = bytearray(before.ljust(len(after), b"\0"))
    whole = True
    for number, start in enumerate(_changed(before, after)):
        if arrives(number):
            image[start : start + SECTOR] = after[start : start + SECTOR]
        else:
            whole = False
    return bytes(image), whole


def _changed(before: bytes, after: bytes) -> list[int]:
    """Where the sectors begin that are others than before. A WAL is millions of zeros: look coarsely first."""
    return [
        start
        for block in range(0, len(after), _BLOCK)
        if after[block : block + _BLOCK] != before[block : block + _BLOCK]
        for start in range(block, min(block + _BLOCK, len(after)), SECTOR)
        if after[start : start + SECTOR] != before[start : start + SECTOR]
    ]


def checkpointed(files: Files, folder: Path) -> bytes:
    """The database after everything in its WAL was put into it."""
    copy = files.written(folder)
    with closing(sqlite3.connect(copy / DATABASE, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = (copy / DATABASE).read_bytes()
    shutil.rmtree(copy)
    return content


def arrives_by(pattern: Iterable[bool]) -> Callable[[int], bool]:
    """A disk that repeats ``pattern``: which of the changed sectors it wrote before the power went."""
    known = tuple(pattern)
    return lambda number: known[number % len(known)]
