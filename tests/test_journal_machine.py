"""The SQLite journal does what the model does, whatever happens in whatever order."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bridge.errors import JournalFull
from bridge.journal import Capacity, Journal, Retention, Suspension
from bridge.journal.memory import MemoryJournal
from bridge.journal.sqlite import open_journal
from bridge.model import Delivery, InstanceId, MessageId, Outcome, Status
from tests.builders import a_place, a_route, an_envelope
from tests.clock import FakeClock
from tests.torn_files import DATABASE, MARKS, WAL, Files, arrives_by, checkpointed, cut_at, scattered

PLACES = ("one/room", "one/other", "two/room")
LIMITS: dict[str, Any] = {
    "capacity": Capacity(max_waiting=20, min_free_disk=0),
    "retention": Retention(dedupe=100.0, dead=300.0),
}
places = st.sampled_from(PLACES)
ids = st.sampled_from([f"m{i}" for i in range(6)] + ["p0", "p1", "p2"])
statuses = st.sampled_from([s for s in Status if s is not Status.WAITING])
unsent = st.sampled_from([s for s in Status if s not in (Status.WAITING, Status.SENT)])

Tear = Callable[[bytes, bytes], tuple[bytes, bool]]
tears = st.one_of(
    st.floats(0.0, 1.0).map(lambda share: partial(cut_at, share=share)),
    st.lists(st.booleans(), min_size=1, max_size=7).map(
        lambda pattern: partial(scattered, arrives=arrives_by(pattern))
    ),
)
"""How much of a file got to the disk before the power went, and whether that is all of it."""


class TwoJournals(RuleBasedStateMachine):
    """Every step is done to both, and both must answer alike."""

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")
        self.root = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
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
        self.continue_with(Files.of(self.folder))

    @rule()
    def lose_power(self) -> None:
        """Mapped memory goes as well; nothing of it is still needed."""
        self.continue_with(Files.of(self.folder).without_marks())

    @rule(name=ids, to=places, text=st.sampled_from(["a", "b"]), tear=tears)
    def lose_power_in_accept(self, name: str, to: str, text: str, tear: Tear) -> None:
        """Of what was being written all got there, or nothing counts: nothing half appears."""
        message = an_envelope(text, id=name, at="three/room")
        self.tear(tear, lambda journal: journal.accept(message, [a_route(to)]))

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0), status=unsent, posts=st.integers(0, 2), tear=tears)
    def lose_power_in_settle(self, which: int, status: Status, posts: int, tear: Tear) -> None:
        made = tuple(MessageId(f"p{self.posts + i}") for i in range(posts))
        self.posts += posts
        pair = self.known[which % len(self.known)]
        outcome = Outcome(status, made, "why", "because", 2)
        self.tear(tear, lambda journal: journal.settle(pair[journal is self.model], outcome))

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0), part=st.integers(1, 3), tear=tears)
    def lose_power_in_part_sent(self, which: int, part: int, tear: Tear) -> None:
        made = MessageId(f"p{self.posts}")
        self.posts += 1
        pair = self.known[which % len(self.known)]
        self.tear(tear, lambda journal: journal.part_sent(pair[journal is self.model], part, made))

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0), power=st.booleans())
    def crash_after_sending(self, which: int, power: bool) -> None:
        """A mark outlives the process at once, and a power cut when SQLite has followed."""
        made = (MessageId(f"p{self.posts}"),)
        self.posts += 1
        real, model = self.known[which % len(self.known)]
        outcome = Outcome(Status.SENT, made, attempts=1)
        self.runner.run(answer(lambda j: j.settle(real, outcome), self.real))
        left = Files.of(self.folder)
        # A mark speaks of what waited: what had ended otherwise stays as it was.
        if not power:
            self.model_settles(model.id, outcome)
        self.continue_with(left.without_marks() if power else left)

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0), tear=tears)
    def crash_while_opening(self, which: int, tear: Tear) -> None:
        """What was marked is put into SQLite when it is opened; dying in the middle of that is no harm."""
        made = (MessageId(f"p{self.posts}"),)
        self.posts += 1
        real, model = self.known[which % len(self.known)]
        outcome = Outcome(Status.SENT, made, attempts=1)
        self.model_settles(model.id, outcome)
        self.runner.run(answer(lambda j: j.settle(real, outcome), self.real))
        left = Files.of(self.folder)
        self.continue_with(left)
        opened = Files.of(self.folder)
        torn, whole = tear(bytes(len(opened.content[WAL])), opened.content[WAL])
        marks = opened if whole else left
        image = opened.with_file(WAL, torn)
        for name in MARKS:
            image = image.with_file(name, marks.content[name])
        self.continue_with(image)

    @rule(pattern=st.lists(st.booleans(), min_size=1, max_size=5))
    def lose_power_in_checkpoint(self, pattern: list[bool]) -> None:
        """Pages got into the database or not; the WAL has them all."""
        files = Files.of(self.folder)
        after = checkpointed(files, self.root / "checkpoint")
        torn, _ = scattered(files.content[DATABASE], after, arrives_by(pattern))
        self.continue_with(files.with_file(DATABASE, torn).without_marks())

    def tear(self, tear: Tear, work: Callable[[Any], Awaitable[Any]]) -> None:
        """The power goes while ``work`` is being committed; the model does it if all of it got there."""
        before = Files.of(self.folder)
        done = self.runner.run(answer(work, self.real))
        after = Files.of(self.folder)
        torn, whole = tear(before.content[WAL], after.content[WAL])
        if whole:
            model = self.runner.run(answer(work, self.model))
            if hasattr(done, "deliveries"):
                self.known += zip(done.deliveries, model.deliveries, strict=True)
        # The database changes only in a checkpoint, and a mark is made when the WAL is safe.
        image = (after if whole else before).with_file(WAL, torn)
        self.continue_with(image.with_file(DATABASE, after.content[DATABASE]))

    def continue_with(self, files: Files) -> None:
        """The next process finds these."""
        folder = files.written(self.root / str(int(self.folder.name) + 1))
        self.close()
        self.folder = folder
        self.open()

    def model_settles(self, name: str, outcome: Outcome) -> None:
        """
        As a mark is put in: if it still waits, with the parts that are journaled by now.
        """
        rows = self.runner.run(self.model.rows(Status.WAITING, delivery_id=name))
        for row in rows:
            self.runner.run(self.model.settle(row.delivery, outcome))

    @rule(source=places, name=ids, destination=places)
    def translate(self, source: str, name: str, destination: str) -> None:
        self.same(lambda j: j.translate(a_place(source), MessageId(name), a_place(destination)))

    @rule(place=places, limit=st.integers(1, 5), skip=st.integers(0, 3))
    def waiting(self, place: str, limit: int, skip: int) -> None:
        async def page(journal: Journal) -> Sequence[Delivery]:
            before = await journal.waiting(a_place(place), skip) if skip else ()
            return await journal.waiting(a_place(place), limit, after=before[-1].seq if before else 0)

        self.same(page)

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


def length(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        # The files of one step are megabytes: what has failed is not made smaller for minutes.
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


TestTwoJournals = TwoJournals.TestCase
TestTwoJournals.settings = length(7, 25)


@pytest.mark.full
def test_two_journals_at_length() -> None:
    """
    Many more ways to die, in longer lives.
    """
    run_state_machine_as_test(TwoJournals, settings=length(100, 50))
