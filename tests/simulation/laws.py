"""What became of the promises, told from what the platforms saw and what the journal says. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bridge.journal import Row
from bridge.model import EventKind, Status
from tests.simulation.script import Rules
from tests.simulation.world import CAREFUL, Request

_EDITED = "[edited] "
_REASONS = frozenset({"forbidden", "gave_up"})


@dataclass(frozen=True, slots=True)
class Accepted:
    """Somebody was told that it was taken."""

    event: str
    text: str


@dataclass(frozen=True, slots=True)
class Death:
    """The process died; ``forgotten`` deliveries were marked as sent, and a power cut took the marks."""

    life: int
    forgotten: frozenset[str]


@dataclass(frozen=True, slots=True)
class Count:
    """Of one seed. ``doubled`` is within the bound of clause 4."""

    messages: int = 0
    deliveries: int = 0
    requests: int = 0
    arrivals: int = 0
    doubled: int = 0
    deaths: int = 0
    held: int = 0
    dead: int = 0


def judge(
    rows: Sequence[Row],
    accepted: Sequence[Accepted],
    arrivals: Sequence[Request],
    deaths: Sequence[Death],
    touched: AbstractSet[str],
    generations: Mapping[int, Rules],
    give_up_after: float,
) -> tuple[Count, list[str]]:
    """The numbers, and every law that was broken."""
    by_part: dict[str, list[Request]] = defaultdict(list)
    for arrival in arrivals:
        if arrival.verb != "recall":
            by_part[arrival.key].append(arrival)
    doubles = _Doubles(deaths, touched)
    complaints = [
        *_accepted_for_good(rows, accepted),
        *_planned_by_one_generation(rows, generations),
        *_nothing_spurious(rows, by_part, {one.event for one in accepted}),
        *_none_given_up_early(rows, give_up_after),
        *_nothing_lost_or_altered(rows, by_part),
        *_in_order(rows, arrivals, touched),
        *doubles.beyond_the_bound(arrivals),
    ]
    count = Count(
        messages=len({one.event for one in accepted}),
        deliveries=len(rows),
        arrivals=len(arrivals),
        doubled=doubles.allowed,
        deaths=len(deaths),
        held=sum(row.status is Status.HELD for row in rows),
        dead=sum(row.status is Status.DEAD for row in rows),
    )
    return count, complaints


def _accepted_for_good(rows: Sequence[Row], accepted: Sequence[Accepted]) -> Iterator[str]:
    """Clause 1, and of clause 3 that the first of two contents wins."""
    journaled = {row.delivery.envelope.id: row.delivery.envelope for row in rows}
    first: dict[str, str] = {}
    for one in accepted:
        first.setdefault(one.event, one.text)
    for event, text in first.items():
        envelope = journaled.get(event)  # type: ignore[call-overload] # an EventId is a str
        if envelope is None:
            yield f"lost: {event} was taken, and the journal knows nothing of it"
        elif envelope.message.text != text:
            yield f"altered: {event} was taken as {text!r} and is {envelope.message.text!r}"


def _planned_by_one_generation(rows: Sequence[Row], generations: Mapping[int, Rules]) -> Iterator[str]:
    """Clause 16: to where exactly one generation of the rules sends it, each place once."""
    planned: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        planned[row.delivery.envelope.id].append(row)
    for event, several in planned.items():
        numbers = {_generation(row) for row in several}
        places = sorted(str(row.delivery.route.destination) for row in several)
        source = str(several[0].delivery.envelope.source)
        wanted = [sorted(generations[number].targets[source]) for number in numbers]
        if wanted != [places]:
            yield f"{event} is planned for {places} by {sorted(numbers)}, not for {wanted}"


def _generation(row: Row) -> int:
    return int(row.delivery.route.plan.template.partition(" ")[0][1:])


def _none_given_up_early(rows: Sequence[Row], give_up_after: float) -> Iterator[str]:
    for row in rows:
        if row.reason == "gave_up" and row.status is Status.DEAD:
            age = (row.settled_at or 0.0) - row.delivery.since
            if age < give_up_after:
                yield f"{row.delivery.id} was given up after {age:.0f} s"


def _nothing_spurious(
    rows: Sequence[Row], by_part: Mapping[str, list[Request]], said: AbstractSet[str]
) -> Iterator[str]:
    for row in rows:
        if row.delivery.envelope.id not in said:
            yield f"spurious: {row.delivery.id} was planned, and nobody had said it"
    known = {row.delivery.id for row in rows}
    for key in by_part:
        if key.rpartition(":")[0] not in known:
            yield f"spurious: {key} arrived, and nobody had planned it"


def _nothing_lost_or_altered(rows: Sequence[Row], by_part: Mapping[str, list[Request]]) -> Iterator[str]:
    """Clause 2: sent is what arrived, whole and as it was written; all else has its reason."""
    for row in rows:
        delivery = row.delivery
        parts = _parts(delivery.id, by_part)
        match row.status:
            case Status.WAITING:
                yield f"stuck: {delivery.id} still waits"
            case Status.HELD if row.reason not in ("lost_answer", "operator"):
                yield f"{delivery.id} is held: {row.reason} {row.detail}"
            case Status.DEAD if row.reason not in _REASONS:
                yield f"{delivery.id} is dead: {row.reason} {row.detail}"
            case Status.SKIPPED if delivery.envelope.kind is not EventKind.RECALL:
                yield f"{delivery.id} was skipped: {row.reason}"
            case Status.SENT if delivery.envelope.kind is not EventKind.RECALL:
                yield from _whole(row, parts)
        for part in parts:
            if len({one.text for one in part}) > 1 and len({one.verb for one in part}) == 1:
                yield f"altered: two texts came under {part[0].key}"
            if any((one.instance, one.room) != _place(row) for one in part):
                yield f"altered: {part[0].key} came to a wrong place"


def _parts(name: str, by_part: Mapping[str, list[Request]]) -> list[list[Request]]:
    found = []
    number = 1
    while several := by_part.get(f"{name}:{number}"):
        found.append(several)
        number += 1
    return found


def _place(row: Row) -> tuple[str, str]:
    destination = row.delivery.route.destination
    return destination.instance, destination.conversation


def _whole(row: Row, parts: list[list[Request]]) -> Iterator[str]:
    delivery = row.delivery
    text = delivery.route.plan.template.replace("{msg}", delivery.envelope.message.text)
    if not parts:
        yield f"lost: {delivery.id} is booked as sent and never arrived"
        return
    came = "".join("".join(part[-1].text.split()) for part in parts)
    spoken = delivery.envelope.kind is EventKind.EDIT and parts[0][-1].verb == "post"
    wanted = "".join(((_EDITED if spoken else "") + text).split())
    if came != wanted:
        yield f"altered: {delivery.id} came as {came!r}, not as {wanted!r}"


def _in_order(
    rows: Sequence[Row], arrivals: Sequence[Request], touched: AbstractSet[str]
) -> Iterator[str]:
    """Clause 5, for first arrivals; what an operator moved goes when it goes."""
    by_name: dict[str, Row] = {row.delivery.id: row for row in rows}
    latest: dict[tuple[str, str], tuple[int, str]] = {}
    seen: set[str] = set()
    for arrival in arrivals:
        name = arrival.key.rpartition(":")[0]
        row = by_name.get(name)
        if row is None or arrival.key in seen or name in touched:
            continue
        seen.add(arrival.key)
        here = row.delivery.seq, name
        before = latest.get(_place(row), here)
        if here[0] < before[0]:
            yield f"disorder: {name} (seq {here[0]}) came after {before[1]} ({before[0]})"
        latest[_place(row)] = max(before, here)


class _Doubles:
    """
    Clause 4: a part comes again only if its answer was lost, once in each conversation after each
    death, or if a power cut took its mark.
    """

    def __init__(self, deaths: Sequence[Death], touched: AbstractSet[str]) -> None:
        self._forgotten = {death.life: death.forgotten for death in deaths}
        self._touched = touched
        self._used: set[tuple[int, str, str]] = set()
        self.allowed = 0

    def beyond_the_bound(self, arrivals: Sequence[Request]) -> Iterator[str]:
        before: dict[str, Request] = {}
        for arrival in arrivals:
            previous = before.get(arrival.key)
            before[arrival.key] = arrival
            if previous is None or arrival.verb == "recall":
                continue
            if self._is_allowed(previous, arrival):
                self.allowed += 1
            else:
                yield f"doubled too often: {arrival.key} at {arrival.arrived_at:.3f} s"

    def _is_allowed(self, previous: Request, arrival: Request) -> bool:
        name = arrival.key.rpartition(":")[0]
        careful = arrival.instance == CAREFUL and name not in self._touched
        if previous.lost and not careful:
            return True
        if previous.life == arrival.life or previous.life not in self._forgotten:
            return False
        if name in self._forgotten[previous.life]:
            return True
        use = previous.life, arrival.instance, arrival.room
        fresh = use not in self._used
        self._used.add(use)
        return fresh
