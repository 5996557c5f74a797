"""One delivery, from its first attempt to its outcome: what each failure means."""

from __future__ import annotations

import asyncio
import math
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from bridge.clock import Clock
from bridge.driver import Editor, Reactor, Recaller
from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    JournalError,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.gates import Gate, suspended_for
from bridge.journal import Journal, Suspension
from bridge.limits import Limiter
from bridge.media_links import MediaLinks
from bridge.metrics import Metrics
from bridge.model import (
    Delivery,
    EventKind,
    InstanceId,
    MessageId,
    Outcome,
    ReactionMode,
    Receipt,
    Status,
)
from bridge.outlets import Outlet, Progress
from bridge.rendering import Renderer
from bridge.retry import LONGEST_RETRY_AFTER, wait_after
from bridge.tallies import Setback, Tallies

log = structlog.get_logger()

LOOP = "loop"
"""The reason of what is skipped because it goes round."""

_TRIED_AT_LEAST = 3600.0
"""
Seconds after a start in which nothing is given up: what waited while the daemon was off was not tried
meanwhile, and a clock that was set before the start makes a message look older than it is.
"""

_GUARD = 10.0
"""Seconds beyond ``send_timeout`` after which a send that ignores it is given up."""


class _Reopened(Exception):  # a signal within this file
    """Another driver has come into the outlet, or it was paused: what was rendered is for before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Takes one delivery at a time to its outcome, for every lane."""

    journal: Journal
    outlets: Mapping[InstanceId, Outlet]
    clock: Clock
    metrics: Metrics
    random: random.Random
    give_up_after: Callable[[], float] = lambda: 86400.0
    links: MediaLinks | None = None
    tallies: Tallies = field(default_factory=Tallies)
    began: float = -math.inf
    """In monotonic seconds: when this process started to send."""
    stopped: Callable[[int], str] = lambda _seq: ""
    """Why the delivery of that seq must not be sent, because it would go round; else empty."""
    renderer: Renderer = field(init=False)

    def __post_init__(self) -> None:
        renderer = Renderer(self.journal, self.outlets, self.clock, self.links)
        object.__setattr__(self, "renderer", renderer)

    async def deliver(self, progress: Progress, gate: Gate) -> Outcome:
        """
        Until it is sent, skipped, refused, given up or held. ``gate`` is that of the conversation.

        Raises `JournalError` only; everything that a driver does ends in an outcome.
        """
        if why := self.stopped(progress.delivery.seq):
            return Outcome(Status.SKIPPED, reason=LOOP, detail=why)
        if progress.delivery.due_at:
            await self._until_due(progress)
        return await self._deliver(progress, gate)

    async def _deliver(self, progress: Progress, gate: Gate) -> Outcome:
        delivery = progress.delivery
        instance = delivery.route.destination.instance
        outlet = self.outlets[instance]
        while True:
            if not (gate.is_open and outlet.gate.is_open):
                # The lane's own first: it cannot close again while this lane waits for the other.
                await gate.passage(delivery.seq)
                await outlet.gate.passage(delivery.seq)
            outcome: Outcome | None
            try:
                outcome = await self._attempt(progress, outlet)
            except JournalError:
                raise
            except _Reopened:
                outcome = None
            except DeliveryError as e:
                self.metrics.attempts_failed.labels(instance, type(e).__name__.lower()).inc()
                outcome = await self._after(e, progress, outlet, gate)
            except Exception as e:  # noqa: BLE001  # a driver's bug ends this delivery, not the lane
                outcome = Outcome(Status.DEAD, reason="bug", detail=_trace(e))
            else:
                if outlet.gate.suspension is not None or gate.suspension is not None:
                    await self._mended(outlet.gate, gate)
                outlet.gate.throttles = gate.throttles = 0
            progress.sending = False
            if outcome is not None:
                attempts = progress.delivery.attempts
                return replace(outcome, attempts=attempts) if attempts else outcome

    def holds_lost_answers(self, delivery: Delivery) -> bool:
        """Whether its destination would rather lose a message than get it twice."""
        outlet = self.outlets.get(delivery.route.destination.instance)
        return outlet is not None and outlet.on_lost_answer == "hold"

    async def _attempt(self, progress: Progress, outlet: Outlet) -> Outcome:
        delivery = progress.delivery
        envelope = delivery.envelope
        driver = outlet.driver
        if envelope.kind is EventKind.REACTION and isinstance(driver, Reactor):
            return await self._react(progress, outlet, driver)
        if (envelope.kind is EventKind.REACTION and not _said(delivery)) or (
            envelope.kind is EventKind.RECALL and not isinstance(driver, Recaller)
        ):
            detail = f"a {envelope.kind} cannot be said on {outlet.platform}"
            return Outcome(Status.SKIPPED, reason="unsupported_kind", detail=detail)
        copies: tuple[MessageId, ...] = ()
        if envelope.target is not None and envelope.kind in (EventKind.EDIT, EventKind.RECALL):
            destination = delivery.route.destination
            copies = await self.journal.copies(envelope.source, envelope.target, destination)
        if envelope.kind is EventKind.RECALL:
            assert isinstance(driver, Recaller), "asked above"
            return await self._recall(progress, outlet, driver, copies)
        if copies and isinstance(driver, Editor):
            parts = await self.renderer.parts(progress, outlet, driver, in_place=True)
            if len(parts) == 1:
                edit = partial(driver.edit, copies, parts[0])
                self._note(await self._timed(edit, progress, outlet, driver), progress)
                return Outcome(Status.SENT, tuple(progress.message_ids) or copies)
        parts = self.renderer.in_hand(progress, outlet)
        if not parts:
            parts = await self.renderer.parts(progress, outlet, driver)
        for number, part in enumerate(parts[delivery.parts :], delivery.parts + 1):
            receipt = await self._timed(partial(driver.send, part), progress, outlet, driver)
            self._note(receipt, progress)
            if number < len(parts):
                await self.journal.part_sent(delivery, number, receipt.message_id)
                progress.delivery = replace(progress.delivery, parts=number)
                progress.sending = False
        return Outcome(Status.SENT, tuple(progress.message_ids))

    async def _react(self, progress: Progress, outlet: Outlet, driver: Reactor) -> Outcome:
        delivery = progress.delivery
        envelope, destination = delivery.envelope, delivery.route.destination
        target = None
        if envelope.target is not None and envelope.reaction is not None:
            target = await self.journal.translate(envelope.source, envelope.target, destination)
        if target is None or envelope.reaction is None:
            detail = "what is reacted to was never posted there, or is forgotten"
            return Outcome(Status.SKIPPED, reason="unknown_target", detail=detail)
        react = partial(driver.react, destination.conversation, target, envelope.reaction)
        try:
            self._note(await self._timed(react, progress, outlet, driver), progress)
        except Refused as e:  # an emoji that the platform does not know is no reason for an alarm
            return Outcome(Status.SKIPPED, reason=e.reason, detail=str(e))
        return Outcome(Status.SENT)

    async def _recall(
        self, progress: Progress, outlet: Outlet, driver: Recaller, copies: tuple[MessageId, ...]
    ) -> Outcome:
        if not copies:
            detail = "what is taken back was never posted there, or is forgotten"
            return Outcome(Status.SKIPPED, reason="unknown_target", detail=detail)
        conversation = progress.delivery.route.destination.conversation
        recall = partial(driver.recall, conversation, copies)
        self._note(await self._timed(recall, progress, outlet, driver), progress)
        return Outcome(Status.SENT)

    def _note(self, receipt: Receipt, progress: Progress) -> None:
        if receipt.message_id is not None:
            progress.message_ids.append(receipt.message_id)
        if receipt.notes:
            log.info("delivery.noted", delivery=progress.delivery.id, notes=list(receipt.notes))

    def _timed(
        self,
        send: Callable[[], Awaitable[Receipt]],
        progress: Progress,
        outlet: Outlet,
        driver: object,
    ) -> Awaitable[Receipt]:
        """
        ``send`` by ``driver``, under the instance's rate limit, and never longer than its
        ``send_timeout`` by far. Raises `_Reopened` if the driver is another by now, or the account
        is closed.
        """
        guarded = partial(self._guarded, send, progress, outlet, driver, outlet.gate.suspension)
        return guarded() if outlet.limiter is None else _in_slot(outlet.limiter, guarded)

    async def _guarded(
        self,
        send: Callable[[], Awaitable[Receipt]],
        progress: Progress,
        outlet: Outlet,
        driver: object,
        suspended: Suspension | None,
    ) -> Receipt:
        # It may have taken a minute to get the slot, or an attachment.
        account = outlet.gate
        closed = account.is_paused or account.suspension not in (None, suspended)
        if outlet.driver is not driver or closed:
            raise _Reopened
        progress.sending = True
        progress.ends_by = asyncio.get_running_loop().time() + outlet.send_timeout + _GUARD
        try:
            return await send()
        except asyncio.CancelledError:
            # By the watch alone, or at the same time by somebody who means the lane?
            if not progress.overdue or _task().cancelling() > 1:
                raise
            raise Indeterminate("the send did not end in time", reason="no_answer") from None
        except TimeoutError as e:
            raise Indeterminate("the send did not end in time", reason="no_answer") from e
        finally:
            progress.ends_by = math.inf
            if progress.overdue:
                progress.overdue = False
                _task().uncancel()

    async def _after(
        self, error: DeliveryError, progress: Progress, outlet: Outlet, gate: Gate
    ) -> Outcome | None:
        """The outcome that a failure means, or None once it is time to try again."""
        delivery = progress.delivery
        detail = str(error)
        wide = outlet.gate if error.scope is Scope.INSTANCE else gate
        self.tallies.destination(delivery.route.destination).setback = Setback(
            self.clock.now(), error.reason, detail
        )
        match error:
            case Refused():
                return Outcome(Status.DEAD, reason=error.reason, detail=detail)
            case Broken():
                await self._suspend(error, delivery, wide)
                return None
            case Throttled():
                wide.throttles += 1
                wait = wait_after(wide.throttles, self.random, error.retry_after)
                wide.pause(wait)
                await self._postpone(progress, error, wait)
                return None
            case Indeterminate() if outlet.on_lost_answer == "hold":
                return Outcome(Status.HELD, reason="lost_answer", detail=detail)
        progress.delivery = replace(delivery, attempts=delivery.attempts + 1)
        if await self._too_old(delivery):
            detail = f"gave up after {progress.delivery.attempts} attempts; the last: {detail}"
            return Outcome(Status.DEAD, reason="gave_up", detail=detail)
        asked = error.retry_after if isinstance(error, Transient) else None
        wait = wait_after(progress.delivery.attempts, self.random, asked)
        await self._postpone(progress, error, wait)
        progress.sending = False
        await self._rest(progress, wait)
        return None

    async def _postpone(self, progress: Progress, error: DeliveryError, wait: float) -> None:
        delivery = progress.delivery
        await self.journal.postpone(
            delivery,
            attempts=delivery.attempts,
            due_at=self.clock.now().timestamp() + wait,
            reason=error.reason,
            detail=str(error),
        )
        log.warning(
            "delivery.retry_scheduled",
            delivery=delivery.id,
            message=delivery.envelope.id,
            to=str(delivery.route.destination),
            attempts=delivery.attempts,
            wait=round(wait, 1),
            reason=error.reason,
            why=str(error),
        )

    async def _until_due(self, progress: Progress) -> None:
        """
        A due time from disk is not trusted beyond what it can have been: the clock may have stepped.

        Without a failed attempt it was the platform that asked for patience.
        """
        wait = progress.delivery.due_at - self.clock.now().timestamp()
        if wait > 0:
            attempts = progress.delivery.attempts
            longest = wait_after(attempts, self.random) if attempts else LONGEST_RETRY_AFTER
            await self._rest(progress, min(wait, max(longest, 1.0)))

    async def _rest(self, progress: Progress, seconds: float) -> None:
        """Wait for the next attempt, and let everybody see until when."""
        progress.tries_at = self.clock.monotonic() + seconds
        await self.clock.sleep(seconds)
        progress.tries_at = None

    async def _suspend(self, error: Broken, delivery: Delivery, gate: Gate) -> None:
        destination = delivery.route.destination
        whole = error.scope is Scope.INSTANCE
        since = gate.suspension.since if gate.suspension else self.clock.now()
        suspension = Suspension(
            destination.instance,
            None if whole else destination.conversation,
            error.reason,
            str(error),
            since,
        )
        known = gate.suspension is not None or gate.held
        gate.suspend(suspension)  # first: the other lanes must not run into it while it is written down
        if not known:
            await self.journal.suspend(suspension)
        log.error(
            "destination.suspended",
            instance=destination.instance,
            conversation=suspension.conversation,
            reason=error.reason,
            why=str(error),
        )

    async def _mended(self, *gates: Gate) -> None:
        for gate in gates:
            mended = gate.suspension
            if mended is None:
                continue
            if not gate.held:  # an operator's pause stands under the same name in the journal
                await self.journal.resume(mended.instance, mended.conversation, self.clock.now())
            gate.open()
            log.info("destination.resumed", instance=mended.instance, conversation=mended.conversation)

    async def _too_old(self, delivery: Delivery) -> bool:
        """Older than ``give_up_after``, not counting the time that an operator was needed."""
        age, up = self.journal.age(delivery.since), self.clock.monotonic() - self.began
        give_up_after = self.give_up_after()
        if age < give_up_after or up < min(give_up_after, _TRIED_AT_LEAST):
            return False
        now = self.clock.now()

        def shown(at: datetime) -> datetime:
            """When it was by the clock of now, which may have been set since."""
            return now - timedelta(seconds=self.journal.age(at.timestamp()))

        destination = delivery.route.destination
        held_up = tuple(
            replace(one, since=shown(one.since), until=one.until and shown(one.until))
            for one in await self.journal.suspensions()
            if one.instance == destination.instance
            and one.conversation in (None, destination.conversation)
        )
        return age - suspended_for(held_up, now - timedelta(seconds=age), now) >= give_up_after


def _said(delivery: Delivery) -> bool:
    """A reaction that the rule wants said in words; one that is taken back says nothing."""
    reaction = delivery.envelope.reaction
    wanted = delivery.route.plan.reactions is ReactionMode.SAY
    return wanted and reaction is not None and not reaction.removed


async def _in_slot(limiter: Limiter, send: Callable[[], Awaitable[Receipt]]) -> Receipt:
    async with limiter.slot():
        return await send()


def _task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None, "a lane is one"
    return task


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-4000:]
