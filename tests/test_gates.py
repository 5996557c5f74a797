"""Pauses and suspensions."""

import asyncio
from datetime import timedelta

import pytest

from bridge.gates import PROBE_EVERY, Gate, suspended_for
from bridge.journal import Suspension
from bridge.model import InstanceId
from tests.clock import NOON, VirtualClock, run_virtual


def a_suspension(start=0, end=None):
    """``start`` and ``end`` in minutes after noon."""
    until = None if end is None else NOON + timedelta(minutes=end)
    return Suspension(InstanceId("there"), None, "gone", "", NOON + timedelta(minutes=start), until)


async def passing(gate, *seqs):
    """The virtual times at which each of ``seqs`` gets through."""
    times = {}

    async def one(seq):
        await gate.passage(seq)
        times[seq] = asyncio.get_running_loop().time()

    async with asyncio.TaskGroup() as tasks:
        for seq in seqs:
            tasks.create_task(one(seq))
    return times


def test_a_pause_holds_everybody_and_then_lets_everybody_go():
    """Throttled is for all messages of the scope, and ends by itself."""

    async def scenario():
        gate = Gate(VirtualClock())
        gate.pause(30)
        gate.pause(10)
        return await passing(gate, 1, 2)

    assert {1: 30, 2: 30} == run_virtual(scenario())


def test_a_suspended_gate_lets_the_oldest_try_every_five_minutes():
    """One probe at a time, never a stampede against something that needs an operator."""

    async def scenario():
        gate = Gate(VirtualClock())
        gate.suspend(a_suspension())
        times = {}

        async def one(seq):
            await gate.passage(seq)
            times[seq] = asyncio.get_running_loop().time()

        tasks = [asyncio.create_task(one(seq)) for seq in (7, 3, 5)]
        await asyncio.sleep(PROBE_EVERY * 2.5)
        for task in tasks:
            task.cancel()
        return times

    times = run_virtual(scenario())
    assert [3, 5] == sorted(times, key=times.get)
    assert times[3] == pytest.approx(PROBE_EVERY, abs=2)
    assert times[5] == pytest.approx(2 * PROBE_EVERY, abs=3)


def test_what_is_mended_opens_for_all_at_once():
    """As soon as one got through, nobody waits for the next probe."""

    async def scenario():
        gate = Gate(VirtualClock())
        gate.suspend(a_suspension())
        asyncio.get_running_loop().call_later(100, gate.open)
        return await passing(gate, 1, 2, 3)

    assert {1: 100, 2: 100, 3: 100} == run_virtual(scenario())


def test_an_operator_can_ask_for_a_probe_now():
    """After a restart, or on command, the oldest need not wait for five minutes."""

    async def scenario():
        gate = Gate(VirtualClock())
        gate.suspend(a_suspension())
        asyncio.get_running_loop().call_later(20, gate.probe_now)
        return await passing(gate, 1)

    assert {1: 20} == run_virtual(scenario())


@pytest.mark.parametrize(
    ("spans", "minutes"),
    [
        ([], 0),
        ([(10, 20)], 10),
        ([(-60, 20)], 20),
        ([(50, None)], 10),
        ([(10, 30), (20, 40)], 30),
        ([(10, 20), (10, 20), (12, 14)], 10),
        ([(-20, -10), (70, 90)], 0),
    ],
)
def test_the_time_that_an_operator_was_needed_is_counted_once(spans, minutes):
    """Overlapping suspensions, those before the message and those in the future do not add up."""
    suspensions = tuple(a_suspension(*span) for span in spans)

    assert minutes * 60 == suspended_for(suspensions, NOON, NOON + timedelta(minutes=60))


def test_a_held_gate_lets_nobody_pass_not_even_to_try():
    """A suspension's tries wait as well; the release tries at once."""

    async def scenario():
        clock = VirtualClock()
        gate = Gate(clock)
        gate.suspend(Suspension("there", None, "token", "", clock.now()))
        gate.hold()
        gate.pause(1.0)
        passed = asyncio.create_task(gate.passage(1))
        await asyncio.sleep(10 * PROBE_EVERY)
        held = passed.done()
        gate.release()
        async with asyncio.timeout(1):
            await passed
        return held, gate.held

    assert (False, False) == run_virtual(scenario())
