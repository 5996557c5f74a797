"""What every journal lets an operator choose, move and look up."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.journal import Capacity, Choice, Crowd
from bridge.model import MessageId, Outcome, Status
from tests.builders import a_message, a_place, a_route, an_envelope
from tests.clock import NOON
from tests.contract.journal_engines import MEMORY, SQLITE, Desk, run_on, sent


@pytest.fixture(params=[SQLITE, MEMORY], ids=lambda engine: engine.name)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    return partial(run_on, request.param, tmp_path)


async def ids(desk: Desk, status: Status, choice: Choice, **more: Any) -> list[str]:
    return [chosen.id for chosen in await desk.journal.choose(status, choice, **more)]


def test_a_choice_takes_what_fits_every_filter(run: Any) -> None:
    """By id, destination, reason, rule and time of acceptance; page by page."""

    async def scenario(desk: Desk) -> None:
        one = await desk.accept("there/room", id="m1")
        two = await desk.accept("there/other", id="m2")
        desk.clock.advance(60)
        route = a_route("far/room", rule="alarms")
        (three,) = (await desk.journal.accept(an_envelope(id="m3"), [route])).deliveries
        for delivery, reason in ((one, "gave_up"), (two, "bug"), (three, "gave_up")):
            await desk.journal.settle(delivery, Outcome(Status.DEAD, reason=reason))

        minute = NOON.timestamp() + 60
        for choice, expected in (
            (Choice(everything=True), [one, two, three]),
            (Choice(ids=(two.id, "no such")), [two]),
            (Choice(instance="there"), [one, two]),
            (Choice(instance="there", conversation="other"), [two]),
            (Choice(reason="gave_up"), [one, three]),
            (Choice(rule="alarms"), [three]),
            (Choice(since=minute), [three]),
            (Choice(until=minute), [one, two]),
            (Choice(reason="gave_up", until=minute), [one]),
        ):
            assert [d.id for d in expected] == await ids(desk, Status.DEAD, choice), choice
        page = await ids(desk, Status.DEAD, Choice(everything=True), after=one.seq, limit=1)
        assert [two.id] == page
        assert [] == await ids(desk, Status.WAITING, Choice(everything=True))

    run(scenario)


@pytest.mark.parametrize("to", [Status.HELD, Status.DROPPED])
def test_what_waits_can_be_kept_back_or_dropped(run: Any, to: Status) -> None:
    """It waits no more, and has the operator's reason."""

    async def scenario(desk: Desk) -> None:
        one = await desk.accept(id="m1")
        two = await desk.accept(id="m2")

        assert 1 == await desk.journal.move([one.seq], [Status.WAITING], to, "operator")

        assert [two] == list(await desk.journal.waiting(a_place("there/room"), 10))
        (row,) = await desk.journal.rows(to)
        assert (one.id, "operator") == (row.delivery.id, row.reason)
        await desk.reopen()
        assert 1 == len(await desk.journal.rows(to))

    run(scenario)


def test_what_is_released_begins_anew_with_its_finished_parts(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        await desk.journal.part_sent(delivery, 1, MessageId("p1"))
        await desk.journal.settle(delivery, Outcome(Status.DEAD, reason="gave_up", attempts=9))
        desk.clock.advance(3600)

        assert 1 == await desk.journal.move([delivery.seq], [Status.DEAD], Status.WAITING, "")

        (again,) = await desk.journal.waiting(a_place("there/room"), 10)
        assert (0, 1, NOON.timestamp() + 3600) == (again.attempts, again.parts, again.since)
        (row,) = await desk.journal.rows(Status.WAITING)
        assert ("", None) == (row.reason, row.settled_at)

    run(scenario)


def test_what_was_sent_meanwhile_is_not_moved(run: Any) -> None:
    """Choosing and moving are two steps, and a delivery may end between them."""

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        await desk.journal.settle(delivery, sent("p1"))

        assert 0 == await desk.journal.move(
            [delivery.seq], [Status.WAITING, Status.HELD], Status.DROPPED, "operator"
        )
        assert 1 == len(await desk.journal.rows(Status.SENT))

    run(scenario)


def test_what_is_dropped_makes_room(run: Any) -> None:
    """The fullness of the journal follows every move."""

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        full = desk.journal.fullness
        await desk.journal.move([delivery.seq], [Status.WAITING], Status.HELD, "operator")
        await desk.journal.lanes()
        held = desk.journal.fullness
        await desk.journal.move([delivery.seq], [Status.HELD], Status.DROPPED, "operator")
        await desk.journal.lanes()

        assert full == held
        assert desk.journal.fullness < held

    run(scenario, capacity=Capacity(max_waiting=2, min_free_disk=1))


def test_crowds_and_dead_letters_are_counted(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        since = NOON.timestamp()
        await desk.accept("there/room", id="m1")
        desk.clock.advance(10)
        await desk.accept("there/room", id="m2")
        held = await desk.accept("there/other", id="m3")
        await desk.journal.settle(held, Outcome(Status.HELD, reason="lost_answer"))
        dead = await desk.accept("far/room", id="m4")
        await desk.journal.settle(dead, Outcome(Status.DEAD, reason="gave_up"))

        assert {
            a_place("there/room"): Crowd(2, 0, since),
            a_place("there/other"): Crowd(0, 1, None),
        } == await desk.journal.crowds()
        assert {"gave_up": 1} == await desk.journal.dead_by_reason()

    run(scenario)


def test_a_message_is_looked_up_with_its_deliveries(run: Any) -> None:
    """By the event's id or the platform's; with several of one id it is the latest."""

    async def scenario(desk: Desk) -> None:
        envelope = an_envelope(id="e1", at="here/room", message=a_message("hi", id="p1"))
        await desk.journal.accept(envelope, [a_route("there/room"), a_route("far/room")])
        await desk.journal.accept(an_envelope(id="e1", at="second/room"), [])

        by_platform = await desk.journal.recorded("p1")
        first = await desk.journal.recorded("e1", "here")
        latest = await desk.journal.recorded("e1")

        assert by_platform == first
        assert envelope == first.envelope
        assert ["there", "far"] == [d.delivery.route.destination.instance for d in first.deliveries]
        assert ("second", ()) == (latest.envelope.source.instance, latest.deliveries)
        assert await desk.journal.recorded("e2") is None

    run(scenario)
