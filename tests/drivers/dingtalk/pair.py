"""A driver and the simulator that it talks to over loopback."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bridge.driver import Fetch, Opened, Toolbox
from bridge.errors import Refused
from bridge.model import ConversationId, ConversationRef, Outgoing
from drivers.dingtalk import DRIVER
from drivers.dingtalk.driver import AppRobotDriver
from drivers.dingtalk.simulator import Simulator
from tests.clock import FakeClock
from tests.drivers.dingtalk.wire_files import INSTANCE

GROUP = "cidSimGroup0000000001=="
PERSON = "user:manager1001"
SECRET = "sim-app-secret"
NEVER_COMES = "https://files.example.com/never.pdf"


@dataclass
class Pair:
    """The two, the clock that both read, and what the driver reported."""

    dingtalk: Simulator
    driver: AppRobotDriver
    clock: FakeClock
    reported: list[str] = field(default_factory=list)


@asynccontextmanager
async def connected(
    *, timeout: float = 10.0, web: Mapping[str, bytes] | None = None, **settings: Any
) -> AsyncIterator[Pair]:
    """
    ``timeout`` in seconds is for each exchange, ``web`` is what can be fetched, by URL; ``settings``
    replace the right ones.
    """
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
            "oapi_base_url": dingtalk.base_url,
            **settings,
        }
        toolbox = Toolbox(http=http, clock=clock, report=reported.append, fetch=fetching(web or {}))
        async with DRIVER.open(INSTANCE, given, toolbox) as driver:
            assert isinstance(driver, AppRobotDriver)
            yield Pair(dingtalk, driver, clock, reported)


def fetching(web: Mapping[str, bytes]) -> Fetch:
    """Opens what is in ``web``; the rest is not there, and `NEVER_COMES` hangs."""

    @asynccontextmanager
    async def fetch(url: str) -> AsyncIterator[Opened]:
        if url == NEVER_COMES:
            await asyncio.Event().wait()
        if url not in web:
            raise Refused("there is nothing", reason="not_found")

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(web[url]), 65536):
                yield web[url][at : at + 65536]

        yield Opened(chunks())

    return fetch


def an_outgoing(text: str = "hello", *, to: str = GROUP, **more: Any) -> Outgoing:
    """``more`` are fields of `Outgoing`."""
    return Outgoing(ConversationRef(INSTANCE, ConversationId(to)), text, "delivery:0", **more)
