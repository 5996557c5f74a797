"""
What was sent, written down at once: mapped memory beside the journal that outlives the process.

A lane may go on with its next message only when this one is known to be sent, else a crash would
repeat both. Waiting for a commit each time would cost a lane more than the sending. So the mark is
made here, in well under a microsecond of the disk's time, and SQLite follows some hundredths of a
second later, many at once. After a crash the marks that SQLite had not seen are put into it. A power
cut may take the last of them with it: that costs a message sent twice, never one lost.
"""

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.errors import JournalBroken
from bridge.journal.schema import unopened
from bridge.model import DeliveryId, MessageId

_PAGE = 256 * 1024
_PAGES = 2
_HEAD = struct.Struct("<II")  # length of the mark, its CRC-32; a length of 0 ends a page
_MAGIC = b"sent"

# A prepared encoder writes a str in C, without the set-up that json.dumps does on every call.
_quoted = json.JSONEncoder().encode


@dataclass(frozen=True, slots=True)
class Mark:
    """Delivery ``seq`` was sent, under these ids, after so many failed attempts."""

    seq: int
    id: DeliveryId
    attempts: int
    message_ids: tuple[MessageId, ...]


class SentLog:
    """
    Two pages: one is written while the marks of the other reach SQLite. ``found`` are the marks that
    the process before left behind.
    """

    __slots__ = ("_at", "_file", "_map", "_page", "_pending", "found")

    def __init__(self, path: Path) -> None:
        """Raises `JournalBroken` if the file cannot be made."""
        size = _PAGE * _PAGES
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
            # Written, not stretched: a hole on a full disk would kill the process when it is filled.
            short = size - os.fstat(self._file.fileno()).st_size
            if short > 0:
                os.pwrite(self._file.fileno(), bytes(short), size - short)
            self._map = mmap.mmap(self._file.fileno(), size)
        except OSError as e:
            raise JournalBroken(unopened(path, e)) from e
        self._pending = [0] * _PAGES
        self._page = self._at = 0
        self.found: Sequence[Mark] = [mark for page in range(_PAGES) for mark in self._marks(page)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._map.close()
        self._file.close()

    def add(self, mark: Mark) -> int | None:
        """
        Make a mark; the page that `reached` must be told of. None when there is no room: both pages
        hold marks that SQLite has not seen.
        """
        ids = ",".join(map(_quoted, mark.message_ids))
        body = f'[{mark.seq},"{mark.id}",{mark.attempts},[{ids}]]'.encode()
        size = _HEAD.size + len(body)
        if self._at + size + _HEAD.size > _PAGE and not self._turn():
            return None
        if size + _HEAD.size > _PAGE:
            return None
        start = self._page * _PAGE + self._at
        # The end first, the length last: whenever the process dies, the page can be read.
        self._map[start + size : start + size + _HEAD.size] = bytes(_HEAD.size)
        self._map[start + _HEAD.size : start + size] = body
        _HEAD.pack_into(self._map, start, len(body), zlib.crc32(_MAGIC + body))
        self._at += size
        self._pending[self._page] += 1
        return self._page

    def reached(self, page: int) -> None:
        """A mark of ``page`` is committed in SQLite; too late when the log is closed, and no matter."""
        if self._map.closed:
            return
        self._pending[page] -= 1
        if page == self._page and not self._pending[page]:
            self._clear(page)
            self._at = 0

    def forget(self) -> None:
        """All of `found` is committed in SQLite."""
        for page in range(_PAGES):
            self._clear(page)

    def _turn(self) -> bool:
        """Go on with the other page, if all of its marks are committed."""
        other = (self._page + 1) % _PAGES
        if self._pending[other]:
            return False
        self._clear(other)
        self._page, self._at = other, 0
        return True

    def _clear(self, page: int) -> None:
        start = page * _PAGE
        self._map[start : start + _HEAD.size] = bytes(_HEAD.size)

    def _marks(self, page: int) -> Iterator[Mark]:
        """Up to the end of the page, or to the first mark that was not finished."""
        at, end = page * _PAGE, (page + 1) * _PAGE
        while at + _HEAD.size <= end:
            length, crc = _HEAD.unpack_from(self._map, at)
            body = self._map[at + _HEAD.size : min(at + _HEAD.size + length, end)]
            if not length or zlib.crc32(_MAGIC + body) != crc:
                return
            seq, name, attempts, message_ids = json.loads(body)
            yield Mark(seq, DeliveryId(name), attempts, tuple(map(MessageId, message_ids)))
            at += _HEAD.size + length
