"""How long to wait after a failure: the schedule of contract clause 6. The only importer of tenacity."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_chain, wait_fixed

from bridge.clock import Clock
from bridge.errors import Throttled, Transient

SECONDS = (1, 2, 5, 15, 30, 60, 120, 300)
"""The waits after the first, second, … failure; the last one repeats."""

JITTER = 0.2
LONGEST_RETRY_AFTER = 3600.0
"""A platform may ask for more patience than this, but does not get it, in seconds."""

_schedule = wait_chain(*(wait_fixed(seconds) for seconds in SECONDS))

LEAST_RETRY_AFTER = 1.0
"""
A wish for less patience than this, in seconds, is none (0, a date that is past, a negative number):
obeyed, it would make a storm of the retries, against a platform that has just asked for peace.
"""

T = TypeVar("T")


def wait_after(failures: int, rng: random.Random, retry_after: float | None = None) -> float:
    """
    Seconds to wait after the ``failures``-th failure in a row (counted from 1).

    What the platform asked for wins, from `LEAST_RETRY_AFTER` to `LONGEST_RETRY_AFTER`.
    """
    if retry_after is not None and retry_after >= LEAST_RETRY_AFTER:
        return min(retry_after, LONGEST_RETRY_AFTER)
    state = RetryCallState(_nothing, None, (), {})
    state.attempt_number = max(failures, 1)
    return _schedule(state) * rng.uniform(1 - JITTER, 1 + JITTER)


async def few_times(call: Callable[[], Awaitable[T]], clock: Clock, *, attempts: int = 3) -> T:
    """
    Call again after a second, and after two more, while the platform is merely unable or busy.

    Raises what the last call raised. For what a message can do without: its lane waits meanwhile.
    """

    async def once() -> T:  # tenacity wants to see a coroutine function, not one that returns one
        return await call()

    patience = AsyncRetrying(
        retry=retry_if_exception_type((Transient, Throttled)),
        stop=stop_after_attempt(attempts),
        wait=_schedule,
        sleep=clock.sleep,
        reraise=True,
    )
    return await patience(once)


_nothing = AsyncRetrying()
