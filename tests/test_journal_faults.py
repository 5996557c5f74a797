"""What a journal goes through: damage, crashes, a full disk."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import JournalBroken, JournalFull
from bridge.journal import Capacity
from bridge.journal.opening import CRASHES
from bridge.journal.writer import Asking
from bridge.model import Outcome, Status
from tests.builders import a_route, an_envelope
from tests.clock import FakeClock
from tests.contract.journal_files import SENT, THERE, crashed, fill, flip, with_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


# --- damage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("around", "bad"), [(b"text 0001", 1), (b'[1,["rule"', 3)], ids=["body", "plan"])
def test_a_damaged_row_is_set_aside_and_the_rest_goes_on(path: Path, around: bytes, bad: int) -> None:
    """
    A flipped bit in a body is found before the message is sent; in a plan it concerns every delivery
    that shares it. None of them is sent, all can be seen as dead.
    """
    deliveries = with_journal(path, lambda journal: fill(journal, 3))
    flip(path, around)

    async def scenario(journal: Any) -> None:
        for _ in range(2):
            assert 3 - bad == len(await journal.waiting(THERE, 10))
            assert bad == journal.damaged
        rows = await journal.rows(Status.DEAD)
        assert ["damaged"] * bad == [row.reason for row in rows]
        assert {row.delivery.id for row in rows} <= {d.id for d in deliveries}
        assert (await journal.ledger()).balanced

    with_journal(path, scenario)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE places SET conversation = 'other' WHERE conversation = 'room'",
        "UPDATE deliveries SET plan = 2",
        "UPDATE deliveries SET message = 3 WHERE message = 1",
        "UPDATE deliveries SET id = 'x'",
        "UPDATE messages SET checksum = 0",
        "DELETE FROM messages",
        "DELETE FROM plans",
    ],
)
def test_rows_vouch_for_each_other(path: Path, damage: str) -> None:
    """
    A message never goes to another's destination or by another's rule, even if every row by itself
    is whole.
    """

    async def two_plans(journal: Any) -> None:
        await fill(journal, 1)
        await journal.accept(an_envelope(id="x"), [a_route("there/x", template="{msg}")])

    with_journal(path, two_plans)
    with closing(sqlite3.connect(path)) as db:
        db.execute(damage)
        db.commit()

    async def scenario(journal: Any) -> None:
        (lane, *_) = await journal.lanes()
        assert [] == list(await journal.waiting(lane, 10))
        assert journal.damaged >= 1
        assert (await journal.ledger()).balanced
        assert journal.damaged == len(await journal.rows(Status.DEAD))

    with_journal(path, scenario)


def test_a_damaged_row_does_not_shorten_the_answer(path: Path) -> None:
    """
    A lane that asks for two gets two, if there are two good ones behind the bad one.
    """
    with_journal(path, lambda journal: fill(journal, 3))
    flip(path, b"text 0000")

    async def scenario(journal: Any) -> None:
        assert ["m1", "m2"] == [d.envelope.id for d in await journal.waiting(THERE, 2)]

    with_journal(path, scenario)


def wal_flipped(path: Path) -> None:
    flip(path.with_name("journal.db-wal"), b"text 0005")


def wal_cut(path: Path) -> None:
    with path.with_name("journal.db-wal").open("r+b") as file:
        file.truncate(30_000)


def wal_gone(path: Path) -> None:
    path.with_name("journal.db-wal").unlink()


@pytest.mark.parametrize("spoil", [wal_flipped, wal_cut, wal_gone])
def test_a_damaged_wal_is_noticed(path: Path, spoil: Callable[[Path], None]) -> None:
    """
    SQLite silently drops what stands behind a damaged frame. The black box knows better: the gap is
    told once, and numbers go on above it.
    """

    async def ten(journal: Any) -> None:
        await fill(journal, 10)

    copy = crashed(path, ten)
    spoil(copy)

    async def scenario(journal: Any) -> tuple[int, int]:
        found = await journal.waiting(THERE, 20)
        first, last = journal.lost
        assert len(found) < 10
        assert 20 == last
        assert first == (found[-1].seq + 1 if found else 1)
        (new,) = await fill(journal, 1, first=50)
        assert new.seq > last
        assert (await journal.ledger()).balanced
        return new.seq, len(found)

    with_journal(copy, scenario)

    async def again(journal: Any) -> None:
        assert None is journal.lost

    with_journal(copy, again)


def test_nothing_is_lost_without_damage(path: Path) -> None:
    """
    A process that dies leaves everything that it acknowledged, and no false alarm.
    """

    async def ten(journal: Any) -> None:
        await fill(journal, 10)

    async def scenario(journal: Any) -> None:
        assert None is journal.lost
        assert 10 == len(await journal.waiting(THERE, 20))

    with_journal(crashed(path, ten), scenario)


def test_a_black_box_of_nonsense_is_no_alarm(path: Path) -> None:
    """
    It is only a second witness: if it cannot be read, the journal is believed.
    """
    with_journal(path, lambda journal: fill(journal, 3))
    path.with_name("journal.db.mark").write_bytes(b"\xff" * 64)

    async def scenario(journal: Any) -> None:
        assert None is journal.lost

    with_journal(path, scenario)


def test_failing_storage_ends_the_journal(path: Path) -> None:
    """
    After an error of the disk nothing more is promised: everybody is told, and why.
    """

    async def scenario(journal: Any) -> None:
        await fill(journal, 2)
        # The file shrinks under a running journal, as a broken disk may make it seem.
        journal._store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        journal._store.db.execute("PRAGMA shrink_memory").fetchall()
        path.write_bytes(b"\0" * path.stat().st_size)

        with pytest.raises(JournalBroken):
            await fill(journal, 1, first=2)
        assert "" != journal.broken
        with pytest.raises(JournalBroken):
            await journal.accept(an_envelope(id="late"), [])
        with pytest.raises(JournalBroken):
            await journal.ledger()

    with_journal(path, scenario)


# --- crashes ----------------------------------------------------------------------------------------


def test_a_delivery_that_keeps_crashing_us_is_held(tmp_path: Path) -> None:
    """
    The third time that the process died over it, it is set aside and the lane goes on.
    """
    path = tmp_path / "0" / "journal.db"
    for crash in range(CRASHES):

        async def scenario(journal: Any, crash: int = crash) -> None:
            if not crash:
                await fill(journal, 2)
            first, _ = await journal.waiting(THERE, 2)
            assert "m0" == first.envelope.id
            journal.on_the_bench(first)

        path = crashed(path, scenario)

    async def after(journal: Any) -> None:
        assert journal.crashed
        assert ["m1"] == [d.envelope.id for d in await journal.waiting(THERE, 2)]
        (row,) = await journal.rows(Status.HELD)
        assert ("m0", "crashed") == (row.delivery.envelope.id, row.reason)
        assert 1 == await journal.replay([row.delivery.id])

    with_journal(path, after)


def test_an_orderly_end_is_no_crash(path: Path) -> None:
    """
    What was on the bench at a clean stop is not to blame for anything.
    """

    async def scenario(journal: Any) -> None:
        if not await journal.waiting(THERE, 1):
            await fill(journal, 1)
        (delivery,) = await journal.waiting(THERE, 1)
        journal.on_the_bench(delivery)

    for _ in range(CRASHES + 1):
        with_journal(path, scenario)


def test_a_send_in_flight_at_a_crash_counts_as_completed_at_the_restart(path: Path) -> None:
    """
    The platform may have seen it, so its limit must too.
    """

    async def scenario(journal: Any) -> None:
        await journal.rate_started("there", 1.0)

    copy = crashed(path, scenario)
    clock = FakeClock()
    clock.advance(77)

    async def after(journal: Any) -> None:
        assert [clock.now().timestamp()] == list(await journal.rate_history("there", 0.0))

    with_journal(copy, after, clock=clock)


KILLED = """
import asyncio, sys
from pathlib import Path
from bridge.clock import SystemClock
from bridge.journal import Capacity, Retention
from bridge.journal.sqlite import open_journal
from tests.builders import a_route, an_envelope

async def one(journal, sender):
    for i in range(100_000):
        await journal.accept(an_envelope(id=f"{sender}-{i}"), [a_route()])
        print(f"{sender}-{i}", flush=True)

async def main():
    async with open_journal(
        Path(sys.argv[1]), clock=SystemClock(), capacity=Capacity(), retention=Retention()
    ) as journal:
        async with asyncio.TaskGroup() as tasks:
            for sender in range(8):
                tasks.create_task(one(journal, sender))

asyncio.run(main())
"""


@pytest.mark.real_time
def test_a_killed_process_loses_nothing_that_it_acknowledged(path: Path) -> None:
    """
    kill -9 in the middle of a burst: every message that was answered is there, in order.
    """
    acknowledged: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged.append(line.strip())
            if len(acknowledged) == 200:
                process.kill()

    async def scenario(journal: Any) -> None:
        assert None is journal.lost
        found = [d.envelope.id for d in await journal.waiting(THERE, 100_000)]
        assert len(acknowledged) >= 200
        assert set(acknowledged) - {acknowledged[-1]} <= set(found)
        for sender in range(8):
            own = [int(i.split("-")[1]) for i in found if i.startswith(f"{sender}-")]
            assert list(range(len(own))) == own

    with_journal(path, scenario)


# --- a full disk ------------------------------------------------------------------------------------


def no_more_pages(journal: Any, spare: int) -> None:
    """As if the disk had room for ``spare`` more pages only."""
    db = journal._store.db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + spare}").fetchall()


def test_a_full_disk_refuses_messages_but_not_what_has_ended(path: Path) -> None:
    """
    Nothing more is promised, the ballast goes, and what was sent is still marked as sent.
    """
    clock = FakeClock()

    async def scenario(journal: Any) -> None:
        deliveries = await fill(journal, 5)
        ballast = path.with_name("journal.db.ballast")
        assert ballast.exists()
        no_more_pages(journal, 0)
        async with asyncio.TaskGroup() as tasks:
            big = tasks.create_task(refused(journal, an_envelope("x" * 50_000, id="big")))
            ended = tasks.create_task(journal.settle(deliveries[0], SENT))
        assert big.result()
        assert ended.done()
        assert 1.0 == journal.fullness
        assert not ballast.exists()
        assert await refused(journal, an_envelope(id="small"))
        for delivery in deliveries[1:]:
            await journal.settle(delivery, SENT)
        assert 5 == (await journal.ledger()).by_status[Status.SENT]

        no_more_pages(journal, 1000)
        clock.advance(2)
        assert await refused(journal, an_envelope(id="asks to measure"))
        await journal.lanes()
        await fill(journal, 1, first=10)
        assert ballast.exists()

    async def refused(journal: Any, envelope: Any) -> bool:
        try:
            await journal.accept(envelope, [a_route()])
        except JournalFull:
            return True
        return False

    with_journal(path, scenario, clock=clock)


def test_a_disk_without_room_for_even_that_is_waited_for(path: Path) -> None:
    """
    What has ended is tried again and again, however long it takes, and written when there is room;
    what nobody is owed, as pruning, fails meanwhile, so that nothing regular hangs.
    """
    clock = FakeClock()

    async def scenario(journal: Any) -> None:
        (delivery,) = await fill(journal, 1)
        no_more_pages(journal, 0)
        refused = Outcome(Status.DEAD, reason="refused", detail="at length " * 50_000)
        ending = asyncio.ensure_future(journal.settle(delivery, refused))
        for _ in range(10):
            clock.advance(3600)
            await journal.lanes()
            assert not ending.done()
        with pytest.raises(JournalFull):
            await journal._writer.submit(Asking(_much, owed=False))

        no_more_pages(journal, 1000)
        await journal.lanes()
        await ending
        assert not journal.broken
        assert 1 == (await journal.ledger()).by_status[Status.DEAD]

    with_journal(path, scenario, clock=clock)


def _much(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO plans (body, checksum) VALUES (zeroblob(500000), 0)")


def test_little_free_disk_counts_as_full(path: Path) -> None:
    """
    The journal stops before the disk is full, as other programs need it too.
    """

    async def scenario(journal: Any) -> None:
        assert journal.fullness >= 1.0
        with pytest.raises(JournalFull, match="room"):
            await fill(journal, 1)

    with_journal(path, scenario, capacity=Capacity(min_free_disk=1 << 60))
