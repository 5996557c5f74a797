"""
The black box: 64 bytes beside the journal that outlive the process, though not a power cut.

It is mapped memory, so writing costs nothing and the kernel keeps it when the process dies. It says
what the journal cannot say of itself: up to where it was written (SQLite silently drops what follows
a flipped byte in its WAL), and what was being worked on when the process died.
"""

import fcntl
import mmap
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.errors import JournalBroken
from bridge.journal.schema import unopened

_SIZE = 64
_MAGIC = b"msgbrdg1"
_NUMBER = struct.Struct("<Q")
_LAST, _BENCH = 8, 16


class BlackBox:
    """
    Opening it locks the journal for this process; ``last_found`` and ``bench_found`` are what the
    process before left behind, 0 for nothing.
    """

    __slots__ = ("_file", "_map", "bench_found", "last_found")

    def __init__(self, path: Path) -> None:
        """Raises `JournalBroken` if another process has it open, or the file cannot be made."""
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        except OSError as e:
            raise JournalBroken(unopened(path, e)) from e
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Written, not stretched: a hole on a full disk would kill the process when it is filled.
            if os.fstat(self._file.fileno()).st_size < _SIZE:
                os.pwrite(self._file.fileno(), bytes(_SIZE), 0)
            self._map = mmap.mmap(self._file.fileno(), _SIZE)
        except BlockingIOError as e:
            self._file.close()
            raise JournalBroken(f"{path}: another msgbridge uses this journal: stop it first") from e
        except OSError as e:
            self._file.close()
            raise JournalBroken(unopened(path, e)) from e
        if self._map[:8] != _MAGIC:
            self._map[:] = _MAGIC.ljust(_SIZE, b"\0")
        self.last_found: int = _NUMBER.unpack_from(self._map, _LAST)[0]
        self.bench_found: int = _NUMBER.unpack_from(self._map, _BENCH)[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unlocks it. What it says stays, but a bench left in order is empty."""
        self.on_the_bench(0)
        self._map.close()
        self._file.close()

    def committed(self, seq: int) -> None:
        """Everything up to ``seq`` is on disk."""
        _NUMBER.pack_into(self._map, _LAST, seq)

    def on_the_bench(self, seq: int) -> None:
        """Delivery ``seq`` is being worked on; 0 for none."""
        _NUMBER.pack_into(self._map, _BENCH, seq)


def last_committed(path: Path) -> int:
    """What the black box in ``path`` says without being opened; 0 if it says nothing."""
    try:
        content = path.read_bytes()
    except OSError:
        return 0
    if len(content) < _SIZE or content[:8] != _MAGIC:
        return 0
    last: int = _NUMBER.unpack_from(content, _LAST)[0]
    return last
