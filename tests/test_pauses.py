"""Who waits for one thing must see that another has closed meanwhile; found by the simulation."""

import asyncio

from bridge.errors import Broken, Scope, Throttled
from bridge.journal import Capacity, Retention
from bridge.journal.memory import MemoryJournal
from bridge.model import RateLimit
from tests.clock import VirtualClock
from tests.far_half import a_bridge, scenario


def gate(bridge):
    return bridge.lanes._courier.outlets[bridge.there.instance].gate


@scenario
async def test_a_conversation_that_is_tried_again_waits_for_the_pause_of_its_account():
    """An operator pauses the account while one of its conversations waits for its own next try."""
    async with a_bridge(Broken("the robot was removed")) as bridge:
        await bridge.say("a")
        await asyncio.sleep(1)
        gate(bridge).hold()
        await asyncio.sleep(1000)
        assert [] == bridge.there.times

        gate(bridge).release()
        await bridge.settled()
        assert [1001] == bridge.there.times


class Slow(MemoryJournal):
    """A journal that takes five seconds to write a suspension down."""

    async def suspend(self, suspension):
        await asyncio.sleep(5)
        await super().suspend(suspension)


@scenario
async def test_others_see_what_is_broken_while_it_is_still_written_down():
    """Or every conversation of the account would run into it once. Found by the simulation."""
    script = (Broken("the robot was removed", scope=Scope.INSTANCE),)
    journal = Slow(clock=VirtualClock(), capacity=Capacity(), retention=Retention())
    async with a_bridge(*script, journal=journal) as bridge:
        await bridge.say("a", to="there/one")
        await asyncio.sleep(1)
        await bridge.say("b", to="there/two")
        await asyncio.sleep(200)
        assert 1 == len(bridge.there.tried)

        await bridge.settled()
        assert {"a", "b"} == set(bridge.there.texts)


@scenario
async def test_patience_that_was_asked_of_the_account_holds_for_who_waited_elsewhere():
    """One conversation is asked for the patience of all just before another is tried again."""
    script = (
        Broken("the robot was removed"),
        Throttled("qps", scope=Scope.INSTANCE, retry_after=40),
    )
    async with a_bridge(*script) as bridge:
        await bridge.say("a", to="there/one")
        await asyncio.sleep(290)
        await bridge.say("b", to="there/two")
        await bridge.settled()

        assert [330, 330] == bridge.there.times


@scenario
async def test_who_waited_for_a_slot_sees_the_pause_that_came_meanwhile():
    """The limit lets one through in a minute; the operator has paused the account by then."""
    async with a_bridge(limit=RateLimit(1, 60.0)) as bridge:
        await bridge.say("a", to="there/one")
        await bridge.say("b", to="there/two")
        await asyncio.sleep(30)
        gate(bridge).hold()
        await asyncio.sleep(200)
        assert ["a"] == bridge.there.texts

        gate(bridge).release()
        await bridge.settled()
        assert ["a", "b"] == bridge.there.texts


@scenario
async def test_who_waited_for_a_slot_sees_that_the_account_was_suspended_meanwhile():
    """The one before it was told that the robot is gone: nobody else tries for five minutes."""
    gone = Broken("the robot was removed", scope=Scope.INSTANCE)
    async with a_bridge(gone, limit=RateLimit(1, 60.0)) as bridge:
        await bridge.say("a", to="there/one")
        await bridge.say("b", to="there/two")
        await asyncio.sleep(299)
        assert 1 == len(bridge.there.tried)

        await bridge.settled()
        assert ["a", "b"] == bridge.there.texts
