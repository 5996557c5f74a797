"""Who does what an operator asks for: the verbs of `Desk`, each with a line for the audit."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from bridge.clerk.looking import Lookout
from bridge.clerk.moving import Mover
from bridge.clock import Clock
from bridge.delivery import Lanes
from bridge.desk import (
    Choice,
    DeskError,
    Event,
    Explained,
    Letter,
    Progress,
    Reloaded,
    Snapshot,
)
from bridge.driver import Directory, Entry
from bridge.errors import DeliveryError
from bridge.gates import PAUSED
from bridge.journal import Journal, Row, Suspension, Verdict
from bridge.journal.codec import delivery_id
from bridge.model import (
    ConversationId,
    ConversationRef,
    DeliveryId,
    Envelope,
    EventId,
    EventKind,
    InstanceId,
    Message,
    MessageId,
    Plan,
    Route,
    Sender,
    Status,
    UserId,
)
from bridge.preview import previewer
from bridge.problems import did_you_mean
from bridge.reload import Reloader
from bridge.roster import Roster

log = structlog.get_logger()

HERE = ConversationRef(InstanceId("@desk"), ConversationId("letters"))
"""Where letters come from; no instance can have that name."""

_BY_HAND = Plan(rule="@desk", template="{msg}")
_NOBODY = Sender(UserId("@desk"), "msgbridge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk:
    """`Desk` of a running daemon."""

    journal: Journal
    lanes: Lanes
    roster: Roster
    reloader: Reloader
    lookout: Lookout
    mover: Mover
    clock: Clock

    async def snapshot(self) -> Snapshot:
        return await self.lookout.snapshot()

    def address(self, instance: str, words: str) -> ConversationRef:
        """
        A conversation as people write it: its id, or ``key=value`` by the platform's own words;
        empty for the only one of an instance. Raises `DeskError`.
        """
        one = self.roster.running[self._known(instance)].instance
        key, equals, value = words.partition("=")
        for form in one.spec.addresses(one.settings):
            if not words and not form.required:
                return ConversationRef(one.id, form.conversation({}))
            if equals and form.required == (key,):
                return ConversationRef(one.id, form.conversation({key: value}))
        if not words:
            raise DeskError(f"{instance} has many conversations: name one", code="unclear")
        return ConversationRef(one.id, ConversationId(words))

    async def send(self, letter: Letter, *, who: str) -> DeliveryId:
        capabilities = self.roster.running[self._known(letter.to.instance)].driver.capabilities
        if letter.raw is not None and not capabilities.raw:
            raise DeskError(
                f"{letter.to.instance} takes no message in a form of its own: leave it out", code="unable"
            )
        event = EventId(f"{who}:{letter.key}" if letter.key else uuid.uuid4().hex)
        message = Message(
            MessageId(event),
            letter.text,
            letter.format,
            attachments=letter.attachments,
            title=letter.title,
            buttons=letter.buttons,
            raw=letter.raw,
        )
        sent = await self._post(event, EventKind.MESSAGE, letter.to, message)
        _acted(who, "send", to=str(letter.to), delivery=sent)
        return sent

    async def edit(self, delivery_id: str, text: str, *, who: str) -> DeliveryId:
        row = await self._sent(delivery_id)
        event = EventId(uuid.uuid4().hex)
        old = row.delivery.envelope
        message = replace(old.message, id=MessageId(event), text=text, quote=None)
        to = row.delivery.route.destination
        edit = await self._post(event, EventKind.EDIT, to, message, about=old)
        _acted(who, "edit", to=str(to), delivery=edit, of=delivery_id)
        return edit

    async def recall(self, delivery_id: str, *, who: str) -> DeliveryId:
        row = await self._sent(delivery_id)
        event = EventId(uuid.uuid4().hex)
        to = row.delivery.route.destination
        about = row.delivery.envelope
        recall = await self._post(event, EventKind.RECALL, to, Message(MessageId(event)), about=about)
        _acted(who, "recall", to=str(to), delivery=recall, of=delivery_id)
        return recall

    async def outcome(self, delivery_id: str) -> Row | None:
        for status in Status:
            if found := await self.journal.rows(status, limit=1, delivery_id=delivery_id):
                return found[0]
        return None

    async def rows(self, status: Status, *, instance: str = "", limit: int = 100) -> Sequence[Row]:
        return await self.journal.rows(status, limit=limit, instance=instance)

    async def users(self, instance: str) -> Sequence[Entry]:
        directory = self._directory(instance)
        try:
            return await directory.users()
        except DeliveryError as e:
            raise DeskError(f"{instance}: {e}", code="unable") from e

    async def conversations(self, instance: str) -> Sequence[Entry]:
        directory = self._directory(instance)
        try:
            return await directory.conversations()
        except DeliveryError as e:
            raise DeskError(f"{instance}: {e}", code="unable") from e

    async def reload(self, *, who: str, dry: bool = False) -> Reloaded:
        if not dry:
            _acted(who, "reload")
        return await self.reloader.reload(who, dry=dry)

    async def hold(self, choice: Choice, *, who: str) -> int:
        moved = await self.mover.move(choice, [Status.WAITING], Status.HELD, "operator")
        _acted(who, "hold", count=moved, **_said(choice))
        return moved

    async def release(self, choice: Choice, *, who: str) -> int:
        moved = await self.mover.move(choice, [Status.HELD], Status.WAITING, "")
        _acted(who, "release", count=moved, **_said(choice))
        return moved

    async def drop(self, choice: Choice, *, who: str, among: Collection[Status]) -> int:
        if not set(among) <= {Status.WAITING, Status.HELD, Status.DEAD}:
            raise DeskError("only what waits, is held or is dead can be dropped", code="unclear")
        moved = await self.mover.move(choice, among, Status.DROPPED, "operator")
        _acted(who, "drop", count=moved, among=[status.value for status in among], **_said(choice))
        return moved

    async def replay(
        self, choice: Choice, *, who: str, rate: float | None = None
    ) -> AsyncGenerator[Progress, None]:
        progress = Progress(0, 0)
        try:
            async with aclosing(self.mover.replay(choice, rate)) as steps:
                async for progress in steps:
                    yield progress
        finally:
            _acted(who, "replay", count=progress.done, of=progress.total, **_said(choice))

    async def pause(self, instance: str, *, who: str) -> None:
        id_ = self._known(instance)
        outlet = self.roster.outlets[id_]
        outlet.paused = True
        outlet.gate.hold()
        await self.journal.suspend(Suspension(id_, None, PAUSED, f"by {who}", self.clock.now()))
        _acted(who, "pause", instance=instance)

    async def resume(self, instance: str, *, who: str) -> None:
        id_ = self._known(instance)
        outlet = self.roster.outlets[id_]
        if outlet.paused:
            outlet.paused = False
            await self.journal.resume(id_, None, self.clock.now())
            if outlet.gate.suspension is not None:
                await self.journal.suspend(outlet.gate.suspension)
            outlet.gate.release()
        self.lanes.try_now(id_)
        _acted(who, "resume", instance=instance)

    async def explain(self, message_id: str, instance: str = "") -> Explained:
        found = await self.journal.recorded(message_id, instance)
        if found is None:
            raise DeskError(
                f"the journal knows no message {message_id}: it keeps them for 96 hours", code="unknown"
            )
        running = self.reloader.generation
        preview = previewer(running.config)
        routes = running.router.route(found.envelope)
        return Explained(
            envelope=found.envelope,
            decisions=running.router.explain(found.envelope),
            routes=routes,
            texts={route.destination: preview(route, found.envelope) for route in routes},
            deliveries=found.deliveries,
            generation=running.number,
        )

    @asynccontextmanager
    async def tail(self, *, texts: bool = False) -> AsyncIterator[AsyncIterator[Event]]:
        with self.lookout.feed.watch() as events:
            yield events if texts else _without_texts(events)

    async def _post(
        self,
        event: EventId,
        kind: EventKind,
        to: ConversationRef,
        message: Message,
        about: Envelope | None = None,
    ) -> DeliveryId:
        now = self.clock.now()
        envelope = Envelope(
            id=event,
            kind=kind,
            source=HERE if about is None else about.source,
            sender=_NOBODY,
            message=message,
            occurred_at=now,
            received_at=now,
            target=None if about is None else about.message.id,
        )
        acceptance = await self.journal.accept(envelope, [Route(to, _BY_HAND)])
        self.lanes.offer(acceptance.deliveries)
        if acceptance.verdict is Verdict.CONFLICT:
            raise DeskError(
                "this key was used for another message: choose a new key for a new message",
                code="conflict",
            )
        return delivery_id(envelope.source.instance, event, to)

    async def _sent(self, delivery_id: str) -> Row:
        """Only what was written here may be changed here: what people wrote is theirs."""
        for status in (Status.SENT, *Status):
            if found := await self.journal.rows(status, limit=1, delivery_id=delivery_id):
                if found[0].delivery.envelope.source != HERE:
                    raise DeskError(
                        f"{delivery_id} was relayed, not sent from here: only its writer can change it",
                        code="unable",
                    )
                return found[0]
        raise DeskError(f"the journal knows no delivery {delivery_id}", code="unknown")

    def _known(self, instance: str) -> InstanceId:
        """Raises `DeskError` for an instance that does not run."""
        running = self.roster.running
        if instance in running:
            return InstanceId(instance)
        close = did_you_mean(instance, running)
        advice = f"did you mean {close}?" if close else f"choose one of: {', '.join(running)}"
        raise DeskError(f"there is no instance {instance}; {advice}", code="unknown")

    def _directory(self, instance: str) -> Directory:
        one = self.roster.running[self._known(instance)]
        if isinstance(one.driver, Directory):
            return one.driver
        raise DeskError(
            f"{instance}: its platform ({one.instance.platform}) lists nothing", code="unable"
        )


async def _without_texts(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        hidden = {key: value for key, value in event.facts.items() if key != "text"}
        yield replace(event, facts=hidden)


def _acted(who: str, verb: str, **facts: object) -> None:
    log.warning("operator.acted", who=who, verb=verb, **facts)


def _said(choice: Choice) -> dict[str, object]:
    """What of a choice was given, for the audit."""
    empty = Choice()
    names = ("instance", "conversation", "reason", "rule", "since", "until", "everything")
    said: dict[str, object] = {
        name: getattr(choice, name) for name in names if getattr(choice, name) != getattr(empty, name)
    }
    if choice.ids:
        said["ids"] = list(choice.ids[:20])
    return said
