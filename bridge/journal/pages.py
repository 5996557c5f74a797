"""
The rows of an SQLite file, page by page, whether or not SQLite itself can still find its way.

Only what a salvage needs: every page that holds rows is looked at for itself, so a page that is
damaged takes no other with it. Whether a row is what was written must be told by its own checksum.
Pages that the WAL holds in a newer form are taken from there, also behind a damaged frame.

https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

PAGE = 4096
"""Bytes; the journal never has another size."""

Value = int | float | str | bytes | None
Record = tuple[Value, ...]

_TABLE_LEAF, _INDEX_LEAF, _INDEX_INTERIOR = 0x0D, 0x0A, 0x02
_FILE_HEADER = 100
_WAL_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_WAL_MAGIC = 0x377F0682
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_REAL, _ZERO, _ONE, _FIRST_BLOB = 7, 8, 9, 12


@dataclass(frozen=True, slots=True)
class Row:
    """``key`` is the row's number, 0 in a table without. ``newer``: it stands in a damaged frame."""

    key: int
    values: Record
    newer: bool = False


class Unreadable(ValueError):
    """A page or a row that is not what SQLite writes."""


class Pages:
    """A database file and its WAL; ``damaged`` numbers are of pages that make no sense."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        """The file stays mapped until ``stack`` ends. Raises `OSError`."""
        file = stack.enter_context(path.open("rb"))
        self._count = path.stat().st_size // PAGE
        self._file: mmap.mmap | bytes = b""
        if self._count:
            self._file = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        wal = path.with_name(path.name + "-wal")
        self._whole, self._torn = _frames(wal.read_bytes()) if wal.exists() else ({}, {})
        self.damaged: set[int] = set(self._torn)
        self._free = self._free_pages()

    def rows(self) -> Iterator[Row]:
        """Every row of every table that can be read, in no order; those of indexes are among them."""
        beyond = (number for number in self._whole if number > self._count)
        for number in chain(range(1, self._count + 1), beyond):
            if number not in self._free:
                yield from self._rows_of(number, self._page(number), newer=False)
        for number, page in self._torn.items():
            yield from self._rows_of(number, page, newer=True)

    def _page(self, number: int) -> bytes:
        """Empty for one that is not there."""
        newest = self._whole.get(number)
        if newest is not None:
            return newest
        return self._file[(number - 1) * PAGE : number * PAGE] if 0 < number <= self._count else b""

    def _rows_of(self, number: int, page: bytes, *, newer: bool) -> Iterator[Row]:
        start = _FILE_HEADER if number == 1 else 0
        kind = page[start]
        if kind not in (_TABLE_LEAF, _INDEX_LEAF, _INDEX_INTERIOR):
            if not any(page):
                self.damaged.add(number)
            return
        head = start + (12 if kind == _INDEX_INTERIOR else 8)
        count = int.from_bytes(page[start + 3 : start + 5], "big")
        if head + 2 * count > PAGE:
            self.damaged.add(number)
            return
        for (at,) in struct.iter_unpack(">H", page[head : head + 2 * count]):
            try:
                key, payload = self._cell(page, at, kind)
                yield Row(key, _record(payload), newer)
            except (Unreadable, IndexError, struct.error, UnicodeDecodeError):
                self.damaged.add(number)

    def _cell(self, page: bytes, at: int, kind: int) -> tuple[int, bytes]:
        if kind == _INDEX_INTERIOR:
            at += 4
        size, at = _varint(page, at)
        key = 0
        if kind == _TABLE_LEAF:
            key, at = _varint(page, at)
            key -= (key >> 63) << 64
        most = PAGE - 35 if kind == _TABLE_LEAF else (PAGE - 12) * 64 // 255 - 23
        if size <= most:
            return key, _exactly(page[at : at + size], size)
        least = (PAGE - 12) * 32 // 255 - 23
        here = least + (size - least) % (PAGE - 4)
        here = here if here <= most else least
        return key, self._overflowing(page[at : at + here + 4], size)

    def _overflowing(self, first: bytes, size: int) -> bytes:
        payload, following = first[:-4], int.from_bytes(first[-4:], "big")
        seen: set[int] = set()
        while len(payload) < size and following not in seen and (page := self._page(following)):
            seen.add(following)
            payload, following = payload + page[4:], int.from_bytes(page[:4], "big")
        return _exactly(payload[:size], size)

    def _free_pages(self) -> frozenset[int]:
        """Those whose rows are of the past, as far as the list of them can be followed."""
        free: set[int] = set()
        trunk = int.from_bytes(self._page(1)[32:36], "big")
        while trunk not in free and (page := self._page(trunk)):
            free.add(trunk)
            count = min(int.from_bytes(page[4:8], "big"), PAGE // 4 - 2)
            free.update(number for (number,) in struct.iter_unpack(">I", page[8 : 8 + 4 * count]))
            trunk = int.from_bytes(page[:4], "big")
        return frozenset(free)


def _frames(wal: bytes) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """
    The newest form of each page in a WAL: whole ones, and such as do not fit their checksum.

    SQLite ends at the first that does not fit; each is judged by itself here. What follows the last
    commit was never promised.
    """
    if len(wal) < _WAL_HEADER.size + _FRAME.size + PAGE:
        return {}, {}
    magic, *_, salt_1, salt_2, sum_1, sum_2 = _WAL_HEADER.unpack_from(wal)
    before = (sum_1, sum_2)
    if magic & ~1 != _WAL_MAGIC or _sums(wal[:24], (0, 0)) != before:
        salt_1, salt_2 = _FRAME.unpack_from(wal, _WAL_HEADER.size)[2:4]
    whole: dict[int, bytes] = {}
    torn: dict[int, bytes] = {}
    open_whole: dict[int, bytes] = {}
    open_torn: dict[int, bytes] = {}
    for at in range(_WAL_HEADER.size, len(wal) - _FRAME.size - PAGE + 1, _FRAME.size + PAGE):
        number, size, *salts, sum_1, sum_2 = _FRAME.unpack_from(wal, at)
        page = wal[at + _FRAME.size : at + _FRAME.size + PAGE]
        if salts == [salt_1, salt_2]:
            fits = _sums(page, _sums(wal[at : at + 8], before)) == (sum_1, sum_2)
            (open_whole if fits else open_torn)[number] = page
            if fits:
                open_torn.pop(number, None)
            if size:
                for done in open_whole:
                    torn.pop(done, None)
                whole.update(open_whole)
                torn.update(open_torn)
                open_whole, open_torn = {}, {}
        before = (sum_1, sum_2)
    return whole, torn


def _sums(content: bytes, before: tuple[int, int]) -> tuple[int, int]:
    """The WAL's checksum; Python on the journal's machines writes it little-endian."""
    one, two = before
    words = struct.unpack(f"<{len(content) // 4}I", content)
    for first, second in _pairs(words):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _pairs(words: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(0, 1), (2, 3), …"""
    return zip(words[::2], words[1::2], strict=True)


def _record(payload: bytes) -> Record:
    size, at = _varint(payload, 0)
    kinds = []
    while at < size:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    at = size
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    return tuple(values)


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (_ZERO, _ONE):
        return kind - _ZERO, at
    if kind == _REAL:
        (real,) = struct.unpack_from(">d", payload, at)
        return float(real), at + 8
    if kind in _INTEGERS:
        end = at + _INTEGERS[kind]
        return int.from_bytes(_exactly(payload[at:end], end - at), "big", signed=True), end
    if kind < _FIRST_BLOB:
        raise Unreadable("no such kind of value")
    end = at + (kind - _FIRST_BLOB) // 2
    content = _exactly(payload[at:end], end - at)
    return (content.decode() if kind % 2 else content), end


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = content[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at
    return value << 8 | content[at], at + 1


def _exactly(content: bytes, size: int) -> bytes:
    if len(content) != size:
        raise Unreadable("it ends too early")
    return content
