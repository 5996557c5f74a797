"""
Values that are frozen where it costs nothing.

``dataclass(frozen=True)`` makes every field of a new value pass through ``object.__setattr__``: six
times the price of a plain one, and every message is a dozen values. That nothing assigns to a value is
proven by the type checker, which sees the decorator of the standard library; here it is not guarded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """As `dataclasses.dataclass`: comparable, hashable by its fields."""
    return dataclasses.dataclass(unsafe_hash=frozen, slots=slots, kw_only=kw_only)
