"""What the SQLite journal promises of its file, its groups and its speed."""

import asyncio
import sqlite3
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import JournalBroken, JournalError
from bridge.journal import Acceptance, Capacity, Retention, Verdict
from bridge.journal.names import GATHER
from bridge.journal.schema import MIGRATIONS
from bridge.journal.sqlite import open_journal
from bridge.model import MessageId, Outcome, Status
from tests.builders import a_delivery, a_route, an_envelope
from tests.clock import FakeClock
from tests.contract.journal_files import THERE, fill, with_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


# --- the file ---------------------------------------------------------------------------------------


def test_only_its_owner_may_read_the_journal(path: Path) -> None:
    """
    Chats are private: the folder that we make is 0700, every file in it 0600.
    """

    async def scenario(journal: Any) -> None:
        await fill(journal, 1)
        assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)
        for file in path.parent.iterdir():
            assert 0o600 == stat.S_IMODE(file.stat().st_mode), file

    with_journal(path, scenario)


def test_every_commit_reaches_the_disk(path: Path) -> None:
    """
    The two settings that "accepted means durable" stands on.
    """

    async def scenario(journal: Any) -> None:
        db = journal._store.db
        assert ("wal",) == db.execute("PRAGMA journal_mode").fetchone()
        assert (2,) == db.execute("PRAGMA synchronous").fetchone()

    with_journal(path, scenario)


def test_one_process_at_a_time(path: Path) -> None:
    """
    A second daemon on the same journal would send everything twice.
    """

    async def scenario(_journal: Any) -> None:
        settings = {"clock": FakeClock(), "capacity": Capacity(), "retention": Retention()}
        with pytest.raises(JournalBroken, match="another msgbridge"):
            async with open_journal(path, **settings):
                pass

    with_journal(path, scenario)


def garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 300)


def newer(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()


def foreign(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE notes (text)")
    db.close()


def truncated(path: Path) -> None:
    with_journal(path, lambda journal: fill(journal, 100))
    with path.open("r+b") as file:
        file.truncate(8192)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (garbage, "not a journal"),
        (newer, "newer msgbridge"),
        (foreign, "not a journal"),
        (truncated, "damaged"),
        (folder, "directory"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(
    path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    """
    It is named, and left as it is: it may be all that somebody has.
    """
    path.parent.mkdir()
    spoil(path)
    before = path.is_file() and path.read_bytes()

    async def nothing(_journal: Any) -> None:
        raise AssertionError("opened")

    with pytest.raises(JournalBroken, match=said) as caught:
        with_journal(path, nothing)
    assert str(path) in str(caught.value)
    assert before == (path.is_file() and path.read_bytes())


# --- groups -----------------------------------------------------------------------------------------


def test_what_comes_together_is_committed_together(path: Path) -> None:
    """
    A hundred messages at once cost a few commits, or a slow disk would mean a slow bridge.
    """

    async def scenario(journal: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            for i in range(100):
                tasks.create_task(journal.accept(an_envelope(id=f"m{i}"), [a_route()]))
        assert journal.commits <= 5
        assert 100 == len(await journal.waiting(THERE, 200))

    with_journal(path, scenario)


def test_one_bad_message_fails_alone(path: Path) -> None:
    """
    What cannot be written takes nobody of its group along.
    """

    async def scenario(journal: Any) -> None:
        good = [
            asyncio.ensure_future(journal.accept(an_envelope(id=f"m{i}"), [a_route()])) for i in range(9)
        ]
        # A lone surrogate in the plan is met only where it is written.
        bad = asyncio.ensure_future(journal.accept(an_envelope(id="bad"), [a_route(template="\ud800")]))
        await asyncio.wait([*good, bad])

        assert isinstance(bad.exception(), JournalError)
        assert [Verdict.NEW] * 9 == [task.result().verdict for task in good]
        assert "" == journal.broken
        assert 9 == (await journal.ledger()).planned
        assert Verdict.NEW is (await journal.accept(an_envelope(id="bad"), [a_route()])).verdict

    with_journal(path, scenario)


def test_work_of_a_cancelled_task_stays_done(path: Path) -> None:
    """
    Whoever stops waiting for the commit does not undo it, and disturbs nobody else.
    """

    async def scenario(journal: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            gone = tasks.create_task(journal.accept(an_envelope(id="gone"), [a_route()]))
            tasks.create_task(journal.accept(an_envelope(id="stays"), [a_route()]))
            await asyncio.sleep(0)
            gone.cancel()

        assert {"gone", "stays"} == {d.envelope.id for d in await journal.waiting(THERE, 9)}

    with_journal(path, scenario)


def test_what_goes_wrong_when_it_is_told_of_is_for_the_one_who_asked(path: Path) -> None:
    """The message stays accepted, and the others of its group are answered."""

    def tell(acceptance: Acceptance) -> None:
        raise ValueError("not now")

    async def scenario(journal: Any) -> None:
        first, second, third = await asyncio.gather(
            journal.accept(an_envelope(id="m1"), [a_route()], tell),
            journal.accept(an_envelope(id="m2"), [a_route()]),
            journal.accept(an_envelope(id="m1"), [a_route()]),
            return_exceptions=True,
        )

        assert isinstance(first, ValueError)
        assert (Verdict.NEW, Verdict.DUPLICATE) == (second.verdict, third.verdict)

    with_journal(path, scenario)


def test_what_goes_wrong_when_nobody_waits_any_more_is_told_all_the_same(path: Path) -> None:
    """Whoever asked is gone: the loop hears of it, so that it stands in the log."""

    def tell(acceptance: Acceptance) -> None:
        raise ValueError("not now")

    async def scenario(journal: Any) -> None:
        heard: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, told: heard.append(told))
        asking = asyncio.ensure_future(journal.accept(an_envelope(id="m1"), [a_route()], tell))
        await asyncio.sleep(0)
        asking.cancel()
        await journal.accept(an_envelope(id="m2"), [a_route()])

        assert ["not now"] == [str(told["exception"]) for told in heard]

    with_journal(path, scenario)


def test_names_are_found_before_and_after_they_are_sorted_in(path: Path) -> None:
    """
    A duplicate is a duplicate however many messages lie between the two, and across a restart.
    """
    count = 2500  # with their posts more names than are gathered

    async def scenario(journal: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            for i in range(count):
                tasks.create_task(one(journal, i))
        (gathered,) = journal._store.db.execute("SELECT count(*) FROM fresh").fetchone()
        assert gathered < GATHER
        assert await verdicts(journal) == {Verdict.DUPLICATE}

    async def one(journal: Any, i: int) -> None:
        (delivery,) = (await journal.accept(an_envelope(id=f"m{i}"), [a_route()])).deliveries
        await journal.settle(delivery, Outcome(Status.SENT, (MessageId(f"p{i}"),)))

    async def verdicts(journal: Any) -> set[Verdict]:
        async with asyncio.TaskGroup() as tasks:
            answers = [
                tasks.create_task(journal.accept(an_envelope(id=f"m{i}"), [a_route()]))
                for i in range(count)
            ]
        echo = await journal.accept(an_envelope(id="p0", at="there/room"), [])
        assert Verdict.ECHO is echo.verdict
        return {answer.result().verdict for answer in answers}

    with_journal(path, scenario)
    assert {Verdict.DUPLICATE} == with_journal(path, verdicts)


# --- many -------------------------------------------------------------------------------------------


@pytest.mark.real_time
def test_a_long_queue_opens_quickly(path: Path) -> None:
    """
    The number of waiting messages does not decide how long a start takes: only counts are read.
    """

    async def many(journal: Any) -> None:
        text = "x" * 1000
        async with asyncio.TaskGroup() as tasks:
            for i in range(5_000):
                tasks.create_task(journal.accept(an_envelope(text, id=f"m{i}"), [a_route()]))

    with_journal(path, many)

    async def scenario(journal: Any) -> None:
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        db = journal._store.db
        db.set_progress_handler(count, 1000)
        assert [THERE] == list(await journal.lanes())
        assert 10 == len(await journal.waiting(THERE, 10))
        assert steps < 5

    with_journal(path, scenario)


def test_a_place_in_the_mark_is_where_it_says(path: Path) -> None:
    """
    Other tools may read the black box: magic, last seq, seq on the bench, little-endian.
    """

    async def scenario(journal: Any) -> None:
        await fill(journal, 3)
        journal.on_the_bench(a_delivery(seq=4))
        mark = path.with_name("journal.db.mark").read_bytes()
        assert (b"msgbrdg1", 6, 4) == struct.unpack_from("<8sQQ", mark)

    with_journal(path, scenario)
