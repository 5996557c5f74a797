"""Encrypted events over a real socket, from the console's first test to the journal."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from bridge.acceptor import Acceptor
from bridge.courier import Courier
from bridge.delivery import Lanes
from bridge.errors import JournalFull
from bridge.ingress import Ingress, Limits
from bridge.journal import Capacity, Retention
from bridge.journal.memory import MemoryJournal
from bridge.listening import listen
from bridge.metrics import Metrics
from bridge.model import InstanceId, Status
from bridge.routing import Router, Rule, Target
from drivers.dingtalk.simulated_push import Subscription
from tests.builders import a_place, a_route
from tests.clock import NOON, FakeClock
from tests.drivers.dingtalk.pair import connected

TOKEN, AES_KEY = "simToken01", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
GROUP = "cidSimGroup0000000001=="
EVENT = {
    "EventType": "chat_update_title",
    "eventId": "e1",
    "openConversationId": GROUP,
    "operator": "manager1001",
    "title": "新名字",
}
RULE = Rule(
    id="all",
    sources=(a_place(f"dt/{GROUP}"),),
    targets=(Target(a_place("there/room"), a_route().plan),),
    kinds=frozenset({"notice"}),
)


class Crowded(MemoryJournal):
    """A journal that has no room while ``full``."""

    full = False

    async def accept(self, envelope: Any, routes: Any, then: Any = None) -> Any:
        if self.full:
            raise JournalFull("no room")
        return await super().accept(envelope, routes, then)


@asynccontextmanager
async def subscribed(**settings: Any) -> AsyncIterator[tuple[Subscription, Crowded, FakeClock]]:
    """A listening ingress with the app robot behind it, and DingTalk's side of the subscription."""
    given = {"callback_token": TOKEN, "callback_aes_key": AES_KEY, **settings}
    async with connected(**given) as pair:
        clock, metrics = pair.clock, Metrics("test")
        journal = Crowded(clock=clock, capacity=Capacity(), retention=Retention())
        courier = Courier(
            journal=journal, outlets={}, clock=clock, metrics=metrics, random=random.Random(1)
        )
        lanes = Lanes(journal, courier, clock, metrics)
        router = Router.of([RULE], {InstanceId("dt"): lambda _: "group"})
        acceptor = Acceptor(lambda: router, journal, lanes, metrics)
        ingress = Ingress({"/in": (InstanceId("dt"), pair.driver)}, acceptor, clock, metrics, Limits())
        async with listen(ingress.answer, "127.0.0.1", 0) as port:
            yield (
                Subscription(
                    url=f"http://127.0.0.1:{port}/in",
                    token=TOKEN,
                    aes_key=AES_KEY,
                    owner="dingsimappkey0000001",
                ),
                journal,
                clock,
            )


async def texts(journal: MemoryJournal) -> list[str]:
    rows = await journal.rows(Status.WAITING)
    return [row.delivery.envelope.message.text for row in rows]


def test_an_event_reaches_the_journal_once() -> None:
    """
    check_url, the event, its redelivery and its replay are all answered; it is planned once.
    """

    async def scenario() -> None:
        async with subscribed() as (dingtalk, journal, clock):
            assert (200, "success") == await dingtalk.push({"EventType": "check_url"}, now=NOON)
            assert (200, "success") == await dingtalk.push(EVENT, now=NOON, nonce="n1")
            assert (200, "success") == await dingtalk.push(EVENT, now=NOON, nonce="n1")
            assert (200, "success") == await dingtalk.push(EVENT, now=NOON, nonce="n2")
            clock.advance(3000)  # longer than the driver remembers: the journal does
            assert (200, "success") == await dingtalk.push(EVENT, now=clock.now())

            assert ["the group is now called “新名字”"] == await texts(journal)

    asyncio.run(scenario())


def test_a_forged_or_stale_event_gets_a_status_and_nothing_else() -> None:
    """
    No body that could be told apart, no envelope.
    """

    async def scenario() -> None:
        async with subscribed() as (dingtalk, journal, _clock):
            forged = Subscription(url=dingtalk.url, token="other", aes_key=AES_KEY, owner=dingtalk.owner)
            foreign = Subscription(url=dingtalk.url, token=TOKEN, aes_key=AES_KEY, owner="dingother")

            assert (401, "") == await forged.push(EVENT, now=NOON)
            assert (401, "") == await foreign.push(EVENT, now=NOON)
            assert (401, "") == await dingtalk.push(EVENT, now=NOON - timedelta(hours=1))
            assert [] == await texts(journal)

    asyncio.run(scenario())


def test_an_event_that_cannot_be_kept_is_not_answered_and_comes_again() -> None:
    """
    503 without a success, so that DingTalk sends it again; then it is taken.
    """

    async def scenario() -> None:
        async with subscribed() as (dingtalk, journal, _clock):
            journal.full = True
            assert (503, "") == await dingtalk.push(EVENT, now=NOON, nonce="n1")
            journal.full = False
            assert (200, "success") == await dingtalk.push(EVENT, now=NOON, nonce="n1")

            assert 1 == len(await texts(journal))

    asyncio.run(scenario())
