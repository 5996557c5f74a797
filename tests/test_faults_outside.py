"""
What the world outside may do to a daemon: platforms that fail, strangers who hold its places, a machine
that stands still. ``make faults`` does it longer.
"""

import asyncio

import pytest

from tests.faults import destinations, slow_loris, stall
from tests.faults.latency import Lag, Latency, too_slow
from tests.faults.scenarios import SHORT

OUTSIDE = {**destinations.LONG_ONLY, **slow_loris.LONG_ONLY, **stall.LONG_ONLY}


EACH = [pytest.param(name, marks=pytest.mark.full if name in stall.LONG_ONLY else ()) for name in OUTSIDE]


@pytest.mark.real_time
@pytest.mark.parametrize("name", EACH)
def test_every_promise_is_kept_while(name, tmp_path) -> None:
    """
    Every message that was answered 200 arrives, every failure is taken for what it is, and nobody else
    notices.
    """
    result = asyncio.run(asyncio.wait_for(OUTSIDE[name](tmp_path, SHORT), 60.0))

    assert result.passed, "\n".join([f"{result.name}: {result.verdict}", *result.complaints])


def test_slow_messages_are_complained_of_unless_the_harness_was_slow_itself() -> None:
    """
    A figure that this machine's noise explains is no figure of the daemon's.
    """
    quiet, slow = Latency(99, 0.01, 0.02, 0.03), Latency(99, 0.01, 0.3, 0.4)

    assert list(too_slow(slow, quiet, Lag([0.01] * 100)))
    assert not list(too_slow(slow, quiet, Lag([0.1] * 100)))
    assert not list(too_slow(quiet, quiet, Lag()))
