"""A driver and the simulator that it talks to over loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bridge.driver import Toolbox
from bridge.model import ConversationId, ConversationRef, Outgoing
from drivers.dingtalk import DRIVER
from drivers.dingtalk.driver import AppRobotDriver
from drivers.dingtalk.simulator import Simulator
from tests.clock import FakeClock
from tests.drivers.dingtalk.wire_files import INSTANCE

GROUP = "cidSimGroup0000000001=="
PERSON = "user:manager1001"
SECRET = "sim-app-secret"


@dataclass
class Pair:
    """The two, the clock that both read, and what the driver reported."""

    dingtalk: Simulator
    driver: AppRobotDriver
    clock: FakeClock
    reported: list[str] = field(default_factory=list)


@asynccontextmanager
async def connected(*, timeout: float = 10.0, **settings: Any) -> AsyncIterator[Pair]:
    """``timeout`` in seconds is for each exchange; ``settings`` replace the right ones."""
    clock = FakeClock()
    reported: list[str] = []
    async with (
        Simulator(clock=clock) as dingtalk,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as http,
    ):
        given = {
            "app_key": dingtalk.app_key,
            "app_secret": SECRET,
            "signing_secret": SECRET,
            "api_base_url": dingtalk.base_url,
            **settings,
        }
        toolbox = Toolbox(http=http, clock=clock, report=reported.append)
        async with DRIVER.open(INSTANCE, given, toolbox) as driver:
            assert isinstance(driver, AppRobotDriver)
            yield Pair(dingtalk, driver, clock, reported)


def an_outgoing(text: str = "hello", *, to: str = GROUP, **more: Any) -> Outgoing:
    """``more`` are fields of `Outgoing`."""
    return Outgoing(ConversationRef(INSTANCE, ConversationId(to)), text, "delivery:0", **more)
