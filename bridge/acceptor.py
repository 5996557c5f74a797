"""Where all ways in meet: an envelope is routed, journaled, and handed to the lanes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from bridge.chat_commands import ChatCommands, is_command
from bridge.delivery import Lanes
from bridge.driver import Emit
from bridge.feed import Event, Feed
from bridge.journal import Acceptance, Journal, Verdict
from bridge.loop_guard import LoopGuard
from bridge.metrics import Metrics
from bridge.model import Delivery, Envelope, Inbound, InstanceId, Route
from bridge.routing import Router

log = structlog.get_logger()

_SOON = 0.002
"""Seconds after which messages that are hardly part of a loop are looked at."""


class Acceptor:
    """Takes envelopes into the journal and hands their deliveries to the lanes."""

    def __init__(
        self,
        router: Callable[[], Router],
        journal: Journal,
        lanes: Lanes,
        metrics: Metrics,
        feed: Feed | None = None,
        loops: LoopGuard | None = None,
        commands: ChatCommands | None = None,
    ) -> None:
        self._router = router
        self._journal = journal
        self._lanes = lanes
        self._metrics = metrics
        self._tallies = lanes.tallies
        self._feed = feed or Feed()
        self._loops = loops
        self._commands = commands
        self._unlooked: list[tuple[Envelope, Sequence[Delivery]]] = []
        self._log = log.bind()  # as it is set up by now: looking it up costs more than saying nothing
        self._says_all = self._log.is_enabled_for(logging.INFO)

    async def take(self, instance: InstanceId, inbound: Inbound) -> None:
        """
        Return once all of it is durable: only then may anybody be told that we have it.

        Raises `JournalError`; nothing was promised then.
        """
        if inbound.ignored:
            self._metrics.messages_ignored.labels(instance, inbound.ignored).inc()
            self._tallies.source(instance).ignored += 1
            self._log.info("message.ignored", instance=instance, reason=inbound.ignored)
        for envelope in inbound.envelopes:
            self._tell(envelope, await self._accept(envelope))
        if not inbound.envelopes:
            # Nothing was waited for: a stream of such, much of it here already, would hold the loop.
            await asyncio.sleep(0)

    def emit_for(self, instance: InstanceId) -> Emit:
        """`take` for one instance: what its listener is given."""

        async def emit(inbound: Inbound) -> None:
            await self.take(instance, inbound)

        return emit

    async def _accept(self, envelope: Envelope) -> Acceptance:
        router = self._router()
        if router.is_heavy(envelope):
            routes = await asyncio.to_thread(router.route, envelope)
        else:
            routes = router.route(envelope)
        if is_command(envelope):
            routes = await self._asked(envelope, routes)
        # The lanes are offered it as soon as it is promised: also when whoever brought it is gone by
        # then, and so that its requests are on the way while all else is done.
        return await self._journal.accept(envelope, routes, partial(self._offer, envelope))

    def _offer(self, envelope: Envelope, acceptance: Acceptance) -> None:
        try:
            if self._loops is not None and acceptance.deliveries:
                self._look(self._loops, envelope, acceptance.deliveries)
        finally:  # whatever goes wrong there, it is promised
            self._lanes.offer(acceptance.deliveries)

    def _tell(self, envelope: Envelope, acceptance: Acceptance) -> None:
        verdict = acceptance.verdict
        instance = envelope.source.instance
        self._metrics.accepted(instance, verdict.value)
        self._count(envelope, acceptance)
        if verdict is Verdict.CONFLICT:
            self._log.warning("message.conflicted", instance=instance, message=envelope.id)
        elif self._says_all:
            self._log.info(
                "message.accepted",
                instance=instance,
                conversation=envelope.source.conversation,
                message=envelope.id,
                verdict=verdict.value,
                deliveries=len(acceptance.deliveries),
            )

    def _look(self, loops: LoopGuard, envelope: Envelope, deliveries: Sequence[Delivery]) -> None:
        """
        Is it going round? Before any lane can have taken it, where that may be; the others are looked
        at together a moment later, which costs a fifth and holds up nobody.
        """
        self._unlooked.append((envelope, deliveries))
        if loops.is_urgent(envelope.source):
            self._look_at_all(loops)
        elif len(self._unlooked) == 1:
            asyncio.get_running_loop().call_later(_SOON, self._look_at_all, loops)

    def _look_at_all(self, loops: LoopGuard) -> None:
        unlooked, self._unlooked = self._unlooked, []
        for envelope, deliveries in unlooked:
            loops.look(envelope, deliveries)

    async def _asked(self, envelope: Envelope, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        """
        Answer a question to the bridge; the routes that take it as any other message.

        The answer is accepted before the question, so that a question which comes again after a
        crash is answered, and one that was answered is not answered again: an id is accepted once.
        """
        others = tuple(route for route in routes if not route.plan.commands)
        commands = self._commands
        if commands is None or len(others) == len(routes) or not commands.can_answer(envelope.source):
            return others
        asked = tuple(route for route in routes if route.plan.commands)
        answer, back = await commands.answer(envelope, asked)
        self._lanes.offer((await self._journal.accept(answer, (back,))).deliveries)
        self._log.info("command.answered", conversation=str(envelope.source), message=envelope.id)
        return others

    def _count(self, envelope: Envelope, acceptance: Acceptance) -> None:
        """A rule matched when a delivery is planned by it; a duplicate matches nothing."""
        now = envelope.received_at
        source = self._tallies.source(envelope.source.instance)
        source.received += 1
        source.last = now
        if acceptance.verdict is not Verdict.NEW:
            source.duplicates += 1
        rules = [delivery.route.plan.rule for delivery in acceptance.deliveries]
        for rule in rules if len(rules) == 1 else dict.fromkeys(rules):
            cell = self._tallies.rule(rule)
            cell.matches += 1
            cell.last = now
        if self._feed.watched:
            self._feed.tell(_seen(envelope, acceptance))


def _seen(envelope: Envelope, acceptance: Acceptance) -> Event:
    """What somebody who watches is told of a message."""
    return Event(
        envelope.received_at,
        "info",
        "message.accepted",
        {
            "from": str(envelope.source),
            "sender": envelope.sender.display_name,
            "kind": envelope.kind.value,
            "message": envelope.id,
            "verdict": acceptance.verdict.value,
            "to": [
                f"{delivery.route.destination} (rule {delivery.route.plan.rule})"
                for delivery in acceptance.deliveries
            ],
            "text": envelope.message.text,
        },
    )
