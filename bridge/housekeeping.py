"""What is done every second: the supervisor's pulse, operators' writes, pruning, folded repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from bridge.clock import Clock
from bridge.config import Global
from bridge.delivery import Lanes
from bridge.errors import JournalFull
from bridge.journal.sqlite import SqliteJournal
from bridge.log import Folding
from bridge.media_links import MediaLinks
from bridge.metrics import Metrics
from bridge.notify import notify
from bridge.roster import Roster

log = structlog.get_logger()

TICK = 1.0
"""Seconds between two looks at what operators' commands wrote; also the pulse for systemd."""
PRUNE_EVERY = 600.0
FIRST_PRUNE = 60.0
"""Seconds after the start: what waited goes out first."""
FIRST_LOOK = 20.0
LOOK_EVERY = 86400.0
"""Seconds between two looks through the whole journal, and before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Housekeeping:
    """Small regular work, all of it on the loop."""

    config: Global
    journal: SqliteJournal
    lanes: Lanes
    roster: Roster
    links: MediaLinks | None
    metrics: Metrics
    folding: Folding
    clock: Clock
    environ: Mapping[str, str]

    async def run(self) -> None:
        """Until cancelled. Raises `JournalError`."""
        since_pruned = PRUNE_EVERY - FIRST_PRUNE
        warned = False
        damaged = 0
        while True:
            await self.clock.sleep(TICK)
            notify("WATCHDOG=1", self.environ)
            self.folding.flush()
            if await self.journal.changed_outside():
                await self.lanes.refresh()
            since_pruned += TICK
            if since_pruned >= PRUNE_EVERY:
                since_pruned = 0.0
                await self._prune()
                if self.links is not None:
                    self.links.sweep()
            high = self.journal.fullness >= self.config.capacity.warn_at
            if high and not warned:
                log.warning("journal.nearly_filled", fullness=round(self.journal.fullness, 2))
            warned = high
            if self.journal.damaged > damaged:
                damaged = self.journal.damaged
                log.error("journal.damage_found", rows=damaged)

    async def look_through(self) -> None:
        """Now and then through the whole file, until cancelled: damage elsewhere than in a row."""
        wait = FIRST_LOOK
        while True:
            await self.clock.sleep(wait)
            found = await self.journal.inspect()
            if found:
                log.error("journal.damage_found", problem=found[0], problems=len(found))
            wait = LOOK_EVERY

    async def _prune(self) -> None:
        try:
            await self.journal.prune()
        except JournalFull as e:
            log.warning("housekeeping.put_off", why=str(e))

    async def metrics_page(self) -> bytes:
        """What Prometheus scrapes; the gauges of the journal are read for it."""
        metrics = self.metrics
        now = self.clock.now().timestamp()
        backlog = await self.journal.backlog()
        suspensions = [one for one in await self.journal.suspensions() if one.until is None]
        for instance in self.roster.outlets:
            count, oldest = backlog.get(instance, (0, now))
            metrics.deliveries_waiting.labels(instance).set(count)
            metrics.oldest_waiting_seconds.labels(instance).set(self.journal.age(oldest) if count else 0)
            metrics.suspended.labels(instance).set(sum(one.instance == instance for one in suspensions))
        metrics.journal_fullness.set(self.journal.fullness)
        metrics.damaged(self.journal.damaged)
        metrics.ledger_balanced.set((await self.journal.ledger()).balanced)
        return metrics.page()

    def say_what_was_lost(self) -> None:
        """Once, at the start."""
        if self.journal.lost is not None:
            first, last = self.journal.lost
            self.metrics.journal_lost.inc(last - first + 1)
            log.error("journal.rows_lost", first=first, last=last, kept=str(self.journal.kept or ""))
