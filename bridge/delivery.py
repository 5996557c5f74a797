"""
Lanes: one for each destination conversation, in order inside, strangers to each other.

A lane lives while it has work. A few messages of it are in memory; the rest waits in the journal and
is fetched when there is room.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import insort
from collections.abc import Iterable
from operator import attrgetter

import structlog

from bridge.clock import Clock
from bridge.courier import Courier, Progress
from bridge.gates import Gate
from bridge.journal import Journal, Suspension
from bridge.metrics import Metrics
from bridge.model import ConversationId, ConversationRef, Delivery, Outcome, Status

log = structlog.get_logger()

PER_LANE = 64
IN_ALL = 4096
"""Deliveries in memory, for one lane and for all; every lane may hold one in any case."""

GRACE = 10.0
"""Seconds that sends in flight get when the daemon stops."""

_RECHECK = 0.05

_EVENTS = {
    Status.SENT: "delivery.sent",
    Status.SKIPPED: "delivery.skipped",
    Status.DEAD: "delivery.died",
    Status.HELD: "delivery.held",
}

_by_seq = attrgetter("seq")


class Lane:
    """
    What waits for one destination, oldest first.

    ``behind``: the journal holds more than memory does. ``missed``: more was accepted while the
    journal was asked. ``refilled_to``: everything up to this seq has come from the journal, so a
    later offer of it is the same delivery once more.
    """

    __slots__ = ("behind", "gate", "missed", "progress", "queue", "refilled_to", "task")

    task: asyncio.Task[None]

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.queue: list[Delivery] = []
        self.behind = False
        self.missed = False
        self.refilled_to = 0
        self.progress: Progress | None = None


class Lanes:
    """All lanes of this process."""

    def __init__(self, journal: Journal, courier: Courier, clock: Clock, metrics: Metrics) -> None:
        self._journal = journal
        self._courier = courier
        self._clock = clock
        self._metrics = metrics
        self._lanes: dict[ConversationRef, Lane] = {}
        self._gates: dict[ConversationRef, Gate] = {}
        self._in_memory = 0
        self._stopping = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self.ready = asyncio.Event()
        """Set once `run` takes offers."""

    async def run(self) -> None:
        """Deliver what the journal holds and will hold, until `stop`. Raises `JournalError`."""
        for suspension in await self._journal.suspensions():
            if suspension.until is None:
                self._suspend_again(suspension)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            await self.refresh()
            self.ready.set()
            await self._stopping.wait()
            await self._finish()

    async def refresh(self) -> None:
        """Look into the journal again: at the start, and when an operator's command wrote there."""
        for destination in await self._journal.lanes():
            if destination.instance not in self._courier.outlets:
                log.warning("destination.unknown", to=str(destination))
                continue
            lane = self._open(destination)
            lane.behind = lane.missed = True

    def offer(self, deliveries: Iterable[Delivery]) -> None:
        """Take over what was just accepted. Never waits; what does not fit stays in the journal."""
        if self._stopping.is_set():
            return
        for delivery in deliveries:
            destination = delivery.route.destination
            if destination.instance not in self._courier.outlets:
                log.warning("destination.unknown", to=str(destination))
                continue
            lane = self._lanes.get(destination) or self._open(destination)
            if delivery.seq <= lane.refilled_to:
                continue
            full = len(lane.queue) >= PER_LANE or (lane.queue and self._in_memory >= IN_ALL)
            if lane.behind or full:
                lane.behind = lane.missed = True
            else:
                insort(lane.queue, delivery, key=_by_seq)
                self._in_memory += 1

    def stop(self) -> None:
        """Make `run` end: sends in flight get `GRACE` seconds, what waits stays in the journal."""
        self._stopping.set()

    def __len__(self) -> int:
        """How many lanes have work."""
        return len(self._lanes)

    def _suspend_again(self, suspension: Suspension) -> None:
        """What needed an operator before the restart may be mended: it is tried at once."""
        outlet = self._courier.outlets.get(suspension.instance)
        if outlet is None:
            return
        gate = outlet.gate
        if suspension.conversation is not None:
            ref = ConversationRef(suspension.instance, ConversationId(suspension.conversation))
            gate = self._gates.setdefault(ref, Gate(self._clock))
        gate.suspend(suspension)
        gate.probe_now()

    def _open(self, destination: ConversationRef) -> Lane:
        lane = self._lanes.get(destination)
        if lane is None:
            assert self._tasks is not None, "offered before run() began"
            gate = self._gates.pop(destination, None) or Gate(self._clock)
            lane = self._lanes[destination] = Lane(gate)
            lane.task = self._tasks.create_task(self._work(destination, lane))
        return lane

    async def _work(self, destination: ConversationRef, lane: Lane) -> None:
        """Work until the lane is empty, then leave; the next delivery opens it again."""
        while not self._stopping.is_set():
            if lane.queue:
                await self._deliver(lane, lane.queue.pop(0))
            elif lane.behind:
                await self._refill(destination, lane)
            else:
                break
        del self._lanes[destination]
        self._in_memory -= len(lane.queue)
        if not lane.gate.is_open:
            self._gates[destination] = lane.gate

    async def _deliver(self, lane: Lane, delivery: Delivery) -> None:
        progress = lane.progress = Progress(delivery)
        try:
            outcome = await self._courier.deliver(progress, lane.gate)
        except asyncio.CancelledError:
            if progress.sending and self._courier.holds_lost_answers(delivery):
                detail = "the daemon was stopped before the platform answered"
                held = Outcome(Status.HELD, reason="lost_answer", detail=detail)
                await self._journal.settle(progress.delivery, held)
            raise
        # Between the platform's yes and our commit lies the only chance of a duplicate.
        progress.sending = True
        await self._journal.settle(progress.delivery, outcome)
        lane.progress = None
        self._in_memory -= 1
        self._report(progress.delivery, outcome)

    async def _refill(self, destination: ConversationRef, lane: Lane) -> None:
        lane.missed = False
        found = await self._journal.waiting(destination, PER_LANE)
        lane.queue = list(found)
        lane.behind = lane.missed or len(found) == PER_LANE
        if found:
            lane.refilled_to = max(lane.refilled_to, found[-1].seq)
        self._in_memory += len(found)

    async def _finish(self) -> None:
        """Lanes that wait are ended now, those that send when they have sent or time is up."""
        deadline = self._clock.monotonic() + GRACE
        while lanes := [lane for lane in self._lanes.values() if not lane.task.done()]:
            late = self._clock.monotonic() >= deadline
            for lane in lanes:
                if late or not (lane.progress and lane.progress.sending):
                    lane.task.cancel()
            await asyncio.wait([lane.task for lane in lanes], timeout=_RECHECK)
            if late:
                return

    def _report(self, delivery: Delivery, outcome: Outcome) -> None:
        destination = delivery.route.destination
        if outcome.status is Status.SENT:
            took = (self._clock.now() - delivery.envelope.received_at).total_seconds()
            self._metrics.sent(destination.instance, took)
            if not log.is_enabled_for(logging.INFO):
                return
        else:
            self._metrics.settled(destination.instance, outcome.status, outcome.reason)
        level = log.info if outcome.status is Status.SENT else log.warning
        level(
            _EVENTS[outcome.status],
            delivery=delivery.id,
            message=delivery.envelope.id,
            to=str(destination),
            attempts=outcome.attempts,
            reason=outcome.reason,
            detail=outcome.detail,
        )
