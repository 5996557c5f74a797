"""The clocks that other tests rely on."""

import asyncio

import pytest

from tests.clock import NOON, FakeClock, VirtualClock, run_virtual


def test_a_virtual_day_takes_no_time() -> None:
    """
    Sleeping moves the loop's clock and the wall clock together, in the order of the timers.
    """

    async def scenario() -> list[str]:
        clock = VirtualClock()
        heard: list[str] = []

        async def say(word: str, after: float) -> None:
            await clock.sleep(after)
            heard.append(word)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(say("late", 86400.0))
            tasks.create_task(say("early", 3600.0))
        assert 86400.0 == pytest.approx(clock.monotonic())
        assert 86400.0 == pytest.approx((clock.now() - NOON).total_seconds())
        clock.step(-7200)
        assert 79200.0 == pytest.approx((clock.now() - NOON).total_seconds())
        assert 86400.0 == pytest.approx(clock.monotonic())
        return heard

    assert ["early", "late"] == run_virtual(scenario())


def test_a_deadlock_fails_instead_of_hanging() -> None:
    """
    Waiting for what nobody will do is an error at once.
    """

    async def scenario() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="deadlock"):
        run_virtual(scenario())


def test_a_deadlock_beside_a_periodic_task_fails_too() -> None:
    """
    A timer that always fires again does not hide that the scenario never ends.
    """

    async def scenario() -> None:
        async def tick() -> None:
            while True:
                await asyncio.sleep(60)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tick())

    with pytest.raises(AssertionError, match="still waiting after 3600"):
        run_virtual(scenario(), horizon=3600)


def test_a_fake_clock_stands_still_until_it_is_moved() -> None:
    """
    Both clocks move together, and sleeping is remembered.
    """
    clock = FakeClock(monotonic=5.0)

    asyncio.run(clock.sleep(30))
    clock.advance(12)

    assert [30] == clock.slept
    assert 47.0 == clock.monotonic()
    assert 42.0 == (clock.now() - NOON).total_seconds()
