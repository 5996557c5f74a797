"""Marks that outlive the process: what was sent is not sent again, whenever the process dies."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.journal.sent_log import Mark, SentLog
from bridge.model import DeliveryId, MessageId, Outcome, Status
from tests.builders import a_place
from tests.contract.journal_files import crashed, fill, with_journal

THERE = a_place("there/room")


def a_mark(seq: int, *ids: str) -> Mark:
    return Mark(seq, DeliveryId(f"d{seq}"), 0, tuple(map(MessageId, ids)))


def found(path: Path) -> list[Mark]:
    with SentLog(path) as log:
        return list(log.found)


def test_marks_are_found_by_the_next_process(tmp_path: Path) -> None:
    """Before any closing: the process may die right after."""
    path = tmp_path / "log"
    marks = [a_mark(1, "a"), a_mark(2), a_mark(3, "消息", "c")]
    with SentLog(path) as log:
        for mark in marks:
            log.add(mark)

        assert marks == found(path)


def test_marks_that_reached_the_journal_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with SentLog(path) as log:
        pages = [log.add(a_mark(n)) for n in range(3)]
        for page in pages:
            assert page is not None
            log.reached(page)
        log.add(a_mark(9))

    assert [a_mark(9)] == found(path)


def test_a_log_without_room_says_so_instead_of_forgetting(tmp_path: Path) -> None:
    """Then the lane waits for the commit, as it would without a log."""
    path = tmp_path / "log"
    with SentLog(path) as log:
        pages: list[int] = []
        while (page := log.add(a_mark(len(pages), "x" * 200))) is not None:
            pages.append(page)
        assert {0, 1} == set(pages)
        assert log.add(a_mark(0, "x" * 300_000)) is None
        for page in pages:
            log.reached(page)
        assert log.add(a_mark(7)) is not None

    assert a_mark(7) in found(path)


@pytest.mark.parametrize("damage", [b"\xff", b"\x00"])
@given(at=st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_a_damaged_mark_ends_the_reading(tmp_path_factory: Any, damage: bytes, at: int) -> None:
    """What comes before it counts; nothing is invented, nothing raised."""
    path = tmp_path_factory.mktemp("log") / "log"
    marks = [a_mark(n, f"id{n}") for n in range(9)]
    with SentLog(path) as log:
        for mark in marks:
            log.add(mark)
    content = bytearray(path.read_bytes())
    content[at : at + 1] = damage
    path.write_bytes(content)

    left = found(path)
    assert left == marks[: len(left)]


def test_what_was_sent_before_a_crash_is_not_sent_again(tmp_path: Path) -> None:
    """Settled, and the process dies before SQLite has heard of it."""

    async def scenario(journal: Any) -> None:
        first, second, _ = await fill(journal, 3)
        await journal.settle(first, Outcome(Status.SENT, (MessageId("p1"),)))
        await journal.settle(second, Outcome(Status.SENT, (MessageId("p2"),), attempts=4))

    copy = crashed(tmp_path / "journal.db", scenario)

    async def afterwards(journal: Any) -> Any:
        waiting = await journal.waiting(THERE, 10)
        rows = await journal.rows(Status.SENT)
        ledger = await journal.ledger()
        return [d.envelope.id for d in waiting], rows, ledger

    waiting, rows, ledger = with_journal(copy, afterwards)
    assert ["m2"] == waiting
    assert [("p1",), ("p2",)] == [row.message_ids for row in rows]
    assert 4 == rows[1].delivery.attempts
    assert ledger.balanced


def test_marks_of_another_file_are_not_believed(tmp_path: Path) -> None:
    """A journal restored from a backup may number its deliveries anew."""
    path = tmp_path / "journal.db"

    async def scenario(journal: Any) -> None:
        await fill(journal, 1)

    with_journal(path, scenario)
    with SentLog(tmp_path / "journal.db.sent") as log:
        log.add(a_mark(2, "p"))

    async def afterwards(journal: Any) -> Any:
        return await journal.waiting(THERE, 10)

    assert 1 == len(with_journal(path, afterwards))


def test_what_was_settled_is_seen_by_whoever_asks_next(tmp_path: Path) -> None:
    """The journal may write later, but it never shows what is no longer true."""

    async def scenario(journal: Any) -> None:
        deliveries = await fill(journal, 50)
        for delivery in deliveries[:25]:
            await journal.settle(delivery, Outcome(Status.SENT, (MessageId(delivery.id),)))
        waiting, ledger = await asyncio.gather(journal.waiting(THERE, 99), journal.ledger())
        assert deliveries[25:] == list(waiting)
        assert 25 == ledger.by_status[Status.SENT]
        assert journal.commits < 60

    with_journal(tmp_path / "journal.db", scenario)
