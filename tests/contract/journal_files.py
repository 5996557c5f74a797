"""A journal in a file, and the ways in which a process or a disk leaves it behind."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bridge.journal import Capacity, Retention
from bridge.journal.sqlite import open_journal
from bridge.model import MessageId, Outcome, Status
from tests.builders import a_place, a_route, an_envelope
from tests.clock import FakeClock

THERE = a_place("there/room")
SENT = Outcome(Status.SENT, (MessageId("p"),))
FILES = ("journal.db", "journal.db-wal", "journal.db.mark", "journal.db.sent")


def with_journal(path: Path, scenario: Callable[[Any], Coroutine[Any, Any, Any]], **limits: Any) -> Any:
    """Open, run and close; ``limits`` may hold a clock, a capacity and a retention."""

    async def main() -> Any:
        settings = {"clock": FakeClock(), "capacity": Capacity(), "retention": Retention()}
        async with open_journal(path, **{**settings, **limits}) as journal:
            return await scenario(journal)

    return asyncio.run(main())


async def fill(journal: Any, count: int, *, first: int = 0) -> list[Any]:
    return [
        (await journal.accept(an_envelope(f"text {i:04}", id=f"m{i}"), [a_route()])).deliveries[0]
        for i in range(first, first + count)
    ]


def crashed(path: Path, scenario: Callable[[Any], Coroutine[Any, Any, Any]]) -> Path:
    """The files as a process leaves them that dies after ``scenario``."""
    copy = path.parent / "crashed"
    copy.mkdir(parents=True)

    async def run_and_copy(journal: Any) -> None:
        await scenario(journal)
        for name in FILES:
            shutil.copy(path.parent / name, copy / name)

    with_journal(path, run_and_copy)
    return copy / path.name


def flip(file: Path, around: bytes) -> None:
    """One bit of the last place where ``around`` stands."""
    content = bytearray(file.read_bytes())
    content[content.rindex(around)] ^= 1
    file.write_bytes(content)
