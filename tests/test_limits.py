"""The limiter of contract clause 17, held against a server that counts by itself."""

import asyncio
import contextlib

import pytest

from bridge.limits import Limiter
from bridge.model import RateLimit
from tests.builders import a_journal
from tests.clock import VirtualClock, run_virtual

GROUP_ROBOT = RateLimit(20, 60.0)


class Server:
    """Counts what it received in any window; a network on the way delays either direction."""

    def __init__(self, limit):
        self._limit = limit
        self.received = []

    async def post(self, there, back):
        await asyncio.sleep(there)
        self.received.append(asyncio.get_running_loop().time())
        await asyncio.sleep(back)

    @property
    def most_in_a_window(self):
        return max(
            sum(at <= other < at + self._limit.per for other in self.received) for at in self.received
        )


@pytest.mark.parametrize(
    ("there", "back"), [(0.0, 0.0), (5.0, 0.0), (0.0, 5.0)], ids=["quick", "slow there", "slow back"]
)
@pytest.mark.parametrize("parallel", [1, 8])
def test_no_window_at_the_server_ever_holds_more_than_the_limit(there, back, parallel):
    """Whatever the network does: alternately slow and quick is the worst case."""

    async def scenario():
        clock = VirtualClock()
        limiter = Limiter("robot", GROUP_ROBOT, a_journal(clock), clock)
        server = Server(GROUP_ROBOT)
        todo = list(range(100))

        async def lane():
            while todo:
                slow = todo.pop() % 3
                async with limiter.slot():
                    await server.post(there * slow, back * slow)

        async with asyncio.TaskGroup() as lanes:
            for _ in range(parallel):
                lanes.create_task(lane())
        return server

    server = run_virtual(scenario())
    assert 100 == len(server.received)
    assert server.most_in_a_window <= 20
    assert server.received[-1] < 6 * (60 + 20 * 10)


def test_crashes_in_the_middle_do_not_let_more_through():
    """A send in flight when the process dies counts as completed when the next one starts."""

    async def scenario():
        clock = VirtualClock()
        journal = a_journal(clock)
        server = Server(GROUP_ROBOT)
        for _ in range(12):
            limiter = Limiter("robot", GROUP_ROBOT, journal, clock)
            await limiter.load()

            async def lane(limiter):
                while True:
                    async with limiter.slot():
                        await server.post(0.4, 0.4)

            with contextlib.suppress(TimeoutError):  # the crash, 11 s after each start
                await asyncio.wait_for(lane(limiter), 11)
        return server

    assert run_virtual(scenario()).most_in_a_window <= 20


def test_a_short_window_is_full_after_a_restart():
    """Five a second is not worth a write for each: the first second after a start is silent instead."""

    async def scenario():
        clock = VirtualClock()
        limiter = Limiter("app", RateLimit(5, 1.0), a_journal(clock), clock)
        await limiter.load()
        async with limiter.slot():
            return asyncio.get_running_loop().time()

    assert 1.0 == run_virtual(scenario())


@pytest.mark.parametrize("step", [-86400, -3600, 3600, 86400])
def test_a_clock_that_was_set_neither_stalls_nor_storms(step):
    """Completions read from disk are clamped into the window."""

    async def scenario():
        clock = VirtualClock()
        journal = a_journal(clock)
        before = Limiter("robot", GROUP_ROBOT, journal, clock)
        for _ in range(20):
            async with before.slot():
                pass
        clock.step(step)
        after = Limiter("robot", GROUP_ROBOT, journal, clock)
        await after.load()
        async with after.slot():
            return asyncio.get_running_loop().time()

    assert run_virtual(scenario()) <= 60.0


def test_it_says_when_the_next_send_may_start():
    async def scenario():
        clock = VirtualClock()
        limiter = Limiter("robot", RateLimit(2, 60.0), a_journal(clock), clock)
        waits = [limiter.opens_in]
        for _ in range(2):
            async with limiter.slot():
                pass
            await asyncio.sleep(10)
            waits.append(limiter.opens_in)
        return waits

    assert [0.0, 0.0, 40.0] == run_virtual(scenario())
