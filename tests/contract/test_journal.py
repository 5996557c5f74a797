"""What every journal promises of messages; and what a durable one still knows when opened anew."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.journal import Acceptance, Verdict
from bridge.model import EventId, EventKind, MessageId, Outcome, Reaction, Status
from tests.builders import a_place, a_route, an_envelope
from tests.clock import NOON
from tests.contract.journal_engines import MEMORY, SQLITE, Desk, run_on, sent

HERE, THERE, ELSEWHERE = a_place("here/room"), a_place("there/room"), a_place("there/other")


@pytest.fixture(params=[SQLITE, MEMORY], ids=lambda engine: engine.name)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    return partial(run_on, request.param, tmp_path)


def texts(deliveries: Any) -> list[str]:
    return [delivery.envelope.message.text for delivery in deliveries]


def test_a_new_message_becomes_one_delivery_for_each_route(run: Any) -> None:
    """
    Every destination of the plan is promised the message, in the order of the routes.
    """

    async def scenario(desk: Desk) -> None:
        routes = [a_route("there/room", template="{msg}"), a_route("there/other")]
        answer = await desk.journal.accept(an_envelope(), routes)

        assert Verdict.NEW is answer.verdict
        assert routes == [d.route for d in answer.deliveries]
        assert [an_envelope()] * 2 == [d.envelope for d in answer.deliveries]
        assert answer.deliveries[0].seq < answer.deliveries[1].seq
        assert NOON.timestamp() == answer.deliveries[0].since
        assert {THERE, ELSEWHERE} == set(await desk.journal.lanes())

    run(scenario)


def test_what_is_promised_is_told_of_also_when_nobody_waits_any_more(run: Any) -> None:
    """
    Whoever brought the message may be gone before the commit; its delivery must not wait for a restart.
    """

    async def scenario(desk: Desk) -> None:
        told: list[Acceptance] = []
        asking = asyncio.ensure_future(desk.journal.accept(an_envelope(), [a_route()], told.append))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        again = await desk.journal.accept(an_envelope(), [a_route()], told.append)

        assert [Verdict.NEW, Verdict.DUPLICATE] == [acceptance.verdict for acceptance in told]
        assert again is told[1]
        assert 1 == len(told[0].deliveries)

    run(scenario)


def test_a_message_without_routes_is_known_too(run: Any) -> None:
    """
    Nothing is planned, but when it comes again it is a duplicate: rules may have changed meanwhile.
    """

    async def scenario(desk: Desk) -> None:
        first = await desk.journal.accept(an_envelope(), [])
        second = await desk.journal.accept(an_envelope(), [a_route()])

        assert (Verdict.NEW, ()) == (first.verdict, first.deliveries)
        assert (Verdict.DUPLICATE, ()) == (second.verdict, second.deliveries)

    run(scenario)


def test_a_redelivery_is_known_whenever_it_was_received(run: Any) -> None:
    """
    A platform that repeats itself an hour later, even after a restart, makes no second delivery.
    """

    async def scenario(desk: Desk) -> None:
        await desk.accept()
        again = an_envelope(
            received_at=NOON + timedelta(hours=1), occurred_at=NOON, conversation_title="renamed"
        )

        assert Verdict.DUPLICATE is (await desk.journal.accept(again, [a_route()])).verdict
        await desk.reopen()
        assert Verdict.DUPLICATE is (await desk.journal.accept(again, [a_route()])).verdict
        assert 1 == len(await desk.journal.waiting(THERE, 10))

    run(scenario)


def test_the_first_of_two_different_messages_with_one_id_wins(run: Any) -> None:
    """
    Other content under a known id is a conflict, and told apart from a redelivery.
    """

    async def scenario(desk: Desk) -> None:
        await desk.accept(text="first")

        other = await desk.journal.accept(an_envelope("second"), [a_route()])

        assert (Verdict.CONFLICT, ()) == (other.verdict, other.deliveries)
        assert ["first"] == texts(await desk.journal.waiting(THERE, 10))

    run(scenario)


def test_two_instances_may_use_one_id(run: Any) -> None:
    """
    Ids are a platform's own: the same one from another instance is another message.
    """

    async def scenario(desk: Desk) -> None:
        await desk.accept(at="one/room")

        answer = await desk.journal.accept(an_envelope(at="two/room"), [a_route()])

        assert Verdict.NEW is answer.verdict

    run(scenario)


def test_copies_that_arrive_together_are_one_message(run: Any) -> None:
    """
    Of many copies at the same moment exactly one is new.
    """

    async def scenario(desk: Desk) -> None:
        async with asyncio.TaskGroup() as tasks:
            answers = [
                tasks.create_task(desk.journal.accept(an_envelope(text), [a_route()]))
                for text in ["hello"] * 9 + ["other"]
            ]

        verdicts = [answer.result().verdict for answer in answers]
        assert 1 == verdicts.count(Verdict.NEW)
        assert 8 == verdicts.count(Verdict.DUPLICATE)
        assert 1 == verdicts.count(Verdict.CONFLICT)

    run(scenario)


def test_what_we_posted_is_an_echo_when_it_comes_back(run: Any) -> None:
    """
    A message with an id that the platform gave us is never relayed again, also after a restart.
    """

    async def scenario(desk: Desk) -> None:
        await desk.journal.settle(await desk.accept(), sent("ours"))
        await desk.reopen()

        echo = await desk.journal.accept(an_envelope(id="ours", at="there/room"), [a_route()])
        namesake = await desk.journal.accept(an_envelope(id="ours", at="there/other"), [])

        assert (Verdict.ECHO, ()) == (echo.verdict, echo.deliveries)
        assert Verdict.NEW is namesake.verdict

    run(scenario)


def test_the_echo_of_a_part_may_come_while_the_part_is_booked(run: Any) -> None:
    """
    A platform may show us what we posted before its id is on disk: the two meet in one transaction.
    """

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        _, _, echo = await asyncio.gather(
            desk.journal.suspensions(),  # goes ahead alone, so that the others gather behind it
            desk.journal.part_sent(delivery, 1, MessageId("ours")),
            desk.journal.accept(an_envelope(id="ours", at="there/room"), [a_route()]),
        )

        assert Verdict.ECHO is echo.verdict

    run(scenario)


def test_a_reaction_to_what_we_posted_is_no_echo(run: Any) -> None:
    """
    It bears the id of our post, but somebody else put it there.
    """

    async def scenario(desk: Desk) -> None:
        await desk.journal.settle(await desk.accept(), sent("ours"))
        put = replace(
            an_envelope(id="ours", at="there/room"),
            id=EventId("thumbs"),
            kind=EventKind.REACTION,
            target=MessageId("ours"),
            reaction=Reaction("👍"),
        )

        assert Verdict.NEW is (await desk.journal.accept(put, [a_route("here/room")])).verdict

    run(scenario)


def test_an_echo_leaves_no_trace(run: Any) -> None:
    """
    Nothing is planned for it, and it does not become known as a message.
    """

    async def scenario(desk: Desk) -> None:
        await desk.journal.settle(await desk.accept(), sent("ours"))
        await desk.journal.accept(an_envelope(id="ours", at="there/room"), [a_route()])

        assert 1 == (await desk.journal.ledger()).planned
        assert (
            Verdict.ECHO
            is (await desk.journal.accept(an_envelope(id="ours", at="there/room"), [])).verdict
        )

    run(scenario)


def test_deliveries_wait_in_order_of_acceptance(run: Any) -> None:
    """
    Each conversation sees its messages oldest first, as many as asked for, and only its own.
    """

    async def scenario(desk: Desk) -> None:
        for i in range(5):
            await desk.accept("there/room", "there/other", id=f"m{i}", text=f"text {i}")
        await desk.reopen()

        assert [f"text {i}" for i in range(3)] == texts(await desk.journal.waiting(THERE, 3))
        assert 5 == len(await desk.journal.waiting(ELSEWHERE, 10))
        assert [] == list(await desk.journal.waiting(HERE, 10))

        second = (await desk.journal.waiting(THERE, 2))[-1]
        after = await desk.journal.waiting(THERE, 2, after=second.seq)
        assert ["text 2", "text 3"] == texts(after)

    run(scenario)


def test_numbers_grow_over_restarts(run: Any) -> None:
    """
    What is accepted later has the higher seq, or order would be lost with the process.
    """

    async def scenario(desk: Desk) -> None:
        first = await desk.accept(id="m1")
        await desk.reopen()
        second = await desk.accept(id="m2")

        assert first.seq < second.seq

    run(scenario)


def test_a_delivery_is_the_same_after_a_restart(run: Any) -> None:
    """
    The id goes to platforms as the idempotency key, so it must not change; nor must the plan.
    """

    async def scenario(desk: Desk) -> None:
        (before,) = (await desk.journal.accept(an_envelope(), [a_route(template="{msg}!")])).deliveries
        await desk.reopen()

        assert [before] == list(await desk.journal.waiting(THERE, 1))

    run(scenario)


@pytest.mark.parametrize("status", [Status.SENT, Status.SKIPPED, Status.DEAD, Status.DROPPED])
def test_what_has_ended_waits_no_more(run: Any, status: Status) -> None:
    """
    A settled delivery leaves the lane, with when and why.
    """

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        desk.clock.advance(5)
        await desk.journal.settle(delivery, Outcome(status, (), "why", "in words", attempts=3))
        await desk.reopen()

        assert [] == list(await desk.journal.waiting(THERE, 10))
        assert [] == list(await desk.journal.lanes())
        (row,) = await desk.journal.rows(status)
        assert (replace(delivery, attempts=3), status) == (row.delivery, row.status)
        assert ("why", "in words") == (row.reason, row.detail)
        assert NOON.timestamp() == row.accepted_at
        assert NOON.timestamp() + 5 == row.settled_at
        assert 1 == (await desk.journal.ledger()).by_status[status]

    run(scenario)


def test_what_ends_alike_at_one_moment_ends_all(run: Any) -> None:
    """
    Many deliveries that settle at once, in different ways, are each settled in their own.
    """

    async def scenario(desk: Desk) -> None:
        deliveries = [await desk.accept(id=f"m{i}") for i in range(100)]
        async with asyncio.TaskGroup() as tasks:
            for i, delivery in enumerate(deliveries):
                status = Status.SENT if i % 3 else Status.SKIPPED
                outcome = Outcome(status, (MessageId(f"p{i}"),))
                tasks.create_task(desk.journal.settle(delivery, outcome))

        counts = (await desk.journal.ledger()).by_status
        assert (66, 34) == (counts[Status.SENT], counts[Status.SKIPPED])
        rows = await desk.journal.rows(Status.SENT, limit=100)
        assert [f"p{i}" for i in range(100) if i % 3] == [r.message_ids[0] for r in rows]

    run(scenario)


def test_finished_parts_stay_finished(run: Any) -> None:
    """
    After a restart a long message goes on with the first part that the platform has not taken.
    """

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        await desk.journal.part_sent(delivery, 1, MessageId("p1"))
        await desk.journal.part_sent(delivery, 2, None)
        await desk.reopen()

        (again,) = await desk.journal.waiting(THERE, 1)
        assert 2 == again.parts
        await desk.journal.settle(again, sent("p3"))
        (row,) = await desk.journal.rows(Status.SENT)
        assert ("p1", "p3") == row.message_ids

    run(scenario)


def test_a_postponed_delivery_remembers_its_attempts(run: Any) -> None:
    """
    A restart does not make the schedule start anew.
    """

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        await desk.journal.postpone(
            delivery, attempts=3, due_at=1234.5, reason="server_error", detail="500"
        )
        await desk.reopen()

        (again,) = await desk.journal.waiting(THERE, 1)
        assert (3, 1234.5) == (again.attempts, again.due_at)
        (row,) = await desk.journal.rows(Status.WAITING)
        assert ("server_error", "500") == (row.reason, row.detail)

    run(scenario)


def test_a_delivery_that_has_ended_cannot_be_postponed(run: Any) -> None:
    """
    A late word about an attempt does not change why it ended.
    """

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        await desk.journal.settle(delivery, Outcome(Status.DEAD, reason="refused"))
        await desk.journal.postpone(delivery, attempts=1, due_at=1.0, reason="late", detail="")

        (row,) = await desk.journal.rows(Status.DEAD)
        assert ("refused", 0) == (row.reason, row.delivery.attempts)

    run(scenario)


@pytest.mark.parametrize("status", [Status.DEAD, Status.HELD])
def test_replay_lets_dead_and_held_deliveries_wait_again(run: Any, status: Status) -> None:
    """
    The attempts and the age start anew, but a part that was delivered is not delivered twice.
    """

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        await desk.journal.part_sent(delivery, 1, MessageId("p1"))
        await desk.journal.settle(delivery, Outcome(status, reason="gave_up", attempts=9))
        desk.clock.advance(3600)

        assert 1 == await desk.journal.replay([delivery.id, delivery.id, "no such delivery"])

        (again,) = await desk.journal.waiting(THERE, 10)
        assert (0, 1, 0.0) == (again.attempts, again.parts, again.due_at)
        assert NOON.timestamp() + 3600 == again.since
        (row,) = await desk.journal.rows(Status.WAITING)
        assert ("", None) == (row.reason, row.settled_at)
        assert NOON.timestamp() == row.accepted_at
        await desk.reopen()

    run(scenario)


def test_replay_leaves_what_was_sent_alone(run: Any) -> None:
    """
    A replay cannot double what was delivered.
    """

    async def scenario(desk: Desk) -> None:
        delivery = await desk.accept()
        await desk.journal.settle(delivery, sent("p1"))

        assert 0 == await desk.journal.replay([delivery.id])
        assert [] == list(await desk.journal.waiting(THERE, 10))

    run(scenario)


def test_rows_are_found_by_instance_and_id(run: Any) -> None:
    """
    An operator narrows the list down by destination instance or to one delivery.
    """

    async def scenario(desk: Desk) -> None:
        one = await desk.accept("there/room", id="m1")
        two = await desk.accept("far/room", id="m2")
        await desk.accept("far/room", id="m3")

        far = await desk.journal.rows(Status.WAITING, instance="far")
        first = await desk.journal.rows(Status.WAITING, instance="far", limit=1)
        by_id = await desk.journal.rows(Status.WAITING, delivery_id=one.id)

        assert ["m2", "m3"] == [row.delivery.envelope.id for row in far]
        assert [two.id] == [row.delivery.id for row in first]
        assert [one.id] == [row.delivery.id for row in by_id]

    run(scenario)


def test_the_backlog_counts_what_waits_and_since_when(run: Any) -> None:
    """
    Each instance with something waiting, the number, and when its oldest was accepted.
    """

    async def scenario(desk: Desk) -> None:
        done = await desk.accept("there/room", id="m0")
        await desk.journal.settle(done, sent())
        desk.clock.advance(10)
        await desk.accept("there/room", id="m1")
        desk.clock.advance(10)
        await desk.accept("there/other", "far/room", id="m2")

        since = NOON.timestamp()
        assert {"there": (2, since + 10), "far": (1, since + 20)} == await desk.journal.backlog()

    run(scenario)
