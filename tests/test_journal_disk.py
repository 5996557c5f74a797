"""A disk without room, a disk that turns read-only, files that are damaged: on real mounts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import JournalBroken, JournalFull, Refused
from bridge.journal import Capacity, Retention
from bridge.journal.gauge import BALLAST
from bridge.journal.sqlite import open_journal
from bridge.media_store import MediaStore, StoreLimits
from bridge.model import Status
from tests.builders import a_route, an_envelope
from tests.clock import FakeClock
from tests.contract.journal_files import SENT, THERE, fill, with_journal
from tests.faults import backlog, damage, disk
from tests.faults.scenarios import SHORT
from tests.faults.small_disk import CannotMount, SmallDisk, small_disk
from tests.test_media_store import keep

pytestmark = [pytest.mark.full, pytest.mark.real_time]

_LITTLE = Capacity(min_free_disk=1 << 20)
_OLD = 200 * 3600


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallDisk]:
    """64 MiB of our own."""
    try:
        with small_disk(tmp_path / "disk", 64 << 20) as one:
            yield one
    except CannotMount as e:
        pytest.skip(str(e))


async def refused(journal: Any, name: str) -> bool:
    try:
        await journal.accept(an_envelope("x" * 3000, id=name), [a_route()])
    except JournalFull:
        return True
    return False


def test_the_ballast_is_kept_free_of_messages(small: SmallDisk) -> None:
    """
    Once it is thrown off its room is for what was sent; messages wait until there is as much besides.
    """
    clock = FakeClock()

    async def scenario(journal: Any) -> None:
        deliveries = await fill(journal, 5)
        ballast = small.path / "journal.db.ballast"
        assert BALLAST <= ballast.stat().st_size < 2 * BALLAST
        small.fill()
        names = iter(range(10_000))
        while not await refused(journal, f"n{next(names)}"):
            assert ballast.exists()
        for delivery in deliveries:
            await journal.settle(delivery, SENT)
        for _ in range(5):
            clock.advance(2)
            assert await refused(journal, f"later{_}")
            await journal.lanes()
        assert not journal.broken

        small.free()
        clock.advance(2)
        await refused(journal, "asks to measure")
        await journal.lanes()
        assert not await refused(journal, "fits again")
        assert ballast.exists()

    with_journal(small.path / "journal.db", scenario, clock=clock, capacity=_LITTLE)


def test_pruning_on_a_full_disk_never_hangs_and_loses_nothing(small: SmallDisk) -> None:
    """
    It forgets what there is room to forget, or says that it cannot; the rest of the work goes on.
    """
    clock = FakeClock()

    async def scenario(journal: Any) -> None:
        for delivery in await fill(journal, 3000):
            await journal.settle(delivery, SENT)
        clock.advance(_OLD)
        (waits,) = await fill(journal, 1, first=9000)
        small.fill()
        try:
            async with asyncio.timeout(20):
                await journal.prune()
        except JournalFull:
            small.free()
            await journal.prune()
        books = await journal.ledger()
        assert books.balanced
        assert (3000, 1) == (books.by_status[Status.SENT], books.by_status[Status.WAITING])
        assert [waits.seq] == [one.seq for one in await journal.waiting(THERE, 9)]

    with_journal(small.path / "journal.db", scenario, clock=clock, capacity=_LITTLE)


def test_a_backlog_is_opened_on_a_full_disk_and_booked_as_sent(small: SmallDisk) -> None:
    """
    The start needs room of its own, and takes it from the ballast.
    """
    path = small.path / "journal.db"
    with_journal(path, lambda journal: fill(journal, 2000), capacity=_LITTLE)
    small.fill()

    async def scenario(journal: Any) -> None:
        assert await refused(journal, "new")
        for delivery in await journal.waiting(THERE, 5000):
            await journal.settle(delivery, SENT)
        assert 2000 == (await journal.ledger()).by_status[Status.SENT]

    with_journal(path, scenario, capacity=_LITTLE)


def test_a_start_without_any_room_says_so(small: SmallDisk) -> None:
    """
    A first start on a full disk cannot promise anything.
    """
    small.fill()

    async def start() -> None:
        async with open_journal(
            small.path / "journal.db", clock=FakeClock(), capacity=_LITTLE, retention=Retention()
        ):
            pass

    with pytest.raises(JournalBroken, match="disk is full: make room"):
        asyncio.run(start())


def test_an_attachment_that_the_disk_does_not_take_leaves_nothing_behind(small: SmallDisk) -> None:
    """
    Half a file would eat the room that the journal needs.
    """

    async def scenario() -> None:
        (small.path / "media").mkdir()
        store = await MediaStore.open(small.path / "media", FakeClock(), StoreLimits())
        small.fill(spare=1 << 20)
        with pytest.raises((OSError, Refused)):
            await keep(store, "k", *[b"x" * (1 << 19)] * 8)
        assert [] == list((small.path / "media").iterdir())
        small.free()
        assert (await keep(store, "k", b"x" * (1 << 19))).size == 1 << 19

    asyncio.run(scenario())


@pytest.mark.parametrize("name", [*disk.LONG_ONLY, *damage.LONG_ONLY, *backlog.LONG_ONLY])
def test_every_promise_is_kept_on_such_a_disk(name: str, tmp_path: Path) -> None:
    """
    The real daemon; `make faults` does it longer.
    """
    scenario = {**disk.LONG_ONLY, **damage.LONG_ONLY, **backlog.LONG_ONLY}[name]
    try:
        result = asyncio.run(asyncio.wait_for(scenario(tmp_path, SHORT), 120.0))
    except CannotMount as e:
        pytest.skip(str(e))

    assert result.passed, "\n".join([f"{result.name}: {result.verdict}", *result.complaints])
