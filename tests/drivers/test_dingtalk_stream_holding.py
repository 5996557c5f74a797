"""A journal that is full: messages are kept in order, and nothing more is read."""

import asyncio

import pytest

from bridge.errors import JournalBroken, JournalError, JournalFull
from bridge.model import Inbound
from drivers.dingtalk.holding import LONGEST_WAIT, Holding
from tests.clock import VirtualClock, run_virtual


class Store:
    """Takes what it is given, after ``full`` refusals."""

    def __init__(self, full=0, *, retry_after=30.0):
        self.full = full
        self.retry_after = retry_after
        self.asked = 0
        self.taken = []

    async def emit(self, inbound):
        self.asked += 1
        if self.full:
            self.full -= 1
            raise JournalFull("full", retry_after=self.retry_after)
        await asyncio.sleep(0.001)
        self.taken.append(inbound.ignored)


def a_message(name):
    return Inbound(ignored=name)


def test_what_a_full_journal_refuses_is_kept_until_it_is_taken():
    """The platform may never send it again."""
    store = Store(full=3, retry_after=1.0)

    async def scenario():
        await Holding(store.emit, VirtualClock()).keep(a_message("a"))
        return asyncio.get_running_loop().time()

    assert 3 <= run_virtual(scenario()) < 3.1
    assert ["a"] == store.taken


def test_a_journal_that_asks_for_long_patience_is_asked_sooner():
    store = Store(full=1, retry_after=3600.0)

    async def scenario():
        await Holding(store.emit, VirtualClock()).keep(a_message("a"))
        return asyncio.get_running_loop().time()

    assert LONGEST_WAIT <= run_virtual(scenario()) < LONGEST_WAIT + 1


def test_order_survives_a_journal_that_was_full():
    """Nobody who came later overtakes, although the first ones were refused."""
    store = Store(full=7, retry_after=1.0)
    names = [str(n) for n in range(20)]

    async def scenario():
        holding = Holding(store.emit, VirtualClock())
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(holding.keep(a_message(name)))

    run_virtual(scenario())

    assert names == store.taken


def test_nothing_is_read_while_something_is_held():
    store = Store(full=2, retry_after=1.0)

    async def scenario():
        holding = Holding(store.emit, VirtualClock())
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(holding.over(), 0.1)
        keeping = asyncio.create_task(holding.keep(a_message("a")))
        await asyncio.sleep(0.5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(holding.over(), 1)
        await holding.over()
        ended = loop.time()
        await keeping
        return ended

    assert 2 <= run_virtual(scenario()) < 2.2


@pytest.mark.parametrize("error", [JournalError("no"), JournalBroken("EIO")])
def test_other_errors_are_the_callers(error):
    async def emit(_inbound):
        raise error

    async def scenario():
        holding = Holding(emit, VirtualClock())
        with pytest.raises(type(error)):
            await holding.keep(a_message("a"))
        await asyncio.wait_for(holding.over(), 1)

    run_virtual(scenario())


def test_who_is_cancelled_while_held_makes_way():
    store = Store(full=10_000, retry_after=1.0)

    async def scenario():
        holding = Holding(store.emit, VirtualClock())
        keeping = asyncio.create_task(holding.keep(a_message("a")))
        await asyncio.sleep(5)
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        await asyncio.wait_for(holding.over(), 1)

    run_virtual(scenario())
