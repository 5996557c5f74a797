"""
The running instances: opened, given another driver, taken out, while messages pass.

Every open driver is kept by a task of its own, which opens it, waits, and closes it: what was opened
in one task is closed in the same. A change has three steps: `prepare` opens what is new and may
fail, `Prepared.take` swaps without a pause, `retire` closes what is old when nobody uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog

from bridge.clock import Clock
from bridge.config import Config, Instance
from bridge.delivery import Lanes
from bridge.driver import Driver, Emit, Listener, Webhook
from bridge.errors import BridgeError, JournalBroken, Transient
from bridge.fetch import FetchLimits, open_fetcher
from bridge.gates import Gate
from bridge.instances import open_driver
from bridge.journal import Journal, Suspension
from bridge.limits import Limiter
from bridge.media_links import MediaLinks
from bridge.metrics import Metrics
from bridge.model import Capabilities, Finding, InstanceId, Outgoing, RateLimit, Receipt
from bridge.outlets import Outlet
from bridge.render import Style

log = structlog.get_logger()

OPEN_WITHIN = 30.0
"""Seconds that one driver may take to open."""

_LONGEST_DEAFNESS = 60.0
"""Seconds after which an account whose driver failed listens again, at the latest."""

_LINGER = 15.0
"""Seconds beyond ``send_timeout`` after which a driver that still sends is closed all the same."""


class CannotOpen(BridgeError):
    """An instance could not be opened; the message names it."""


@dataclass(slots=True)
class Running:
    """One open instance. ``closing`` makes its keeper end."""

    instance: Instance
    driver: Driver
    keeper: asyncio.Task[None]
    closing: asyncio.Event
    listener: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class _Absent:
    """Stands in the outlet of an instance that was removed: nothing can be sent there."""

    instance: InstanceId
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(max_text=1))

    async def send(self, _outgoing: Outgoing) -> Receipt:
        raise Transient("the instance is no longer configured", reason="removed")

    async def probe(self) -> Sequence[Finding]:
        return (Finding(False, "the instance is no longer configured"),)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a new configuration needs, open and not yet used."""

    config: Config
    opened: Mapping[InstanceId, Running]
    limiters: Mapping[InstanceId, Limiter]
    removed: tuple[InstanceId, ...]
    suspensions: Sequence[Suspension] = ()


@dataclass(slots=True, kw_only=True)
class Roster:
    """All instances that are open, and the outlets that the lanes know them by."""

    clock: Clock
    metrics: Metrics
    journal: Journal
    links: MediaLinks | None
    wrap: Callable[[Driver], Driver]
    tasks: asyncio.TaskGroup
    running: dict[InstanceId, Running] = field(default_factory=dict)
    outlets: dict[InstanceId, Outlet] = field(default_factory=dict)
    mended: Callable[[InstanceId], None] = lambda _id: None
    """What a driver has done when it says that something may work again."""
    _leaving: list[Running] = field(default_factory=list)

    def webhooks(
        self, prepared: Prepared | None = None
    ) -> dict[int, dict[str, tuple[InstanceId, Webhook]]]:
        """Port → path → who is called there; as it will be after ``prepared`` was taken."""
        running = dict(self.running)
        if prepared is not None:
            running.update(prepared.opened)
            for gone in prepared.removed:
                running.pop(gone, None)
        mounts: dict[int, dict[str, tuple[InstanceId, Webhook]]] = {}
        for id_, one in running.items():
            place = one.instance.listen
            if place is not None and isinstance(one.driver, Webhook):
                mounts.setdefault(place.port, {})[place.path] = (id_, one.driver)
        return mounts

    async def prepare(self, config: Config) -> Prepared:
        """Open what is new or changed. Raises `CannotOpen`; nothing is left open then."""
        wanted = {id_: one for id_, one in config.instances.items() if one.enabled}
        opened: dict[InstanceId, Running] = {}
        limiters: dict[InstanceId, Limiter] = {}
        try:
            for id_, instance in wanted.items():
                known = self.running.get(id_)
                if known is None or known.instance != instance:
                    opened[id_] = await self._open(instance, config)
                    limiter = await self._limiter(opened[id_])
                    if limiter is not None:
                        limiters[id_] = limiter
        except BaseException:
            for one in opened.values():
                one.closing.set()
            raise
        removed = tuple(id_ for id_ in self.running if id_ not in wanted)
        return Prepared(config, opened, limiters, removed, await self.journal.suspensions())

    def take(self, prepared: Prepared, lanes: Lanes) -> tuple[Running, ...]:
        """Swap, between two messages. What it answers is for `retire`."""
        late_after = prepared.config.global_.delivery.late_after
        old = [self.running.pop(id_) for id_ in prepared.removed]
        for gone in prepared.removed:
            outlet = self.outlets[gone]
            outlet.removed = True
            outlet.driver = _Absent(gone)
            outlet.gate.hold()
        for id_, one in prepared.opened.items():
            if id_ in self.running:
                old.append(self.running[id_])
            self.running[id_] = one
            known = id_ in self.outlets
            self._put(one, prepared)
            for suspension in prepared.suspensions:
                if not known and suspension.instance == id_ and suspension.until is None:
                    lanes.suspend_again(suspension)
            lanes.try_now(id_)
        for id_, one in self.running.items():
            self.outlets[id_].style = Style(language=one.instance.language, late_after=late_after)
        self.metrics.declare(prepared.opened)
        self._leaving += old
        return tuple(old)

    def listen(self, instances: Iterable[InstanceId], emit_for: Callable[[InstanceId], Emit]) -> None:
        """Let those of them that open a connection of their own begin to."""
        for id_ in instances:
            one = self.running[id_]
            if isinstance(one.driver, Listener):
                one.listener = self.tasks.create_task(self._listen(id_, one.driver, emit_for(id_)))

    async def _listen(self, id_: InstanceId, listener: Listener, emit: Emit) -> None:
        """A bug of a driver, which a stranger may have found, is one account's trouble."""
        failures = 0
        while True:
            began = self.clock.monotonic()
            try:
                await listener.listen(emit)
            except JournalBroken:
                raise
            except Exception:  # one driver's bug must not end the daemon
                log.exception("instance.listening_failed", instance=id_)
            else:
                return
            if self.clock.monotonic() - began > _LONGEST_DEAFNESS:
                failures = 0  # it was well for a while
            await self.clock.sleep(min(2.0 ** min(failures, 6), _LONGEST_DEAFNESS))
            failures += 1

    async def retire(self, old: Iterable[Running], lanes: Lanes) -> None:
        """Stop their listeners, and close each when what it sends now has ended."""
        for one in old:
            await _stop_listening(one)
            # A listener may have been stopped between its commit and the lanes.
            await lanes.refresh()
            await lanes.sends_ended(one.instance.id, one.instance.send_timeout + _LINGER)
            one.closing.set()
            await asyncio.wait([one.keeper])
            self._leaving.remove(one)
            log.info("instance.closed", instance=one.instance.id)

    async def stop_listening(self) -> None:
        """Nothing more comes in by connections of our own."""
        for one in (*self.running.values(), *self._leaving):
            await _stop_listening(one)

    def close(self) -> None:
        """Let every keeper close its driver."""
        for one in (*self.running.values(), *self._leaving):
            one.closing.set()

    def discard(self, prepared: Prepared) -> None:
        """It will not be taken after all."""
        for one in prepared.opened.values():
            one.closing.set()

    def _put(self, one: Running, prepared: Prepared) -> None:
        instance = one.instance
        outlet = self.outlets.get(instance.id)
        if outlet is None:
            outlet = self.outlets[instance.id] = Outlet(
                driver=self.wrap(one.driver),
                platform=instance.platform,
                style=Style(),
                gate=Gate(self.clock),
            )
        outlet.driver = self.wrap(one.driver)
        outlet.platform = instance.platform
        outlet.limiter = prepared.limiters.get(instance.id)
        if outlet.limiter is not None and (limit := _limit(one)) is not None:
            outlet.limiter.change(limit)
        outlet.on_lost_answer = instance.on_lost_answer
        outlet.send_timeout = instance.send_timeout
        if outlet.removed:
            outlet.removed = False
            if not outlet.paused:
                outlet.gate.release()

    async def _limiter(self, one: Running) -> Limiter | None:
        """The one that is there goes on counting: the platform does not forget by our reload."""
        limit = _limit(one)
        if limit is None:
            return None
        outlet = self.outlets.get(one.instance.id)
        if outlet is not None and outlet.limiter is not None:
            return outlet.limiter
        limiter = Limiter(one.instance.id, limit, self.journal, self.clock)
        await limiter.load()
        return limiter

    async def _open(self, instance: Instance, config: Config) -> Running:
        opened: asyncio.Future[Driver] = asyncio.get_running_loop().create_future()
        closing = asyncio.Event()
        keeper = self.tasks.create_task(self._keep(instance, config, opened, closing))
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                driver = await asyncio.shield(opened)
        except TimeoutError:
            keeper.cancel()
            raise CannotOpen(f"{instance.id}: it did not open within {OPEN_WITHIN:.0f} s") from None
        except asyncio.CancelledError:
            keeper.cancel()
            raise
        log.info("instance.opened", instance=instance.id, platform=instance.platform)
        return Running(instance, driver, keeper, closing)

    async def _keep(
        self,
        instance: Instance,
        config: Config,
        opened: asyncio.Future[Driver],
        closing: asyncio.Event,
    ) -> None:
        media = config.global_.media
        limits = FetchLimits(max_size=media.max_file, allow_networks=media.allow_networks)
        try:
            async with AsyncExitStack() as stack:
                fetch = await stack.enter_async_context(open_fetcher(limits, proxy=instance.proxy))
                if self.links is not None:
                    fetch = self.links.shortcut(fetch)
                driver = await stack.enter_async_context(
                    open_driver(
                        instance, self.clock, self.metrics, fetch, lambda: self.mended(instance.id)
                    )
                )
                opened.set_result(driver)
                await closing.wait()
        except Exception as e:  # one driver's bug must not end the daemon
            if opened.done():
                log.exception("instance.close_failed", instance=instance.id)
            else:
                opened.set_exception(CannotOpen(f"{instance.id}: it cannot be opened: {e!r}"))


def _limit(one: Running) -> RateLimit | None:
    return one.instance.max_rate or one.driver.capabilities.rate_limit


async def _stop_listening(one: Running) -> None:
    if one.listener is not None:
        one.listener.cancel()
        await asyncio.wait([one.listener])
