"""The SQLite journal does what the model does, whatever happens in whatever order."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.errors import JournalFull
from bridge.journal import Capacity, Retention, Suspension
from bridge.journal.memory import MemoryJournal
from bridge.journal.sqlite import open_journal
from bridge.model import InstanceId, MessageId, Outcome, Status
from tests.builders import a_place, a_route, an_envelope
from tests.clock import FakeClock

PLACES = ("one/room", "one/other", "two/room")
LIMITS: dict[str, Any] = {
    "capacity": Capacity(max_waiting=20, min_free_disk=0),
    "retention": Retention(dedupe=100.0, dead=300.0),
}
places = st.sampled_from(PLACES)
ids = st.sampled_from([f"m{i}" for i in range(6)] + ["p0", "p1", "p2"])
statuses = st.sampled_from([s for s in Status if s is not Status.WAITING])


class TwoJournals(RuleBasedStateMachine):
    """Every step is done to both, and both must answer alike."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "0"
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.model = MemoryJournal(clock=self.clock, **LIMITS)
        self.known: list[tuple[Any, Any]] = []
        self.posts = 0
        self.open()

    def open(self) -> None:
        self.context = open_journal(self.folder / "journal.db", clock=self.clock, **LIMITS)
        self.real = self.runner.run(self.context.__aenter__())
        assert None is self.real.lost

    def close(self) -> None:
        self.runner.run(self.context.__aexit__(None, None, None))

    def teardown(self) -> None:
        self.close()
        self.runner.close()
        shutil.rmtree(self.root)

    def both(self, ask: Callable[[Any], Awaitable[Any]]) -> tuple[Any, Any]:
        return self.runner.run(answer(ask, self.real)), self.runner.run(answer(ask, self.model))

    def same(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        real, model = self.both(ask)
        assert seqless(model) == seqless(real)
        return real

    @rule(name=ids, at=places, to=st.sets(places), text=st.sampled_from(["a", "b"]))
    def accept(self, name: str, at: str, to: set[str], text: str) -> None:
        message = an_envelope(text, id=name, at=at)
        routes = [a_route(place) for place in sorted(to - {at})]
        real, model = self.both(lambda journal: journal.accept(message, routes))
        if isinstance(model, JournalFull):
            assert isinstance(real, JournalFull)
            return
        assert model.verdict == real.verdict
        assert seqless(list(model.deliveries)) == seqless(list(real.deliveries))
        self.known += zip(real.deliveries, model.deliveries, strict=True)

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0), status=statuses, posts=st.integers(0, 2))
    def settle(self, which: int, status: Status, posts: int) -> None:
        made = tuple(MessageId(f"p{self.posts + i}") for i in range(posts))
        self.posts += posts
        self.each(which, lambda j, d: j.settle(d, Outcome(status, made, "why", "because", 2)))

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0), part=st.integers(1, 3), named=st.booleans())
    def part_sent(self, which: int, part: int, named: bool) -> None:
        made = MessageId(f"p{self.posts}") if named else None
        self.posts += named
        self.each(which, lambda j, d: j.part_sent(d, part, made))

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0), attempts=st.integers(1, 9))
    def postpone(self, which: int, attempts: int) -> None:
        self.each(
            which,
            lambda j, d: j.postpone(d, attempts=attempts, due_at=9.5, reason="r", detail="d"),
        )

    def each(self, which: int, work: Callable[[Any, Any], Awaitable[Any]]) -> None:
        real, model = self.known[which % len(self.known)]
        self.runner.run(answer(lambda j: work(j, real), self.real))
        self.runner.run(answer(lambda j: work(j, model), self.model))

    @precondition(lambda self: self.known)
    @rule(which=st.lists(st.integers(0), max_size=3))
    def replay(self, which: list[int]) -> None:
        names = [self.known[i % len(self.known)][0].id for i in which]
        self.same(lambda journal: journal.replay(names))

    @rule(place=places, whole=st.booleans())
    def suspend(self, place: str, whole: bool) -> None:
        instance, room = place.split("/")
        now = self.clock.now()
        suspension = Suspension(InstanceId(instance), None if whole else room, "r", "d", now)
        self.same(lambda journal: journal.suspend(suspension))

    @rule(place=places, whole=st.booleans())
    def resume(self, place: str, whole: bool) -> None:
        instance, room = place.split("/")
        until = self.clock.now() + timedelta(seconds=1)
        scope = None if whole else room
        self.same(lambda journal: journal.resume(InstanceId(instance), scope, until))

    @rule(seconds=st.sampled_from([1.0, 60.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def prune(self) -> None:
        self.same(lambda journal: journal.prune())

    @rule()
    def restart(self) -> None:
        self.close()
        self.open()

    @rule()
    def crash(self) -> None:
        """The files as they are, without anything that closing would do."""
        copy = self.root / str(int(self.folder.name) + 1)
        copy.mkdir()
        for name in ("journal.db", "journal.db-wal", "journal.db.mark"):
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, copy / name)
        self.close()
        self.folder = copy
        self.open()

    @rule(source=places, name=ids, destination=places)
    def translate(self, source: str, name: str, destination: str) -> None:
        self.same(lambda j: j.translate(a_place(source), MessageId(name), a_place(destination)))

    @rule(place=places, limit=st.integers(1, 5))
    def waiting(self, place: str, limit: int) -> None:
        self.same(lambda journal: journal.waiting(a_place(place), limit))

    @invariant()
    def both_say_the_same(self) -> None:
        ledger = self.same(lambda journal: journal.ledger())
        assert ledger.balanced
        lanes, model_lanes = self.both(lambda journal: journal.lanes())
        assert set(model_lanes) == set(lanes)
        self.same(lambda journal: journal.backlog())
        self.same(lambda journal: journal.suspensions())
        for status in Status:
            self.same(lambda journal, s=status: journal.rows(s))


async def answer(ask: Callable[[Any], Awaitable[Any]], journal: Any) -> Any:
    """What it answers, or with what it refuses."""
    try:
        return await ask(journal)
    except JournalFull as e:
        return e


def seqless(value: Any) -> Any:
    """Engines number as they like, as long as the order is the same."""
    if isinstance(value, list | tuple):
        return [seqless(item) for item in value]
    if hasattr(value, "delivery"):
        return replace(value, delivery=replace(value.delivery, seq=0))
    return replace(value, seq=0) if hasattr(value, "seq") else value


TestTwoJournals = TwoJournals.TestCase
TestTwoJournals.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
