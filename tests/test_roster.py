"""Another driver for lanes that are at work, in virtual time."""

import asyncio

from bridge.errors import Transient
from bridge.model import Capabilities, RateLimit
from tests.far_half import a_bridge, scenario
from tests.loopback import Loopback


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
