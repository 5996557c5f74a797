"""One delivery, from its first attempt to its outcome: what each failure means."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import structlog

from bridge.clock import Clock
from bridge.driver import Driver, Editor, Recaller
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
from bridge.media import resolve
from bridge.media_links import MediaLinks
from bridge.metrics import Metrics
from bridge.model import (
    AttachmentMode,
    Delivery,
    EventKind,
    InstanceId,
    MessageId,
    Outcome,
    Outgoing,
    Receipt,
    Status,
    Support,
)
from bridge.render import Resolved, Style, render
from bridge.retry import wait_after

log = structlog.get_logger()

_GUARD = 10.0
"""Seconds beyond ``send_timeout`` after which a send that ignores it is given up."""


@dataclass(slots=True)
class Outlet:
    """One instance as a destination: its driver, and all that its lanes share."""

    driver: Driver
    platform: str
    style: Style
    gate: Gate
    limiter: Limiter | None = None
    on_lost_answer: str = "repeat"
    send_timeout: float = 15.0


@dataclass(slots=True)
class Progress:
    """What has been achieved for the delivery that a lane works on."""

    delivery: Delivery
    sending: bool = False
    message_ids: list[MessageId] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Takes one delivery at a time to its outcome, for every lane."""

    journal: Journal
    outlets: Mapping[InstanceId, Outlet]
    clock: Clock
    metrics: Metrics
    random: random.Random
    give_up_after: float = 86400.0
    links: MediaLinks | None = None

    async def deliver(self, progress: Progress, gate: Gate) -> Outcome:
        """
        Until it is sent, refused, given up or held. ``gate`` is that of the conversation.

        Raises `JournalError` only; everything that a driver does ends in an outcome.
        """
        delivery = progress.delivery
        instance = delivery.route.destination.instance
        outlet = self.outlets[instance]
        kind = delivery.envelope.kind
        if kind is EventKind.REACTION or (
            kind is EventKind.RECALL and not isinstance(outlet.driver, Recaller)
        ):
            detail = f"a {kind} cannot be said on {outlet.platform}"
            return Outcome(Status.SKIPPED, reason="unsupported_kind", detail=detail)
        await self._until_due(delivery)
        while True:
            await outlet.gate.passage(delivery.seq)
            await gate.passage(delivery.seq)
            outcome: Outcome | None
            try:
                outcome = await self._attempt(progress, outlet)
            except JournalError:
                raise
            except DeliveryError as e:
                self.metrics.attempts_failed.labels(instance, type(e).__name__.lower()).inc()
                outcome = await self._after(e, progress, outlet, gate)
            except Exception as e:  # noqa: BLE001  # a driver's bug ends this delivery, not the lane
                outcome = Outcome(Status.DEAD, reason="bug", detail=_trace(e))
            else:
                for each in (outlet.gate, gate):
                    if each.suspension is not None:
                        await self._mended(each.suspension, each)
                    each.throttles = 0
            progress.sending = False
            if outcome is not None:
                return replace(outcome, attempts=progress.delivery.attempts)

    def holds_lost_answers(self, delivery: Delivery) -> bool:
        """Whether its destination would rather lose a message than get it twice."""
        return self.outlets[delivery.route.destination.instance].on_lost_answer == "hold"

    async def _attempt(self, progress: Progress, outlet: Outlet) -> Outcome:
        delivery = progress.delivery
        envelope = delivery.envelope
        copies: tuple[MessageId, ...] = ()
        if envelope.target is not None and envelope.kind in (EventKind.EDIT, EventKind.RECALL):
            destination = delivery.route.destination
            copies = await self.journal.copies(envelope.source, envelope.target, destination)
        if envelope.kind is EventKind.RECALL:
            return await self._recall(progress, outlet, copies)
        if copies and isinstance(outlet.driver, Editor):
            parts = await self._render(delivery, outlet, in_place=True)
            if len(parts) == 1:
                return await self._edit(progress, outlet, copies, parts[0])
        parts = await self._render(delivery, outlet)
        for number, part in enumerate(parts[delivery.parts :], delivery.parts + 1):
            receipt = await self._timed(partial(outlet.driver.send, part), progress, outlet)
            self._note(receipt, progress)
            if number < len(parts):
                await self.journal.part_sent(delivery, number, receipt.message_id)
                progress.delivery = replace(progress.delivery, parts=number)
                progress.sending = False
        return Outcome(Status.SENT, tuple(progress.message_ids))

    async def _recall(self, progress: Progress, outlet: Outlet, copies: tuple[MessageId, ...]) -> Outcome:
        if not copies:
            detail = "what is taken back was never posted there, or is forgotten"
            return Outcome(Status.SKIPPED, reason="unknown_target", detail=detail)
        assert isinstance(outlet.driver, Recaller), "asked before the first attempt"
        conversation = progress.delivery.route.destination.conversation
        self._note(
            await self._timed(partial(outlet.driver.recall, conversation, copies), progress, outlet),
            progress,
        )
        return Outcome(Status.SENT)

    async def _edit(
        self, progress: Progress, outlet: Outlet, copies: tuple[MessageId, ...], part: Outgoing
    ) -> Outcome:
        assert isinstance(outlet.driver, Editor), "asked before"
        receipt = await self._timed(partial(outlet.driver.edit, copies, part), progress, outlet)
        self._note(receipt, progress)
        return Outcome(Status.SENT, tuple(progress.message_ids) or copies)

    async def _render(
        self, delivery: Delivery, outlet: Outlet, *, in_place: bool = False
    ) -> tuple[Outgoing, ...]:
        envelope = delivery.envelope
        capabilities = outlet.driver.capabilities
        reply_to = None
        quote = envelope.message.quote
        if quote and quote.id and capabilities.reply is Support.NATIVE:
            reply_to = await self.journal.translate(envelope.source, quote.id, delivery.route.destination)
        resolved: tuple[Resolved, ...] = ()
        if envelope.message.attachments and delivery.route.plan.attachments != AttachmentMode.DROP:
            drivers = {instance: each.driver for instance, each in self.outlets.items()}
            resolved = await resolve(envelope, drivers, self.clock, self.links)
        source = self.outlets.get(envelope.source.instance)
        self.journal.on_the_bench(delivery)
        parts = render(
            delivery,
            capabilities,
            platform=source.platform if source else "",
            style=outlet.style,
            now=self.clock.now(),
            resolved=resolved,
            reply_to=reply_to,
            in_place=in_place,
        )
        self.journal.on_the_bench(None)
        return parts

    def _note(self, receipt: Receipt, progress: Progress) -> None:
        if receipt.message_id is not None:
            progress.message_ids.append(receipt.message_id)
        if receipt.notes:
            log.info("delivery.noted", delivery=progress.delivery.id, notes=list(receipt.notes))

    async def _timed(
        self, send: Callable[[], Awaitable[Receipt]], progress: Progress, outlet: Outlet
    ) -> Receipt:
        """Under the instance's rate limit, and never longer than its ``send_timeout`` by far."""
        slot: AbstractAsyncContextManager[None] = (
            outlet.limiter.slot() if outlet.limiter else nullcontext()
        )
        async with slot:
            progress.sending = True
            try:
                async with asyncio.timeout(outlet.send_timeout + _GUARD):
                    return await send()
            except TimeoutError as e:
                raise Indeterminate("the send did not end in time", reason="no_answer") from e

    async def _after(
        self, error: DeliveryError, progress: Progress, outlet: Outlet, gate: Gate
    ) -> Outcome | None:
        """The outcome that a failure means, or None once it is time to try again."""
        delivery = progress.delivery
        detail = str(error)
        wide = outlet.gate if error.scope is Scope.INSTANCE else gate
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
        await self.clock.sleep(wait)
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

    async def _until_due(self, delivery: Delivery) -> None:
        """A due time from disk is not trusted beyond the schedule: the clock may have stepped."""
        if delivery.due_at:
            wait = delivery.due_at - self.clock.now().timestamp()
            if wait > 0:
                longest = wait_after(delivery.attempts, self.random)
                await self.clock.sleep(min(wait, max(longest, 1.0)))

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
        if gate.suspension is None:
            await self.journal.suspend(suspension)
        gate.suspend(suspension)
        log.error(
            "destination.suspended",
            instance=destination.instance,
            conversation=suspension.conversation,
            reason=error.reason,
            why=str(error),
        )

    async def _mended(self, suspension: Suspension, gate: Gate) -> None:
        await self.journal.resume(suspension.instance, suspension.conversation, self.clock.now())
        gate.open()
        log.info(
            "destination.resumed",
            instance=suspension.instance,
            conversation=suspension.conversation,
        )

    async def _too_old(self, delivery: Delivery) -> bool:
        """Older than ``give_up_after``, not counting the time that an operator was needed."""
        since = datetime.fromtimestamp(delivery.since, UTC)
        now = self.clock.now()
        age = (now - since).total_seconds()
        if age < self.give_up_after:
            return False
        destination = delivery.route.destination
        held_up = tuple(
            one
            for one in await self.journal.suspensions()
            if one.instance == destination.instance
            and one.conversation in (None, destination.conversation)
        )
        return age - suspended_for(held_up, since, now) >= self.give_up_after


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-4000:]
