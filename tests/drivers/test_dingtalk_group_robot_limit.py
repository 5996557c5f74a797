"""Contract clause 17 at a group robot: 20 in any 60 s, or ten minutes of silence. In virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from bridge.journal.memory import MemoryJournal
from bridge.limits import Limiter
from drivers.dingtalk.group_robot import LIMIT
from drivers.dingtalk.simulated_webhooks import Gate
from tests.builders import a_journal
from tests.clock import VirtualClock, run_virtual

MESSAGES = 500
LANES = 4


class TickingClock(VirtualClock):
    """Time that moves on whenever it is waited for, as real time does: no wait is lost to rounding."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(max(seconds, 1e-6))


class Crashing:
    """
    A journal as one process sees it. Once ``dead``, nothing that the process still does arrives: its
    clean-up is not part of a kill. `reopened` is what the next process finds.
    """

    def __init__(self, disk: MemoryJournal, clock: VirtualClock) -> None:
        self.dead = False
        self._disk = disk
        self._clock = clock
        self._in_flight: dict[int, str] = {}

    async def rate_started(self, limiter: str, at: float) -> int:
        token = await self._disk.rate_started(limiter, at)
        self._in_flight[token] = limiter
        return token

    def rate_completed(self, limiter: str, token: int, at: float) -> None:
        if not self.dead:
            del self._in_flight[token]
            self._disk.rate_completed(limiter, token, at)

    async def rate_history(self, limiter: str, since: float) -> list[float]:
        return list(await self._disk.rate_history(limiter, since))

    async def reopened(self) -> "Crashing":
        """What was in flight counts as completed now, as `Journal.rate_history` promises."""
        for token, limiter in self._in_flight.items():
            self._disk.rate_completed(limiter, token, self._clock.now().timestamp())
        return Crashing(self._disk, self._clock)


class Server:
    """DingTalk, with a slow road there and back."""

    def __init__(self, seed: int) -> None:
        self.gate = Gate()
        self.received: set[int] = set()
        self._random = Random(seed)

    async def post(self, message: int) -> None:
        await asyncio.sleep(self._random.choice((0.01, 0.2, 4.0)))
        assert self.gate.admits(asyncio.get_running_loop().time()), "blocked for ten minutes"
        self.received.add(message)
        await asyncio.sleep(self._random.choice((0.01, 0.2, 4.0)))


async def deliver(queue: list[int], limiter: Limiter, server: Server) -> None:
    """One lane; a message leaves the queue when its answer is there."""
    while queue:
        message = queue.pop(0)
        try:
            async with limiter.slot():
                await server.post(message)
        except asyncio.CancelledError:
            queue.insert(0, message)
            raise


@asynccontextmanager
async def a_process(
    queue: list[int], journal: Crashing, server: Server, clock: VirtualClock
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Ended by a kill: its tasks stop where they are, and nothing of them reaches the journal."""
    limiter = Limiter("robot", LIMIT, journal, clock)  # type: ignore[arg-type]  # only what it asks for
    await limiter.load()
    lanes = [asyncio.create_task(deliver(queue, limiter, server)) for _ in range(LANES)]
    try:
        yield lanes
    finally:
        journal.dead = True
        for lane in lanes:
            lane.cancel()
        await asyncio.wait(lanes)


@pytest.mark.parametrize("seed", range(3))
def test_many_crashes_and_five_hundred_messages_never_block_the_robot(seed: int) -> None:
    """
    Every message arrives, in less than twice the time that 20 a minute need.
    """

    async def scenario() -> tuple[Server, int, float]:
        clock, random = TickingClock(), Random(seed)
        journal = Crashing(a_journal(clock), clock)
        server, queue, crashes = Server(seed), list(range(MESSAGES)), 0
        while queue:
            async with a_process(queue, journal, server, clock) as lanes:
                await asyncio.wait(lanes, timeout=random.choice((0.5, 5.0, 61.0, 200.0)))
                crashes += any(not lane.done() for lane in lanes)
            for lane in lanes:
                assert lane.cancelled() or lane.exception() is None, lane.exception()
            journal = await journal.reopened()
        return server, crashes, asyncio.get_running_loop().time()

    server, crashes, took = run_virtual(scenario())
    assert len(server.received) == MESSAGES
    assert server.gate.blocked == 0
    assert crashes >= 10
    assert took < 2 * 60 * MESSAGES / 20


def test_without_the_journal_a_crash_would_block_it() -> None:
    """
    So the test above can fail: a limiter that forgets at every start lets 40 through in a minute.
    """

    async def scenario() -> int:
        clock, gate = TickingClock(), Gate()
        for _ in range(2):
            limiter = Limiter("robot", LIMIT, a_journal(clock), clock)
            await limiter.load()
            for _ in range(20):
                async with limiter.slot():
                    gate.admits(asyncio.get_running_loop().time())
        return gate.blocked

    assert run_virtual(scenario()) == 1


def test_the_gate_is_as_strict_as_it_says() -> None:
    """
    The twenty-first in a minute shuts it for ten, and so does nothing that comes later.
    """
    gate = Gate()

    assert all(gate.admits(float(second)) for second in range(20))
    assert not gate.admits(59.9)
    assert not gate.admits(659.8)
    assert gate.admits(659.9)
    assert gate.blocked == 1

    gate = Gate()
    assert all(gate.admits(3.0 * n) for n in range(200))
