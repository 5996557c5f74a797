"""A platform that repeats itself for days (contract clause 3); `tests/faults/duplicates.py` does it live."""

import asyncio
import json

import pytest
from multidict import CIMultiDict, MultiDict

from bridge.journal import Verdict
from bridge.model import InboundRequest, InstanceId, Outcome, Status
from drivers.dingtalk import callback
from drivers.dingtalk.callback_bodies import Chat
from tests.builders import a_route
from tests.contract.journal_engines import MEMORY, SQLITE, Desk

HOUR = 3600.0
ACCOUNT = callback.Account(InstanceId("robot"), robot_code="dingrobot1")
"""Both ways in read the same body with it: over HTTP, and in a frame of Stream mode."""


def heard(desk: Desk, text: str = "hello"):
    """What the robot understands of a message of that text, always with the same id."""
    now = desk.clock.now()
    body = Chat(robot_code="dingrobot1").text(text, message_id="msg1==", at_ms=1_795_176_000_000)
    request = InboundRequest("POST", "/", MultiDict(), CIMultiDict(), json.dumps(body).encode(), "", now)
    (envelope,) = callback.normalize(request, ACCOUNT).envelopes
    return envelope


@pytest.mark.parametrize("engine", [MEMORY, SQLITE], ids=["memory", "sqlite"])
def test_an_id_is_known_for_96_hours_and_then_forgotten(engine, tmp_path) -> None:
    """
    A hundred times at once it is new once; after a restart, after 95 hours and another restart it is
    known; after 97 hours it is new, and delivered, once more.
    """

    async def scenario() -> list[tuple[int, int]]:
        counts = []
        desk = Desk(engine, tmp_path)

        async def often() -> None:
            said = await asyncio.gather(
                *(desk.journal.accept(heard(desk), [a_route()]) for _ in range(100))
            )
            for acceptance in said:
                for delivery in acceptance.deliveries:
                    await desk.journal.settle(delivery, Outcome(Status.SENT))
            verdicts = [acceptance.verdict for acceptance in said]
            counts.append((verdicts.count(Verdict.NEW), verdicts.count(Verdict.DUPLICATE)))

        async with desk.opened():
            await often()
            await desk.reopen()
            await often()
            for hours in (95, 2):
                desk.clock.advance(hours * HOUR)
                await desk.journal.prune()
                await often()
                await desk.reopen()
                await often()
            assert (await desk.journal.ledger()).balanced
        return counts

    assert [(1, 99), (0, 100), (0, 100), (0, 100), (1, 99), (0, 100)] == asyncio.run(scenario())


@pytest.mark.parametrize("engine", [MEMORY, SQLITE], ids=["memory", "sqlite"])
def test_the_first_content_wins_for_as_long_as_the_id_is_known(engine, tmp_path) -> None:
    """
    Fifty say one thing and fifty another, at once: one of them is delivered, and what differs from it
    is told apart from what repeats it, also 95 hours later.
    """

    async def scenario() -> list[tuple[int, int, int]]:
        counts = []
        desk = Desk(engine, tmp_path)

        async def say() -> None:
            texts = ["hello", "good-bye"] * 50
            said = await asyncio.gather(
                *(desk.journal.accept(heard(desk, text), [a_route()]) for text in texts)
            )
            verdicts = [acceptance.verdict for acceptance in said]
            kinds = (Verdict.NEW, Verdict.DUPLICATE, Verdict.CONFLICT)
            counts.append(tuple(verdicts.count(kind) for kind in kinds))

        async with desk.opened():
            await say()
            desk.clock.advance(95 * HOUR)
            await desk.journal.prune()
            await desk.reopen()
            await say()
            (row,) = await desk.journal.rows(Status.WAITING)
            assert row.delivery.envelope.message.text == "hello"
        return counts

    assert [(1, 49, 50), (0, 50, 50)] == asyncio.run(scenario())
