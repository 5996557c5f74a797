"""
New files for a running daemon: read, checked, opened, then swapped between two messages.

Whatever is wrong, the old files run on, and it is said why: here, in the log, in a metric, by
``msgbridge status`` and on the status page.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bridge.acceptor import Acceptor
from bridge.clock import Clock
from bridge.config import Config, Global
from bridge.delivery import Lanes
from bridge.desk import Difference, Reloaded
from bridge.doors import CannotListen, Door, Doors
from bridge.files import Reading
from bridge.generation import Generation, difference
from bridge.metrics import Metrics
from bridge.notify import notify
from bridge.problems import Problem
from bridge.roster import CannotOpen, Roster, Running
from bridge.rules import RulesFile

log = structlog.get_logger()

LOOK_EVERY = 1.0
"""Seconds between two looks at the files. Two equal looks in a row mean that nobody writes any more."""

BY_SIGNAL, BY_CHANGE = "SIGHUP", "file change"

Looks = tuple[tuple[int, int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files are, and how they are read; ``read`` takes its time and never raises."""

    read: Callable[[], Reading]
    paths: tuple[Path, Path]
    """config.json and rules.json, or what they are called."""
    warnings: tuple[Problem, ...] = ()
    """Of the first reading."""
    seen: Looks = ()
    """How the files looked before they were read for the start."""

    @property
    def rules_file(self) -> str:
        return str(self.paths[1])


def look(paths: Iterable[Path]) -> Looks:
    """
    What a change of any of these files changes: device, inode, time and size of what the path leads
    to. Cheap enough for every second, and right for an editor's rename, a symbolic link that is
    turned (ConfigMaps), and network file systems, where notifications are not.
    """
    looks: list[tuple[int, int, int, int] | None] = []
    for path in paths:
        try:
            at = path.stat()
            looks.append((at.st_dev, at.st_ino, at.st_mtime_ns, at.st_size))
        except OSError:
            looks.append(None)
    return tuple(looks)


@dataclass(slots=True, kw_only=True)
class Reloader:
    """
    ``generation`` is what runs, ``last`` how the last attempt ended. ``learn`` is told the secrets of
    files before anything of them can be logged; ``hide`` masks them in what a driver said.
    """

    generation: Generation
    started_with: Global
    source: Source | None
    roster: Roster
    doors: Doors
    lanes: Lanes
    acceptor: Acceptor
    clock: Clock
    metrics: Metrics
    tasks: asyncio.TaskGroup
    environ: Mapping[str, str]
    learn: Callable[[frozenset[str]], None] = lambda _secrets: None
    hide: Callable[[str], str] = str
    last: Reloaded | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)
    _tried: Looks = ()
    _stopping: bool = False

    def ask(self) -> None:
        """Reload soon; for a signal handler."""
        self._asked.set()

    async def watch(self) -> None:
        """Reload when it is asked for, and when the files have changed and settled. Until cancelled."""
        if self.source is None:
            return
        self._tried = before = self.source.seen or look(self.source.paths)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._asked.wait()
            if self._asked.is_set():
                self._asked.clear()
                await self.reload(BY_SIGNAL)
                continue
            now = look(self.source.paths)
            if now == before and now != self._tried:
                await self.reload(BY_CHANGE)
            before = now

    async def reload(self, asked_by: str, *, dry: bool = False) -> Reloaded:
        """One attempt at a time. With ``dry`` nothing is opened or swapped, only compared."""
        async with self._turn:
            if not dry:
                self._tell_supervisor(f"RELOADING=1\nMONOTONIC_USEC={self.clock.monotonic() * 1e6:.0f}")
            try:
                return await self._reload(asked_by, dry=dry)
            finally:
                if not dry:
                    self._tell_supervisor("READY=1")

    def stop(self) -> None:
        """Nothing is swapped any more, and nothing waits for drivers that were taken out."""
        self._stopping = True
        for task in self._retiring:
            task.cancel()

    async def _reload(self, asked_by: str, *, dry: bool) -> Reloaded:
        if self.source is None:
            return self._refused(asked_by, why="this daemon was not started from files", dry=dry)
        if not dry:
            self._tried = look(self.source.paths)
        reading = await asyncio.to_thread(self.source.read)
        if reading.config is None or reading.rules is None:
            return self._refused(asked_by, problems=reading.problems, dry=dry)
        self.learn(reading.config.secrets)
        config, rules = reading.config, reading.rules
        changes = difference(self.generation, config, rules.router, self.started_with)
        taken = Reloaded(
            at=self.clock.now(),
            ok=True,
            asked_by=asked_by,
            generation=self.generation.number + (not dry),
            difference=changes,
            problems=reading.problems,
        )
        if dry:
            return taken
        try:
            await self._swap(config, rules, reading.problems)
        except (CannotOpen, CannotListen) as e:
            return self._refused(asked_by, why=self.hide(str(e)), dry=False)
        self.last = taken
        self.metrics.reloaded(self.generation.number)
        _say(changes, asked_by, self.generation.number)
        return taken

    async def _swap(self, config: Config, rules: RulesFile, warnings: tuple[Problem, ...]) -> None:
        prepared = await self.roster.prepare(config)
        try:
            opened = await self.doors.prepare(self.roster.webhooks(prepared))
        except BaseException:
            self.roster.discard(prepared)
            raise
        if self._stopping:
            self.roster.discard(prepared)
            await self.doors.retire(opened.values())
            raise CannotOpen("the daemon is being stopped")
        # From here on nothing is awaited until all of it is swapped: no message sees half of it.
        old = self.roster.take(prepared, self.lanes)
        closing = self.doors.take(opened, self.roster.webhooks())
        self.generation = Generation(
            number=self.generation.number + 1,
            config=config,
            router=rules.router,
            rules_file=rules.file,
            loaded_at=self.clock.now(),
            warnings=warnings,
        )
        self.lanes.tallies.keep_rules(frozenset(rule.id for rule in rules.router.rules))
        self.roster.listen(prepared.opened, self.acceptor.emit_for)
        if old or closing:
            retiring = self.tasks.create_task(self._retire(old, closing))
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)
        if prepared.opened:
            await self.lanes.refresh()  # what waited for an instance that has come back

    async def _retire(self, old: tuple[Running, ...], closing: tuple[Door, ...]) -> None:
        await self.doors.retire(closing)
        await self.roster.retire(old, self.lanes)

    def _refused(
        self, asked_by: str, *, dry: bool, problems: tuple[Problem, ...] = (), why: str = ""
    ) -> Reloaded:
        refused = Reloaded(
            at=self.clock.now(),
            ok=False,
            asked_by=asked_by,
            generation=self.generation.number,
            problems=problems,
            why=why,
        )
        if dry:
            return refused
        self.last = refused
        self.metrics.reload_refused()
        errors = [problem for problem in problems if not problem.warning]
        log.error(
            "config.reload_refused",
            asked_by=asked_by,
            why=why or f"{errors[0].place}: {errors[0].message}",
            problems=len(errors),
            generation=self.generation.number,
        )
        return refused

    def _tell_supervisor(self, state: str) -> None:
        notify(state, self.environ)


def _say(changes: Difference, asked_by: str, generation: int) -> None:
    told = {
        name: list(getattr(changes, name))
        for name in (
            *("rules_added", "rules_removed", "rules_changed"),
            *("instances_added", "instances_removed", "instances_changed"),
        )
        if getattr(changes, name)
    }
    log.info("config.reloaded", asked_by=asked_by, generation=generation, **told)
    if changes.restart_needed:
        log.warning("config.partly_applied", restart_needed=list(changes.restart_needed))
