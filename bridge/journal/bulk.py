"""
Many rows in few statements.

The sqlite3 module gives up the interpreter lock at every step of a statement and must win it back
from a busy event loop, so nothing is stepped once per row. A statement is worth keeping prepared, but
groups come in every size: small ones are prepared as they come, larger ones are cut.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

SIZES = (*range(1, 17), 24, 32, 48, 64)
"""Rows of one statement."""

CHUNK = SIZES[-1]


def insert(db: sqlite3.Connection, head: str, width: int, values: Sequence[Any]) -> None:
    """``head`` is the statement up to the values; ``values`` has ``width`` of them a row."""
    start, left = 0, len(values) // width
    while left:
        rows = SIZES[bisect_right(SIZES, left) - 1]
        end = start + rows * width
        db.execute(_inserting(head, width, rows), values[start:end])
        start, left = end, left - rows


def select(db: sqlite3.Connection, head: str, keys: list[Any]) -> Iterator[tuple[Any, ...]]:
    """``head`` is the statement up to the list of keys of its ``IN``; filled up with the last key."""
    for start in range(0, len(keys), CHUNK):
        some = keys[start : start + CHUNK]
        size = SIZES[bisect_left(SIZES, len(some))]
        yield from db.execute(_selecting(head, size), some + some[-1:] * (size - len(some))).fetchall()


@lru_cache
def _inserting(head: str, width: int, rows: int) -> str:
    row = ",".join("?" * width)
    return head + ",".join([f"({row})"] * rows)


@lru_cache
def _selecting(head: str, keys: int) -> str:
    return f"{head} ({','.join('?' * keys)})"
