"""A driver in front of the simulator, whose every call is held against the Bot API's specification."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from bridge.clock import Clock, SystemClock
from bridge.driver import Fetch, Opened, Toolbox
from bridge.errors import DeliveryError, Refused
from bridge.model import Inbound, InstanceId, Outgoing
from drivers.telegram import DRIVER
from drivers.telegram.simulator import Simulator
from tests import builders
from tests.drivers.telegram.bot_api import complaints

GROUP = -1001234567890
FORUM = -1009876543210
SECRET = "planted-token-planted-token-xyz"
TOKEN = f"123456789:{SECRET}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


@dataclass
class Files:
    """What `fetch` finds behind a URL: bytes, or an error."""

    at: dict[str, bytes | Exception] = field(default_factory=dict)

    @asynccontextmanager
    async def fetch(self, url: str) -> AsyncIterator[Opened]:
        found = self.at.get(url, Refused("nothing is there", reason="not_found"))
        if isinstance(found, Exception):
            raise found

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(found), 1 << 16):
                yield found[start : start + (1 << 16)]

        yield Opened(chunks())


@dataclass
class Pair:
    telegram: Simulator
    driver: Any
    files: Files
    events: list[str]

    async def heard(self, count: int) -> list[Inbound]:
        """Listen until so much has come."""
        found: list[Inbound] = []

        class Enough(Exception):
            pass

        async def emit(inbound: Inbound) -> None:
            found.append(inbound)
            if len(found) == count:
                raise Enough

        with suppress(Enough):
            async with asyncio.timeout(5):
                await self.driver.listen(emit)
        return found


@asynccontextmanager
async def connected(
    *, clock: Clock | None = None, total: float = 10.0, **settings: Any
) -> AsyncIterator[Pair]:
    files, events = Files(), []
    fetch: Fetch = files.fetch
    async with Simulator(token=TOKEN, clock=clock) as telegram:
        telegram.chats.open(GROUP, "Team")
        telegram.chats.open(FORUM, "Forum", topics=(7, 8))
        telegram.chats.open(1001, "Ada")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=total)) as http:
            toolbox = Toolbox(
                http, clock or SystemClock(), random.Random(1), report=events.append, fetch=fetch
            )
            given = {"token": TOKEN, "base_url": telegram.base_url, **settings}
            async with DRIVER.open(InstanceId("tg"), given, toolbox) as driver:
                yield Pair(telegram, driver, files, events)
        for call in telegram.calls:
            assert not complaints(call.method, dict(call.params), call.files, in_json=call.in_json)


def run(scenario: Any) -> None:
    asyncio.run(scenario())


async def failing(call: Any) -> DeliveryError:
    """What it raises, which tells no secret."""
    with pytest.raises(DeliveryError) as caught:
        await call
    assert SECRET not in repr(caught.value)
    return caught.value


def an_outgoing(text: str = "hello", *, to: str = str(GROUP), **more: Any) -> Outgoing:
    return builders.an_outgoing(text, to=f"tg/{to}", **more)
