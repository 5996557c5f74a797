"""The schedule of contract clause 6."""

import asyncio
import random

import pytest

from bridge.errors import Refused, Transient
from bridge.retry import JITTER, LONGEST_RETRY_AFTER, SECONDS, few_times, wait_after
from tests.clock import FakeClock


@pytest.mark.parametrize(("failures", "seconds"), [*enumerate(SECONDS, 1), (9, 300), (5000, 300)])
def test_the_wait_follows_the_schedule_and_then_repeats_its_last(failures, seconds):
    """1, 2, 5, 15, 30, 60, 120, 300 s, then every 300 s, with a fifth of jitter either way."""
    waits = [wait_after(failures, random.Random(seed)) for seed in range(200)]

    assert min(waits) >= seconds * (1 - JITTER)
    assert max(waits) <= seconds * (1 + JITTER)
    assert max(waits) - min(waits) > seconds * JITTER


@pytest.mark.parametrize(("asked", "given"), [(7.0, 7.0), (1.0, 1.0), (1e9, LONGEST_RETRY_AFTER)])
def test_what_the_platform_asks_for_wins_within_an_hour(asked, given):
    """A Retry-After is obeyed to the second, but not for ever."""
    assert given == wait_after(3, random.Random(1), asked)


@pytest.mark.parametrize("asked", [0.0, 0.001, 0.99, -5.0])
def test_a_platform_that_asks_for_no_patience_is_not_stormed(asked):
    """Less than a second is no wish: the schedule holds, and grows with every failure."""
    for failures in (1, 3, 8):
        expected = wait_after(failures, random.Random(1))

        assert expected == wait_after(failures, random.Random(1), asked)


def test_a_few_times_gives_up_with_the_last_error():
    """Three calls, a second and two seconds apart, then the error itself."""
    clock = FakeClock()
    calls = []

    async def call():
        calls.append(clock.monotonic())
        raise Transient(f"no {len(calls)}")

    with pytest.raises(Transient, match="no 3"):
        asyncio.run(few_times(lambda: call(), clock))  # noqa: PLW0108  # as callers bind arguments
    assert [0, 1, 3] == calls


def test_a_refusal_is_not_tried_again():
    """Only what may pass by itself is worth a second call."""
    calls = []

    async def call():
        calls.append(1)
        raise Refused("expired")

    with pytest.raises(Refused):
        asyncio.run(few_times(call, FakeClock()))
    assert [1] == calls
