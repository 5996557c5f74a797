"""
The nouns: what every room of the bridge speaks of.

Frozen values without behaviour and without I/O. Identifiers are opaque: only the driver that made
one looks inside; they are case-sensitive and never shortened.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple, NewType

from multidict import CIMultiDict, MultiMapping

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from bridge.values import dataclass

InstanceId = NewType("InstanceId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
UserId = NewType("UserId", str)
EventId = NewType("EventId", str)
DeliveryId = NewType("DeliveryId", str)


class EventKind(StrEnum):
    """What happened on the platform."""

    MESSAGE = "message"
    EDIT = "edit"
    RECALL = "recall"
    REACTION = "reaction"
    NOTICE = "notice"


class AttachmentKind(StrEnum):
    """What a receiver can do with an attachment."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"


class TextFormat(StrEnum):
    """How a text is to be read."""

    PLAIN = "plain"
    MARKDOWN = "markdown"


class AttachmentMode(StrEnum):
    """What a rule wants done with attachments."""

    LINK = "link"
    UPLOAD = "upload"
    DROP = "drop"


class ReactionMode(StrEnum):
    """What a rule wants done with a reaction where the platform has none for bots."""

    NATIVE = "native"
    """It is left out."""
    SAY = "say"
    """It is said in a short line."""


class Support(IntEnum):
    """How well a platform can do something."""

    REJECTED = -1
    DROPPED = 0
    FALLBACK = 1
    NATIVE = 2


# --- the near end ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InboundRequest:
    """An HTTP request as a value: all that pure code may know of it."""

    method: str
    path: str
    query: MultiMapping[str]
    headers: MultiMapping[str]
    body: bytes
    remote: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class InboundResponse:
    """An HTTP answer as a value."""

    status: int = 200
    headers: MultiMapping[str] = field(default_factory=CIMultiDict)
    body: bytes = b""


class ConversationRef(NamedTuple):
    """One conversation of one instance; also the key of a lane, and so hashed ten times a message."""

    instance: InstanceId
    conversation: ConversationId

    def __str__(self) -> str:
        return f"{self.instance}/{self.conversation}"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote it, as the source platform tells; names are the user's own choice."""

    id: UserId
    display_name: str
    username: str = ""
    avatar_url: str = ""
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """``url`` is for everybody; ``ref`` only the source driver can open. ``size`` in bytes."""

    kind: AttachmentKind
    url: str = ""
    ref: str = ""
    filename: str = ""
    media_type: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A person named in the text."""

    user_id: UserId
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that this one answers."""

    id: MessageId | None = None
    sender: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """A label that opens a URL."""

    label: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji put on a message, or taken back."""

    emoji: str
    removed: bool = False


@dataclass(frozen=True, slots=True)
class RawForm:
    """A message in a platform's own form: the name of its template, and the values as JSON text."""

    name: str
    parameters: str


@dataclass(frozen=True, slots=True)
class Message:
    """What was said. ``raw`` says it in its platform's own form, where that takes such."""

    id: MessageId
    text: str = ""
    format: TextFormat = TextFormat.PLAIN
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[Mention, ...] = ()
    quote: Quote | None = None
    title: str = ""
    buttons: tuple[Button, ...] = ()
    raw: RawForm | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    One inbound happening, normalized.

    ``id`` is what the platform repeats on redelivery (for a chat message its message id);
    ``target`` is the message that an edit, recall or reaction is about. Times are aware and in UTC.
    """

    id: EventId
    kind: EventKind
    source: ConversationRef
    sender: Sender
    message: Message
    occurred_at: datetime
    received_at: datetime
    target: MessageId | None = None
    reaction: Reaction | None = None
    conversation_title: str = ""
    direct: bool = False
    mentions_bot: bool = False


@dataclass(frozen=True, slots=True)
class Inbound:
    """What one request held: envelopes, or the reason (a metric label) why there are none."""

    envelopes: tuple[Envelope, ...] = ()
    ignored: str = ""


# --- the plan -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replacement:
    """One step of a rule's ``transform``: an RE2 pattern and what stands in its place."""

    pattern: str
    replacement: str


DEFAULT_TEMPLATE = "{user}: {msg}"


@dataclass(frozen=True, slots=True)
class Plan:
    """
    How a rule wants a message treated on its way to a destination.

    It is journaled with the delivery, so a message is rendered by the rules that planned it.
    ``mention`` are people of the destination that the rule wants to ping: nobody else ever is.
    ``commands``: what begins with ``/bridge`` is a question to the bridge, and goes nowhere.
    """

    rule: str
    template: str = DEFAULT_TEMPLATE
    attachments: AttachmentMode = AttachmentMode.LINK
    format: TextFormat | None = None
    transform: tuple[Replacement, ...] = ()
    mention: tuple[UserId, ...] = ()
    reactions: ReactionMode = ReactionMode.NATIVE
    commands: bool = field(default=True, compare=False)
    """Asked before anything is journaled, so no plan in the journal knows it."""


@dataclass(frozen=True, slots=True)
class Route:
    """A rule's answer: one destination, and how."""

    destination: ConversationRef
    plan: Plan


class Status(StrEnum):
    """Where a delivery stands. ``planned`` is always the sum of all the others."""

    WAITING = "waiting"
    HELD = "held"
    SENT = "sent"
    SKIPPED = "skipped"
    DEAD = "dead"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    A promise: this envelope will reach this destination, or be a dead letter with a reason.

    ``seq`` orders deliveries by acceptance. ``id`` is derived from the event id and the destination
    and is the same after a restart. ``attempts`` counts failures so far, ``parts`` the parts of a
    long message that the platform already took. No attempt starts before ``due_at``; ``since`` is
    from when ``give_up_after`` counts (acceptance, or the last replay). Both in seconds since 1970.
    """

    seq: int
    id: DeliveryId
    envelope: Envelope
    route: Route
    attempts: int = 0
    parts: int = 0
    due_at: float = 0.0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a delivery ended. ``reason`` is a closed word, ``detail`` is for people."""

    status: Status
    message_ids: tuple[MessageId, ...] = ()
    reason: str = ""
    detail: str = ""
    attempts: int = 0


# --- the far end ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outgoing:
    """
    One part of a delivery, ready to post.

    ``idempotency_key`` is ``<delivery id>:<part>``, the same on every attempt.
    """

    destination: ConversationRef
    text: str
    idempotency_key: str
    format: TextFormat = TextFormat.PLAIN
    title: str = ""
    buttons: tuple[Button, ...] = ()
    reply_to: MessageId | None = None
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[Mention, ...] = ()
    sender: Sender | None = None
    raw: RawForm | None = None
    """To be posted as it is, in place of everything above."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The platform took it. ``notes`` say what was left out."""

    message_id: MessageId | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``count`` sends in any window of ``per`` seconds, measured from their completion."""

    count: int
    per: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """
    What an instance can do, as data, so that the core plans before it calls.

    ``max_text`` is counted by ``measure``, in the platform's own unit.
    """

    max_text: int
    measure: Callable[[str], int] = len
    measure_markdown: Callable[[str], int] | None = None
    """Counts a Markdown text as the platform's own form of it will; absent: as ``measure``."""
    formats: frozenset[TextFormat] = frozenset({TextFormat.PLAIN})
    attachments: Support = Support.FALLBACK
    reply: Support = Support.FALLBACK
    edit: Support = Support.FALLBACK
    recall: Support = Support.DROPPED
    mention: Support = Support.FALLBACK
    reaction: Support = Support.DROPPED
    buttons: Support = Support.FALLBACK
    raw: bool = False
    """It takes messages in the platform's own form."""
    one_line: bool = False
    """A post is a single line: every line of a text is a part of its own."""
    rate_limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a probe looked at: fine or not, and what to do about it."""

    ok: bool
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class AddressForm:
    """
    One way to name a conversation in rules.json, by the platform's own words.

    ``required`` keys must all be given, ``optional`` may; ``conversation`` turns the values into
    the canonical id. A form whose required keys are all ``"*"`` stands for every conversation of it.
    """

    name: str
    required: tuple[str, ...]
    conversation: Callable[[Mapping[str, str]], ConversationId]
    optional: tuple[str, ...] = ()
