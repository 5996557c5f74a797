"""The default journal: one SQLite file on a local disk, written by one thread."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from bridge.ages import Ages
from bridge.clock import Clock
from bridge.errors import JournalBroken, JournalFull
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
    reading,
    recall,
    rows,
    standing,
)
from bridge.journal.codec import encode
from bridge.journal.gauge import Gauge
from bridge.journal.inspection import structure_beside
from bridge.journal.names import event_name, post_name
from bridge.journal.opening import Opened, open_files
from bridge.journal.pruning import prune_step
from bridge.journal.sent_log import Mark
from bridge.journal.store import Accepting, Settling
from bridge.journal.writer import Asking, Writer
from bridge.model import (
    ConversationId,
    ConversationRef,
    Delivery,
    Envelope,
    InstanceId,
    MessageId,
    Outcome,
    Route,
    Status,
)

T = TypeVar("T")


@asynccontextmanager
async def open_journal(
    path: Path, *, clock: Clock, capacity: Capacity, retention: Retention
) -> AsyncIterator["SqliteJournal"]:
    """
    The journal in ``path``, made if need be (with ``<path>.mark`` and ``<path>.ballast`` beside it).

    Raises `JournalBroken` if the file cannot be used, and says why and what to do.
    """
    now = clock.now().timestamp()
    with ExitStack() as stack:
        opened = await asyncio.to_thread(open_files, path, now, stack)
        gauge = Gauge(path, capacity)
        gauge.read(opened.store.rows, opened.store.bytes, clock.monotonic())
        journal = SqliteJournal(
            path,
            opened,
            Writer(opened.store, gauge, opened.box, clock, stack.pop_all()),
            gauge,
            clock,
            retention,
        )
    try:
        yield journal
    finally:
        await journal.close()


class SqliteJournal:
    """
    `Journal` on SQLite.

    ``lost`` is the gap (first and last seq) of what was accepted but is no longer in the file, and
    ``kept`` where the files are that a salvage may read; ``damaged`` counts what was found damaged
    since it was opened: rows, and complaints of `inspect`; ``crashed`` says that a
    delivery was held when it was opened because it crashed the process too often.
    """

    def __init__(
        self,
        path: Path,
        opened: Opened,
        writer: Writer,
        gauge: Gauge,
        clock: Clock,
        retention: Retention,
    ) -> None:
        self._path = path
        self._store = opened.store
        self._box = opened.box
        self._sent = opened.sent
        self._writer = writer
        self._gauge = gauge
        self._clock = clock
        self._retention = retention
        self._ages = Ages(clock)
        self._ages.note()
        self._version = _data_version(opened.store.db)
        self.lost = opened.lost
        self.kept = opened.kept
        self.crashed = opened.crashed
        self.damaged = 0

    async def close(self) -> None:
        """Commit what was asked for, then close the file. `open_journal` does it."""
        await self._writer.close()

    @property
    def broken(self) -> str:
        """Why the journal can keep nothing any more; empty while it can."""
        return self._writer.broken

    @property
    def commits(self) -> int:
        """Transactions since it was opened."""
        return self._writer.commits

    @property
    def fullness(self) -> float:
        """0 to 1 and above: how near the nearest of the three limits of `Capacity` is."""
        return self._gauge.fullness

    async def accept(
        self,
        envelope: Envelope,
        routes: Sequence[Route],
        then: Callable[[Acceptance], None] | None = None,
    ) -> Acceptance:
        if self._gauge.full:
            self._refuse()
        name = event_name(envelope.source.instance, envelope.id)
        accepting = Accepting(envelope, routes, encode(envelope), name)
        accepted: Acceptance = await self._writer.submit(accepting, then)
        return accepted

    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        if outcome.status is Status.SENT:
            mark = Mark(delivery.seq, delivery.id, outcome.attempts, outcome.message_ids)
            page = self._sent.add(mark)
            if page is not None:
                # The mark of what could not be committed stays: it is put in at the next opening.
                self._writer.submit_later(
                    Settling(delivery, outcome), lambda _settled: self._sent.reached(page)
                )
                return
        await self._writer.submit(Settling(delivery, outcome))

    async def part_sent(self, delivery: Delivery, parts: int, message_id: MessageId | None) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE deliveries SET parts = max(parts, ?) WHERE seq = ?", (parts, delivery.seq))
            if message_id is not None:
                db.execute(
                    "INSERT OR IGNORE INTO links VALUES (?, ?, ?)",
                    (delivery.seq, parts, message_id),
                )
                name = post_name(delivery.route.destination, message_id)
                self._store.names.add(name, delivery.seq)

        await self._writer.submit(Asking(work, posted=True))

    async def postpone(
        self, delivery: Delivery, *, attempts: int, due_at: float, reason: str, detail: str
    ) -> None:
        await self._ask(
            lambda db: (
                db.execute(
                    "UPDATE deliveries SET attempts = ?, due_at = ?, reason = ?, detail = ? "
                    "WHERE seq = ? AND status = 0",
                    (attempts, due_at, reason, detail, delivery.seq),
                ).rowcount
            )
        )

    async def lanes(self) -> Sequence[ConversationRef]:
        return await self._ask(
            lambda db: [
                ConversationRef(InstanceId(instance), ConversationId(conversation))
                for instance, conversation in db.execute(
                    "SELECT instance, conversation FROM places WHERE EXISTS "
                    "(SELECT 1 FROM deliveries WHERE status = 0 AND place = places.id)"
                ).fetchall()
            ]
        )

    async def waiting(
        self, destination: ConversationRef, limit: int, *, after: int = 0
    ) -> Sequence[Delivery]:
        def work(db: sqlite3.Connection) -> Sequence[Delivery]:
            place = self._store.known_place(destination)
            good: list[Delivery] = []
            beyond = after
            while place is not None and len(good) < limit:
                found = rows.waiting(db, place, beyond, limit - len(good))
                if not found:
                    break
                beyond = found[-1][0]
                good += [delivery for _, delivery in found if delivery is not None]
                if bad := [seq for seq, delivery in found if delivery is None]:
                    self._store.quarantine(bad, self._now())
                    self.damaged += len(bad)
            return good

        return await self._ask(work)

    async def suspend(self, suspension: Suspension) -> None:
        await self._ask(lambda db: standing.suspend(db, suspension))

    async def resume(self, instance: InstanceId, conversation: str | None, until: datetime) -> None:
        await self._ask(lambda db: standing.resume(db, instance, conversation, until.timestamp()))

    async def suspensions(self) -> Sequence[Suspension]:
        longest = self._retention.dead
        found = await self._ask(standing.suspensions)
        return [one for one in found if not one.until or self.age(one.until.timestamp()) <= longest]

    async def translate(
        self, source: ConversationRef, message_id: MessageId, destination: ConversationRef
    ) -> MessageId | None:
        return await self._ask(
            lambda db: recall.translate(db, self._store.names, source, message_id, destination)
        )

    async def copies(
        self, source: ConversationRef, message_id: MessageId, destination: ConversationRef
    ) -> tuple[MessageId, ...]:
        return await self._ask(
            lambda db: recall.copies(db, self._store.names, source, message_id, destination)
        )

    async def rate_started(self, limiter: str, at: float) -> int:
        return await self._ask(lambda db: standing.rate_started(db, limiter, at))

    def rate_completed(self, limiter: str, token: int, at: float) -> None:
        work = Asking(lambda db: standing.rate_completed(db, limiter, token, at))
        self._writer.submit_later(work, lambda _done: None)

    async def rate_history(self, limiter: str, since: float) -> Sequence[float]:
        return await self._ask(lambda db: standing.rate_history(db, limiter, since))

    async def rows(
        self, status: Status, *, limit: int = 100, instance: str = "", delivery_id: str = ""
    ) -> Sequence[Row]:
        return await self._read(
            lambda reader: reader.rows(status, limit=limit, instance=instance, delivery_id=delivery_id)
        )

    async def replay(self, delivery_ids: Sequence[str]) -> int:
        now = self._now()

        def work(db: sqlite3.Connection) -> int:
            found = rows.replay(db, delivery_ids, now)
            self._store.recount()
            return found

        return await self._ask(work)

    async def choose(
        self, status: Status, choice: Choice, *, after: int = 0, limit: int = 500
    ) -> Sequence[Chosen]:
        return await self._read(lambda reader: reader.choose(status, choice, after=after, limit=limit))

    async def move(self, seqs: Sequence[int], among: Collection[Status], to: Status, reason: str) -> int:
        now = self._now()
        return await self._ask(lambda _db: self._store.move(seqs, among, to, reason, now))

    async def crowds(self) -> dict[ConversationRef, Crowd]:
        return await self._read(reading.Reader.crowds)

    async def dead_by_reason(self) -> dict[str, int]:
        return await self._read(reading.Reader.dead_by_reason)

    async def recorded(self, message_id: str, instance: str = "") -> Recorded | None:
        return await self._read(lambda reader: reader.recorded(message_id, instance))

    async def ledger(self) -> Ledger:
        return await self._read(reading.Reader.ledger)

    async def backlog(self) -> dict[InstanceId, tuple[int, float]]:
        return await self._read(reading.Reader.backlog)

    def age(self, at: float) -> float:
        self._ages.note()
        return self._ages.of(at)

    async def changed_outside(self) -> bool:
        self._ages.note()

        def work(db: sqlite3.Connection) -> bool:
            version = _data_version(db)
            changed = version != self._version
            self._version = version
            if changed:
                self._store.recount()
            return changed

        return await self._ask(work)

    async def prune(self) -> None:
        self._ages.note()
        now, retention, age = self._now(), self._retention, self._ages.of
        after: int | None = 0
        while after is not None:
            step = partial(prune_step, names=self._store.names, after=after, retention=retention, age=age)
            after = await self._writer.submit(Asking(step, owed=False))
        await self._ask(
            lambda db: standing.forget(
                db, suspended=retention.dead, rated=retention.dedupe, now=now, age=age
            )
        )

    async def inspect(self) -> Sequence[str]:
        """
        What is wrong with the file as a whole, in SQLite's words. Takes a second for each gigabyte, or
        as long as the disk needs to read it.
        """
        found = await structure_beside(self._path)
        self.damaged += len(found)
        return found

    def on_the_bench(self, delivery: Delivery | None) -> None:
        self._box.on_the_bench(delivery.seq if delivery else 0)

    def _refuse(self) -> None:
        if self._gauge.stale(self._clock.monotonic()) and not self._writer.broken:
            self._writer.submit(Asking(lambda _db: None))  # measures, so that it can end
        raise JournalFull(
            f"the journal is full ({self._gauge.fullness:.0%}): "
            "it takes messages again when some are delivered or the disk has room"
        )

    async def _ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        answer: T = await self._writer.submit(Asking(work))
        return answer

    async def _read(self, work: Callable[[reading.Reader], T]) -> T:
        """Long reads have a connection and a thread of their own: nobody's commit waits for them."""
        if self._writer.broken:
            raise JournalBroken(self._writer.broken)

        if self._writer.has_gathered:  # what we wrote ourselves must be there to be read
            await self._ask(lambda _db: None)

        def read() -> T:
            with reading.open_reader(self._path) as reader:
                return work(reader)

        return await asyncio.to_thread(read)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _data_version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA data_version").fetchone()[0]
    return version
