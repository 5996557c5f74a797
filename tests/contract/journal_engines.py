"""The journals that must keep the same promises."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.journal import Capacity, Retention
from bridge.journal.memory import MemoryJournal
from bridge.journal.sqlite import open_journal
from bridge.model import MessageId, Outcome, Status
from tests.builders import a_route, an_envelope
from tests.clock import FakeClock


@dataclass(frozen=True)
class Engine:
    """``open`` takes the folder, the clock and, if they matter, capacity and retention."""

    name: str
    open: Callable[..., AbstractAsyncContextManager[Any]]
    durable: bool


@asynccontextmanager
async def _sqlite(
    folder: Path,
    clock: FakeClock,
    capacity: Capacity = Capacity(),  # noqa: B008 (frozen)
    retention: Retention = Retention(),  # noqa: B008 (frozen)
) -> AsyncIterator[Any]:
    async with open_journal(
        folder / "journal.db", clock=clock, capacity=capacity, retention=retention
    ) as journal:
        yield journal


@asynccontextmanager
async def _memory(
    _folder: Path,
    clock: FakeClock,
    capacity: Capacity = Capacity(),  # noqa: B008 (frozen)
    retention: Retention = Retention(),  # noqa: B008 (frozen)
) -> AsyncIterator[Any]:
    yield MemoryJournal(clock=clock, capacity=capacity, retention=retention)


SQLITE = Engine("sqlite", _sqlite, durable=True)
MEMORY = Engine("memory", _memory, durable=False)


class Desk:
    """A journal under test; ``reopen`` closes and opens a durable one, and does nothing to others."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self.clock = FakeClock()
        self.limits: dict[str, Any] = {}

    @asynccontextmanager
    async def opened(self, **limits: Any) -> AsyncIterator["Desk"]:
        self.limits = limits
        self._open = self._engine.open(self._folder, self.clock, **limits)
        self.journal = await self._open.__aenter__()
        try:
            yield self
        finally:
            await self._open.__aexit__(None, None, None)

    async def reopen(self) -> Any:
        if self._engine.durable:
            await self._open.__aexit__(None, None, None)
            self._open = self._engine.open(self._folder, self.clock, **self.limits)
            self.journal = await self._open.__aenter__()
        return self.journal

    async def accept(self, *routes: str, **envelope: Any) -> Any:
        """The one delivery, or all of them if there are several."""
        found = (
            await self.journal.accept(
                an_envelope(**envelope), [a_route(route) for route in routes or ("there/room",)]
            )
        ).deliveries
        return found[0] if len(found) == 1 else found


Scenario = Callable[[Desk], Coroutine[Any, Any, None]]


def run_on(engine: Engine, folder: Path, scenario: Scenario, **limits: Any) -> None:
    """Whatever happens in ``scenario``, the ledger is balanced at its end."""

    async def main() -> None:
        async with Desk(engine, folder).opened(**limits) as desk:
            await scenario(desk)
            assert (await desk.journal.ledger()).balanced

    asyncio.run(main())


def sent(*ids: str) -> Outcome:
    return Outcome(Status.SENT, tuple(MessageId(i) for i in ids))
