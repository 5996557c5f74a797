"""Where all ways in meet, seen from a way in."""

import asyncio
import random

import pytest

from bridge.acceptor import Acceptor
from bridge.clock import SystemClock
from bridge.courier import Courier
from bridge.delivery import Lanes
from bridge.metrics import Metrics
from bridge.model import Inbound, InstanceId
from bridge.routing import Router
from tests.builders import a_journal


@pytest.mark.parametrize("inbound", [Inbound(ignored="empty_message"), Inbound()])
def test_a_flood_of_what_is_ignored_does_not_hold_the_loop(inbound):
    """A connection may have thousands of them in its buffer: others get their turn after each."""

    async def scenario():
        clock, metrics = SystemClock(), Metrics("test")
        journal = a_journal(clock)
        courier = Courier(
            journal=journal, outlets={}, clock=clock, metrics=metrics, random=random.Random(1)
        )
        router = Router.of([], {})
        acceptor = Acceptor(lambda: router, journal, Lanes(journal, courier, clock, metrics), metrics)
        turns = 0
        for _ in range(5):
            others = asyncio.Event()
            asyncio.get_running_loop().call_soon(others.set)
            await acceptor.take(InstanceId("here"), inbound)
            turns += others.is_set()
        return turns

    assert 5 == asyncio.run(scenario())
