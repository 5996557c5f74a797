"""Another driver for lanes that are at work, in virtual time."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bridge.config import Instance
from bridge.errors import JournalBroken, Transient
from bridge.metrics import Metrics
from bridge.model import Capabilities, RateLimit
from bridge.registry import installed
from bridge.roster import Roster, Running
from tests.builders import a_journal
from tests.clock import VirtualClock, run_virtual
from tests.far_half import a_bridge, scenario
from tests.loopback import THERE, Loopback


@scenario
async def test_what_waits_for_the_rate_limit_goes_by_the_new_driver():
    """It was rendered for the old one, so it is rendered again; no attempt is counted."""
    async with a_bridge(limit=RateLimit(1, 60)) as bridge:
        await bridge.say("first")
        long = await bridge.say("long " * 20)
        await asyncio.sleep(10)
        new = Loopback(capabilities=Capabilities(max_text=60))
        bridge.lanes._courier.outlets[new.instance].driver = new
        await bridge.settled()

        assert ["first"] == bridge.there.texts
        assert 2 <= len(new.posted)
        assert 0 == (await bridge.row(long)).delivery.attempts


@scenario
async def test_the_next_attempt_is_made_by_the_new_driver():
    async with a_bridge(Transient("down", retry_after=30)) as bridge:
        await bridge.say("again")
        await asyncio.sleep(1)
        new = Loopback()
        bridge.lanes._courier.outlets[new.instance].driver = new
        await bridge.settled()

        assert ([], ["again"]) == (bridge.there.texts, new.texts)


@scenario
async def test_sends_in_flight_are_waited_for_and_no_others():
    """An old driver is closed when what it sends has ended; what only waits does not keep it open."""
    async with a_bridge(5.0, Transient("down", retry_after=500)) as bridge:
        await bridge.say("in flight", to="there/one")
        await asyncio.sleep(1)
        await bridge.say("waits", to="there/two")
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        await bridge.lanes.sends_ended(bridge.there.instance, 60)
        ended = loop.time()
        await bridge.settled()

        assert 5 <= ended < 6


@scenario
async def test_a_send_that_never_ends_is_not_waited_for_for_ever():
    async with a_bridge(20.0) as bridge:
        await bridge.say("slow")
        await asyncio.sleep(1)
        await bridge.lanes.sends_ended(bridge.there.instance, 3)
        assert 4 <= asyncio.get_running_loop().time() < 5
        await bridge.settled()


class Ear(Loopback):
    """A driver that listens; ``meets`` is what each beginning of it ends with, ``lasts`` seconds later."""

    def hears(self, *meets, lasts=0):
        self.began, self.meets, self.lasts = [], list(meets), lasts
        return self

    async def listen(self, emit):
        self.began.append(round(asyncio.get_running_loop().time()))
        if self.meets:
            await asyncio.sleep(self.lasts)
            raise self.meets.pop(0)
        await asyncio.Event().wait()


@asynccontextmanager
async def a_roster(ear):
    """One account is open, and listens."""
    clock = VirtualClock()
    spec = installed().load("webhook")
    instance = Instance(id=THERE, platform="webhook", spec=spec, settings={})
    async with asyncio.TaskGroup() as tasks:
        roster = Roster(
            clock=clock,
            metrics=Metrics("0"),
            journal=a_journal(clock),
            links=None,
            wrap=lambda driver: driver,
            tasks=tasks,
        )
        kept = tasks.create_task(asyncio.sleep(0))
        roster.running[ear.instance] = Running(instance, ear, kept, asyncio.Event())
        roster.listen([ear.instance], lambda _id: None)
        yield roster
        await roster.stop_listening()


@scenario
async def test_a_bug_in_one_listener_is_no_end_of_the_daemon():
    """A stranger's message may have met it: the account begins anew, and waits longer each time."""
    ear = Ear().hears(KeyError("text"), ValueError("odd"), *[RuntimeError("again")] * 8)

    async with a_roster(ear):
        await asyncio.sleep(600)

    assert [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303] == ear.began


@scenario
async def test_who_was_well_for_a_while_does_not_wait_long():
    ear = Ear().hears(*[RuntimeError("now and then")] * 3, lasts=100)

    async with a_roster(ear):
        await asyncio.sleep(600)

    assert [0, 101, 202, 303] == ear.began


def test_a_broken_journal_ends_it():
    """There is nothing to listen for any more."""

    async def listens():
        async with a_roster(Ear().hears(JournalBroken("EIO"))):
            await asyncio.sleep(600)

    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(listens())

    assert caught.group_contains(JournalBroken)
