"""What an operator's command sees of the journal, and what it may change."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import JournalBroken, JournalError
from bridge.journal import Capacity
from bridge.journal.reading import open_reader, replay
from bridge.model import MessageId, Outcome, Status
from tests.builders import a_route, an_envelope
from tests.clock import NOON, FakeClock
from tests.contract.journal_files import THERE, fill, with_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


def test_a_reader_sees_what_a_running_daemon_commits(path: Path) -> None:
    """
    Each look shows the latest commit, and the daemon goes on writing meanwhile.
    """

    async def scenario(journal: Any) -> None:
        with open_reader(path) as reader:
            assert [] == list(reader.rows(Status.WAITING))
            (delivery,) = await fill(journal, 1)
            assert [delivery] == [row.delivery for row in reader.rows(Status.WAITING)]
            await journal.settle(delivery, Outcome(Status.DEAD, reason="refused", detail="403"))
            row = reader.find(delivery.id)
            assert row is not None
            assert (Status.DEAD, "refused", "403") == (row.status, row.reason, row.detail)
            assert None is reader.find("no such delivery")
            assert {} == reader.backlog()
            assert [] == list(reader.suspensions(0.0))
            assert reader.ledger() == await journal.ledger()
        assert not await journal.changed_outside()

    with_journal(path, scenario)


def test_a_reader_needs_no_daemon(path: Path) -> None:
    """
    The file of a stopped daemon is read as it lies there, without the files that SQLite adds.
    """
    deliveries = with_journal(path, lambda journal: fill(journal, 3))
    assert not path.with_name("journal.db-wal").exists()

    with open_reader(path) as reader:
        assert deliveries == [row.delivery for row in reader.rows(Status.WAITING)]
        assert 3 == reader.ledger().planned


def test_a_reader_cannot_write(path: Path) -> None:
    """
    A command that shows things can do no harm, not even by mistake.
    """
    with_journal(path, lambda journal: fill(journal, 1))

    with (
        pytest.raises(JournalBroken, match="cannot be written"),
        open_reader(path) as reader,
    ):
        reader.db.execute("DELETE FROM deliveries")


def test_where_there_is_no_journal_none_is_made(path: Path) -> None:
    """
    A mistyped path is an error that names it, not an empty list and a new file.
    """
    with pytest.raises(JournalError, match=str(path)), open_reader(path):
        pass
    with pytest.raises(JournalError, match=str(path)):
        replay(path, ["x"], clock=FakeClock())
    assert not path.exists()


def nonsense(path: Path) -> None:
    path.write_bytes(b"nonsense" * 1000)


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (text)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(nonsense, "not a journal"), (foreign, "not a journal"), (newer, "newer")],
)
def test_what_is_no_journal_is_not_read(path: Path, spoil: Callable[[Path], None], said: str) -> None:
    """
    Reading and replaying say what is wrong with the file, as the daemon would.
    """
    path.parent.mkdir()
    spoil(path)

    with pytest.raises(JournalBroken, match=said), open_reader(path):
        pass
    with pytest.raises(JournalBroken, match=said):
        replay(path, ["x"], clock=FakeClock())


def test_a_damaged_row_can_still_be_looked_at(path: Path) -> None:
    """
    Its body is gone, but where it came from and where it was to go can be told.
    """
    with_journal(path, lambda journal: fill(journal, 1))
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE messages SET body = x'00'")
        db.commit()

    with open_reader(path) as reader:
        (row,) = reader.rows(Status.WAITING)

    assert ("m0", "here") == (
        row.delivery.envelope.id,
        row.delivery.envelope.source.instance,
    )
    assert THERE == row.delivery.route.destination


def test_replay_beside_a_running_daemon_is_noticed(path: Path) -> None:
    """
    Dead letters wait again, finished parts stay finished, the ledger stays balanced, and the daemon
    learns that something changed, once.
    """
    clock = FakeClock()

    async def scenario(journal: Any) -> None:
        (delivery,) = await fill(journal, 1)
        await journal.part_sent(delivery, 1, MessageId("p1"))
        await journal.settle(delivery, Outcome(Status.DEAD, reason="gave_up", attempts=9))
        clock.advance(60)

        found = await asyncio.to_thread(replay, path, [delivery.id, "unknown"], clock=clock)

        assert 1 == found
        assert 0.0 == journal.fullness
        assert await journal.changed_outside()
        assert 0.1 == journal.fullness
        assert not await journal.changed_outside()
        (again,) = await journal.waiting(THERE, 10)
        assert (0, 1) == (again.attempts, again.parts)
        assert NOON.timestamp() + 60 == again.since
        assert (await journal.ledger()).balanced
        await journal.settle(again, Outcome(Status.SENT))

    capacity = Capacity(max_waiting=10, min_free_disk=0)
    with_journal(path, scenario, clock=clock, capacity=capacity)


def test_replay_without_a_daemon(path: Path) -> None:
    """
    The next start finds the dead letter waiting.
    """

    async def die(journal: Any) -> str:
        (delivery,) = await fill(journal, 1)
        await journal.settle(delivery, Outcome(Status.DEAD))
        return str(delivery.id)

    name = with_journal(path, die)

    assert 1 == replay(path, [name], clock=FakeClock())
    assert 0 == replay(path, [name], clock=FakeClock())

    async def scenario(journal: Any) -> None:
        assert 1 == len(await journal.waiting(THERE, 10))
        assert None is journal.lost

    with_journal(path, scenario)


def test_a_reader_of_an_unfinished_look_does_not_stop_the_daemon(path: Path) -> None:
    """
    While somebody pages through the list, messages are accepted as ever.
    """

    async def scenario(journal: Any) -> None:
        await fill(journal, 1)
        with open_reader(path) as reader:
            reader.db.execute("BEGIN")
            before = reader.db.execute("SELECT count(*) FROM deliveries").fetchone()
            for i in range(1, 20):
                await journal.accept(an_envelope(id=f"m{i}"), [a_route()])
            assert before == reader.db.execute("SELECT count(*) FROM deliveries").fetchone()
            reader.db.execute("COMMIT")
            assert 20 == len(reader.rows(Status.WAITING))

    with_journal(path, scenario)
