"""One look at everything: what passed, what waits, what is wrong, as a `Snapshot`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import Protocol

from bridge import __version__
from bridge.clock import Clock
from bridge.delivery import Lanes
from bridge.desk import (
    DESTINATIONS_SHOWN,
    DestinationView,
    Failure,
    InstanceState,
    InstanceView,
    JournalView,
    LaneState,
    Reloaded,
    RuleView,
    Snapshot,
    SourceView,
)
from bridge.feed import Feed
from bridge.gates import Gate
from bridge.generation import Generation
from bridge.journal import Crowd, Journal
from bridge.metrics import Metrics
from bridge.model import ConversationRef
from bridge.outlets import Outlet, Progress
from bridge.roster import Roster
from bridge.tallies import Destination, Source


class WatchedJournal(Journal, Protocol):
    """A journal that says how it stands."""

    @property
    def broken(self) -> str: ...

    @property
    def fullness(self) -> float: ...

    @property
    def lost(self) -> tuple[int, int] | None: ...

    @property
    def damaged(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs now: the files, and how the last attempt to change them ended."""

    generation: Generation
    last_reload: Reloaded | None
    ports: Mapping[int, int]
    ready: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookout:
    """Where everything can be seen from. ``hide`` masks secrets in what platforms said."""

    journal: WatchedJournal
    path: Path
    lanes: Lanes
    roster: Roster
    metrics: Metrics
    feed: Feed
    clock: Clock
    running: Callable[[], Running]
    started_at: datetime
    started: float
    hide: Callable[[str], str] = str

    async def snapshot(self) -> Snapshot:
        """Costs a read of the journal. Raises `JournalError`."""
        crowds = await self.journal.crowds()
        dead = await self.journal.dead_by_reason()
        journal = await self._journal()
        now = self.clock.now()
        running = self.running()
        generation = running.generation
        destinations = sorted(self._destinations(crowds, now), key=_trouble_first)
        rules = generation.router.rules
        return Snapshot(
            version=__version__,
            now=now,
            started_at=self.started_at,
            uptime=self.clock.monotonic() - self.started,
            generation=generation.number,
            loaded_at=generation.loaded_at,
            config_file=str(generation.config.file),
            rules_file=str(generation.rules_file),
            ready=running.ready,
            last_reload=running.last_reload,
            warnings=generation.warnings,
            instances=tuple(self._instances()),
            sources=tuple(self._sources()),
            destinations=tuple(destinations[:DESTINATIONS_SHOWN]),
            destinations_unshown=max(len(destinations) - DESTINATIONS_SHOWN, 0),
            rules=tuple(self._rule(rule.id, rule.file, rule.line, rule.enabled) for rule in rules),
            dead=dead,
            journal=journal,
            events=self.feed.last,
            ports=dict(running.ports),
        )

    def _instances(self) -> Iterator[InstanceView]:
        states: dict[str, dict[str, float]] = {}
        for family in self.metrics.driver_state.collect():
            for sample in family.samples:
                states.setdefault(sample.labels["instance"], {})[sample.labels["name"]] = sample.value
        for id_, outlet in self.roster.outlets.items():
            one = self.roster.running.get(id_)
            listen = one.instance.listen if one else None
            suspension = outlet.gate.suspension
            state = _instance_state(outlet)
            yield InstanceView(
                id=id_,
                platform=outlet.platform,
                state=state,
                driver_states=states.get(id_, {}),
                listens_on=f"{listen.port}{listen.path}" if listen else "",
                reason=self.hide(suspension.detail) if suspension else "",
                since=suspension.since if suspension else None,
            )

    def _sources(self) -> Iterator[SourceView]:
        counted = self.lanes.tallies.sources
        for id_ in dict.fromkeys([*self.roster.running, *counted]):
            source = counted.get(id_, Source())
            yield SourceView(
                instance=id_,
                received=source.received,
                duplicates=source.duplicates,
                ignored=source.ignored,
                last=source.last,
            )

    def _rule(self, id_: str, file: str, line: int, enabled: bool) -> RuleView:
        cell = self.lanes.tallies.rules.get(id_)
        return RuleView(
            id=id_,
            file=file,
            line=line,
            enabled=enabled,
            matches=cell.matches if cell else 0,
            last_match=cell.last if cell else None,
        )

    def _destinations(
        self, crowds: Mapping[ConversationRef, Crowd], now: datetime
    ) -> Iterator[DestinationView]:
        at_work = {ref: (gate, progress) for ref, gate, progress in self.lanes.view()}
        counted = self.lanes.tallies.destinations
        for ref in dict.fromkeys([*crowds, *at_work, *counted]):
            gate, progress = at_work.get(ref, (None, None))
            yield self._destination(
                ref, crowds.get(ref, Crowd()), counted.get(ref, Destination()), gate, progress, now
            )

    def _destination(
        self,
        ref: ConversationRef,
        crowd: Crowd,
        cell: Destination,
        gate: Gate | None,
        progress: Progress | None,
        now: datetime,
    ) -> DestinationView:
        outlet = self.roster.outlets.get(ref.instance)
        setback = cell.setback
        wait = self._wait(outlet, gate, progress) if crowd.waiting else None
        return DestinationView(
            destination=ref,
            state=_lane_state(outlet, gate, progress),
            waiting=crowd.waiting,
            held=crowd.held,
            oldest=None if crowd.oldest is None else datetime.fromtimestamp(crowd.oldest, UTC),
            next_send=None if wait is None else now + timedelta(seconds=wait),
            sent=cell.sent,
            sent_per_hour=cell.per_hour(now),
            seconds=cell.seconds,
            last_sent=cell.last,
            last_failure=None
            if setback is None
            else Failure(setback.at, setback.reason, self.hide(setback.detail)),
        )

    def _wait(self, outlet: Outlet | None, gate: Gate | None, progress: Progress | None) -> float | None:
        """Seconds until the next try, as far as it is known; None while nobody can tell."""
        if outlet is None:
            return None
        waits = [outlet.gate.opens_in]
        if gate is not None:
            waits.append(gate.opens_in)
        if outlet.limiter is not None:
            waits.append(outlet.limiter.opens_in)
        if progress is not None and progress.tries_at is not None:
            waits.append(progress.tries_at - self.clock.monotonic())
        longest = max(waits)
        return max(longest, 0.0) if isfinite(longest) else None

    async def _journal(self) -> JournalView:
        disk = os.statvfs(self.path.parent)
        lost = self.journal.lost
        return JournalView(
            path=str(self.path),
            size=sum(
                _size(self.path.with_name(self.path.name + end)) for end in ("", "-wal", ".ballast")
            ),
            free_disk=disk.f_bavail * disk.f_frsize,
            fullness=self.journal.fullness,
            ledger=await self.journal.ledger(),
            lost=lost[1] - lost[0] + 1 if lost else 0,
            damaged=self.journal.damaged,
            broken=self.journal.broken,
        )


def _instance_state(outlet: Outlet) -> InstanceState:
    if outlet.removed:
        return InstanceState.REMOVED
    if outlet.paused:
        return InstanceState.PAUSED
    return InstanceState.SUSPENDED if outlet.gate.suspension else InstanceState.RUNNING


def _lane_state(outlet: Outlet | None, gate: Gate | None, progress: Progress | None) -> LaneState:
    if outlet is None or outlet.removed:
        return LaneState.REMOVED
    if outlet.paused:
        return LaneState.PAUSED_BY_OPERATOR
    gates = [outlet.gate] if gate is None else [outlet.gate, gate]
    if any(each.suspension for each in gates):
        return LaneState.SUSPENDED
    if not all(each.is_open for each in gates):
        return LaneState.PAUSED
    if progress is not None and progress.tries_at is not None:
        return LaneState.RETRYING
    return LaneState.OK


def _trouble_first(view: DestinationView) -> tuple[bool, bool, float, str]:
    last = max((at.timestamp() for at in (view.last_sent, view.oldest) if at), default=0.0)
    return view.state is LaneState.OK, not view.waiting, -last, str(view.destination)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
