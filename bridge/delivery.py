"""
Lanes: one for each destination conversation, in order inside, strangers to each other.

A lane lives while it has work, and is parked for a moment afterwards, for more may come. A few messages
of it are in memory; the rest waits in the journal and is fetched when there is room.
"""

from __future__ import annotations

import asyncio
import logging
import math
from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter

import structlog

from bridge.clock import Clock
from bridge.courier import LOOP, Courier
from bridge.feed import Event, Feed
from bridge.gates import PAUSED, Gate
from bridge.journal import Chosen, Journal, Suspension
from bridge.metrics import Metrics
from bridge.model import ConversationId, ConversationRef, Delivery, InstanceId, Outcome, Status
from bridge.outlets import Ahead, Progress
from bridge.tallies import Destination, Setback

log = structlog.get_logger()

PER_LANE = 64
IN_ALL = 4096
"""Deliveries in memory, for one lane and for all; every lane may hold one in any case."""

PLENTY = 12288
"""So many short ones: a burst of them, in one lane or in many, need not be read again."""

_SHORT = 1024
"""Characters of a message of which many may be in memory: it takes a good kilobyte beside its text."""

READ_AHEAD = 32
"""When a lane has no more than this, and the journal has, more is read while these are sent."""

GRACE = 10.0
"""Seconds that sends in flight get when the daemon stops."""

_RECHECK = 0.05
_LOOK_EVERY = 1.0
"""Seconds between two looks of the watch: for sends that do not end, and lanes parked in vain."""

_LOOK_SELDOM = 10.0
"""The same while there is neither."""

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
    later offer of it is the same delivery once more. ``ahead`` brings what follows in the journal on
    the last of the queue; None when nobody asked, or when it must be read anew, from the oldest on, for
    then ``changed``. ``rendered`` is the next of the queue, ahead of its turn. ``parked`` ends with
    whether there is more to do; ``seen`` says that the watch has found it parked before.
    """

    __slots__ = (
        "ahead",
        "behind",
        "changed",
        "gate",
        "missed",
        "parked",
        "progress",
        "queue",
        "refilled_to",
        "rendered",
        "seen",
        "tally",
        "task",
    )

    task: asyncio.Task[None]
    parked: asyncio.Future[bool]

    def __init__(self, gate: Gate, tally: Destination) -> None:
        self.gate = gate
        self.tally = tally
        self.queue: deque[Delivery] = deque()
        self.behind = False
        self.missed = False
        self.changed = False
        self.ahead: asyncio.Task[Sequence[Delivery]] | None = None
        self.refilled_to = 0
        self.rendered: Ahead | None = None
        self.seen = False
        self.progress: Progress | None = None

    def look_anew(self) -> None:
        """What the journal holds was changed by somebody else, also before what was read last."""
        self.behind = self.missed = self.changed = True
        self.ahead = None


class Lanes:
    """All lanes of this process."""

    def __init__(
        self,
        journal: Journal,
        courier: Courier,
        clock: Clock,
        metrics: Metrics,
        feed: Feed | None = None,
        plenty: int = PLENTY,
    ) -> None:
        """Up to ``plenty`` deliveries that are short may be in memory, whatever the other limits say."""
        self.tallies = courier.tallies
        self._plenty = plenty
        self._feed = feed or Feed()
        self._journal = journal
        self._courier = courier
        self._clock = clock
        self._metrics = metrics
        self._log = log.bind()  # as it is set up by now: looking it up costs more than saying nothing
        self._says_all = self._log.is_enabled_for(logging.INFO)
        self._lanes: dict[ConversationRef, Lane] = {}
        self._parked: dict[ConversationRef, Lane] = {}
        self._gates: dict[ConversationRef, Gate] = {}
        self._in_memory = 0
        self._unreported: list[tuple[Delivery, Outcome, Destination]] = []
        self._stopping = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self.ready = asyncio.Event()
        """Set once `run` takes offers."""

    async def run(self) -> None:
        """Deliver what the journal holds and will hold, until `stop`. Raises `JournalError`."""
        for suspension in await self._journal.suspensions():
            if suspension.until is None:
                self.suspend_again(suspension)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            await self.refresh()
            watch = tasks.create_task(self._watch())
            self.ready.set()
            try:
                await self._stopping.wait()
            finally:  # also when a lane has failed: what is offered from now on stays in the journal
                self._stopping.set()
            await self._finish()
            self._report_all()
            watch.cancel()

    async def refresh(self) -> None:
        """Look into the journal again: at the start, and when an operator's command wrote there."""
        self.look(await self._journal.lanes())

    def look(self, destinations: Iterable[ConversationRef]) -> None:
        """There may be more for these in the journal than is in memory."""
        if self._stopping.is_set():
            return
        for destination in destinations:
            if destination.instance not in self._courier.outlets:
                log.warning("delivery.held_back", to=str(destination))
                continue
            self._open(destination).look_anew()

    def take_back(self, chosen: Iterable[Chosen]) -> list[Chosen]:
        """
        Forget these, so that the journal may change them; the answer lacks what is being sent just
        now. The journal must be changed before anything else is awaited, then `look` again.
        """
        by_lane: dict[ConversationRef, list[Chosen]] = {}
        for one in chosen:
            by_lane.setdefault(one.destination, []).append(one)
        free: list[Chosen] = []
        for destination, several in by_lane.items():
            lane = self._lanes.get(destination)
            if lane is None:
                free += several
                continue
            progress = lane.progress
            if progress is None or not progress.sending:
                self._abandon(destination, lane)
                free += several
                self.look([destination])  # or what is accepted next would overtake what stays
            else:
                self._in_memory -= len(lane.queue)
                lane.queue = deque()
                lane.look_anew()
                free += [one for one in several if one.seq != progress.delivery.seq]
        return free

    def try_now(self, instance: InstanceId) -> None:
        """What is suspended there may be mended: its oldest message is tried at once."""
        if outlet := self._courier.outlets.get(instance):
            outlet.gate.probe_now()
        for destination, gate, _ in self.view():
            if destination.instance == instance:
                gate.probe_now()

    async def sends_ended(self, instance: InstanceId, within: float) -> None:
        """
        Until nothing that is under way now uses the driver of ``instance``: no send, no attachment.
        At most ``within`` seconds.
        """
        using = [
            (lane, progress)
            for destination, lane in self._lanes.items()
            if (progress := lane.progress)
            and ((progress.sending and destination.instance == instance) or progress.asking == instance)
        ]
        deadline = self._clock.monotonic() + within
        while self._clock.monotonic() < deadline and any(
            lane.progress is progress and (progress.sending or progress.asking)
            for lane, progress in using
        ):
            await self._clock.sleep(_RECHECK)

    def view(self) -> Iterator[tuple[ConversationRef, Gate, Progress | None]]:
        """Every destination that has work or trouble: its gate, and what is worked on there."""
        for destination, lane in self._lanes.items():
            yield destination, lane.gate, lane.progress
        for destination, gate in self._gates.items():
            yield destination, gate, None

    def offer(self, deliveries: Iterable[Delivery]) -> None:
        """Take over what was just accepted. Never waits; what does not fit stays in the journal."""
        if self._stopping.is_set():
            return
        for delivery in deliveries:
            destination = delivery.route.destination
            if destination.instance not in self._courier.outlets:
                log.warning("delivery.held_back", to=str(destination))
                continue
            lane = self._lanes.get(destination) or self._open(destination)
            if delivery.seq <= lane.refilled_to:
                continue
            if lane.behind or (lane.queue and not self._has_room(lane, delivery)):
                lane.behind = lane.missed = True
                continue
            if lane.queue and delivery.seq < lane.queue[-1].seq:
                insort(lane.queue, delivery, key=_by_seq)
            else:
                lane.queue.append(delivery)
            self._in_memory += 1

    def _has_room(self, lane: Lane, delivery: Delivery) -> bool:
        if len(lane.queue) < PER_LANE and self._in_memory < IN_ALL:
            return True
        message = delivery.envelope.message
        small = len(message.text) <= _SHORT and not message.attachments and message.raw is None
        return small and self._in_memory < self._plenty

    def stop(self) -> None:
        """Make `run` end: sends in flight get `GRACE` seconds, what waits stays in the journal."""
        self._stopping.set()

    def __len__(self) -> int:
        """How many lanes have work."""
        return len(self._lanes)

    def suspend_again(self, suspension: Suspension) -> None:
        """
        What needed an operator before the restart may be mended: it is tried at once. What an
        operator paused stays paused.
        """
        outlet = self._courier.outlets.get(suspension.instance)
        if outlet is None:
            return
        gate = outlet.gate
        if suspension.conversation is None and suspension.reason == PAUSED:
            outlet.paused = True
            gate.hold()
            return
        if suspension.conversation is not None:
            ref = ConversationRef(suspension.instance, ConversationId(suspension.conversation))
            gate = self._gates.setdefault(ref, Gate(self._clock))
        gate.suspend(suspension)
        gate.probe_now()

    def _open(self, destination: ConversationRef) -> Lane:
        lane = self._lanes.get(destination)
        if lane is not None:
            return lane
        lane = self._parked.pop(destination, None)
        if lane is not None:
            self._lanes[destination] = lane
            lane.parked.set_result(True)
            return lane
        assert self._tasks is not None, "offered before run() began"
        gate = self._gates.pop(destination, None) or Gate(self._clock)
        lane = self._lanes[destination] = Lane(gate, self.tallies.destination(destination))
        lane.task = self._tasks.create_task(self._work(destination, lane))
        return lane

    async def _work(self, destination: ConversationRef, lane: Lane) -> None:
        """Work until the lane is empty; park, and leave when nothing more has come for a while."""
        while not self._stopping.is_set():
            if lane.queue:
                if lane.behind and len(lane.queue) <= READ_AHEAD:
                    self._read_ahead(destination, lane)
                await self._deliver(lane, lane.queue.popleft())
            elif lane.behind:
                await self._refill(destination, lane)
            elif not lane.gate.is_open or not await self._park(destination, lane):
                break
        if self._lanes.get(destination) is lane:  # one that was let go of may have a successor by now
            del self._lanes[destination]
        self._in_memory -= len(lane.queue)
        if not lane.gate.is_open:
            self._gates[destination] = lane.gate

    def _park(self, destination: ConversationRef, lane: Lane) -> asyncio.Future[bool]:
        """Ends with whether there is more to do; what begins anew remembers nothing."""
        del self._lanes[destination]
        self._parked[destination] = lane
        lane.refilled_to = 0
        lane.seen = False
        lane.parked = asyncio.get_running_loop().create_future()
        return lane.parked

    async def _watch(self) -> None:
        """
        One look at all lanes each second while they work, in place of a timer for every send: interrupt
        what ought to have ended long ago, and let go of those for which nothing has come since.
        """
        while True:
            at_work = (lane.progress for lane in self._lanes.values())
            busy = self._parked or any(progress and progress.sending for progress in at_work)
            await self._clock.sleep(_LOOK_EVERY if busy else _LOOK_SELDOM)
            now = asyncio.get_running_loop().time()
            for lane in self._lanes.values():
                if lane.progress is not None and lane.progress.ends_by < now:
                    lane.progress.ends_by = math.inf
                    lane.progress.overdue = True
                    lane.task.cancel()
            for destination, lane in list(self._parked.items()):
                if lane.seen:
                    self._dismiss(destination, lane)
                lane.seen = True

    def _dismiss(self, destination: ConversationRef, lane: Lane) -> None:
        del self._parked[destination]
        lane.parked.set_result(False)

    def _abandon(self, destination: ConversationRef, lane: Lane) -> None:
        """End a lane that is not sending; the next that looks opens it anew, behind the same gate."""
        lane.task.cancel()
        del self._lanes[destination]
        self._gates[destination] = lane.gate
        self._in_memory -= len(lane.queue) + (lane.progress is not None)

    async def _deliver(self, lane: Lane, delivery: Delivery) -> None:
        progress = lane.progress = Progress(delivery, lane.rendered)
        lane.rendered = None
        if lane.queue:
            asyncio.get_running_loop().call_soon(self._render_next, lane)
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
        if outcome.status is not Status.SENT:
            self._report(progress.delivery, outcome, lane.tally)
            return
        # The lane's next message goes out first.
        if not self._unreported:
            asyncio.get_running_loop().call_soon(self._report_all)
        self._unreported.append((progress.delivery, outcome, lane.tally))

    def _render_next(self, lane: Lane) -> None:
        """While the platform is waited for there is time."""
        if lane.queue and lane.progress is not None and lane.progress.sending:
            lane.rendered = self._courier.renderer.ahead(lane.queue[0])

    def _read_ahead(self, destination: ConversationRef, lane: Lane) -> None:
        """Read on in the journal while what is in memory is sent."""
        if lane.ahead is None and not lane.changed and self._tasks is not None:
            lane.missed = False
            reading = self._journal.waiting(destination, PER_LANE, after=lane.queue[-1].seq)
            lane.ahead = self._tasks.create_task(reading)

    async def _refill(self, destination: ConversationRef, lane: Lane) -> None:
        if lane.ahead is not None:
            found = await lane.ahead
        else:
            lane.missed = lane.changed = False
            found = await self._journal.waiting(destination, PER_LANE)
        lane.ahead = None
        lane.queue = deque(found)
        lane.behind = lane.missed or len(found) == PER_LANE
        if found:
            lane.refilled_to = max(lane.refilled_to, found[-1].seq)
        self._in_memory += len(found)

    async def _finish(self) -> None:
        """Lanes that wait are ended now, those that send when they have sent or time is up."""
        for destination, lane in list(self._parked.items()):
            self._dismiss(destination, lane)
        deadline = self._clock.monotonic() + GRACE
        while lanes := [lane for lane in self._lanes.values() if not lane.task.done()]:
            late = self._clock.monotonic() >= deadline
            for lane in lanes:
                if late or not (lane.progress and lane.progress.sending):
                    lane.task.cancel()
            await asyncio.wait([lane.task for lane in lanes], timeout=_RECHECK)
            if late:
                return

    def _report_all(self) -> None:
        unreported, self._unreported = self._unreported, []
        for one in unreported:
            self._report(*one)

    def _report(self, delivery: Delivery, outcome: Outcome, tally: Destination) -> None:
        destination = delivery.route.destination
        now = self._clock.now()
        if self._feed.watched:
            self._feed.tell(_seen(delivery, outcome, now))
        if outcome.status is Status.SENT:
            took = (now - delivery.envelope.received_at).total_seconds()
            self._metrics.sent(destination.instance, took)
            tally.count(now, took)
        else:
            self._metrics.settled(destination.instance, outcome.status, outcome.reason)
        # A reaction to a platform without any is skipped, and no trouble; a loop is.
        well = outcome.status is Status.SENT or (
            outcome.status is Status.SKIPPED and outcome.reason != LOOP
        )
        if not well:
            tally.setback = Setback(now, outcome.reason, outcome.detail)
        elif not self._says_all:
            return
        (self._log.info if well else self._log.warning)(
            _EVENTS[outcome.status],
            delivery=delivery.id,
            message=delivery.envelope.id,
            to=str(destination),
            attempts=outcome.attempts,
            reason=outcome.reason,
            detail=outcome.detail,
        )


def _seen(delivery: Delivery, outcome: Outcome, now: datetime) -> Event:
    """What somebody who watches is told of the end of a delivery."""
    return Event(
        now,
        "info" if outcome.status in (Status.SENT, Status.SKIPPED) else "warning",
        _EVENTS[outcome.status],
        {
            "delivery": delivery.id,
            "message": delivery.envelope.id,
            "to": str(delivery.route.destination),
            "attempts": outcome.attempts,
            "reason": outcome.reason,
            "detail": outcome.detail,
        },
    )
