"""What every journal promises besides: ids at both ends, suspensions, rates, limits, pruning."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import JournalFull
from bridge.journal import Capacity, Retention, Suspension, Verdict
from bridge.model import EventKind, InstanceId, MessageId, Outcome, Status
from tests.builders import a_message, a_place, a_route, an_envelope
from tests.clock import NOON
from tests.contract.journal_engines import MEMORY, SQLITE, Desk, run_on, sent

HERE, THERE, ELSEWHERE = a_place("here/room"), a_place("there/room"), a_place("there/other")


@pytest.fixture(params=[SQLITE, MEMORY], ids=lambda engine: engine.name)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    return partial(run_on, request.param, tmp_path)


# --- ids at both ends -------------------------------------------------------------------------------


def test_a_message_is_known_by_its_id_at_each_end(run: Any) -> None:
    """
    Written here, posted there and elsewhere: any of the three ids leads to any other, and a long
    message is known by its first part.
    """

    async def scenario(desk: Desk) -> None:
        there, elsewhere = await desk.accept("there/room", "there/other")
        await desk.journal.settle(there, sent("t1", "t2"))
        await desk.journal.settle(elsewhere, sent("e1"))
        journal = await desk.reopen()

        for at, name in [(HERE, "m1"), (THERE, "t1"), (THERE, "t2"), (ELSEWHERE, "e1")]:
            assert "t1" == await journal.translate(at, MessageId(name), THERE)
            assert "e1" == await journal.translate(at, MessageId(name), ELSEWHERE)
            assert "m1" == await journal.translate(at, MessageId(name), HERE)

    run(scenario)


def test_every_post_of_a_part_is_ours(run: Any) -> None:
    """
    A part that was posted twice, because the first answer was lost, has two ids: both are echoes
    when they come back.
    """

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        await desk.journal.part_sent(delivery, 1, MessageId("first"))
        await desk.journal.settle(delivery, sent("second"))

        for name in ("first", "second"):
            answer = await desk.journal.accept(an_envelope(id=name, at="there/room"), [])
            assert Verdict.ECHO is answer.verdict
        (row,) = await desk.journal.rows(Status.SENT)
        assert ("first", "second") == row.message_ids

    run(scenario)


def test_what_was_not_bridged_has_no_other_id(run: Any) -> None:
    """
    An unknown message, a place it never went to, and a post that has no id yet: all None.
    """

    async def scenario(desk: Desk) -> None:
        await desk.accept("there/room")

        for message_id, source, target in [
            ("m1", HERE, THERE),
            ("m1", HERE, ELSEWHERE),
            ("m1", ELSEWHERE, THERE),
            ("unknown", HERE, THERE),
        ]:
            assert None is await desk.journal.translate(source, MessageId(message_id), target)

    run(scenario)


def test_an_edit_is_another_event_of_the_same_message(run: Any) -> None:
    """
    It has its own event id, so it is not a duplicate; who answers the message answers the newest
    copy, who takes it back takes back all.
    """

    async def scenario(desk: Desk) -> None:
        await desk.journal.settle(await desk.accept(), sent("t1"))
        edit = an_envelope(
            id="edit-1",
            kind=EventKind.EDIT,
            message=a_message("better", id="m1"),
            target=MessageId("m1"),
        )
        answer = await desk.journal.accept(edit, [a_route()])
        await desk.journal.settle(answer.deliveries[0], sent("t2"))

        assert Verdict.NEW is answer.verdict
        assert "t2" == await desk.journal.translate(HERE, MessageId("m1"), THERE)
        assert ("t1", "t2") == await desk.journal.copies(HERE, MessageId("m1"), THERE)
        assert () == await desk.journal.copies(HERE, MessageId("m1"), ELSEWHERE)

    run(scenario)


# --- suspensions and rates --------------------------------------------------------------------------


def test_suspensions_last_until_they_end(run: Any) -> None:
    """
    A scope is suspended once, whatever is said again; an ended one stays known for a while.
    """

    async def scenario(desk: Desk) -> None:
        there = InstanceId("there")
        whole = Suspension(there, None, "token_revoked", "401", NOON)
        room = Suspension(there, "room", "robot_removed", "gone", NOON + timedelta(seconds=1))
        await desk.journal.suspend(whole)
        await desk.journal.suspend(room)
        await desk.journal.suspend(replace(whole, reason="forbidden", since=NOON + timedelta(hours=1)))
        await desk.journal.resume(there, "room", NOON + timedelta(minutes=1))
        await desk.journal.resume(there, "room", NOON + timedelta(minutes=2))
        journal = await desk.reopen()

        assert [
            replace(whole, reason="forbidden"),
            replace(room, until=NOON + timedelta(minutes=1)),
        ] == list(await journal.suspensions())
        desk.clock.advance(31 * 86400)
        assert [replace(whole, reason="forbidden")] == list(await journal.suspensions())

    run(scenario)


def test_completions_are_remembered_for_each_limiter(run: Any) -> None:
    """
    The history has completions only, oldest first, after the moment asked for.
    """

    async def scenario(desk: Desk) -> None:
        journal = desk.journal
        tokens = [await journal.rate_started("there", float(at)) for at in range(3)]
        journal.rate_completed("there", tokens[1], 20.0)
        journal.rate_completed("there", tokens[0], 30.0)
        journal.rate_completed("far", tokens[2], 40.0)

        assert [20.0, 30.0] == list(await journal.rate_history("there", 0.0))
        assert [30.0] == list(await journal.rate_history("there", 20.0))
        assert [] == list(await journal.rate_history("far", 0.0))

    run(scenario)


# --- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "capacity",
    [
        Capacity(max_waiting=10, min_free_disk=0),
        Capacity(max_waiting=1000, max_bytes=1600, min_free_disk=0),
    ],
    ids=["by count", "by bytes"],
)
def test_a_full_journal_refuses_until_there_is_room(run: Any, capacity: Capacity) -> None:
    """
    Nothing is taken above the high-water mark, and nothing until it falls below the low one; but
    what waits can always be settled.
    """

    async def scenario(desk: Desk) -> None:
        accepted: list[Any] = []
        while desk.journal.fullness < capacity.refuse_at:
            accepted.append(await desk.accept(id=f"m{len(accepted):02}"))
        assert 10 == len(accepted)
        with pytest.raises(JournalFull):
            await desk.accept(id="one too many")

        await desk.journal.settle(accepted[0], sent())
        await desk.journal.settle(accepted[1], sent())
        with pytest.raises(JournalFull):
            await desk.accept(id="too soon")
        for delivery in accepted[2:6]:
            await desk.journal.settle(delivery, sent())
        await desk.journal.lanes()  # whoever asks anything sees what was settled before
        await desk.accept(id="now")

    run(scenario, capacity=capacity)


def test_held_deliveries_fill_the_journal_too(run: Any) -> None:
    """
    What is held stays on disk like what waits, so it must count.
    """

    async def scenario(desk: Desk) -> None:
        for i in range(10):
            delivery = await desk.accept(id=f"m{i}")
            await desk.journal.settle(delivery, Outcome(Status.HELD))

        with pytest.raises(JournalFull):
            await desk.accept(id="one more")

    run(scenario, capacity=Capacity(max_waiting=10, min_free_disk=0))


def test_replayed_deliveries_fill_the_journal_again(run: Any) -> None:
    """
    A dead letter takes no room in the queue; when it waits again, it does.
    """

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        assert 0.1 == desk.journal.fullness
        await desk.journal.settle(delivery, Outcome(Status.DEAD))
        assert 0.0 == desk.journal.fullness
        await desk.journal.replay([delivery.id])
        assert 0.1 == desk.journal.fullness

    run(scenario, capacity=Capacity(max_waiting=10, min_free_disk=0))


def test_pruning_forgets_what_is_over(run: Any) -> None:
    """
    Past the dedupe time a message that was delivered is gone, with its ids, but still counted.
    """

    async def scenario(desk: Desk) -> None:
        for i in range(250):
            await desk.journal.settle(await desk.accept(id=f"m{i}"), sent(f"t{i}"))
        desk.clock.advance(101)
        await desk.journal.settle(await desk.accept(id="young"), sent("t"))
        await desk.journal.prune()
        journal = await desk.reopen()

        assert ["young"] == [r.delivery.envelope.id for r in await journal.rows(Status.SENT)]
        assert 251 == (await journal.ledger()).by_status[Status.SENT]
        assert None is await journal.translate(HERE, MessageId("m0"), THERE)
        assert Verdict.NEW is (await journal.accept(an_envelope(id="t0", at="there/room"), [])).verdict
        assert Verdict.NEW is (await journal.accept(an_envelope(id="m0"), [a_route()])).verdict
        assert "t" == await journal.translate(HERE, MessageId("young"), THERE)

    run(scenario, retention=Retention(dedupe=100, dead=1000))


def test_pruning_spares_what_is_not_over(run: Any) -> None:
    """
    What waits or is held is kept for ever, a dead letter as long as the operator may want it, and a
    message as long as any of its deliveries.
    """

    async def scenario(desk: Desk) -> None:
        await desk.accept(id="waiting")
        await desk.journal.settle(await desk.accept(id="held"), Outcome(Status.HELD))
        first, second = await desk.accept("there/room", "there/other", id="dead")
        await desk.journal.settle(first, sent("t1"))
        desk.clock.advance(500)
        await desk.journal.settle(second, Outcome(Status.DEAD))
        desk.clock.advance(900)
        await desk.journal.prune()

        for status, count in [(Status.WAITING, 1), (Status.HELD, 1), (Status.DEAD, 1)]:
            assert count == len(await desk.journal.rows(status))
        assert "t1" == await desk.journal.translate(HERE, MessageId("dead"), THERE)

        desk.clock.advance(101)
        await desk.journal.prune()
        assert [] == list(await desk.journal.rows(Status.DEAD))
        assert 1 == len(await desk.journal.rows(Status.HELD))

    run(scenario, retention=Retention(dedupe=100, dead=1000))
