"""What an operator moves while the lanes work, in virtual time: nothing twice, nothing lost."""

import asyncio

import pytest

from bridge.clerk import Clerk
from bridge.clerk.moving import Mover
from bridge.desk import Choice, DeskError
from bridge.errors import Refused, Transient
from bridge.model import Status
from tests.far_half import a_bridge, scenario

ALL = Choice(everything=True)


def a_mover(bridge):
    return Mover(journal=bridge.journal, lanes=bridge.lanes, clock=bridge.clock)


async def hold(bridge, choice=ALL):
    return await a_mover(bridge).move(choice, [Status.WAITING], Status.HELD, "operator")


@scenario
async def test_what_is_being_sent_cannot_be_held():
    """Its answer is on the way: it would be sent and held at once. What waits behind it can."""
    async with a_bridge(10.0) as bridge:
        sending = await bridge.say("sending")
        behind = await bridge.say("behind")
        await asyncio.sleep(1)

        assert 1 == await hold(bridge)

        await bridge.settled()
        assert ["sending"] == bridge.there.texts
        assert Status.SENT == (await bridge.row(sending)).status
        assert (Status.HELD, "operator") == (
            (await bridge.row(behind)).status,
            (await bridge.row(behind)).reason,
        )


@scenario
async def test_what_waits_for_its_next_attempt_can_be_dropped():
    """The lane forgets it at once and goes on with the next."""
    async with a_bridge(Transient("down", retry_after=3000)) as bridge:
        first = await bridge.say("first")
        await bridge.say("second")
        await asyncio.sleep(1)

        mover = a_mover(bridge)
        dropped = await mover.move(Choice(ids=(first.id,)), [Status.WAITING], Status.DROPPED, "operator")

        await bridge.settled()
        assert 1 == dropped
        assert ["second"] == bridge.there.texts
        assert bridge.there.times[0] < 10
        assert (await bridge.journal.ledger()).balanced


@scenario
async def test_what_is_held_and_released_keeps_its_turn_and_is_sent_once():
    async with a_bridge(Transient("down", retry_after=30)) as bridge:
        for text in "abc":
            await bridge.say(text)
        await asyncio.sleep(1)
        held = await hold(bridge)
        await asyncio.sleep(100)
        silent = list(bridge.there.texts)
        released = await a_mover(bridge).move(ALL, [Status.HELD], Status.WAITING, "")
        await bridge.settled()

        assert (3, [], 3) == (held, silent, released)
        assert ["a", "b", "c"] == bridge.there.texts
        assert 0 == bridge.lanes._in_memory


@scenario
async def test_holding_again_and_again_under_load_neither_loses_nor_doubles():
    """Every message ends sent, whatever moment a hold or a release strikes."""
    async with a_bridge(*[0.3] * 200) as bridge:
        for n in range(100):
            await bridge.say(f"{n}", to=f"there/{n % 3}")
        for _ in range(20):
            await hold(bridge)
            await asyncio.sleep(0.7)
            await a_mover(bridge).move(ALL, [Status.HELD], Status.WAITING, "")
            await asyncio.sleep(0.5)
        await bridge.settled()

        assert sorted(map(str, range(100))) == sorted(bridge.there.texts)
        assert 0 == bridge.lanes._in_memory
        assert (await bridge.journal.ledger()).balanced


@scenario
async def test_a_replay_keeps_to_its_rate():
    """Ten a second: a platform that has just come back is not flooded."""
    async with a_bridge(*[Refused("no", reason="refused")] * 30) as bridge:
        for n in range(30):
            await bridge.say(f"{n}")
        await bridge.settled()
        began = asyncio.get_running_loop().time()
        steps = [(step.done, step.total) async for step in a_mover(bridge).replay(ALL, 10.0)]
        took = asyncio.get_running_loop().time() - began
        await bridge.settled()

        assert [(done, 30) for done in range(0, 31, 5)] == steps
        assert 2.5 == pytest.approx(took, abs=0.1)
        assert list(map(str, range(30))) == bridge.there.texts


@scenario
async def test_what_dies_while_the_replay_runs_is_not_replayed():
    """Neither what dies again, nor what is new: the work has an end."""
    async with a_bridge(*[Refused("no", reason="refused")] * 1000) as bridge:
        for n in range(3):
            await bridge.say(f"{n}")
        await bridge.settled()
        steps = []
        async for step in a_mover(bridge).replay(ALL, 1.0):
            steps.append(step.done)
            await bridge.say(f"new {step.done}")
            await bridge.settled()

        assert [0, 1, 2, 3] == steps
        assert 3 + 3 + 4 == len(bridge.there.tried)


@scenario
async def test_nothing_chosen_is_a_slip_and_moves_nothing():
    """An empty filter means nobody, not everybody."""
    async with a_bridge(Transient("down", retry_after=30)) as bridge:
        await bridge.say("a")
        with pytest.raises(DeskError, match="nothing was chosen"):
            await hold(bridge, Choice())
        with pytest.raises(DeskError, match="greater than 0"):
            [step async for step in a_mover(bridge).replay(ALL, 0.0)]
        await bridge.settled()

        assert ["a"] == bridge.there.texts


@pytest.mark.parametrize("verb", ["edit", "recall"])
def test_what_people_wrote_is_not_the_operators_to_change(verb):
    """Only what was sent from the desk is changed from the desk."""

    @scenario
    async def part():
        async with a_bridge() as bridge:
            relayed = await bridge.say("mine")
            await bridge.settled()
            clerk = Clerk(
                journal=bridge.journal,
                lanes=bridge.lanes,
                roster=None,  # neither it nor the others are asked before the writer is
                reloader=None,
                lookout=None,
                mover=a_mover(bridge),
                clock=bridge.clock,
            )
            change = clerk.recall(relayed.id, who="operator")
            if verb == "edit":
                change.close()
                change = clerk.edit(relayed.id, "yours", who="operator")
            with pytest.raises(DeskError, match="only its writer"):
                await change
            await bridge.settled()
            assert 1 == len(bridge.there.tried)

    part()
