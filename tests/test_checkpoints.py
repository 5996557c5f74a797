"""The log goes into the database in time, and a disk that refuses it is not believed any more."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import JournalBroken
from bridge.journal.checkpoints import LIMIT, Checkpoints
from bridge.model import Status
from tests.builders import a_route, an_envelope
from tests.contract.journal_files import fill, with_journal

_FRAME = 4096 + 24


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


async def _large(journal: Any, count: int, *, first: int = 0) -> None:
    """Each of them takes some sixteen pages."""
    for i in range(first, first + count):
        await journal.accept(an_envelope("x" * 50_000, id=f"m{i}"), [a_route()])


def test_the_log_does_not_grow_without_end(path: Path) -> None:
    """Ten times as much is written as it may hold; most of it is in the database by then."""
    count = LIMIT * 10 // 13

    async def scenario(journal: Any) -> None:
        await _large(journal, count)
        await journal.lanes()
        assert path.with_name("journal.db-wal").stat().st_size < 2 * LIMIT * _FRAME
        assert path.stat().st_size > count * 50_000 - LIMIT * 4096 * 2
        assert (await journal.ledger()).balanced

    with_journal(path, scenario)


def test_sqlite_copies_nothing_by_itself(path: Path) -> None:
    """It would from 1,000 pages on, and tell nobody if it failed."""

    async def scenario(journal: Any) -> None:
        before = path.stat().st_size
        await _large(journal, 80)
        assert before == path.stat().st_size

    with_journal(path, scenario)


def test_a_copy_that_fails_ends_the_journal_and_loses_nothing(path: Path) -> None:
    """
    SQLite would try again in silence, and the second fsync of a broken disk may succeed without having
    written anything.
    """

    def refuse(action: int, name: str | None, *_: object) -> int:
        denied = action == sqlite3.SQLITE_PRAGMA and name == "wal_checkpoint"
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

    async def scenario(journal: Any) -> int:
        journal._store.db.set_authorizer(refuse)
        answered = 0
        with suppress(JournalBroken):  # the copy comes after the answer, and so does its failure
            while answered < LIMIT:
                await _large(journal, 1, first=answered)
                answered += 1
        assert journal.broken.startswith("the storage failed")
        return answered

    async def after(journal: Any) -> None:
        assert answered == (await journal.ledger()).by_status[Status.WAITING]

    answered = with_journal(path, scenario)
    with_journal(path, after)


def test_who_reads_for_long_holds_up_nobody(path: Path) -> None:
    """What a reader still needs stays in the log, and goes into the database when it has ended."""

    async def scenario(journal: Any) -> None:
        await fill(journal, 1)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert (1,) == reader.execute("SELECT count(*) FROM messages").fetchone()
            await _large(journal, LIMIT * 5 // 26, first=1)
            assert not journal.broken
            assert path.stat().st_size < LIMIT * 4096
            reader.execute("COMMIT")
        await fill(journal, 2, first=LIMIT)
        assert path.stat().st_size > LIMIT * 4096

    with_journal(path, scenario)


def test_the_guess_follows_what_was_found(tmp_path: Path) -> None:
    """Where every row that changes lies on a page of its own, the next copy comes sooner."""
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("CREATE TABLE pages (number INTEGER PRIMARY KEY, content)")
        db.executemany("INSERT INTO pages VALUES (?, zeroblob(3000))", [(n,) for n in range(30)])
        checkpoints = Checkpoints(db)
        checkpoints.copy()
        commits = [0]
        while len(commits) < 4:
            db.execute("UPDATE pages SET content = randomblob(3000)")
            checkpoints.committed(0)
            commits[-1] += 1
            if checkpoints.is_due:
                checkpoints.copy()
                commits.append(0)

    first, *_, last = commits[:-1]
    assert first * 30 > LIMIT * 2
    assert last * 30 < LIMIT * 1.5
