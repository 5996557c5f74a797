"""
The journal's hot path in SQL: accept and settle, each for a whole group at once.

A group costs a handful of statements, however many messages it holds. Nothing here knows of threads,
futures or transactions.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.journal import Acceptance, Verdict, bulk
from bridge.journal.codec import Encoded, checksum, delivery_id, encode_plan
from bridge.journal.names import Names, post_name
from bridge.journal.schema import NUMBER_OF
from bridge.model import ConversationRef, Delivery, Envelope, EventKind, Outcome, Plan, Route, Status

_ECHO = Acceptance(Verdict.ECHO)
_DUPLICATE = Acceptance(Verdict.DUPLICATE)
_CONFLICT = Acceptance(Verdict.CONFLICT)
_QUEUED = (NUMBER_OF[Status.WAITING], NUMBER_OF[Status.HELD])


@dataclass(slots=True)
class Accepting:
    """An envelope on its way in, and what came of it."""

    envelope: Envelope
    routes: Sequence[Route]
    encoded: Encoded
    name: bytes
    seq: int = 0
    result: Acceptance = field(default=_ECHO)


@dataclass(slots=True)
class Settling:
    """A delivery that has ended."""

    delivery: Delivery
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Standing:
    """The numbers that grow and shrink with every group: rows and bytes wait or are held."""

    last: int
    planned: int
    rows: int
    bytes: int


class Store:
    """
    ``standing`` is as of the last commit, once `commit` has been told of it; `forget` goes back to
    it after a rollback.
    """

    def __init__(self, db: sqlite3.Connection, standing: Standing) -> None:
        self.db = db
        self.standing = standing
        self._places: dict[ConversationRef, int] = {}
        self._plans: dict[Plan, int] = {}
        self.names = Names(db)
        self.forget()

    def forget(self) -> None:
        """The transaction was rolled back: nothing that it taught us holds."""
        self.last = self.standing.last
        self.planned = self.standing.planned
        self.rows = self.standing.rows
        self.bytes = self.standing.bytes
        self._plans.clear()
        self.names.reload()
        self._places = {
            ConversationRef(instance, conversation): number
            for number, instance, conversation in self.db.execute(
                "SELECT id, instance, conversation FROM places"
            )
        }

    def finish(self) -> None:
        """The last of a transaction."""
        self.names.write()
        if self.last != self.standing.last:
            self.db.execute("UPDATE counters SET last = ?, planned = ?", (self.last, self.planned))

    def commit(self) -> None:
        """The transaction is on disk."""
        self.standing = Standing(self.last, self.planned, self.rows, self.bytes)

    def recount(self) -> None:
        """Count what waits and is held anew, because another process may have changed it."""
        self.rows, self.bytes = queued(self.db)

    def accept(self, group: Sequence[Accepting], now: float) -> None:
        """Fill in the ``result`` of each; ``now`` is in seconds since 1970."""
        echoes = self._echoes(group)
        known = self.names.find([a.name for a in group])
        before: list[tuple[Accepting, int]] = []
        messages: list[Any] = []
        deliveries: list[Any] = []
        for a in group:
            if id(a) in echoes:
                a.result = _ECHO
            elif (seq := known.get(a.name)) is not None:
                before.append((a, seq))
            else:
                known[a.name] = self._message(a, now, messages)
                self._deliveries(a, now, deliveries)
        bulk.insert(self.db, "INSERT INTO messages VALUES ", 9, messages)
        bulk.insert(self.db, _INSERT_DELIVERIES, 8, deliveries)
        for a, seq in before:
            same = self._fingerprint(seq) == a.encoded.fingerprint
            a.result = _DUPLICATE if same else _CONFLICT

    def settle(self, group: Sequence[Settling], now: float) -> None:
        """Deliveries that ended alike share their statements."""
        alike: dict[tuple[Status, int, str, str], list[int]] = {}
        links: list[Any] = []
        for s in group:
            delivery, outcome = s.delivery, s.outcome
            kind = (outcome.status, outcome.attempts, outcome.reason, outcome.detail)
            alike.setdefault(kind, []).append(delivery.seq)
            if outcome.message_ids:
                where = delivery.route.destination
                for part, message_id in enumerate(outcome.message_ids, delivery.parts + 1):
                    links += (delivery.seq, part, message_id)
                    self.names.add(post_name(where, message_id), delivery.seq)
        for (status, attempts, reason, detail), seqs in alike.items():
            settled_at = None if status is Status.WAITING else now
            ending = (NUMBER_OF[status], attempts, reason, detail, settled_at)
            self._end(seqs, ending)
        bulk.insert(self.db, "INSERT OR IGNORE INTO links VALUES ", 3, links)

    def quarantine(self, seqs: list[int], now: float) -> None:
        """These rows are not what was written."""
        detail = "its checksum does not hold: the file was damaged"
        self._end(seqs, (NUMBER_OF[Status.DEAD], 0, "damaged", detail, now))

    def move(
        self, seqs: Sequence[int], among: Iterable[Status], to: Status, reason: str, now: float
    ) -> int:
        """As `Journal.move`."""
        listed = json.dumps(list(seqs))
        before, before_size = self._queued_among(listed)
        again = to is Status.WAITING
        numbers = json.dumps([NUMBER_OF[status] for status in among])
        moved: int = self.db.execute(
            _BEGIN_ANEW if again else _MOVE,
            (now, listed, numbers) if again else (NUMBER_OF[to], reason, now, listed, numbers),
        ).rowcount
        after, after_size = self._queued_among(listed)
        self.rows += after - before
        self.bytes += after_size - before_size
        return moved

    def place(self, destination: ConversationRef) -> int:
        """The number that stands for a conversation in every row."""
        known = self._places.get(destination)
        if known is None:
            known = self._places[destination] = self._new_row(
                "INSERT INTO places (instance, conversation) VALUES (?, ?)",
                (destination.instance, destination.conversation),
            )
        return known

    def known_place(self, conversation: ConversationRef) -> int | None:
        """As `place`, but None for a conversation that nothing was ever sent to."""
        return self._places.get(conversation)

    def _end(self, seqs: list[int], ending: tuple[int, int, str, str, float | None]) -> None:
        among = json.dumps(seqs)
        rows, size = self._queued_among(among)
        self.db.execute(_SETTLE, (*ending, among))
        if ending[0] in _QUEUED:
            still, still_size = self._queued_among(among)
            rows, size = rows - still, size - still_size
        self.rows -= rows
        self.bytes -= size

    def _queued_among(self, seqs: str) -> tuple[int, int]:
        rows, size = self.db.execute(_QUEUED_AMONG, (seqs,)).fetchone()
        return rows, size

    def _echoes(self, group: Sequence[Accepting]) -> set[int]:
        """
        What of the group (by ``id()``) we posted ourselves: only where we ever posted can it be. A
        reaction to our post is somebody else's.
        """
        suspects = {
            id(a): post_name(a.envelope.source, a.envelope.message.id)
            for a in group
            if a.envelope.source in self._places and a.envelope.kind is not EventKind.REACTION
        }
        posted = self.names.find(list(suspects.values())) if suspects else {}
        return {suspect for suspect, name in suspects.items() if name in posted}

    def _fingerprint(self, seq: int) -> int | None:
        found = self.db.execute("SELECT fingerprint FROM messages WHERE seq = ?", (seq,)).fetchone()
        return found[0] if found else None

    def _message(self, a: Accepting, now: float, rows: list[Any]) -> int:
        envelope, body = a.envelope, a.encoded.body
        seq = a.seq = self.last + 1
        message_id: str = envelope.message.id
        rows += (
            seq,
            envelope.source.instance,
            envelope.id,
            None if message_id == envelope.id else message_id,
            a.encoded.fingerprint,
            now,
            len(a.routes),
            body,
            checksum(body, seq),
        )
        self.names.add(a.name, seq)
        self.last = seq + len(a.routes)
        return seq

    def _deliveries(self, a: Accepting, now: float, rows: list[Any]) -> None:
        deliveries = []
        source, size, seq = a.envelope.source.instance, len(a.encoded.body), a.seq
        for route in a.routes:
            seq += 1
            name = delivery_id(source, a.envelope.id, route.destination)
            plan, place = self._plan_number(route.plan), self.place(route.destination)
            rows += (seq, a.seq, place, plan, name, seal(seq, plan, name), size, now)
            deliveries.append(Delivery(seq, name, a.envelope, route, since=now))
        self.planned += len(deliveries)
        self.rows += len(deliveries)
        self.bytes += size * len(deliveries)
        a.result = Acceptance(Verdict.NEW, tuple(deliveries))

    def _plan_number(self, plan: Plan) -> int:
        known = self._plans.get(plan)
        if known is None:
            body = encode_plan(plan)
            found = self.db.execute("SELECT id FROM plans WHERE body = ?", (body,)).fetchone()
            known = self._plans[plan] = (
                found[0]
                if found
                else self._new_row(
                    "INSERT INTO plans (body, checksum) VALUES (?, ?)", (body, checksum(body, 0))
                )
            )
        return known

    def _new_row(self, statement: str, values: tuple[object, ...]) -> int:
        number = self.db.execute(statement, values).lastrowid
        assert number is not None
        return number


def seal(seq: int, plan: int, name: str) -> int:
    """
    The checksum of a delivery's row. ``name`` is its id, which itself follows from the event and
    the destination, so that it vouches for both.
    """
    return checksum(b"%d %b" % (plan, name.encode()), seq)


def queued(db: sqlite3.Connection) -> tuple[int, int]:
    """How many rows wait or are held, and their bytes."""
    waiting, waiting_bytes = db.execute(_ALL_WAITING).fetchone()
    held, held_bytes = db.execute(_ALL_HELD).fetchone()
    return waiting + held, waiting_bytes + held_bytes


_INSERT_DELIVERIES = (
    "INSERT INTO deliveries (seq, message, place, plan, id, checksum, bytes, since) VALUES "
)
_QUEUED_AMONG = """
SELECT count(*), ifnull(sum(bytes), 0) FROM deliveries
WHERE seq IN (SELECT value FROM json_each(?)) AND +status IN (0, 1)
"""
_SETTLE = """
UPDATE deliveries SET status = ?, attempts = ?, reason = ?, detail = ?, settled_at = ?
WHERE seq IN (SELECT value FROM json_each(?))
"""
_MOVE = """
UPDATE deliveries SET status = ?, reason = ?, detail = '', settled_at = ?
WHERE seq IN (SELECT value FROM json_each(?)) AND +status IN (SELECT value FROM json_each(?))
"""
_BEGIN_ANEW = """
UPDATE deliveries SET status = 0, attempts = 0, crashes = 0, due_at = 0, since = ?,
    settled_at = NULL, reason = '', detail = ''
WHERE seq IN (SELECT value FROM json_each(?)) AND +status IN (SELECT value FROM json_each(?))
"""
_ALL_WAITING = "SELECT count(*), ifnull(sum(bytes), 0) FROM deliveries WHERE status = 0"
_ALL_HELD = "SELECT count(*), ifnull(sum(bytes), 0) FROM deliveries WHERE status = 1"
