"""What is left of a damaged journal, how it is told, and how it is saved."""

import asyncio
import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from bridge.errors import JournalError
from bridge.journal import Retention, Suspension, Verdict
from bridge.journal.inspection import inspect
from bridge.journal.names import Names
from bridge.journal.pruning import prune_step
from bridge.journal.salvage import salvage
from bridge.model import InstanceId, MessageId, Outcome, Status
from tests.builders import NOON, a_place, a_route, an_envelope
from tests.clock import FakeClock
from tests.contract.journal_files import SENT, THERE, crashed, fill, flip, with_journal
from tests.faults import sweep

STORED = Path(__file__).parent / "journals"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


def saved(path: Path) -> tuple[Any, Path]:
    """A salvage of ``path``: its report, and the new journal."""
    target = path.parent / "saved" / "journal.db"
    target.parent.mkdir(exist_ok=True)
    return salvage(path, target, clock=FakeClock()), target


# --- one byte, anywhere ---------------------------------------------------------------------------


@pytest.mark.real_time
def test_one_byte_flipped_anywhere_is_harmless_or_told(tmp_path: Path) -> None:
    """
    Never goes out what was not accepted so, and nothing disappears without a word: neither from the
    journal that is opened, nor from the one that is salvaged.
    """

    async def scenario() -> sweep.Score:
        left = await sweep.leave_behind(tmp_path, 60)
        return await sweep.try_flips(left, sweep.bytes_to_flip(left, 4, seed=3), tmp_path / "scratch")

    score = asyncio.run(scenario())

    assert score.clean, score
    assert score.trials == 8
    assert score.told > 0
    assert score.salvaged_waiting >= 0.95 * score.promised


@pytest.mark.real_time
def test_a_page_of_zeros_takes_no_other_page_with_it(tmp_path: Path) -> None:
    """
    Wherever it is, also in the middle of SQLite's own order: what stands on other pages is saved.
    """

    async def scenario() -> sweep.Score:
        left = await sweep.leave_behind(tmp_path, 60)
        some = list(sweep.pages_to_zero(left))[::6]
        return await sweep.try_zeros(left, some, tmp_path / "scratch")

    score = asyncio.run(scenario())

    assert score.clean, score
    assert score.salvaged_waiting >= 0.8 * score.promised


# --- what is saved --------------------------------------------------------------------------------


def test_a_salvage_of_a_whole_journal_is_that_journal(path: Path) -> None:
    """
    Waiting, held, dead and sent, what is suspended, which ids belong together, what was accepted
    before and what we posted: a daemon goes on with the copy as with the original.
    """

    async def live(journal: Any) -> None:
        waiting, held, dead, sent = await fill(journal, 4)
        del waiting
        await journal.settle(held, Outcome(Status.HELD, reason="lost_answer"))
        await journal.settle(dead, Outcome(Status.DEAD, reason="refused", detail="too large"))
        await journal.settle(sent, Outcome(Status.SENT, (MessageId("posted"),)))
        await journal.suspend(Suspension(InstanceId("there"), None, "gone", "robot removed", NOON))
        token = await journal.rate_started("there", 5.0)
        journal.rate_completed("there", token, 6.0)
        await journal.suspensions()  # a round through the journal, behind it

    left = crashed(path, live)
    report, new = saved(left)
    assert report.whole, report

    async def after(journal: Any) -> None:
        assert journal.lost is None
        assert ["m0"] == [d.envelope.id for d in await journal.waiting(THERE, 9)]
        (held,) = await journal.rows(Status.HELD)
        (dead,) = await journal.rows(Status.DEAD)
        assert ("lost_answer", "too large") == (held.reason, dead.detail)
        assert ("posted",) == (await journal.rows(Status.SENT))[0].message_ids
        again = await journal.accept(an_envelope("text 0003", id="m3"), [a_route()])
        other = await journal.accept(an_envelope("changed", id="m3"), [a_route()])
        echo = await journal.accept(an_envelope("text 0003", id="posted", at="there/room"), [a_route()])
        assert (Verdict.DUPLICATE, Verdict.CONFLICT, Verdict.ECHO) == (
            again.verdict, other.verdict, echo.verdict,
        )  # fmt: skip
        posted = await journal.translate(a_place("here/room"), MessageId("m3"), THERE)
        assert posted == "posted"
        (suspension,) = await journal.suspensions()
        assert ("gone", None) == (suspension.reason, suspension.until)
        assert [6.0] == list(await journal.rate_history("there", 0.0))
        assert (await journal.ledger()).balanced
        (new,) = await fill(journal, 1, first=10)
        assert new.seq > 8
        assert not await journal.inspect()

    with_journal(new, after)


def test_what_was_sent_last_is_not_sent_again_from_a_salvage(path: Path) -> None:
    """
    Marks that had not reached the database before the end are put in.
    """

    async def live(journal: Any) -> None:
        first, _ = await fill(journal, 2)
        await journal.settle(first, SENT)  # marked, and not yet committed when the files are copied

    report, new = saved(crashed(path, live))

    assert report.whole
    found = with_journal(new, lambda journal: journal.waiting(THERE, 9))
    assert ["m1"] == [delivery.envelope.id for delivery in found]


def test_what_was_forgotten_on_purpose_stays_forgotten(path: Path) -> None:
    """
    Old rows still stand on pages that are free by now; to send them again would be worse than damage.
    """

    async def live(journal: Any) -> None:
        for delivery in await fill(journal, 300):
            await journal.settle(delivery, SENT)

    with_journal(path, live)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("BEGIN")
        for after in (0, 200):  # the first two hundred of three hundred
            prune_step(
                db, names=Names(db), after=after, retention=Retention(), age=lambda _: 40 * 86400.0
            )
        db.execute("COMMIT")
    assert b"text 0100" in path.read_bytes(), "nothing shows that it would be found"
    report, new = saved(path)

    assert report.whole, report
    books = with_journal(new, lambda journal: journal.ledger())
    assert report.saved["messages"] == 100
    assert (300, 300, True) == (books.planned, books.by_status[Status.SENT], books.balanced)


def test_a_torn_wal_is_kept_and_what_stands_behind_the_tear_is_saved(path: Path) -> None:
    """
    SQLite ends at the damaged frame and writes over the rest. So a copy is kept first, and a salvage
    of it finds all messages.
    """

    async def live(journal: Any) -> None:
        await fill(journal, 10)

    left = crashed(path, live)
    wal = left.with_name("journal.db-wal")
    torn = bytearray(wal.read_bytes())
    torn[torn.index(b"text 0002")] ^= 1
    wal.write_bytes(torn)

    async def after(journal: Any) -> tuple[Path, int]:
        assert journal.lost
        return journal.kept, len(await journal.waiting(THERE, 99))

    kept, found = with_journal(left, after)
    report, new = saved(kept)

    assert found == 2
    waiting = with_journal(new, lambda journal: journal.waiting(THERE, 99))
    assert [f"text {i:04}" for i in range(10)] == [d.envelope.message.text for d in waiting]
    assert report.whole  # the damaged page stands in a later frame once more


def test_an_undamaged_journal_is_not_copied_when_it_is_opened(path: Path) -> None:
    """
    A crash is no damage.
    """
    left = crashed(path, lambda journal: fill(journal, 5))

    async def after(journal: Any) -> None:
        assert (journal.kept, journal.lost) == (None, None)
        assert not await journal.inspect()

    with_journal(left, after)
    assert not list(left.parent.glob("*torn*"))


def test_a_salvage_touches_nothing_that_is_there(path: Path) -> None:
    """
    Neither a journal that somebody has open, nor a file at the place of the new one, nor the source.
    """

    async def live(journal: Any) -> None:
        await fill(journal, 1)
        with pytest.raises(JournalError, match="stop it first"):
            saved(path)

    with_journal(path, live)
    before = path.read_bytes()
    _, new = saved(path)
    assert before == path.read_bytes()
    with pytest.raises(JournalError, match="already"):
        salvage(path, new, clock=FakeClock())
    with pytest.raises(JournalError, match="no such file"):
        salvage(path.with_name("none"), new.with_name("other"), clock=FakeClock())
    assert ["journal.db"] == [one.name for one in new.parent.iterdir()]


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE messages SET checksum = 1", {"messages": (1,)}),
        ("UPDATE deliveries SET plan = 9", {}),
        ("UPDATE counters SET planned = 9", {"balanced": False}),
        ("UPDATE counters SET last = 0", {}),
    ],
)
def test_a_check_finds_rows_that_do_not_fit(path: Path, damage: str, found: dict[str, Any]) -> None:
    """
    A body, a delivery, the books: each is looked at.
    """
    with_journal(path, lambda journal: fill(journal, 1))
    assert inspect(path).whole
    with closing(sqlite3.connect(path)) as db:
        db.execute(damage)
        db.commit()

    findings = inspect(path)

    assert not findings.whole
    for name, value in found.items():
        assert value == getattr(findings, name)


def test_a_row_that_an_index_forgot_is_found_by_the_look_through_the_file(path: Path) -> None:
    """
    It would wait for ever, and no checksum tells.
    """
    with_journal(path, lambda journal: fill(journal, 3))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA writable_schema = ON")
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'waiting'").fetchone()
    with path.open("r+b") as file:  # an empty index leaf
        file.seek((root - 1) * 4096)
        file.write(bytes((0x0A, 0, 0, 0, 0, 16, 0, 0)))

    async def scenario(journal: Any) -> None:
        assert [] == list(await journal.waiting(THERE, 9))
        assert journal.damaged == 0
        assert await journal.inspect()
        assert journal.damaged > 0

    with_journal(path, scenario)
    report, new = saved(path)
    assert 3 == len(with_journal(new, lambda journal: journal.waiting(THERE, 9)))
    assert report.saved["waiting"] == 3


def test_the_commands_say_it_in_both_languages_and_by_their_exit_code(path: Path, capsys: Any) -> None:
    """
    0 whole, 1 damaged, 74 cannot be read; a program gets JSON.
    """
    with_journal(path, lambda journal: fill(journal, 3))
    at = ["--journal", str(path)]
    assert main(["journal", "check", *at, "--lang", "en"]) == 0
    assert "what was written" in capsys.readouterr().out

    flip(path, b"text 0001")
    assert main(["journal", "check", *at, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (False, [3]) == (told["whole"], told["damaged_messages"])
    assert ["waiting"] == [one["status"] for one in told["damaged_deliveries"]]
    assert main(["journal", "check", *at]) == 1
    assert "journal salvage FROM TO" in capsys.readouterr().out

    new = path.with_name("new.db")
    assert main(["journal", "salvage", str(path), str(new), "--lang", "en"]) == 1
    said = capsys.readouterr().out
    assert "lost deliveries" in said
    assert ["messages", "2", "1"] in [line.split() for line in said.splitlines()]
    assert main(["journal", "salvage", str(new), str(path.with_name("newer.db")), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["saved"]["waiting"] == 2

    assert main(["journal", "salvage", str(path), str(new)]) == 74
    assert "already" in capsys.readouterr().err
    path.write_bytes(b"no journal at all " * 1000)
    assert main(["journal", "check", *at]) == 74
    assert "is not a journal" in capsys.readouterr().err


def test_garbage_holds_nothing_and_a_salvage_of_it_says_so(path: Path) -> None:
    """
    It ends with an empty journal and a report that misses everything that the black box knows of.
    """
    with_journal(path, lambda journal: fill(journal, 3))
    path.write_bytes(b"\x5a" * 40_960)

    report, new = saved(path)

    assert not report.whole
    assert report.unknown == 6
    assert [] == list(with_journal(new, lambda journal: journal.lanes()))


# --- files of before ------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", sorted(STORED.glob("*.db.gz")), ids=lambda one: one.name)
def test_a_journal_of_an_earlier_version_is_taken_over(stored: Path, path: Path) -> None:
    """
    Everything that waits in it goes out as it was accepted; what was dead, held and sent stays so.
    """
    path.parent.mkdir()
    with gzip.open(stored) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file)

    async def scenario(journal: Any) -> None:
        first, second = await journal.waiting(THERE, 9)
        assert ("text 0000", "rule", NOON) == (
            first.envelope.message.text, first.route.plan.rule, first.envelope.received_at,
        )  # fmt: skip
        assert ("附件 <b>", "x.png") == (
            second.envelope.message.text, second.envelope.message.attachments[0].filename,
        )  # fmt: skip
        counts = (await journal.ledger()).by_status
        assert (2, 1, 1, 1) == tuple(
            counts[one] for one in (Status.WAITING, Status.HELD, Status.DEAD, Status.SENT)
        )
        duplicate = await journal.accept(an_envelope("text 0000", id="m0"), [a_route()])
        assert duplicate.verdict is Verdict.DUPLICATE
        assert not await journal.inspect()

    clock = FakeClock()
    clock.advance(timedelta(days=1).total_seconds())
    with_journal(path, scenario, clock=clock)
