"""
What an operator may see and do, as values and one protocol.

The control socket, the status page and the HTTP API are skins over it; `bridge.clerk` does the work.
Everything here is plain: no secret is in any text, and times are aware and in UTC.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bridge.driver import Entry
from bridge.errors import BridgeError
from bridge.feed import Event as Event
from bridge.journal import Choice as Choice
from bridge.journal import Ledger, Row
from bridge.model import (
    Attachment,
    Button,
    ConversationRef,
    DeliveryId,
    Envelope,
    InstanceId,
    RawForm,
    Route,
    Status,
    TextFormat,
)
from bridge.problems import Problem
from bridge.routing import Decision


class InstanceState(StrEnum):
    """How an instance stands, the worst first to be told."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    """The platform refuses the whole account: an operator is needed."""
    PAUSED = "paused"
    """By an operator: it receives, what is for it waits."""
    REMOVED = "removed"
    """No longer in the configuration; what is for it is held back until it comes back."""


class LaneState(StrEnum):
    """How the way to one conversation stands."""

    OK = "ok"
    RETRYING = "retrying"
    """Its oldest message failed and is tried again at ``next_send``."""
    PAUSED = "paused"
    """The platform asked for patience."""
    SUSPENDED = "suspended"
    """An operator is needed; tried every five minutes."""
    PAUSED_BY_OPERATOR = "paused_by_operator"
    REMOVED = "removed"
    """Its instance is not in the configuration (any more)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something could not be sent: ``reason`` is a closed word, ``detail`` for people."""

    at: datetime
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """What another version of the files adds, removes and changes; names in order."""

    rules_added: tuple[str, ...] = ()
    rules_removed: tuple[str, ...] = ()
    rules_changed: tuple[str, ...] = ()
    rules_moved: bool = False
    """The order of the rules that stay is another; the first that names a destination wins."""
    instances_added: tuple[InstanceId, ...] = ()
    instances_removed: tuple[InstanceId, ...] = ()
    instances_changed: tuple[InstanceId, ...] = ()
    restart_needed: tuple[str, ...] = ()
    """Keys of ``global`` that differ from those that the daemon was started with."""

    @property
    def empty(self) -> bool:
        return self == Difference()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """
    How an attempt to read the files again ended.

    Refused: ``problems`` are what is wrong with the files (errors, and the warnings beside them),
    or ``why`` says what the machine refused (a port that is taken). The old files run on then.
    """

    at: datetime
    ok: bool
    asked_by: str
    """``file change``, ``SIGHUP``, or the operator."""
    generation: int
    """The one that runs after it."""
    difference: Difference = Difference()
    problems: tuple[Problem, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """One configured account. ``driver_states`` are numbers that its driver shows of itself."""

    id: InstanceId
    platform: str
    state: InstanceState
    driver_states: Mapping[str, float]
    listens_on: str = ""
    """``port/path`` where the platform calls us, as ``8082/dingtalk/event``; empty if it does not."""
    reason: str = ""
    """Why it is suspended or paused."""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """What came in from one instance since the start; ``last`` is None before the first."""

    instance: InstanceId
    received: int
    duplicates: int
    ignored: int
    last: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationView:
    """One conversation that something was sent to since the start, or waits for."""

    destination: ConversationRef
    state: LaneState
    waiting: int
    held: int
    oldest: datetime | None
    """When the oldest that waits was accepted."""
    next_send: datetime | None
    """The earliest moment for the next try, where it is known."""
    sent: int
    """Since the start."""
    sent_per_hour: int
    """In the last hour."""
    seconds: float | None
    """From acceptance to the platform's yes, of the last one that was sent."""
    last_sent: datetime | None
    last_failure: Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """One rule, and how many messages it sent somewhere since the start (or since it is there)."""

    id: str
    file: str
    line: int
    enabled: bool
    matches: int
    last_match: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalView:
    """``size`` and ``free_disk`` in bytes; ``fullness`` 0 to 1, from 0.95 on nothing is accepted."""

    path: str
    size: int
    free_disk: int
    fullness: float
    ledger: Ledger
    lost: int
    """Accepted messages that were no longer there at the start: 0, or storage is failing."""
    damaged: int
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that one look shows. Taken outside the hot path; costs a read of the journal."""

    version: str
    now: datetime
    started_at: datetime
    uptime: float
    """Seconds."""
    generation: int
    """1 for the files of the start, one more with every reload that was taken."""
    loaded_at: datetime
    config_file: str
    rules_file: str
    ready: str
    """Empty while traffic is welcome, else why not."""
    last_reload: Reloaded | None
    warnings: tuple[Problem, ...]
    """Of the files that run: no signature is checked, a secret lies open, …"""
    instances: tuple[InstanceView, ...]
    sources: tuple[SourceView, ...]
    destinations: tuple[DestinationView, ...]
    """Those with trouble or work first, at most `DESTINATIONS_SHOWN`."""
    destinations_unshown: int
    rules: tuple[RuleView, ...]
    dead: Mapping[str, int]
    """Dead letters by reason."""
    journal: JournalView
    events: tuple[Event, ...]
    """The last ones worth a person's look, the newest first."""
    ports: Mapping[int, int]
    """Configured port → the one really listened on."""


DESTINATIONS_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """How far long work is."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Explained:
    """What the running rules make of a journaled message, and what became of it."""

    envelope: Envelope
    decisions: tuple[Decision, ...]
    routes: tuple[Route, ...]
    """Where it would go now."""
    texts: Mapping[ConversationRef, str]
    """What would be written there now."""
    deliveries: tuple[Row, ...]
    """What was planned when it came."""
    generation: int


class DeskError(BridgeError):
    """
    A wish that cannot be fulfilled: ``code`` is a closed word, the message says what to do instead.

    ``unknown`` (no such instance, delivery or message), ``unclear`` (nothing was chosen),
    ``conflict`` (the same key with another text), ``unable`` (the platform or the machine cannot).
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is to be sent by hand or by a program: one message to one conversation."""

    to: ConversationRef
    text: str
    format: TextFormat = TextFormat.PLAIN
    title: str = ""
    buttons: tuple[Button, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    raw: RawForm | None = None
    """In the platform's own form; ``text`` is what operators see of it, and what an edit changes."""
    key: str = ""
    """The same key again sends nothing; empty for a letter that is never repeated."""


class Desk(Protocol):
    """
    The verbs. ``who`` names the operator for the audit log (``uid 1000``, ``api monitor``).

    Raises `DeskError` for a wish that cannot be fulfilled, `JournalError` when the storage fails.
    """

    async def snapshot(self) -> Snapshot: ...

    def address(self, instance: str, words: str) -> ConversationRef:
        """
        A conversation as people write it: its id, or ``key=value`` by the platform's own words
        (``user_id=manager01``); empty for the only one of an instance.
        """
        ...

    async def send(self, letter: Letter, *, who: str) -> DeliveryId:
        """Journal it like any message; `outcome` tells what becomes of it."""
        ...

    async def edit(self, delivery_id: str, text: str, *, who: str) -> DeliveryId:
        """Make what was sent say ``text`` instead; the id of the delivery that does it."""
        ...

    async def recall(self, delivery_id: str, *, who: str) -> DeliveryId:
        """Take back what was sent; the id of the delivery that does it."""
        ...

    async def outcome(self, delivery_id: str) -> Row | None:
        """Where a delivery stands; None if the journal knows none of that id."""
        ...

    async def rows(self, status: Status, *, instance: str = "", limit: int = 100) -> Sequence[Row]:
        """Deliveries, oldest first."""
        ...

    async def users(self, instance: str) -> Sequence[Entry]:
        """What the platform lets us list."""
        ...

    async def conversations(self, instance: str) -> Sequence[Entry]:
        """What the platform lets us list."""
        ...

    async def reload(self, *, who: str, dry: bool = False) -> Reloaded:
        """Read both files again; with ``dry`` only say what would change."""
        ...

    async def hold(self, choice: Choice, *, who: str) -> int:
        """Waiting deliveries are kept back until they are released; how many."""
        ...

    async def release(self, choice: Choice, *, who: str) -> int:
        """Held deliveries wait again; how many."""
        ...

    async def drop(self, choice: Choice, *, who: str, among: Collection[Status]) -> int:
        """
        Those of ``among`` (waiting, held, dead) are never sent; how many. What is being sent at this
        moment is not touched.
        """
        ...

    def replay(
        self, choice: Choice, *, who: str, rate: float | None = None
    ) -> AsyncGenerator[Progress, None]:
        """Dead letters wait again, at most ``rate`` a second. It ends when nobody iterates."""
        ...

    async def pause(self, instance: str, *, who: str) -> None:
        """Nothing more is sent by it, also after a restart, until `resume`; it still receives."""
        ...

    async def resume(self, instance: str, *, who: str) -> None:
        """End a pause; what is suspended is tried at once."""
        ...

    async def explain(self, message_id: str, instance: str = "") -> Explained:
        """Why a journaled message goes where, under the rules that run now."""
        ...

    def tail(self, *, texts: bool = False) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """
        Live events from now on. A reader that is too slow misses some, and is told how many by an
        event ``tail.fell_behind``. Message texts are in it only with ``texts``.
        """
        ...
