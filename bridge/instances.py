"""One instance, opened: what the daemon does at its start, and the commands that ask one account."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp

from bridge import __version__
from bridge.clock import Clock
from bridge.config import Instance
from bridge.driver import Driver, Fetch, Toolbox
from bridge.exchange import Connector
from bridge.metrics import Metrics

_CONNECT_WITHIN = 10.0
_OF_A_SEND = 0.8
"""The part of ``send_timeout`` that connecting may take, or its end looks like a lost answer."""


@asynccontextmanager
async def open_toolbox(
    instance: Instance,
    clock: Clock,
    metrics: Metrics,
    fetch: Fetch | None = None,
    mended: Callable[[], None] = lambda: None,
) -> AsyncIterator[Toolbox]:
    """A session of this instance alone; its lanes bound the connections. Without ``fetch``, no files."""
    timeout = aiohttp.ClientTimeout(
        total=instance.send_timeout,
        sock_connect=min(_CONNECT_WITHIN, instance.send_timeout * _OF_A_SEND),
    )
    async with aiohttp.ClientSession(
        connector=Connector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"msgbridge/{__version__}"},
        timeout=timeout,
        proxy=instance.proxy or None,
    ) as session:
        # When a connection breaks aiohttp would send a PUT or DELETE once more: a message twice.
        session._retry_connection = False  # noqa: SLF001  # it has no other name; a test holds it
        events, state = metrics.driver_events, metrics.driver_state
        toolbox = Toolbox(
            http=session,
            clock=clock,
            random=random.Random(),  # noqa: S311  # jitter, not a secret
            report=lambda event: events.labels(instance.id, event).inc(),
            show=lambda name, value: state.labels(instance.id, name).set(value),
            mended=mended,
            **({"fetch": fetch} if fetch is not None else {}),
        )
        yield toolbox


@asynccontextmanager
async def open_driver(
    instance: Instance,
    clock: Clock,
    metrics: Metrics,
    fetch: Fetch | None = None,
    mended: Callable[[], None] = lambda: None,
) -> AsyncIterator[Driver]:
    """The driver in a toolbox of its own; it listens to nothing until somebody makes it."""
    async with (
        open_toolbox(instance, clock, metrics, fetch, mended) as toolbox,
        instance.spec.open(instance.id, instance.settings, toolbox) as driver,
    ):
        yield driver
