"""Values for tests: name what the test is about, the rest is sensible."""

from typing import Any

from bridge.clock import Clock
from bridge.journal import Capacity, Retention
from bridge.journal.memory import MemoryJournal
from bridge.model import (
    ConversationId,
    ConversationRef,
    Delivery,
    DeliveryId,
    Envelope,
    EventId,
    EventKind,
    InstanceId,
    Message,
    MessageId,
    Outgoing,
    Plan,
    Route,
    Sender,
    UserId,
)
from tests.clock import NOON


def a_place(place: str) -> ConversationRef:
    """``instance/conversation``; the conversation may hold further slashes."""
    instance, _, conversation = place.partition("/")
    return ConversationRef(InstanceId(instance), ConversationId(conversation))


def a_message(text: str = "hello", *, id: str = "m1", **more: Any) -> Message:  # noqa: A002 (the field has this name)
    """``more`` are fields of `Message`."""
    return Message(id=MessageId(id), text=text, **more)


def a_sender(name: str = "Ada", **more: Any) -> Sender:
    """``more`` are fields of `Sender`; the id is the name in small letters."""
    return Sender(**{"id": UserId(name.lower()), "display_name": name, **more})


def an_envelope(
    text: str = "hello",
    *,
    id: str = "m1",  # noqa: A002 (the field has this name)
    at: str = "here/room",
    user: str = "Ada",
    message: Message | None = None,
    **more: Any,
) -> Envelope:
    """
    ``id`` is the event's and the message's id, ``at`` the source as ``instance/conversation``.

    A ``message`` replaces ``text``; ``more`` are fields of `Envelope`.
    """
    fields: dict[str, Any] = {
        "id": EventId(id),
        "kind": EventKind.MESSAGE,
        "source": a_place(at),
        "sender": a_sender(user),
        "message": message or a_message(text, id=id),
        "occurred_at": NOON,
        "received_at": NOON,
    }
    return Envelope(**{**fields, **more})


def a_route(to: str = "there/room", **plan: Any) -> Route:
    """``plan`` are fields of `Plan`."""
    return Route(a_place(to), Plan(**{"rule": "rule", **plan}))


def a_delivery(
    text: str = "hello",
    *,
    id: str = "m1",  # noqa: A002 (the field has this name)
    seq: int = 1,
    to: str = "there/room",
    envelope: Envelope | None = None,
    route: Route | None = None,
    **more: Any,
) -> Delivery:
    """
    ``id`` is the event's id; the delivery's own is ``<id>>there/room``.

    An ``envelope`` replaces ``text``, a ``route`` replaces ``to``; ``more`` are fields of `Delivery`.
    """
    envelope = envelope or an_envelope(text, id=id)
    route = route or a_route(to)
    fields: dict[str, Any] = {
        "seq": seq,
        "id": DeliveryId(f"{envelope.id}>{route.destination}"),
        "envelope": envelope,
        "route": route,
    }
    return Delivery(**{**fields, **more})


def an_outgoing(
    text: str = "hello", *, to: str = "there/room", key: str = "d1:1", **more: Any
) -> Outgoing:
    """``key`` is the idempotency key; ``more`` are fields of `Outgoing`."""
    return Outgoing(destination=a_place(to), text=text, idempotency_key=key, **more)


def a_journal(clock: Clock) -> MemoryJournal:
    """A journal without a disk, with room and memory as by default."""
    return MemoryJournal(clock=clock, capacity=Capacity(), retention=Retention())
