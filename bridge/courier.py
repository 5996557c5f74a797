"""One delivery, from its first attempt to its outcome: what each failure means."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from bridge.clock import Clock
from bridge.driver import Driver
from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.gates import Gate, suspended_for
from bridge.journal import Journal, Suspension
from bridge.limits import Limiter
from bridge.media import resolve
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

_CARRIED = frozenset({EventKind.MESSAGE, EventKind.EDIT, EventKind.NOTICE})
"""Kinds that can be said in text."""


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

    async def deliver(self, progress: Progress, gate: Gate) -> Outcome:
        """
        Until it is sent, refused, given up or held. ``gate`` is that of the conversation.

        Raises `JournalError` only; everything that a driver does ends in an outcome.
        """
        delivery = progress.delivery
        instance = delivery.route.destination.instance
        outlet = self.outlets[instance]
        if delivery.envelope.kind not in _CARRIED:
            detail = f"a {delivery.envelope.kind} cannot be said on {outlet.platform}"
            return Outcome(Status.SKIPPED, reason="unsupported_kind", detail=detail)
        await self._until_due(delivery)
        while True:
            await outlet.gate.passage(delivery.seq)
            await gate.passage(delivery.seq)
            try:
                await self._attempt(progress, outlet)
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
                outcome = Outcome(Status.SENT, tuple(progress.message_ids))
            progress.sending = False
            if outcome is not None:
                return replace(outcome, attempts=progress.delivery.attempts)

    def holds_lost_answers(self, delivery: Delivery) -> bool:
        """Whether its destination would rather lose a message than get it twice."""
        return self.outlets[delivery.route.destination.instance].on_lost_answer == "hold"

    async def _attempt(self, progress: Progress, outlet: Outlet) -> None:
        delivery = progress.delivery
        envelope = delivery.envelope
        capabilities = outlet.driver.capabilities
        reply_to = None
        quote = envelope.message.quote
        if quote and quote.id and capabilities.reply is Support.NATIVE:
            reply_to = await self.journal.translate(envelope.source, quote.id, delivery.route.destination)
        resolved: tuple[Resolved, ...] = ()
        if envelope.message.attachments and delivery.route.plan.attachments != AttachmentMode.DROP:
            drivers = {instance: each.driver for instance, each in self.outlets.items()}
            resolved = await resolve(envelope, drivers, self.clock)
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
        )
        self.journal.on_the_bench(None)
        for number, part in enumerate(parts[delivery.parts :], delivery.parts + 1):
            receipt = await self._send(part, progress, outlet)
            if receipt.message_id is not None:
                progress.message_ids.append(receipt.message_id)
            if receipt.notes:
                log.info("delivery.noted", delivery=delivery.id, notes=list(receipt.notes))
            if number < len(parts):
                await self.journal.part_sent(delivery, number, receipt.message_id)
                progress.delivery = replace(progress.delivery, parts=number)
                progress.sending = False

    async def _send(self, part: Outgoing, progress: Progress, outlet: Outlet) -> Receipt:
        slot: AbstractAsyncContextManager[None] = (
            outlet.limiter.slot() if outlet.limiter else nullcontext()
        )
        async with slot:
            progress.sending = True
            try:
                async with asyncio.timeout(outlet.send_timeout + _GUARD):
                    return await outlet.driver.send(part)
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
