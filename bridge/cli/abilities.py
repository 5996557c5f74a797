"""What the accounts of a configuration can do, for `check`: each driver is made, and nothing sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.analysis.accounts import Ability
    from bridge.config import Config
    from bridge.model import InstanceId

_WITHIN = 2.0
"""Seconds for all of them; what is not known by then is not checked."""


def abilities_of(config: Config) -> Mapping[InstanceId, Ability]:
    """Of every instance that is switched on and whose driver can be made here and now."""
    return asyncio.run(_gather(config))


async def _gather(config: Config) -> Mapping[InstanceId, Ability]:
    from bridge import __version__
    from bridge.analysis.accounts import Ability
    from bridge.clock import SystemClock
    from bridge.driver import Listener, Webhook
    from bridge.errors import BridgeError
    from bridge.instances import open_driver
    from bridge.metrics import Metrics
    from bridge.model import EventKind

    clock, metrics = SystemClock(), Metrics(__version__)
    found: dict[InstanceId, Ability] = {}
    try:
        async with asyncio.timeout(_WITHIN):
            for instance in config.instances.values():
                if not instance.enabled:
                    continue
                try:
                    async with open_driver(instance, clock, metrics) as driver:
                        called = instance.listen is not None and isinstance(driver, Webhook)
                        hears = called or isinstance(driver, Listener)
                        found[instance.id] = Ability(
                            capabilities=driver.capabilities,
                            emits=frozenset(EventKind) if hears else frozenset(),
                        )
                except (BridgeError, OSError):
                    continue  # the daemon will say so when it starts
    except TimeoutError:
        return found
    return found
