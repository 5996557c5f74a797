"""An open driver that listens, and what it heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp

from bridge.clock import SystemClock
from bridge.driver import Opened, Toolbox
from bridge.model import Envelope, Inbound, InstanceId
from drivers.matrix import DRIVER
from drivers.matrix.driver import MatrixDriver
from tests.builders import an_outgoing

HS = InstanceId("hs")


class Bridge:
    """``heard`` is what it emitted, ``reported`` what it counted, ``files`` what its fetch opens."""

    def __init__(self) -> None:
        self.heard: list[Inbound] = []
        self.reported: list[str] = []
        self.shown: dict[str, float] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.driver: Any = None
        self.seen: set[str] = set()

    async def emit(self, inbound: Inbound) -> None:
        """As the journal, it takes every event once."""
        ids = {one.id for one in inbound.envelopes}
        if not ids or not ids <= self.seen:
            self.heard.append(inbound)
        self.seen |= ids

    @property
    def envelopes(self) -> list[Envelope]:
        return [one for inbound in self.heard for one in inbound.envelopes]

    @property
    def texts(self) -> list[str]:
        return [one.message.text for one in self.envelopes]

    async def until(self, true: Callable[[], object], *, within: float = 30.0) -> None:
        async with asyncio.timeout(within):
            while not true():
                await asyncio.sleep(0.02)

    async def send(self, text: str, to: str, **more: Any) -> Any:
        return await self.driver.send(an_outgoing(text, to=f"hs/{to}", **more))

    def fetch(self, url: str) -> AbstractAsyncContextManager[Opened]:
        media_type, content = self.files[url]

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        @asynccontextmanager
        async def opened() -> AsyncIterator[Opened]:
            yield Opened(chunks(), media_type=media_type, size=len(content))

        return opened()


@asynccontextmanager
async def bridge(
    url: str, *, it: Bridge | None = None, listens: bool = True, patience: float = 10.0, **settings: Any
) -> AsyncIterator[Bridge]:
    """With ``it``, one that goes on where another ended."""
    it = it or Bridge()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience)) as http:
        toolbox = Toolbox(
            http, SystemClock(), report=it.reported.append, show=it.shown.__setitem__, fetch=it.fetch
        )
        async with DRIVER.open(HS, {"homeserver_url": url, **settings}, toolbox) as driver:
            assert isinstance(driver, MatrixDriver)
            it.driver = driver
            listening = asyncio.create_task(driver.listen(it.emit)) if listens else None
            try:
                if listens:
                    await it.until(lambda: it.shown.get("matrix_connected_since"))
                yield it
            finally:
                if listening is not None:
                    listening.cancel()
                    await asyncio.wait([listening])
