"""The far half of the bridge in virtual time: the journal's model, lanes, and a scripted platform."""

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bridge.courier import Courier
from bridge.delivery import Lanes
from bridge.gates import Gate
from bridge.journal.memory import MemoryJournal
from bridge.limits import Limiter
from bridge.metrics import Metrics
from bridge.model import (
    Status,
)
from bridge.outlets import Outlet
from bridge.render import Style
from tests.builders import a_journal, a_route, an_envelope
from tests.clock import VirtualClock, run_virtual
from tests.loopback import Loopback


@dataclass
class Bridge:
    """The far half of the corridor: journal, lanes, and a scripted platform ``there``."""

    clock: VirtualClock
    journal: MemoryJournal
    there: Loopback
    lanes: Lanes
    tasks: asyncio.TaskGroup
    said: int = 0

    async def say(self, text, *, to="there/room", **more):
        """Accept a message for ``to`` as the ingress would."""
        self.said += 1
        envelope = an_envelope(text, id=f"m{self.said}", received_at=self.clock.now(), **more)
        acceptance = await self.journal.accept(envelope, [a_route(to, template="{msg}")])
        self.lanes.offer(acceptance.deliveries)
        return acceptance.deliveries[0]

    async def settled(self):
        """Wait until no lane has work."""
        while len(self.lanes):
            await asyncio.sleep(1)

    async def row(self, delivery):
        """How a delivery stands in the journal."""
        for status in Status:
            if found := await self.journal.rows(status, delivery_id=delivery.id):
                return found[0]
        raise AssertionError(f"no trace of {delivery.id}")


@asynccontextmanager
async def a_bridge(*script, journal=None, limit=None, there=None, plenty=0, **outlet):
    """Without ``plenty`` of room in memory, as it is when many conversations are busy."""
    clock = VirtualClock()
    journal = journal or a_journal(clock)
    there = there or Loopback()
    there.script = list(script)
    limiter = Limiter("there", limit, journal, clock) if limit else None
    outlets = {
        there.instance: Outlet(
            driver=there,
            platform="loopback",
            style=Style(late_after=1e9),
            gate=Gate(clock),
            limiter=limiter,
            **outlet,
        )
    }
    metrics = Metrics("test")
    courier = Courier(
        journal=journal, outlets=outlets, clock=clock, metrics=metrics, random=random.Random(1)
    )
    lanes = Lanes(journal, courier, clock, metrics, plenty=plenty)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lanes.run())
        await lanes.ready.wait()
        yield Bridge(clock, journal, there, lanes, tasks)
        lanes.stop()


def scenario(function):
    """A test in virtual time."""

    def test():
        run_virtual(function())

    test.__name__ = function.__name__
    test.__doc__ = function.__doc__
    return test
