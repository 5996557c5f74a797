"""One access token for all lanes: fetched once, early enough, and never waited for in vain."""

import asyncio
from collections.abc import Callable

import pytest

from bridge.errors import Broken, DeliveryError
from drivers.dingtalk.openapi import Grant
from drivers.dingtalk.tokens import Tokens
from tests.clock import FakeClock


class Counter:
    """Where tokens come from: answers when it is let, and counts."""

    def __init__(self, lifetime: float = 7200, error: Callable[[], DeliveryError] | None = None):
        self.lifetime = lifetime
        self.error = error
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def fetch(self) -> Grant:
        self.asked += 1
        number = self.asked
        await self.answers.wait()
        if self.error:
            raise self.error()
        return Grant(f"t{number}", self.lifetime)


def made(source: Counter, clock: FakeClock | None = None) -> Tokens:
    return Tokens(clock or FakeClock(), source.fetch, lambda token: {"token": token})


async def settled() -> None:
    """Everybody has come as far as they get."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_many_that_wait_share_one_fetch() -> None:
    """
    A hundred lanes that wake up together ask once.
    """

    async def scenario() -> None:
        source = Counter()
        source.answers.clear()
        tokens = made(source)
        async with asyncio.TaskGroup() as lanes:
            asked = [lanes.create_task(tokens.current()) for _ in range(100)]
            await settled()
            source.answers.set()

        assert source.asked == 1
        assert {task.result().headers["token"] for task in asked} == {"t1"}

    asyncio.run(scenario())


def test_many_that_wait_share_one_failure() -> None:
    """
    Or a hundred lanes would try one after the other, each with its own timeout.
    """

    async def scenario() -> None:
        source = Counter(error=lambda: Broken("no", reason="bad_credentials"))
        source.answers.clear()
        tokens = made(source)
        asked = [asyncio.create_task(tokens.current()) for _ in range(20)]
        await settled()
        source.answers.set()
        await asyncio.wait(asked)

        assert source.asked == 1
        errors = [task.exception() for task in asked]
        assert all(isinstance(e, Broken) and e.reason == "bad_credentials" for e in errors)
        assert len({id(e) for e in errors}) == 20

        source.error = None
        assert (await tokens.current()).headers["token"] == "t2"

    asyncio.run(scenario())


def test_a_cancelled_fetch_breaks_nobody_else() -> None:
    """
    When the one who fetches is cancelled, the next in line fetches.
    """

    async def scenario() -> None:
        source = Counter()
        source.answers.clear()
        tokens = made(source)
        asked = [asyncio.create_task(tokens.current()) for _ in range(3)]
        await settled()
        asked[0].cancel()
        await settled()
        source.answers.set()

        assert (await asked[1]).headers["token"] == "t2"
        assert (await asked[2]).headers["token"] == "t2"
        assert asked[0].cancelled()
        assert source.asked == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(("lifetime", "used_for"), [(7200, 6900), (600, 300), (400, 200), (10, 5)])
def test_a_token_is_replaced_in_good_time(lifetime: float, used_for: float) -> None:
    """
    Five minutes before its end; one that is short from the start serves half of its life.
    """

    async def scenario() -> None:
        clock = FakeClock()
        source = Counter(lifetime)
        tokens = made(source, clock)
        await tokens.current()
        clock.advance(used_for - 1)
        await tokens.current()
        assert source.asked == 1

        clock.advance(1)
        await tokens.current()
        assert source.asked == 2

    asyncio.run(scenario())


def test_a_refused_token_is_dropped_once() -> None:
    """
    Lanes that learn late that the old token was refused do not throw away the new one.
    """

    async def scenario() -> None:
        source = Counter()
        tokens = made(source)
        old = await tokens.current()
        tokens.drop(old)
        new = await tokens.current()
        tokens.drop(old)

        assert await tokens.current() is new
        assert source.asked == 2

    asyncio.run(scenario())
