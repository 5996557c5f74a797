"""Deliveries that an operator moves: kept back, released, dropped, tried again; a page at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass

from bridge.clock import Clock
from bridge.delivery import Lanes
from bridge.desk import Choice, DeskError, Progress
from bridge.journal import Chosen, Journal
from bridge.model import Status

PAGE = 500
"""Deliveries that are moved in one transaction."""

_STEP = 0.5
"""Seconds between two steps of a replay at a rate, where the rate allows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """Takes deliveries out of the lanes' hands before the journal changes what they are."""

    journal: Journal
    lanes: Lanes
    clock: Clock

    async def move(self, choice: Choice, among: Collection[Status], to: Status, reason: str) -> int:
        """How many became ``to``. Raises `DeskError` for a choice that chooses nothing."""
        _check(choice)
        moved = 0
        for status in among:
            after = 0
            while page := await self.journal.choose(status, choice, after=after, limit=PAGE):
                after = page[-1].seq
                moved += await self._page(page, status, to, reason)
        return moved

    async def replay(self, choice: Choice, rate: float | None) -> AsyncGenerator[Progress, None]:
        """As `Desk.replay`: what is dead now; what dies again meanwhile is not tried twice."""
        _check(choice)
        if rate is not None and rate <= 0:
            raise DeskError("the rate must be greater than 0", code="unclear")
        total, last, after = 0, 0, 0
        while page := await self.journal.choose(Status.DEAD, choice, after=after, limit=PAGE):
            total += len(page)
            after = last = page[-1].seq
        size = PAGE if rate is None else max(1, min(PAGE, int(rate * _STEP)))
        done, after = 0, 0
        yield Progress(0, total)
        while page := await self.journal.choose(Status.DEAD, choice, after=after, limit=size):
            after = page[-1].seq
            page = [one for one in page if one.seq <= last]
            if not page:
                break
            began = self.clock.monotonic()
            done += await self._page(page, Status.DEAD, Status.WAITING, "")
            yield Progress(done, total)
            if rate is not None and done < total:
                took = self.clock.monotonic() - began
                await self.clock.sleep(max(len(page) / rate - took, 0.0))

    async def _page(self, page: Collection[Chosen], was: Status, to: Status, reason: str) -> int:
        free = list(page)
        if was is Status.WAITING:
            # Whatever was committed before we read has reached the lanes after this round.
            await self.journal.suspensions()
            free = self.lanes.take_back(page)
        moved = await self.journal.move([one.seq for one in free], [was], to, reason)
        if Status.WAITING in (was, to):
            self.lanes.look(dict.fromkeys(one.destination for one in page))
        return moved


def _check(choice: Choice) -> None:
    if choice == Choice():
        raise DeskError(
            "nothing was chosen: name deliveries by id, give a filter, or say that all are meant",
            code="unclear",
        )
