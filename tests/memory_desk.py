"""
The operator's desk without a daemon: it keeps letters in memory, and shows the snapshot it is given.

Nothing is ever sent by itself; `settle` says how a delivery ended.
"""

from contextlib import asynccontextmanager
from dataclasses import replace

from bridge.desk import DeskError, Explained, Progress, Reloaded
from bridge.driver import Entry
from bridge.journal import Choice, Row
from bridge.model import (
    Delivery,
    DeliveryId,
    Envelope,
    EventId,
    EventKind,
    InstanceId,
    Message,
    MessageId,
    Plan,
    Route,
    Status,
    UserId,
)
from tests.builders import a_place, a_sender
from tests.clock import NOON

_HAND = "@desk"


class MemoryDesk:
    """A `Desk`. ``said`` are the operators' actions in order: the verb, and who."""

    def __init__(self, snapshot=None):
        self.shown = snapshot
        self.said = []
        self.letters = []
        self.found: dict[str, Row] = {}
        self.keys = {}
        self.paused = set()
        self.people = {"here": [Entry({"user_id": "u1"}, "Ada", "desk 7")]}
        self.rooms = {"here": [Entry({"room": "r1"}, "Team room")]}
        self.next_reload = Reloaded(at=NOON, ok=True, asked_by="", generation=2)
        self.fails_with = None

    def settle(self, delivery_id, status, reason="", *message_ids):
        row = self.found[delivery_id]
        self.found[delivery_id] = replace(
            row,
            status=status,
            reason=reason,
            settled_at=row.accepted_at + 1,
            message_ids=tuple(map(MessageId, message_ids)),
        )

    def add(self, number, status, *, to="here/r1", reason="", due_at=0.0):
        """A delivery that came some other way."""
        return self._keep(f"d{number}", a_place(to), "text", status=status, reason=reason, due_at=due_at)

    async def snapshot(self):
        self._fail()
        return self.shown

    async def send(self, letter, *, who):
        self._fail()
        self.said.append(("send", who))
        if letter.key in self.keys:
            delivery_id, first = self.keys[letter.key]
            if first != letter:
                raise DeskError("this key came with another letter", code="conflict")
            return delivery_id
        self.letters.append(letter)
        delivery_id = self._keep(f"d{len(self.found) + 1}", letter.to, letter.text, rule=_HAND)
        if letter.key:
            self.keys[letter.key] = (delivery_id, letter)
        return delivery_id

    async def edit(self, delivery_id, text, *, who):
        row = self._sent_by_hand(delivery_id)
        self.said.append(("edit", who))
        return self._keep(f"{delivery_id}.edit", row.delivery.route.destination, text, rule=_HAND)

    async def recall(self, delivery_id, *, who):
        row = self._sent_by_hand(delivery_id)
        self.said.append(("recall", who))
        return self._keep(f"{delivery_id}.recall", row.delivery.route.destination, "", rule=_HAND)

    async def outcome(self, delivery_id):
        return self.found.get(delivery_id)

    async def rows(self, status, *, instance="", limit=100):
        self._fail()
        rows = [row for row in self.found.values() if row.status is status]
        return [row for row in rows if instance in ("", row.delivery.route.destination.instance)][:limit]

    async def users(self, instance):
        return self._listed(self.people, instance)

    async def conversations(self, instance):
        return self._listed(self.rooms, instance)

    async def reload(self, *, who, dry=False):
        self.said.append(("reload, dry" if dry else "reload", who))
        return replace(self.next_reload, asked_by=who)

    async def hold(self, choice, *, who):
        return self._move("hold", who, choice, {Status.WAITING}, Status.HELD)

    async def release(self, choice, *, who):
        return self._move("release", who, choice, {Status.HELD}, Status.WAITING)

    async def drop(self, choice, *, who, among):
        return self._move("drop", who, choice, set(among), Status.DROPPED)

    async def replay(self, choice, *, who, rate=None):
        total = self._move("replay", who, choice, {Status.DEAD}, Status.WAITING)
        for done in range(total + 1):
            yield Progress(done, total)

    async def pause(self, instance, *, who):
        self.said.append(("pause", who))
        self.paused.add(instance)

    async def resume(self, instance, *, who):
        self.said.append(("resume", who))
        self.paused.discard(instance)

    async def explain(self, message_id, instance=""):
        rows = tuple(row for row in self.found.values() if row.delivery.envelope.id == message_id)
        if not rows:
            raise DeskError("the journal knows no message of that id", code="unknown")
        return Explained(rows[0].delivery.envelope, (), {}, rows, 1)

    @asynccontextmanager
    async def tail(self, *, texts=False):
        async def nothing():
            for event in ():
                yield event

        yield nothing()

    def _keep(self, name, to, text, *, status=Status.WAITING, rule="rule", reason="", due_at=0.0):
        envelope = Envelope(
            id=EventId(name),
            kind=EventKind.MESSAGE,
            source=a_place(f"{rule if rule == _HAND else 'here'}/room"),
            sender=a_sender("Operator", id=UserId("operator")),
            message=Message(id=MessageId(name), text=text),
            occurred_at=NOON,
            received_at=NOON,
        )
        delivery = Delivery(
            seq=len(self.found) + 1,
            id=DeliveryId(name),
            envelope=envelope,
            route=Route(to, Plan(rule=rule)),
            due_at=due_at,
        )
        self.found[name] = Row(delivery, status, accepted_at=NOON.timestamp(), reason=reason)
        return delivery.id

    def _sent_by_hand(self, delivery_id):
        row = self.found.get(delivery_id)
        if row is None:
            raise DeskError("the journal knows no delivery of that id", code="unknown")
        if row.delivery.route.plan.rule != _HAND or row.status is not Status.SENT:
            raise DeskError("it was not sent by hand, or is not sent yet", code="unable")
        return row

    def _listed(self, entries, instance):
        if instance not in entries:
            raise DeskError("this platform lists nothing", code="unable")
        return entries[InstanceId(instance)]

    def _move(self, verb, who, choice, among, to):
        if choice == Choice():
            raise DeskError("say which: by id, by a filter, or everything", code="unclear")
        self.said.append((verb, who))
        chosen = [key for key, row in self.found.items() if row.status in among and _fits(row, choice)]
        for key in chosen:
            self.found[key] = replace(self.found[key], status=to)
        return len(chosen)

    def _fail(self):
        if self.fails_with is not None:
            raise self.fails_with


def _fits(row, choice):
    place = row.delivery.route.destination
    return (
        (not choice.ids or row.delivery.id in choice.ids)
        and choice.instance in ("", place.instance)
        and choice.conversation in ("", place.conversation)
        and choice.reason in ("", row.reason)
        and choice.rule in ("", row.delivery.route.plan.rule)
        and (choice.since is None or row.accepted_at >= choice.since)
        and (choice.until is None or row.accepted_at < choice.until)
    )
