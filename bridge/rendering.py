"""What a delivery becomes for its driver, with all that has to be asked for: quotes, attachments."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from bridge.clock import Clock
from bridge.driver import Driver
from bridge.journal import Journal
from bridge.media import resolve
from bridge.media_links import MediaLinks
from bridge.model import (
    AttachmentMode,
    Delivery,
    EventKind,
    InstanceId,
    MessageId,
    Outgoing,
    Support,
)
from bridge.outlets import Ahead, Outlet, Progress
from bridge.render import Resolved, Style, render
from bridge.transform import is_heavy, transformed

_SURELY_IN_TIME = 10.0
"""Seconds after its acceptance for which nobody asks whether the clock was set."""

_FRESH = 1.0
"""Seconds for which what was rendered ahead of its turn is taken: it may say how late it is."""


class Renderer:
    """Renders for every lane; ``links`` are where attachments stand that only their source can open."""

    def __init__(
        self,
        journal: Journal,
        outlets: Mapping[InstanceId, Outlet],
        clock: Clock,
        links: MediaLinks | None,
    ) -> None:
        self._journal = journal
        self._outlets = outlets
        self._clock = clock
        self._links = links

    def ahead(self, delivery: Delivery) -> Ahead | None:
        """
        Render while the lane waits for something else; None for what has to ask for more, and for what
        cannot be rendered, which its turn will tell.
        """
        outlet = self._outlets.get(delivery.route.destination.instance)
        envelope = delivery.envelope
        message = envelope.message
        if (
            outlet is None
            or envelope.kind is not EventKind.MESSAGE
            or message.quote
            or message.attachments
            or is_heavy(message.text, delivery.route.plan.transform)
        ):
            return None
        driver, style = outlet.driver, outlet.style
        try:
            parts = self._rendered(delivery, driver, style)
        except Exception:  # noqa: BLE001  # it is this delivery's fault, and nobody waits for it yet
            return None
        return Ahead(delivery, driver, style, self._clock.monotonic(), parts)

    def in_hand(self, progress: Progress, outlet: Outlet) -> tuple[Outgoing, ...]:
        """What was rendered ahead, if it would be the same now; else nothing."""
        ahead = progress.ahead
        if (
            ahead is None
            or ahead.delivery is not progress.delivery
            or ahead.driver is not outlet.driver
            or ahead.style is not outlet.style
            or self._clock.monotonic() - ahead.at > _FRESH
        ):
            return ()
        return ahead.parts

    async def parts(
        self, progress: Progress, outlet: Outlet, driver: Driver, *, in_place: bool = False
    ) -> tuple[Outgoing, ...]:
        """All parts of a delivery for ``driver``, in order; ``in_place`` as for `render`."""
        delivery = progress.delivery
        envelope = delivery.envelope
        reply_to = None
        quote = envelope.message.quote
        answered = envelope.target if envelope.kind is EventKind.REACTION else quote and quote.id
        if answered and driver.capabilities.reply is Support.NATIVE:
            destination = delivery.route.destination
            reply_to = await self._journal.translate(envelope.source, answered, destination)
        resolved: tuple[Resolved, ...] = ()
        if envelope.message.attachments and delivery.route.plan.attachments != AttachmentMode.DROP:
            drivers = {instance: each.driver for instance, each in self._outlets.items()}
            progress.asking = envelope.source.instance
            resolved = await resolve(envelope, drivers, self._clock, self._links)
            progress.asking = None
        steps = delivery.route.plan.transform
        if is_heavy(envelope.message.text, steps):  # what is rendered below finds it done
            await asyncio.to_thread(transformed, envelope.message.text, steps)
        return self._rendered(
            delivery, driver, outlet.style, resolved=resolved, reply_to=reply_to, in_place=in_place
        )

    def _rendered(
        self,
        delivery: Delivery,
        driver: Driver,
        style: Style,
        *,
        resolved: tuple[Resolved, ...] = (),
        reply_to: MessageId | None = None,
        in_place: bool = False,
    ) -> tuple[Outgoing, ...]:
        source = self._outlets.get(delivery.envelope.source.instance)
        self._journal.on_the_bench(delivery)
        try:
            return render(
                delivery,
                driver.capabilities,
                platform=source.platform if source else "",
                style=style,
                now=self._now_for(delivery),
                resolved=resolved,
                reply_to=reply_to,
                in_place=in_place,
            )
        finally:
            self._journal.on_the_bench(None)

    def _now_for(self, delivery: Delivery) -> datetime:
        """For the late mark: a message is not late because the clock was set meanwhile."""
        now, received_at = self._clock.now(), delivery.envelope.received_at
        if (now - received_at).total_seconds() <= _SURELY_IN_TIME:
            return now
        return received_at + timedelta(seconds=self._journal.age(received_at.timestamp()))
