"""What the disk itself takes for one small commit: written and flushed after a moment of quiet."""

import asyncio
import os
import statistics
import time
from pathlib import Path

SIZE = 20_000
"""Bytes: the five pages that one accepted message changes in the journal."""

_FILE = 4 << 20
_EVERY = 0.05


async def cold_flush(folder: Path, seconds: float) -> float:
    """The median in milliseconds, at 20 flushes a second, as many as the messages it is compared with."""
    path = folder / "flush"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(file, bytes(_FILE), 0)  # a WAL is written over again too
        os.fsync(file)
        took = []
        for number in range(round(seconds / _EVERY)):
            await asyncio.sleep(_EVERY)
            took.append(await asyncio.to_thread(_flush, file, number * SIZE % (_FILE - SIZE)))
        return statistics.median(took)
    finally:
        os.close(file)
        path.unlink()


def _flush(file: int, at: int) -> float:
    content = os.urandom(SIZE)
    began = time.perf_counter()
    os.pwrite(file, content, at)
    os.fdatasync(file)
    return 1e3 * (time.perf_counter() - began)
