"""
The journal: where accepted means durable.

This module is the protocol; ``sqlite`` is the default engine, ``memory`` the model that it is tested
against. Every method that changes something returns only after the change would survive a power
cut, but for those that say otherwise. Nothing here names SQLite, so that an engine shared by many
nodes can follow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bridge.model import (
    ConversationRef,
    Delivery,
    DeliveryId,
    Envelope,
    InstanceId,
    MessageId,
    Outcome,
    Route,
    Status,
)


class Verdict(StrEnum):
    """What the journal made of an envelope."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """Known by (instance, event id), with the same content."""
    CONFLICT = "conflict"
    """Known by (instance, event id), but with other content: the first one wins."""
    ECHO = "echo"
    """A message that we posted ourselves, come back."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The answer to `Journal.accept`; ``deliveries`` is empty unless the verdict is NEW."""

    verdict: Verdict
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspension:
    """
    A conversation, or with ``conversation`` None a whole instance, that an operator must mend.

    ``until`` is None while it lasts. Ended ones are kept as long as a waiting message could have
    been held up by them: that time does not count against ``give_up_after``.
    """

    instance: InstanceId
    conversation: str | None
    reason: str
    detail: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    The equation of contract clause 2, counted from two sides.

    ``planned`` is a counter that grows with every accepted delivery; ``by_status`` counts the rows
    and what was pruned. It is balanced when the two agree.
    """

    planned: int
    by_status: dict[Status, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        return self.planned == sum(self.by_status.values())


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery as an operator sees it. Times are seconds since 1970; ``detail`` is for people."""

    delivery: Delivery
    status: Status
    accepted_at: float
    settled_at: float | None = None
    reason: str = ""
    detail: str = ""
    message_ids: tuple[MessageId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    Which deliveries: those that fit every filter that is given. ``since`` and ``until`` are seconds
    since 1970, of acceptance; ``instance`` and ``conversation`` are the destination's.
    """

    ids: tuple[str, ...] = ()
    instance: str = ""
    conversation: str = ""
    reason: str = ""
    rule: str = ""
    since: float | None = None
    until: float | None = None
    everything: bool = False
    """Says that no filter is meant, where an empty choice might be a slip."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One delivery that a choice found."""

    seq: int
    id: DeliveryId
    destination: ConversationRef


@dataclass(frozen=True, slots=True)
class Crowd:
    """What stands at one destination; ``oldest`` is when the first that waits was accepted."""

    waiting: int = 0
    held: int = 0
    oldest: float | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message as it was accepted, and what has become of it."""

    envelope: Envelope
    deliveries: tuple[Row, ...]


class Journal(Protocol):
    """
    Raises `JournalFull` from `accept` at the high-water mark (until the low-water mark), and
    `JournalBroken` from everything once the storage has failed.
    """

    async def accept(
        self,
        envelope: Envelope,
        routes: Sequence[Route],
        then: Callable[[Acceptance], None] | None = None,
    ) -> Acceptance:
        """
        Commit the message, its dedupe key and one delivery for each route, as one transaction. ``then``
        is called with the answer as soon as there is one, also when nobody waits for it any more.
        """
        ...

    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """
        The delivery has ended (or is held); the ids that the platform gave become links. What was sent
        survives the end of the process at once, a power cut some hundredths of a second later.
        """
        ...

    async def part_sent(self, delivery: Delivery, parts: int, message_id: MessageId | None) -> None:
        """The platform took part ``parts`` (counted from 1): a restart goes on with the next."""
        ...

    async def postpone(
        self, delivery: Delivery, *, attempts: int, due_at: float, reason: str, detail: str
    ) -> None:
        """An attempt failed; the next is due at ``due_at`` (seconds since 1970)."""
        ...

    async def lanes(self) -> Sequence[ConversationRef]:
        """Every destination that something waits for."""
        ...

    async def waiting(
        self, destination: ConversationRef, limit: int, *, after: int = 0
    ) -> Sequence[Delivery]:
        """
        The oldest waiting deliveries of one destination (with a seq above ``after``), in their order.

        A row whose checksum does not hold is quarantined (dead, reason ``damaged``) and left out.
        """
        ...

    async def suspend(self, suspension: Suspension) -> None: ...

    async def resume(self, instance: InstanceId, conversation: str | None, until: datetime) -> None: ...

    async def suspensions(self) -> Sequence[Suspension]:
        """Those that last, and those that ended within the last `Retention.dead`."""
        ...

    async def translate(
        self, source: ConversationRef, message_id: MessageId, destination: ConversationRef
    ) -> MessageId | None:
        """The id that a message of ``source`` (written or posted there) has at ``destination``."""
        ...

    async def copies(
        self, source: ConversationRef, message_id: MessageId, destination: ConversationRef
    ) -> tuple[MessageId, ...]:
        """
        The ids of everything that we posted at ``destination`` for a message of ``source`` and for
        the edits of it, oldest first: what an edit changes and a recall takes back. Some may be
        gone already.
        """
        ...

    async def rate_started(self, limiter: str, at: float) -> int:
        """A send under a limit begins; the returned token names it in `rate_completed`."""
        ...

    def rate_completed(self, limiter: str, token: int, at: float) -> None:
        """Written down a moment later; nobody waits, for until then the send counts as in flight."""
        ...

    async def rate_history(self, limiter: str, since: float) -> Sequence[float]:
        """
        Completions after ``since``, oldest first. A send that was in flight when the process died
        counts as completed when the journal was opened.
        """
        ...

    async def rows(
        self, status: Status, *, limit: int = 100, instance: str = "", delivery_id: str = ""
    ) -> Sequence[Row]:
        """Deliveries for an operator's eye, oldest first; filters that are empty do not filter."""
        ...

    async def replay(self, delivery_ids: Sequence[str]) -> int:
        """Dead or held deliveries wait again, attempts back at 0; how many were found."""
        ...

    async def choose(
        self, status: Status, choice: Choice, *, after: int = 0, limit: int = 500
    ) -> Sequence[Chosen]:
        """What of ``status`` fits ``choice``, by seq; only what has a seq above ``after``."""
        ...

    async def move(self, seqs: Sequence[int], among: Collection[Status], to: Status, reason: str) -> int:
        """
        Those of ``seqs`` that are ``among`` become ``to``; how many. What waits again begins anew,
        but finished parts stay finished.
        """
        ...

    async def crowds(self) -> dict[ConversationRef, Crowd]:
        """Every destination where something waits or is held."""
        ...

    async def dead_by_reason(self) -> dict[str, int]: ...

    async def recorded(self, message_id: str, instance: str = "") -> Recorded | None:
        """
        The message of that id (its event's, or the platform's own), the latest if there are several,
        and its deliveries. ``instance`` is its source, if that is known.
        """
        ...

    async def ledger(self) -> Ledger: ...

    async def backlog(self) -> dict[InstanceId, tuple[int, float]]:
        """For each instance with waiting deliveries: how many, and when the oldest was accepted."""
        ...

    def age(self, at: float) -> float:
        """
        Seconds that have really passed since ``at`` (seconds since 1970), whatever was done to the wall
        clock in between: what is forgotten or given up goes by this.
        """
        ...

    async def changed_outside(self) -> bool:
        """Another process (an operator's command) wrote since the last call."""
        ...

    async def prune(self) -> None:
        """Forget what is past its retention, in small transactions."""
        ...

    def on_the_bench(self, delivery: Delivery | None) -> None:
        """
        Say which delivery is being worked on, None when its work is done. Not durable against a
        power cut, but against the end of the process, and nearly free: one that was on the bench at
        three crashes is quarantined when the journal is opened (held, reason ``crashed``).
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long the journal remembers, in seconds."""

    dedupe: float = 96 * 3600.0
    dead: float = 30 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """
    When the journal is full: at ``refuse_at`` of any of the three limits `accept` raises
    `JournalFull`, until all are below ``resume_at`` again; from ``warn_at`` on it is said.
    """

    max_waiting: int = 1_000_000
    max_bytes: int = 4 << 30
    min_free_disk: int = 64 << 20
    warn_at: float = 0.80
    refuse_at: float = 0.95
    resume_at: float = 0.70
