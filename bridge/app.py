"""The composition root: opens everything, runs until told to stop, closes in reverse."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import aiohttp
import aiohttp.web
import structlog

from bridge import __version__
from bridge.acceptor import Acceptor
from bridge.clock import Clock, SystemClock
from bridge.config import Config
from bridge.courier import Courier, Outlet
from bridge.delivery import Lanes
from bridge.driver import Driver, Listener, Webhook
from bridge.errors import BridgeError
from bridge.fetch import FetchLimits, open_fetcher
from bridge.gates import Gate
from bridge.ingress import Ingress, Limits
from bridge.instances import open_driver
from bridge.journal import Journal, Retention
from bridge.journal.sqlite import SqliteJournal, open_journal
from bridge.limits import Limiter
from bridge.listening import listen
from bridge.media_links import MediaLinks
from bridge.media_store import MediaStore, StoreLimits
from bridge.metrics import Metrics
from bridge.model import InstanceId
from bridge.notify import notify
from bridge.render import Style
from bridge.routing import Router
from bridge.status import StatusPages

log = structlog.get_logger()

TICK = 1.0
"""Seconds between two looks at what operators' commands wrote; also the pulse for systemd."""
PRUNE_EVERY = 600.0


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
    ) -> None:
        """
        ``wrap`` stands between the lanes and every driver: a dry run puts a printer there. With
        ``any_port`` the configured ports only tell the listeners apart; `ports` has the real ones.
        """
        self._config = config
        self._router = router
        self._clock = clock or SystemClock()
        self._environ = environ
        self._wrap = wrap
        self._any_port = any_port
        self._metrics = Metrics(__version__)
        self._links: MediaLinks | None = None
        self._stop = asyncio.Event()
        self.ready = asyncio.Event()
        self.stopped = asyncio.Event()
        self.ports: dict[int, int] = {}
        """Configured listening port → the port that is really listened on."""

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Until `stop` or SIGTERM. Raises `CannotStart`; `JournalError` when the storage fails."""
        config = self._config.global_
        self._metrics.declare(self._config.instances)
        async with AsyncExitStack() as stack:
            stack.enter_context(_signals(self.stop))
            try:
                stack.enter_context(_sole_daemon(config.data_dir))
            except OSError as e:
                raise CannotStart(f"{config.data_dir}: {e.strerror or e}") from e
            journal = await stack.enter_async_context(
                open_journal(
                    config.data_dir / "journal.db",
                    clock=self._clock,
                    capacity=config.capacity,
                    retention=Retention(),
                )
            )
            self._say_what_was_lost(journal)
            self._links = await self._open_links()
            outlets, drivers = await self._open_instances(stack, journal)
            courier = Courier(
                journal=journal,
                outlets=outlets,
                clock=self._clock,
                metrics=self._metrics,
                random=random.Random(),  # noqa: S311  # jitter, not a secret
                give_up_after=config.delivery.give_up_after,
                links=self._links,
            )
            lanes = Lanes(journal, courier, self._clock, self._metrics)
            acceptor = Acceptor(lambda: self._router, journal, lanes, self._metrics)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(lanes.run())
                keeper = tasks.create_task(self._keep_house(journal, lanes))
                await lanes.ready.wait()
                async with AsyncExitStack() as doors:
                    await self._listen(doors, journal, acceptor, outlets, drivers)
                    listeners = [
                        tasks.create_task(driver.listen(acceptor.emit_for(instance)))
                        for instance, driver in drivers.items()
                        if isinstance(driver, Listener)
                    ]
                    log.info("daemon.started", version=__version__, ports=sorted(self.ports.values()))
                    notify("READY=1", self._environ)
                    self.ready.set()
                    await self._stop.wait()
                    log.info("daemon.stopping")
                    notify("STOPPING=1", self._environ)
                    for listener in listeners:
                        listener.cancel()
                lanes.stop()
                keeper.cancel()
        log.info("daemon.stopped")
        self.stopped.set()

    async def _open_instances(
        self, stack: AsyncExitStack, journal: Journal
    ) -> tuple[dict[InstanceId, Outlet], dict[InstanceId, Driver]]:
        outlets: dict[InstanceId, Outlet] = {}
        drivers: dict[InstanceId, Driver] = {}
        media = self._config.global_.media
        limits = FetchLimits(max_size=media.max_file, allow_networks=media.allow_networks)
        for instance in self._config.instances.values():
            if not instance.enabled:
                continue
            fetch = await stack.enter_async_context(open_fetcher(limits, proxy=instance.proxy))
            if self._links is not None:
                fetch = self._links.shortcut(fetch)
            driver = drivers[instance.id] = await stack.enter_async_context(
                open_driver(instance, self._clock, self._metrics, fetch)
            )
            limit = instance.max_rate or driver.capabilities.rate_limit
            limiter = None
            if limit is not None:
                limiter = Limiter(instance.id, limit, journal, self._clock)
                await limiter.load()
            outlets[instance.id] = Outlet(
                driver=self._wrap(driver),
                platform=instance.platform,
                style=Style(
                    language=instance.language,
                    late_after=self._config.global_.delivery.late_after,
                ),
                gate=Gate(self._clock),
                limiter=limiter,
                on_lost_answer=instance.on_lost_answer,
                send_timeout=instance.send_timeout,
            )
        return outlets, drivers

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

    async def _listen(
        self,
        doors: AsyncExitStack,
        journal: SqliteJournal,
        acceptor: Acceptor,
        outlets: Mapping[InstanceId, Outlet],
        drivers: Mapping[InstanceId, Driver],
    ) -> None:
        config = self._config.global_
        mounts: dict[int, dict[str, tuple[InstanceId, Webhook]]] = {}
        for instance_id, driver in drivers.items():
            place = self._config.instances[instance_id].listen
            if place is not None and isinstance(driver, Webhook):
                mounts.setdefault(place.port, {})[place.path] = (instance_id, driver)
        limits = Limits(
            max_body=config.http.max_body,
            body_timeout=config.http.body_timeout,
            trusted_proxies=config.http.trusted_proxies,
        )
        for port, paths in mounts.items():
            ingress = Ingress(paths, acceptor, self._clock, self._metrics, limits, self._links)
            self.ports[port] = await self._door(doors, ingress.answer, config.http.host, port)
        if config.status.enabled:
            pages = StatusPages(
                not_ready=lambda: journal.broken or ("stopping" if self._stop.is_set() else ""),
                metrics=lambda: self._metrics_page(journal, outlets),
                hosts=(config.status.host, *config.status.hosts),
            )
            self.ports[config.status.port] = await self._door(
                doors, pages.answer, config.status.host, config.status.port
            )

    async def _door(
        self,
        doors: AsyncExitStack,
        answer: Callable[[aiohttp.web.BaseRequest], Awaitable[aiohttp.web.StreamResponse]],
        host: str,
        port: int,
    ) -> int:
        http = self._config.global_.http
        try:
            return await doors.enter_async_context(
                listen(
                    answer,
                    host,
                    0 if self._any_port else port,
                    max_connections=http.max_connections,
                    header_timeout=http.header_timeout,
                )
            )
        except OSError as e:
            raise CannotStart(f"cannot listen on {host}:{port}: {e.strerror or e}") from e

    async def _keep_house(self, journal: SqliteJournal, lanes: Lanes) -> None:
        """Notice what operators' commands wrote, forget what is past its time, keep systemd calm."""
        since_pruned = PRUNE_EVERY - 60
        warned = False
        while True:
            await self._clock.sleep(TICK)
            notify("WATCHDOG=1", self._environ)
            if await journal.changed_outside():
                await lanes.refresh()
            since_pruned += TICK
            if since_pruned >= PRUNE_EVERY:
                since_pruned = 0.0
                await journal.prune()
                if self._links is not None:
                    self._links.sweep()
            high = journal.fullness >= self._config.global_.capacity.warn_at
            if high and not warned:
                log.warning("journal.filling", fullness=round(journal.fullness, 2))
            warned = high

    async def _metrics_page(self, journal: SqliteJournal, outlets: Mapping[InstanceId, Outlet]) -> bytes:
        metrics = self._metrics
        now = self._clock.now().timestamp()
        backlog = await journal.backlog()
        suspensions = [one for one in await journal.suspensions() if one.until is None]
        for instance in outlets:
            count, oldest = backlog.get(instance, (0, now))
            metrics.deliveries_waiting.labels(instance).set(count)
            metrics.oldest_waiting_seconds.labels(instance).set(max(now - oldest, 0.0))
            metrics.suspended.labels(instance).set(sum(one.instance == instance for one in suspensions))
        metrics.journal_fullness.set(journal.fullness)
        metrics.ledger_balanced.set((await journal.ledger()).balanced)
        return metrics.page()

    def _say_what_was_lost(self, journal: SqliteJournal) -> None:
        if journal.lost is not None:
            first, last = journal.lost
            self._metrics.journal_lost.inc(last - first + 1)
            log.error("journal.rows_lost", first=first, last=last)


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
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
