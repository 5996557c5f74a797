"""Lanes in virtual time: order, memory, restarts and stops."""

import asyncio
from itertools import pairwise

import pytest

from bridge.delivery import GRACE, IN_ALL, PER_LANE
from bridge.errors import JournalBroken, Refused, Scope, Throttled, Transient
from bridge.journal import Capacity, Choice, Retention
from bridge.journal.memory import MemoryJournal
from bridge.model import EventKind, MessageId, Reaction, Status
from tests.builders import a_delivery, a_journal, a_place, a_route, an_envelope
from tests.clock import VirtualClock, run_virtual
from tests.far_half import a_bridge, scenario


@scenario
async def test_a_lane_keeps_order_through_a_retry():
    """A message that has to wait holds back those behind it in the same conversation."""
    async with a_bridge(Transient("down", retry_after=30)) as bridge:
        first = await bridge.say("first")
        await bridge.say("second")
        await bridge.settled()

        assert ["first", "second"] == bridge.there.texts
        assert [30, 30] == bridge.there.times
        assert 1 == (await bridge.row(first)).delivery.attempts


@scenario
async def test_a_hanging_destination_holds_its_own_lane_only():
    """Everything for the other conversation is there before the first answer of the one that hangs."""
    async with a_bridge(20.0) as bridge:
        slow = await bridge.say("slow", to="there/slow")
        await asyncio.sleep(0.1)
        for n in range(50):
            await bridge.say(f"{n}", to="there/quick")
        await bridge.settled()

        assert [*map(str, range(50)), "slow"] == bridge.there.texts
        assert Status.SENT == (await bridge.row(slow)).status


@scenario
async def test_a_throttled_instance_pauses_all_its_lanes_and_counts_no_attempt():
    """Patience asked for by the platform is not a failure of the message."""
    async with a_bridge(Throttled("qps", scope=Scope.INSTANCE, retry_after=40)) as bridge:
        first = await bridge.say("a", to="there/one")
        await asyncio.sleep(1)
        await bridge.say("b", to="there/two")
        await bridge.settled()

        assert [40, 40] == bridge.there.times
        assert 0 == (await bridge.row(first)).delivery.attempts


@scenario
async def test_a_throttled_conversation_does_not_pause_its_neighbours():
    async with a_bridge(Throttled("slow down", retry_after=40)) as bridge:
        await bridge.say("a", to="there/one")
        await asyncio.sleep(1)
        await bridge.say("b", to="there/two")
        await bridge.settled()

        assert [("b", 1), ("a", 40)] == list(zip(bridge.there.texts, bridge.there.times, strict=True))


@scenario
async def test_more_than_fits_into_memory_goes_through_the_journal_in_order():
    """A burst while the destination is slow: few in memory, none lost, none twice, none early."""
    count = PER_LANE * 5 + 3
    async with a_bridge(10.0) as bridge:
        for n in range(count):
            await bridge.say(f"{n}")
        in_memory = bridge.lanes._in_memory
        await bridge.settled()

        assert in_memory <= PER_LANE + 1
        assert list(map(str, range(count))) == bridge.there.texts


@scenario
async def test_a_burst_of_short_messages_may_take_the_room_that_nobody_needs():
    """So that it need not be read again; the others have their share all the same."""
    plenty = PER_LANE * 5
    async with a_bridge(10.0, 10.0, plenty=plenty) as bridge:
        for n in range(plenty * 2):
            await bridge.say(f"{n}")
        alone = bridge.lanes._in_memory
        for n in range(PER_LANE):
            await bridge.say(f"other {n}", to="there/other")
        with_others = bridge.lanes._in_memory
        await bridge.settled()

        assert plenty == alone
        assert plenty + PER_LANE == with_others
        sent = [text for text in bridge.there.texts if not text.startswith("other")]
        assert [*map(str, range(plenty * 2))] == sent


@scenario
async def test_long_messages_get_no_more_than_their_share_of_memory():
    async with a_bridge(10.0, plenty=PER_LANE * 5) as bridge:
        for n in range(PER_LANE * 2):
            await bridge.say(f"{n}" + "x" * 5000)

        assert PER_LANE == bridge.lanes._in_memory


@scenario
async def test_memory_is_bounded_over_all_lanes():
    async with a_bridge(*[5.0] * 300) as bridge:
        for n in range(5000):
            await bridge.say(f"{n}", to=f"there/{n % 300}")
        in_memory = bridge.lanes._in_memory
        await bridge.settled()

        assert in_memory <= IN_ALL + 300
        assert 5000 == len(set(bridge.there.texts))
        assert 5000 == len(bridge.there.texts)


@scenario
async def test_what_waits_in_the_journal_goes_out_after_a_restart():
    journal = a_journal(VirtualClock())
    for n in range(40):
        await journal.accept(
            an_envelope(f"{n}", id=f"m{n}"), [a_route(f"there/{n % 2}", template="{msg}")]
        )
    async with a_bridge(journal=journal) as bridge:
        await bridge.settled()

        evens = [text for text in bridge.there.texts if int(text) % 2 == 0]
        assert list(map(str, range(0, 40, 2))) == evens
        assert 40 == len(bridge.there.texts)


@scenario
async def test_a_stop_ends_what_waits_at_once():
    """A lane that waits for its next attempt does not keep the daemon from stopping."""
    async with a_bridge(Transient("down", retry_after=3000)) as bridge:
        delivery = await bridge.say("a")
        await asyncio.sleep(1)
    stopped = asyncio.get_running_loop().time()

    assert stopped < 2
    assert Status.WAITING == (await bridge.row(delivery)).status


@scenario
async def test_a_stop_waits_for_what_is_being_sent():
    """The answer of a send in flight is recorded, so that it is not sent again."""
    async with a_bridge(5.0) as bridge:
        delivery = await bridge.say("a")
        waiting = await bridge.say("b")
        await asyncio.sleep(1)

    assert Status.SENT == (await bridge.row(delivery)).status
    assert Status.WAITING == (await bridge.row(waiting)).status
    assert ["a"] == bridge.there.texts


@scenario
async def test_a_stop_does_not_wait_for_ever():
    """A platform that hangs gets ten seconds; where twice is worse, its message is held."""
    async with a_bridge(1000.0, on_lost_answer="hold") as bridge:
        delivery = await bridge.say("a")
        await asyncio.sleep(1)
    stopped = asyncio.get_running_loop().time()

    assert GRACE < stopped < GRACE + 2
    assert Status.HELD == (await bridge.row(delivery)).status


class Slow(MemoryJournal):
    """A journal that takes a second to tell what waits."""

    async def waiting(self, destination, limit, *, after=0):
        found = await super().waiting(destination, limit, after=after)
        await asyncio.sleep(1)
        return found


@scenario
async def test_what_is_accepted_while_the_journal_is_asked_is_not_forgotten():
    """The answer does not hold it, and memory must not believe that it has everything."""
    journal = Slow(clock=VirtualClock(), capacity=Capacity(), retention=Retention())
    async with a_bridge(journal=journal) as bridge:
        await bridge.lanes.refresh()
        await journal.accept(an_envelope("old", id="m0"), [a_route(template="{msg}")])
        await bridge.lanes.refresh()
        await asyncio.sleep(0.5)
        await bridge.say("new")
        await bridge.settled()

        assert ["old", "new"] == bridge.there.texts


@scenario
async def test_what_came_from_the_journal_is_not_taken_again_when_it_is_offered():
    """Accepted, found in the journal, and only then offered: one delivery, one post."""
    async with a_bridge(5.0) as bridge:
        acceptance = await bridge.journal.accept(an_envelope(), [a_route()])
        await bridge.lanes.refresh()
        await asyncio.sleep(1)
        bridge.lanes.offer(acceptance.deliveries)
        await bridge.settled()

        assert 1 == len(bridge.there.tried)


@scenario
async def test_a_lane_does_not_wait_for_what_it_can_read_while_it_sends():
    """The next page is read during the sends of the last one: no gap between two of them."""
    count = PER_LANE * 3
    journal = Slow(clock=VirtualClock(), capacity=Capacity(), retention=Retention())
    async with a_bridge(*[0.1] * count, journal=journal) as bridge:
        for n in range(count):
            await bridge.say(f"{n}")
        await bridge.settled()

        times = bridge.there.times
        assert [*map(str, range(count))] == bridge.there.texts
        assert max(b - a for a, b in pairwise(times)) < 0.2


@pytest.mark.parametrize("moment", [0.5, 3.5, 4.5, 7.5, 9.5])
def test_what_an_operator_gives_back_while_the_lane_reads_ahead_goes_out_too(moment):
    """It stands before what was read last: the lane must look from the beginning once more."""
    count = PER_LANE * 3

    async def play():
        journal = Slow(clock=VirtualClock(), capacity=Capacity(), retention=Retention())
        async with a_bridge(Refused("no"), *[0.1] * count, journal=journal) as bridge:
            refused = await bridge.say("refused")
            for n in range(count):
                await bridge.say(f"{n}")
            await asyncio.sleep(moment)
            assert 1 == await journal.replay([refused.id])
            bridge.lanes.look([refused.route.destination])
            await bridge.settled()
            return bridge.there.texts

    texts = run_virtual(play())

    assert 1 == texts.count("refused")
    assert [*map(str, range(count))] == [text for text in texts if text != "refused"]


@scenario
async def test_nothing_overtakes_what_stays_when_an_operator_takes_one_out():
    """The lane ends and begins anew meanwhile; a message comes in just then. Found by the simulation."""
    async with a_bridge() as bridge:
        gate = bridge.lanes._courier.outlets[bridge.there.instance].gate
        gate.pause(10.0)
        said = [await bridge.say(text) for text in ("dropped", "first", "second")]
        await asyncio.sleep(1)
        [chosen] = await bridge.journal.choose(Status.WAITING, Choice(ids=(said[0].id,)))
        [free] = bridge.lanes.take_back([chosen])
        await bridge.journal.move([free.seq], [Status.WAITING], Status.DROPPED, "dropped")
        await bridge.say("third")
        bridge.lanes.look([free.destination])
        await bridge.settled()

        assert ["first", "second", "third"] == bridge.there.texts


@pytest.mark.parametrize("moment", [0.5, 3.5, 4.0, 7.0])
def test_what_an_operator_drops_while_the_lane_reads_ahead_is_not_sent(moment):
    """What was read before they were dropped does not count any more."""

    async def play():
        journal = Slow(clock=VirtualClock(), capacity=Capacity(), retention=Retention())
        async with a_bridge(*[0.1] * 300, journal=journal) as bridge:
            for n in range(PER_LANE * 3):
                await bridge.say(f"{n}")
            await asyncio.sleep(moment)
            waiting = await journal.choose(Status.WAITING, Choice(everything=True))
            free = bridge.lanes.take_back(waiting)
            await journal.move([one.seq for one in free], [Status.WAITING], Status.DROPPED, "dropped")
            bridge.lanes.look({one.destination for one in free})
            await bridge.settled()
            return len(free), len(bridge.there.texts)

    dropped, sent = run_virtual(play())

    assert dropped > PER_LANE
    assert PER_LANE * 3 == dropped + sent


def test_a_journal_that_breaks_ends_the_lanes_and_loses_nothing():
    """It is no failure of the message: what could not be written down still waits."""

    class Breaking(MemoryJournal):
        async def part_sent(self, delivery, parts, message_id):
            raise JournalBroken("the disk is gone")

    journal = Breaking(clock=VirtualClock(), capacity=Capacity(), retention=Retention())

    async def part():
        async with a_bridge(journal=journal) as bridge:
            await bridge.say("word " * 500)
            try:
                await bridge.settled()
            finally:
                bridge.lanes.offer((a_delivery("too late", to="there/other"),))

    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(part())
    assert caught.group_contains(JournalBroken)
    assert not caught.group_contains(RuntimeError), "whoever brings a message is told of no fault"
    assert 1 == len(asyncio.run(journal.rows(Status.WAITING)))


@scenario
async def test_several_that_came_from_the_journal_are_not_taken_again():
    """A lane may read a message between its commit and the moment when it is handed over."""
    async with a_bridge(1.0, 1.0) as bridge:
        accepted = [
            await bridge.journal.accept(an_envelope(text, id=text), [a_route(template="{msg}")])
            for text in ("first", "second")
        ]
        bridge.lanes.look([a_place("there/room")])
        await asyncio.sleep(0.5)  # both have been read, and the first is being sent
        for acceptance in accepted:
            bridge.lanes.offer(acceptance.deliveries)
        await bridge.settled()

        assert ["first", "second"] == bridge.there.texts


@scenario
async def test_what_a_platform_cannot_say_is_no_trouble_of_its():
    """A reaction to a place without reactions is skipped; nobody has to look there."""
    async with a_bridge() as bridge:
        await bridge.say("", kind=EventKind.REACTION, target=MessageId("m0"), reaction=Reaction("👍"))
        await bridge.settled()

        assert bridge.lanes.tallies.destination(a_place("there/room")).setback is None
