"""The journal as a model: the same promises as ``sqlite``, kept in plain dicts and nowhere else."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.ages import Ages
from bridge.clock import Clock
from bridge.errors import JournalFull
from bridge.journal import (
    Acceptance,
    Capacity,
    Choice,
    Chosen,
    Crowd,
    Ledger,
    Recorded,
    Retention,
    Row,
    Suspension,
    Verdict,
)
from bridge.journal.codec import delivery_id, encode
from bridge.model import (
    ConversationRef,
    Delivery,
    Envelope,
    EventId,
    EventKind,
    InstanceId,
    MessageId,
    Outcome,
    Route,
    Status,
)

_QUEUED = (Status.WAITING, Status.HELD)


@dataclass(slots=True)
class _Entry:
    """A delivery, and what has become of it."""

    delivery: Delivery
    size: int
    status: Status = Status.WAITING
    settled_at: float | None = None
    reason: str = ""
    detail: str = ""
    posted: dict[MessageId, int] = field(default_factory=dict)
    """Which part each id was given to, counted from 1; a part that was sent again has two."""

    @property
    def message_ids(self) -> tuple[MessageId, ...]:
        return tuple(sorted(self.posted, key=lambda name: (self.posted[name], name)))


@dataclass(slots=True)
class _Known:
    """A message that was accepted."""

    envelope: Envelope
    fingerprint: int
    accepted_at: float
    entries: list[_Entry] = field(default_factory=list)


@dataclass(slots=True)
class _Send:
    """A send under a rate limit."""

    started_at: float
    completed_at: float | None = None


class MemoryJournal:
    """`Journal` without storage: for tests, and for runs that are to leave nothing behind."""

    broken = ""
    damaged = 0
    lost: tuple[int, int] | None = None

    def __init__(self, *, clock: Clock, capacity: Capacity, retention: Retention) -> None:
        self._clock = clock
        self._capacity = capacity
        self._retention = retention
        self._known: dict[tuple[InstanceId, EventId], _Known] = {}
        self._destinations: set[ConversationRef] = set()
        self._seq = 0
        self._planned = 0
        self._pruned: Counter[Status] = Counter()
        self._suspensions: list[Suspension] = []
        self._rate: dict[tuple[str, int], _Send] = {}
        self._full = False
        self._ages = Ages(clock)

    @property
    def fullness(self) -> float:
        """0 to 1 and above: how near the nearest of the limits of `Capacity` is."""
        queued = [entry for _, entry in self._entries() if entry.status in _QUEUED]
        return max(
            len(queued) / self._capacity.max_waiting,
            sum(entry.size for entry in queued) / self._capacity.max_bytes,
        )

    async def accept(
        self,
        envelope: Envelope,
        routes: Sequence[Route],
        then: Callable[[Acceptance], None] | None = None,
    ) -> Acceptance:
        acceptance = self._accept(envelope, routes)
        if then is not None:
            then(acceptance)
        return acceptance

    def _accept(self, envelope: Envelope, routes: Sequence[Route]) -> Acceptance:
        self._ages.note()
        limit = self._capacity.resume_at if self._full else self._capacity.refuse_at
        self._full = self.fullness >= limit
        if self._full:
            raise JournalFull("the journal is full: it takes messages again when some are delivered")
        reaction = envelope.kind is EventKind.REACTION  # to our post is somebody else's
        if not reaction and self._posted(envelope.source, envelope.message.id):
            return Acceptance(Verdict.ECHO)
        encoded, key = encode(envelope), (envelope.source.instance, envelope.id)
        if known := self._known.get(key):
            same = known.fingerprint == encoded.fingerprint
            return Acceptance(Verdict.DUPLICATE if same else Verdict.CONFLICT)
        now = self._now()
        known = self._known[key] = _Known(envelope, encoded.fingerprint, now)
        for route in routes:
            self._seq += 1
            name = delivery_id(envelope.source.instance, envelope.id, route.destination)
            delivery = Delivery(self._seq, name, envelope, route, since=now)
            self._destinations.add(route.destination)
            known.entries.append(_Entry(delivery, len(encoded.body)))
        self._planned += len(routes)
        return Acceptance(Verdict.NEW, tuple(entry.delivery for entry in known.entries))

    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        for entry in self._of(delivery):
            entry.status, entry.reason, entry.detail = (
                outcome.status,
                outcome.reason,
                outcome.detail,
            )
            entry.settled_at = None if outcome.status is Status.WAITING else self._now()
            entry.delivery = replace(entry.delivery, attempts=outcome.attempts)
            for part, message_id in enumerate(outcome.message_ids, delivery.parts + 1):
                entry.posted.setdefault(message_id, part)

    async def part_sent(self, delivery: Delivery, parts: int, message_id: MessageId | None) -> None:
        for entry in self._of(delivery):
            entry.delivery = replace(entry.delivery, parts=max(entry.delivery.parts, parts))
            if message_id is not None:
                entry.posted.setdefault(message_id, parts)

    async def postpone(
        self, delivery: Delivery, *, attempts: int, due_at: float, reason: str, detail: str
    ) -> None:
        for entry in self._of(delivery):
            if entry.status is Status.WAITING:
                entry.delivery = replace(entry.delivery, attempts=attempts, due_at=due_at)
                entry.reason, entry.detail = reason, detail

    async def lanes(self) -> Sequence[ConversationRef]:
        return list(
            dict.fromkeys(
                entry.delivery.route.destination
                for _, entry in self._entries()
                if entry.status is Status.WAITING
            )
        )

    async def waiting(
        self, destination: ConversationRef, limit: int, *, after: int = 0
    ) -> Sequence[Delivery]:
        return [
            entry.delivery
            for _, entry in self._entries()
            if entry.status is Status.WAITING
            and entry.delivery.route.destination == destination
            and entry.delivery.seq > after
        ][:limit]

    async def suspend(self, suspension: Suspension) -> None:
        scope = suspension.instance, suspension.conversation
        for i, lasting in enumerate(self._suspensions):
            if (lasting.instance, lasting.conversation) == scope and lasting.until is None:
                self._suspensions[i] = replace(
                    lasting, reason=suspension.reason, detail=suspension.detail
                )
                return
        self._suspensions.append(suspension)

    async def resume(self, instance: InstanceId, conversation: str | None, until: datetime) -> None:
        self._suspensions = [
            replace(s, until=until)
            if (s.instance, s.conversation, s.until) == (instance, conversation, None)
            else s
            for s in self._suspensions
        ]

    async def suspensions(self) -> Sequence[Suspension]:
        longest = self._retention.dead
        return sorted(
            (s for s in self._suspensions if s.until is None or self.age(s.until.timestamp()) <= longest),
            key=lambda s: s.since,
        )

    async def translate(
        self, source: ConversationRef, message_id: MessageId, destination: ConversationRef
    ) -> MessageId | None:
        newest = None
        for known in self._about(source, message_id):
            if known.envelope.source == destination:
                return known.envelope.message.id
            for entry in known.entries:
                if entry.delivery.route.destination == destination and entry.posted:
                    newest = entry.message_ids[0]
        return newest

    async def copies(
        self, source: ConversationRef, message_id: MessageId, destination: ConversationRef
    ) -> tuple[MessageId, ...]:
        return tuple(
            dict.fromkeys(
                posted
                for known in self._about(source, message_id)
                for entry in known.entries
                if entry.delivery.route.destination == destination
                for posted in entry.message_ids
            )
        )

    def _about(self, source: ConversationRef, message_id: MessageId) -> list[_Known]:
        """What we posted under that id, the message itself, then the events about it."""
        written = [
            known
            for known in self._known.values()
            if known.envelope.source == source and known.envelope.message.id == message_id
        ]
        written.sort(key=lambda known: known.envelope.kind is not EventKind.MESSAGE)
        return self._posted(source, message_id) + written

    async def rate_started(self, limiter: str, at: float) -> int:
        token = len(self._rate) + 1
        self._rate[limiter, token] = _Send(at)
        return token

    def rate_completed(self, limiter: str, token: int, at: float) -> None:
        if (limiter, token) in self._rate:
            self._rate[limiter, token].completed_at = at

    async def rate_history(self, limiter: str, since: float) -> Sequence[float]:
        return sorted(
            send.completed_at
            for (name, _), send in self._rate.items()
            if name == limiter and send.completed_at is not None and send.completed_at > since
        )

    async def rows(
        self, status: Status, *, limit: int = 100, instance: str = "", delivery_id: str = ""
    ) -> Sequence[Row]:
        return [
            _row(known, entry)
            for known, entry in self._entries()
            if entry.status is status
            and instance in ("", entry.delivery.route.destination.instance)
            and delivery_id in ("", entry.delivery.id)
        ][:limit]

    async def replay(self, delivery_ids: Sequence[str]) -> int:
        found = 0
        for _, entry in self._entries():
            if entry.delivery.id in delivery_ids and entry.status in (Status.DEAD, Status.HELD):
                entry.status, entry.settled_at, entry.reason, entry.detail = (
                    Status.WAITING,
                    None,
                    "",
                    "",
                )
                entry.delivery = replace(entry.delivery, attempts=0, due_at=0.0, since=self._now())
                found += 1
        return found

    async def choose(
        self, status: Status, choice: Choice, *, after: int = 0, limit: int = 500
    ) -> Sequence[Chosen]:
        return [
            Chosen(entry.delivery.seq, entry.delivery.id, entry.delivery.route.destination)
            for known, entry in self._entries()
            if entry.status is status and entry.delivery.seq > after and _fits(choice, known, entry)
        ][:limit]

    async def move(self, seqs: Sequence[int], among: Collection[Status], to: Status, reason: str) -> int:
        moved = 0
        for _, entry in self._entries():
            if entry.delivery.seq not in seqs or entry.status not in among:
                continue
            moved += 1
            entry.status, entry.reason, entry.detail = to, reason, ""
            entry.settled_at = self._now()
            if to is Status.WAITING:
                entry.reason, entry.settled_at = "", None
                entry.delivery = replace(entry.delivery, attempts=0, due_at=0.0, since=self._now())
        return moved

    async def crowds(self) -> dict[ConversationRef, Crowd]:
        found: dict[ConversationRef, Crowd] = {}
        for known, entry in self._entries():
            place = entry.delivery.route.destination
            crowd = found.get(place, Crowd())
            if entry.status is Status.WAITING:
                oldest = known.accepted_at if crowd.oldest is None else crowd.oldest
                found[place] = Crowd(crowd.waiting + 1, crowd.held, oldest)
            elif entry.status is Status.HELD:
                found[place] = Crowd(crowd.waiting, crowd.held + 1, crowd.oldest)
        return found

    async def dead_by_reason(self) -> dict[str, int]:
        dead = (entry for _, entry in self._entries() if entry.status is Status.DEAD)
        return dict(Counter(entry.reason for entry in dead))

    async def recorded(self, message_id: str, instance: str = "") -> Recorded | None:
        for known in reversed(self._known.values()):
            said = known.envelope
            if message_id in (said.id, said.message.id) and instance in ("", said.source.instance):
                return Recorded(said, tuple(_row(known, entry) for entry in known.entries))
        return None

    async def ledger(self) -> Ledger:
        counts = Counter(entry.status for _, entry in self._entries()) + self._pruned
        return Ledger(self._planned, {status: counts[status] for status in Status})

    async def backlog(self) -> dict[InstanceId, tuple[int, float]]:
        backlog: dict[InstanceId, tuple[int, float]] = {}
        for known, entry in self._entries():
            if entry.status is Status.WAITING:
                instance = entry.delivery.route.destination.instance
                count, oldest = backlog.get(instance, (0, known.accepted_at))
                backlog[instance] = count + 1, min(oldest, known.accepted_at)
        return backlog

    def age(self, at: float) -> float:
        self._ages.note()
        return self._ages.of(at)

    async def changed_outside(self) -> bool:
        self._ages.note()
        return False

    async def prune(self) -> None:
        retention = self._retention
        for key, known in list(self._known.items()):
            kept = self.age(known.accepted_at) <= retention.dedupe or any(
                entry.status in _QUEUED
                or (entry.status is Status.DEAD and self.age(entry.settled_at or 0.0) <= retention.dead)
                for entry in known.entries
            )
            if not kept:
                self._pruned.update(entry.status for entry in known.entries)
                del self._known[key]

    def on_the_bench(self, delivery: Delivery | None) -> None:
        """What is not kept cannot crash twice."""

    def _entries(self) -> Iterator[tuple[_Known, _Entry]]:
        """In order of acceptance: dicts keep theirs."""
        return ((known, entry) for known in self._known.values() for entry in known.entries)

    def _of(self, delivery: Delivery) -> list[_Entry]:
        return [entry for _, entry in self._entries() if entry.delivery.seq == delivery.seq]

    def _posted(self, where: ConversationRef, message_id: MessageId) -> list[_Known]:
        """The message whose copy we posted as ``message_id``."""
        if where not in self._destinations:
            return []
        return [
            known
            for known, entry in self._entries()
            if entry.delivery.route.destination == where and message_id in entry.posted
        ][:1]

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _row(known: _Known, entry: _Entry) -> Row:
    return Row(
        delivery=entry.delivery,
        status=entry.status,
        accepted_at=known.accepted_at,
        settled_at=entry.settled_at,
        reason=entry.reason,
        detail=entry.detail,
        message_ids=entry.message_ids,
    )


def _fits(choice: Choice, known: _Known, entry: _Entry) -> bool:
    destination = entry.delivery.route.destination
    return (
        (not choice.ids or entry.delivery.id in choice.ids)
        and choice.instance in ("", destination.instance)
        and choice.conversation in ("", destination.conversation)
        and choice.reason in ("", entry.reason)
        and choice.rule in ("", entry.delivery.route.plan.rule)
        and (choice.since is None or known.accepted_at >= choice.since)
        and (choice.until is None or known.accepted_at < choice.until)
    )
