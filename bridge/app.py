"""The composition root: opens everything, runs until told to stop, closes in reverse."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import structlog

from bridge import __version__
from bridge.assembly import Parts, Surroundings, assemble
from bridge.clock import Clock, SystemClock
from bridge.config import Config
from bridge.control import CannotControl, open_control
from bridge.doors import CannotListen, Doors, open_port
from bridge.driver import Driver
from bridge.errors import BridgeError
from bridge.journal import Retention
from bridge.journal.sqlite import SqliteJournal, open_journal
from bridge.log import Logbook
from bridge.media_links import MediaLinks
from bridge.media_store import MediaStore, StoreLimits
from bridge.metrics import Metrics
from bridge.notify import notify
from bridge.reload import Reloader, Source
from bridge.roster import CannotOpen, Roster
from bridge.routing import Router
from bridge.status import StatusPages
from bridge.status.page_picture import routes_picture

log = structlog.get_logger()


class CannotStart(BridgeError):
    """The machine does not give what the daemon needs: a port, a directory, the journal."""


class App:
    """One daemon: configuration and rules are read, nothing is open yet."""

    def __init__(
        self,
        config: Config,
        router: Router,
        *,
        clock: Clock | None = None,
        environ: Mapping[str, str] = os.environ,
        wrap: Callable[[Driver], Driver] = lambda driver: driver,
        any_port: bool = False,
        source: Source | None = None,
        logbook: Logbook | None = None,
    ) -> None:
        """
        ``wrap`` stands between the lanes and every driver: a dry run puts a printer there. With
        ``any_port`` the configured ports only tell the listeners apart; `ports` has the real ones.
        Without a ``source`` the files cannot be read again.
        """
        self._config = config
        self._router = router
        self._clock = clock or SystemClock()
        self._environ = environ
        self._wrap = wrap
        self._any_port = any_port
        self._source = source
        self._logbook = logbook or Logbook(self._clock, config.secrets)
        self._metrics = Metrics(__version__)
        self._links: MediaLinks | None = None
        self._stop = asyncio.Event()
        self._doors: Doors | None = None
        self._reloader: Reloader | None = None
        self.roster: Roster | None = None
        """The running instances, once they are open."""
        self._status_port: dict[int, int] = {}
        self.ready = asyncio.Event()
        self.stopped = asyncio.Event()

    @property
    def ports(self) -> dict[int, int]:
        """Configured listening port → the port that is really listened on."""
        doors = self._doors.open if self._doors else {}
        return {port: door.port for port, door in doors.items()} | self._status_port

    def stop(self) -> None:
        self._stop.set()

    def reload(self) -> None:
        """Read the files again soon; before the start and at the end there is nothing to reload."""
        if self._reloader is not None:
            self._reloader.ask()

    async def run(self) -> None:
        """Until `stop` or SIGTERM. Raises `CannotStart`; `JournalError` when the storage fails."""
        config = self._config.global_
        self._metrics.declare(self._config.instances)
        async with AsyncExitStack() as stack:
            for number in (signal.SIGTERM, signal.SIGINT):
                stack.enter_context(_signal(number, self.stop))
            stack.enter_context(_signal(signal.SIGHUP, self.reload))
            try:
                stack.enter_context(_sole_daemon(config.data_dir))
            except OSError as e:
                raise CannotStart(
                    f"{config.data_dir}: {e.strerror or e}: look at its owner, its mode and its disk"
                ) from e
            journal = await stack.enter_async_context(
                open_journal(
                    config.data_dir / "journal.db",
                    clock=self._clock,
                    capacity=config.capacity,
                    retention=Retention(),
                )
            )
            self._links = await self._open_links()
            async with asyncio.TaskGroup() as tasks:
                await self._serve(journal, tasks)
        log.info("daemon.stopped")
        self.stopped.set()

    async def _serve(self, journal: SqliteJournal, tasks: asyncio.TaskGroup) -> None:
        """Open inwards out: what sends, then what receives, then what listens to operators."""
        parts = assemble(
            self._config,
            self._router,
            Surroundings(
                clock=self._clock,
                environ=self._environ,
                metrics=self._metrics,
                logbook=self._logbook,
                links=self._links,
                source=self._source,
                wrap=self._wrap,
                any_port=self._any_port,
                ports=lambda: self.ports,
                not_ready=lambda: self._not_ready(journal),
            ),
            journal,
            tasks,
        )
        parts.housekeeping.say_what_was_lost()
        self.roster, self._doors, self._reloader = parts.roster, parts.doors, parts.reloader
        try:
            prepared = await parts.roster.prepare(self._config)
            parts.roster.take(prepared, parts.lanes)
            delivering = tasks.create_task(parts.lanes.run())
            keeping_house = tasks.create_task(parts.housekeeping.run())
            looking_through = tasks.create_task(parts.housekeeping.look_through())
            await parts.lanes.ready.wait()
            async with AsyncExitStack() as doors:
                doors.push_async_callback(parts.doors.close)
                mounts = parts.roster.webhooks()
                parts.doors.take(await parts.doors.prepare(mounts), mounts)
                await self._open_status(doors, parts)
                control = self._config.global_.control_socket
                await doors.enter_async_context(open_control(control, parts.desk))
                parts.roster.listen(prepared.opened, parts.acceptor.emit_for)
                watching = tasks.create_task(parts.reloader.watch())
                log.info("daemon.started", version=__version__, ports=sorted(self.ports.values()))
                notify("READY=1", self._environ)
                self.ready.set()
                await self._stop.wait()
                log.info("daemon.stop_asked")
                notify("STOPPING=1", self._environ)
                parts.reloader.stop()
                watching.cancel()
                await parts.roster.stop_listening()
        except (CannotListen, CannotOpen, CannotControl) as e:
            raise CannotStart(str(e)) from e
        parts.lanes.stop()
        await asyncio.wait([delivering])
        parts.roster.close()
        keeping_house.cancel()
        looking_through.cancel()

    async def _open_status(self, doors: AsyncExitStack, parts: Parts) -> None:
        config = self._config.global_.status
        if not config.enabled:
            return
        pages = StatusPages(
            not_ready=lambda: self._not_ready(parts.journal),
            metrics=parts.housekeeping.metrics_page,
            hosts=(config.host, *config.hosts),
            desk=parts.desk,
            config=lambda: parts.reloader.generation.config,
            picture=routes_picture(lambda: parts.reloader.generation.router),
            clock=self._clock,
        )
        self._status_port[config.port] = await doors.enter_async_context(
            open_port(
                pages.answer,
                config.host,
                config.port,
                self._config.global_.http,
                any_port=self._any_port,
            )
        )

    def _not_ready(self, journal: SqliteJournal) -> str:
        return journal.broken or ("stopping" if self._stop.is_set() else "")

    async def _open_links(self) -> MediaLinks | None:
        """The bridge's own links, where there is a door that serves them."""
        config = self._config.global_
        doors = any(one.enabled and one.listen for one in self._config.instances.values())
        if not config.public_url or not doors:
            return None
        media = config.media
        limits = StoreLimits(keep=media.keep, max_file=media.max_file, max_total=media.max_total)
        folder = config.data_dir / "media"
        try:
            store = await MediaStore.open(folder, self._clock, limits)
        except OSError as e:
            raise CannotStart(f"{folder}: {e.strerror or e}") from e
        return MediaLinks(store, config.public_url, self._clock)


@contextmanager
def _signal(number: int, action: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, action)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)


@contextmanager
def _sole_daemon(data_dir: Path) -> Iterator[None]:
    """Two daemons on one journal would send everything twice."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"{data_dir}: another msgbridge runs on this directory") from None
        yield
