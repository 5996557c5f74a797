"""Rendering ahead of its turn: done while the platform is waited for, and never seen by anybody."""

import asyncio
from dataclasses import replace

from bridge.errors import Refused, Transient
from bridge.journal import Choice
from bridge.model import Capabilities, MessageId, Quote, Status, Support
from tests.builders import a_message
from tests.far_half import a_bridge, scenario
from tests.loopback import Loopback


def _measuring():
    """A platform, and the texts that were measured for it so far."""
    measured = []

    def measure(text):
        measured.append(text)
        return len(text)

    return Loopback(capabilities=Capabilities(max_text=1000, measure=measure)), measured


def _outlet(bridge):
    return bridge.lanes._courier.outlets[bridge.there.instance]


@scenario
async def test_the_next_message_is_rendered_while_the_last_is_on_its_way():
    """And only that one, once."""
    there, measured = _measuring()
    async with a_bridge(10.0, there=there) as bridge:
        there.script = [0.5, 0.5, 0.5]
        for text in ("first", "second", "third"):
            await bridge.say(text)
        await asyncio.sleep(0.1)
        meanwhile = list(measured)
        await bridge.settled()

        assert ["first", "second"] == meanwhile
        assert ["first", "second", "third"] == measured
        assert ["first", "second", "third"] == there.texts


@scenario
async def test_what_was_rendered_long_ago_is_rendered_anew():
    """A message that has become late meanwhile says so."""
    async with a_bridge(14.0) as bridge:
        _outlet(bridge).style = replace(_outlet(bridge).style, late_after=5.0)
        await bridge.say("first")
        await bridge.say("second")
        await bridge.settled()

        first, second = bridge.there.texts
        assert "first" == first
        assert "second" != second
        assert second.endswith("] second")


@scenario
async def test_another_driver_gets_what_is_rendered_for_it():
    """A reload came between: the new one takes shorter messages."""
    async with a_bridge(0.5) as bridge:
        await bridge.say("first")
        await bridge.say("second " * 20)
        await asyncio.sleep(0.1)
        narrow = Loopback(capabilities=Capabilities(max_text=50))
        _outlet(bridge).driver = narrow
        await bridge.settled()

        assert ["first"] == bridge.there.texts
        assert len(narrow.texts) > 1
        assert max(map(len, narrow.texts)) <= 50


@scenario
async def test_another_style_is_taken_at_once():
    async with a_bridge(0.5) as bridge:
        await bridge.say("first")
        await bridge.say("second")
        await asyncio.sleep(0.1)
        _outlet(bridge).style = replace(_outlet(bridge).style, late_after=-1.0)
        await bridge.settled()

        assert bridge.there.texts[1].endswith("] second")


@scenario
async def test_a_quote_of_the_message_before_finds_its_copy():
    """Whose id is known only when it is there: nothing that has to be asked for is rendered ahead."""
    there = Loopback(capabilities=Capabilities(max_text=1000, reply=Support.NATIVE))
    async with a_bridge(0.5, there=there) as bridge:
        first = await bridge.say("first")
        quote = Quote(first.envelope.message.id, "somebody", "first")
        await bridge.say("second", message=a_message("second", id="m2", quote=quote))
        await bridge.settled()

        assert [None, MessageId("at-there-1")] == [outgoing.reply_to for _, outgoing in there.posted]


@scenario
async def test_a_message_that_cannot_be_rendered_fails_alone_and_at_its_turn():
    def measure(text):
        if text == "second":
            raise Refused("no such text", reason="refused_text")
        return len(text)

    there = Loopback(capabilities=Capabilities(max_text=1000, measure=measure))
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    async with a_bridge(0.5, there=there) as bridge:
        first = await bridge.say("first")
        second = await bridge.say("second")
        third = await bridge.say("third")
        await bridge.settled()

        assert ["first", "third"] == there.texts
        assert Status.SENT == (await bridge.row(first)).status
        assert "refused_text" == (await bridge.row(second)).reason
        assert not told
        assert Status.SENT == (await bridge.row(third)).status


@scenario
async def test_a_retry_is_rendered_anew():
    """Its delivery is another by then: it knows of its attempts."""
    there, measured = _measuring()
    async with a_bridge(there=there) as bridge:
        there.script = [0.5, Transient("down", retry_after=0.1), 0.0]
        await bridge.say("first")
        await bridge.say("second")
        await bridge.settled()

        assert ["first", "second", "second"] == measured
        assert ["first", "second"] == there.texts


@scenario
async def test_what_was_taken_out_of_the_lane_is_not_sent():
    """An operator moved it away while it was already rendered."""
    async with a_bridge(0.5) as bridge:
        await bridge.say("first")
        second = await bridge.say("second")
        await bridge.say("third")
        await asyncio.sleep(0.1)
        chosen = await bridge.journal.choose(Status.WAITING, Choice(ids=(second.id,)))
        seqs = [one.seq for one in bridge.lanes.take_back(chosen)]
        await bridge.journal.move(seqs, {Status.WAITING}, Status.DROPPED, "operator")
        await bridge.settled()

        assert ["first", "third"] == bridge.there.texts
