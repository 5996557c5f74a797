"""
One byte of a journal's files is changed, then the next: what becomes of what it holds.

Pure of processes, so that hundreds of places can be tried: each trial works on a copy of the files
that a process left behind when it died.
"""

import asyncio
import random
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.clock import SystemClock
from bridge.errors import JournalBroken, JournalError
from bridge.journal import Capacity, Retention
from bridge.journal.salvage import Report, salvage
from bridge.journal.schema import connect
from bridge.journal.sqlite import SqliteJournal, open_journal
from bridge.model import Delivery, MessageId, Outcome, Status
from tests.builders import a_route, an_envelope

FILES = ("journal.db", "journal.db-wal", "journal.db.mark", "journal.db.sent")
_ROOMS = ("there/one", "there/two", "there/three")
_LONG = 9_000
_PAGE = 4096

Promise = tuple[str, str, str]
"""What is sent must be this: text, destination, rule."""


@dataclass(slots=True)
class Left:
    """What a process left behind: its files in ``folder``, and what it had ``promised``, by id."""

    folder: Path
    waiting: dict[str, Promise] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Score:
    """
    Of all trials. ``wrong`` payloads and ``silent`` losses must be 0, in the journal that is opened
    and in the one that is salvaged; the others say what there was to see.
    """

    trials: int = 0
    refused: int = 0
    told: int = 0
    unharmed: int = 0
    wrong: int = 0
    silent: int = 0
    resurrected: int = 0
    opened_waiting: int = 0
    salvaged_waiting: int = 0
    salvage_failed: int = 0
    promised: int = 0
    silent_at: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.wrong or self.silent or self.salvage_failed)


async def leave_behind(folder: Path, messages: int) -> Left:
    """Messages of every kind and state, half of them in the database and half in the WAL."""
    left = Left(folder / "left")
    left.folder.mkdir(parents=True)
    path = folder / "running" / "journal.db"
    async with _opened(path) as journal:
        for half in range(2):
            await _work(journal, left, half, messages // 2)
            if not half:
                await asyncio.to_thread(_empty_the_wal, path)
        for name in FILES:
            shutil.copy(path.parent / name, left.folder / name)
    return left


async def _work(journal: SqliteJournal, left: Left, half: int, messages: int) -> None:
    for i in range(half * messages, (half + 1) * messages):
        text = f"text {i:05} " + "字" * (_LONG if i % 50 == 7 else i % 40)
        routes = [a_route(room, rule=f"rule-{i % 4}") for room in _ROOMS[: 1 + i % 3]]
        accepted = await journal.accept(an_envelope(text, id=f"m{i}"), routes)
        for delivery in accepted.deliveries:
            if (i * 7 + delivery.seq) % 3 == 0:
                posted = MessageId(f"posted-{delivery.id}")
                await journal.settle(delivery, Outcome(Status.SENT, (posted,)))
                left.sent.add(delivery.id)
            else:
                left.waiting[delivery.id] = promise(delivery)
        if accepted.deliveries and i % 25 == 3:
            one = accepted.deliveries[0]
            if one.id in left.waiting:
                await journal.settle(one, Outcome(Status.DEAD, reason="refused", detail="too large"))
                del left.waiting[one.id]
                left.sent.add(one.id)


def promise(delivery: Delivery) -> Promise:
    return (
        delivery.envelope.message.text,
        str(delivery.route.destination),
        delivery.route.plan.rule,
    )


def _empty_the_wal(path: Path) -> None:
    with closing(connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _opened(path: Path) -> Any:
    return open_journal(
        path, clock=SystemClock(), capacity=Capacity(min_free_disk=1), retention=Retention()
    )


def bytes_to_flip(left: Left, count: int, seed: int) -> Iterator[tuple[str, int]]:
    """``count`` places in the database and as many in the WAL; every fourth in what somebody said."""
    chance = random.Random(seed)
    for name in FILES[:2]:
        content = (left.folder / name).read_bytes()
        written = len(content.rstrip(b"\0"))
        said = [match.start() for match in re.finditer(b"text 0", content)]
        for number in range(count):
            yield name, chance.choice(said) + 6 if number % 4 == 0 else chance.randrange(written)


def pages_to_zero(left: Left) -> Iterator[int]:
    """Every page of the database."""
    yield from range((left.folder / FILES[0]).stat().st_size // _PAGE)


async def try_flips(left: Left, places: Iterable[tuple[str, int]], scratch: Path) -> Score:
    """One flipped byte at a time."""
    score = Score()
    for name, at in places:
        folder = _copy(left, scratch)
        with (folder / name).open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ (1 << at % 8)]))
        await _judge(left, folder, f"{name} at {at}", score)
    return score


async def try_zeros(left: Left, pages: Iterable[int], scratch: Path) -> Score:
    """One page of zeros at a time."""
    score = Score()
    for page in pages:
        folder = _copy(left, scratch)
        with (folder / FILES[0]).open("r+b") as file:
            file.seek(page * _PAGE)
            file.write(bytes(_PAGE))
        await _judge(left, folder, f"page {page + 1}", score)
    return score


def _copy(left: Left, scratch: Path) -> Path:
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(left.folder / name, scratch / name)
    return scratch


async def _judge(left: Left, folder: Path, where: str, score: Score) -> None:
    score.trials += 1
    score.promised += len(left.waiting)
    report: Report | None = None
    rescued = folder / "rescued" / "journal.db"
    rescued.parent.mkdir()
    try:
        report = salvage(folder / "journal.db", rescued, clock=SystemClock())
    except JournalError:
        score.salvage_failed += 1
        score.silent_at.append(f"{where}: not salvaged")
    if report is not None:
        found, _ = await _what_would_be_sent(rescued)
        score.salvaged_waiting += len(found)
        _compare(left, found, told=not report.whole, where=f"{where}, salvaged", score=score)
    try:
        found, told = await _what_would_be_sent(folder / "journal.db")
    except JournalError:
        score.refused += 1
        return
    score.opened_waiting += len(found)
    score.told += told
    score.unharmed += not told and len(found) == len(left.waiting)
    _compare(left, found, told=told, where=where, score=score)


def _compare(left: Left, found: dict[str, Promise], *, told: bool, where: str, score: Score) -> None:
    for name, promised in found.items():
        if name in left.waiting:
            score.wrong += promised != left.waiting[name]
        else:
            score.resurrected += 1
            score.wrong += name not in left.sent
    if left.waiting.keys() - found.keys() and not told:
        score.silent += 1
        score.silent_at.append(where)


async def _what_would_be_sent(path: Path) -> tuple[dict[str, Promise], bool]:
    """Everything that a daemon would send, and whether it would tell of damage. Raises `JournalError`."""
    found: dict[str, Promise] = {}
    async with _opened(path) as journal:
        told = journal.lost is not None
        with suppress(JournalBroken):
            for destination in await journal.lanes():
                for delivery in await journal.waiting(destination, 1_000_000):
                    found[delivery.id] = promise(delivery)
            told |= bool(await journal.inspect())
            told |= not (await journal.ledger()).balanced
        told |= bool(journal.damaged or journal.broken)
    return found, told
