"""
Somebody sets the machine's clock, by an hour, a day, a year or back to 1970 (contract clause 14): no
stall, no storm, no message given up before its time, and nothing taken in twice.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.ages import Ages
from bridge.errors import Broken, Scope, Throttled, Transient
from bridge.journal import Verdict
from bridge.model import Outcome, RateLimit, Status
from tests.builders import a_route, an_envelope
from tests.clock import NOON, run_virtual
from tests.contract.journal_engines import MEMORY, SQLITE, Desk
from tests.far_half import a_bridge

HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0
TO_1970 = -NOON.timestamp()
STEPS = [HOUR, -HOUR, DAY, -DAY, YEAR, TO_1970]
A_DAY_LONG = [DAY, *(pytest.param(step, marks=pytest.mark.full) for step in STEPS if step != DAY)]
"""A virtual day takes seconds."""

DAYS_LONG = [pytest.param(step, marks=pytest.mark.full) for step in STEPS]


async def ticking(journal, seconds: float) -> None:
    """As the housekeeping does, only not as often."""
    for _ in range(int(seconds // 600)):
        await asyncio.sleep(600)
        await journal.changed_outside()


@pytest.mark.parametrize("engine", [MEMORY, SQLITE], ids=["memory", "sqlite"])
@pytest.mark.parametrize("step", STEPS)
def test_no_dedupe_key_is_forgotten_early(engine, step, tmp_path) -> None:
    """
    The clock is set, the journal is pruned, the clock is set right again and it is pruned again: what
    came before, in between and after is known all the time, and forgotten after 96 hours; what the
    wall showed twice at most so much later as the step was.
    """

    async def scenario() -> list[Verdict]:
        desk = Desk(engine, tmp_path)
        async with desk.opened():
            clock, journal = desk.clock, desk.journal

            async def known() -> list[Verdict]:
                for _ in range(3):
                    await journal.changed_outside()
                    await journal.prune()
                    clock.advance(1)
                return [
                    (await journal.accept(an_envelope(id=name), [a_route()])).verdict
                    for name in ("before", "meanwhile", "after")
                ]

            async def take(name: str) -> None:
                await journal.changed_outside()
                acceptance = await journal.accept(an_envelope(id=name), [a_route()])
                for delivery in acceptance.deliveries:
                    await journal.settle(delivery, Outcome(Status.SENT))
                clock.advance(60)
                await journal.changed_outside()

            await take("before")
            clock.wall += timedelta(seconds=step)
            await take("meanwhile")
            clock.wall -= timedelta(seconds=step)
            await take("after")
            verdicts = await known()
            clock.advance(95 * HOUR)
            verdicts += await known()
            clock.advance(2 * HOUR + (abs(step) if abs(step) <= DAY else 0.0))
            verdicts += await known()
            assert (await journal.ledger()).balanced
            return verdicts

    assert [Verdict.DUPLICATE] * 6 + [Verdict.NEW] * 3 == asyncio.run(scenario())


@pytest.mark.parametrize("engine", [MEMORY, SQLITE], ids=["memory", "sqlite"])
def test_a_dead_letter_outlives_a_wrong_year(engine, tmp_path) -> None:
    """
    It is kept for 30 days that pass, not for 30 that a clock claims.
    """

    async def scenario() -> list[int]:
        desk = Desk(engine, tmp_path)
        async with desk.opened():
            clock, journal = desk.clock, desk.journal
            acceptance = await journal.accept(an_envelope(), [a_route()])
            await journal.settle(acceptance.deliveries[0], Outcome(Status.DEAD, reason="refused"))
            counts = []
            clock.wall += timedelta(seconds=YEAR)
            for days in (0, 29, 2):
                clock.advance(days * DAY)
                await journal.changed_outside()
                await journal.prune()
                counts.append(len(await journal.rows(Status.DEAD)))
            return counts

    assert [1, 1, 0] == asyncio.run(scenario())


@pytest.mark.parametrize("step", A_DAY_LONG)
def test_a_message_is_given_up_after_24_hours_that_passed(step) -> None:
    """
    The clock is set while it is tried again and again: it dies not before, and later at most by the
    time that the wall showed twice.
    """

    async def scenario() -> float:
        async with a_bridge(*[Transient("down")] * 2000) as bridge:
            delivery = await bridge.say("hello")
            await ticking(bridge.journal, HOUR)
            bridge.clock.step(step)
            await ticking(bridge.journal, HOUR)
            assert Status.WAITING is (await bridge.row(delivery)).status
            tried = len(bridge.there.tried)
            await ticking(bridge.journal, HOUR)
            assert 10 <= len(bridge.there.tried) - tried <= 16, "every 300 s, 20 % more or less"
            while (await bridge.row(delivery)).status is Status.WAITING:
                await asyncio.sleep(60)
            return asyncio.get_running_loop().time()

    assert DAY <= run_virtual(scenario()) <= DAY + 500 + (abs(step) if -DAY <= step < 0 else 0.0)


@pytest.mark.parametrize("step", DAYS_LONG)
def test_the_24_hours_stand_still_while_an_operator_is_needed_whatever_the_clock_says(step) -> None:
    """
    The conversation is suspended for twenty hours, in the middle of which the clock is set; then the
    platform is down.
    """

    async def scenario() -> float:
        broken = Broken("token unknown", scope=Scope.CONVERSATION)
        async with a_bridge(*[broken] * 240, 0.0, *[Transient("down")] * 2000) as bridge:
            await bridge.say("mended by then")
            delivery = await bridge.say("waits behind it")
            await ticking(bridge.journal, 10 * HOUR)
            bridge.clock.step(step)
            while (await bridge.row(delivery)).status is Status.WAITING:
                await ticking(bridge.journal, 600)
            return asyncio.get_running_loop().time()

    twice = abs(step) if -DAY <= step < 0 else 0.0
    assert 44 * HOUR - 600 <= run_virtual(scenario()) <= 44 * HOUR + 1200 + 2 * twice


@pytest.mark.parametrize("step", STEPS)
def test_patience_that_a_platform_asks_for_is_patience_that_passes(step) -> None:
    """
    The pause of a throttled conversation neither ends with a step nor lasts longer for it.
    """

    async def scenario() -> list[float]:
        async with a_bridge(Throttled("slow down", retry_after=40)) as bridge:
            await bridge.say("hello")
            await asyncio.sleep(10)
            bridge.clock.step(step)
            await bridge.settled()
            return bridge.there.times

    assert [40.0] == run_virtual(scenario())


@pytest.mark.parametrize("step", STEPS)
def test_a_rate_limit_holds_through_a_step(step) -> None:
    """
    Forty messages for a robot that takes twenty a minute, and the clock is set after the first ten.
    """

    async def scenario() -> list[float]:
        async with a_bridge(limit=RateLimit(20, 60.0)) as bridge:
            for n in range(10):
                await bridge.say(f"{n}", to=f"there/{n}")
            await asyncio.sleep(5)
            bridge.clock.step(step)
            for n in range(10, 40):
                await bridge.say(f"{n}", to=f"there/{n}")
            await bridge.settled()
            return bridge.there.times

    times = run_virtual(scenario())

    assert len(times) == 40
    assert min(later - first for first, later in zip(times, times[20:], strict=False)) >= 60.0
    assert times[-1] <= 66.0


@pytest.mark.parametrize("step", [HOUR, DAY, YEAR])
def test_nothing_is_marked_as_late_that_was_not(step) -> None:
    """
    It waited for thirty seconds, and the clock jumped meanwhile: the mark is for two minutes and more.
    """

    async def scenario(wait: float) -> list[str]:
        async with a_bridge(Transient("down", retry_after=wait)) as bridge:
            outlet = bridge.lanes._courier.outlets[bridge.there.instance]
            outlet.style = type(outlet.style)(late_after=120.0)
            await bridge.say("hello")
            await asyncio.sleep(1)
            bridge.clock.step(step)
            await bridge.settled()
            return bridge.there.texts

    assert ["hello"] == run_virtual(scenario(30.0))
    assert ["[written 11-20 12:00] hello"] == run_virtual(scenario(180.0))


def test_nothing_is_given_up_in_the_first_hour_after_a_start() -> None:
    """
    What is two days old by the clock, for the daemon was off or the clock was set, is tried for an hour.
    """

    async def scenario() -> float:
        async with a_bridge(*[Transient("down")] * 200) as bridge:
            courier = bridge.lanes._courier
            bridge.lanes._courier = replace(courier, began=bridge.clock.monotonic())
            bridge.clock.step(-2 * DAY)
            delivery = await bridge.say("from before")
            bridge.clock.step(2 * DAY)
            bridge.journal._ages = Ages(bridge.clock)  # as the next process knows it
            while (await bridge.row(delivery)).status is Status.WAITING:
                await asyncio.sleep(60)
            return asyncio.get_running_loop().time()

    assert HOUR <= run_virtual(scenario()) <= HOUR + 500
