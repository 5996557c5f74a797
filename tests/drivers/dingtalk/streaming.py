"""A Stream client and the gateway that it is connected to, over loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bridge.clock import SystemClock
from bridge.driver import Toolbox
from bridge.errors import JournalFull
from bridge.model import Inbound
from drivers.dingtalk import settings
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.gateway import Gateway
from drivers.dingtalk.simulator import Simulator
from drivers.dingtalk.stream_robot import StreamRobotDriver
from tests.clock import FakeClock
from tests.drivers.dingtalk.wire_files import INSTANCE


class Store:
    """What `emit` leads to: keeps what it is given, or raises the next of ``answers``; may be ``full``."""

    def __init__(self) -> None:
        self.taken: list[Inbound] = []
        self.answers: list[Exception] = []
        self.full = False
        self.open = asyncio.Event()
        self.open.set()
        self.entered: list[Inbound] = []
        self.at_once = self.most_at_once = 0

    async def emit(self, inbound: Inbound) -> None:
        self.entered.append(inbound)
        if self.full:
            raise JournalFull("full", retry_after=1.0)
        if self.answers:
            raise self.answers.pop(0)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
        finally:
            self.at_once -= 1
        self.taken.append(inbound)

    @property
    def texts(self) -> list[str]:
        return [one.message.text for inbound in self.taken for one in inbound.envelopes]

    @property
    def ignored(self) -> list[str]:
        return [inbound.ignored for inbound in self.taken if inbound.ignored]


@dataclass
class Streaming:
    """
    The driver waits by ``clock``, whose sleeps take no time and are in ``clock.slept``.
    """

    gateway: Gateway
    simulator: Simulator
    driver: StreamRobotDriver
    store: Store
    clock: FakeClock
    listening: asyncio.Task[None]
    reported: list[str] = field(default_factory=list)
    shown: dict[str, float] = field(default_factory=dict)
    said: int = 0

    def body(self, text: str = "hello", **chat: Any) -> dict[str, Any]:
        """A callback with an id of its own."""
        self.said += 1
        robot = Chat(robot_code=self.simulator.robot_code, **chat)
        return robot.text(text, message_id=f"msg{self.said}==", at_ms=1_760_000_000_000)

    async def until(self, true: Any) -> None:
        """Wait for something that is not the gateway's to become so."""
        async with asyncio.timeout(10):
            while not true():
                await asyncio.sleep(0.002)


@asynccontextmanager
async def streaming(
    *, quiet: float = 30.0, store: Store | None = None, **more: Any
) -> AsyncIterator[Streaming]:
    """``quiet`` in seconds, as in `stream_link`; ``more`` are settings."""
    clock, store = FakeClock(), store or Store()
    reported: list[str] = []
    shown: dict[str, float] = {}
    async with (
        Simulator(clock=SystemClock()) as simulator,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http,
    ):
        simulator.gateway.max_opens_per_second = 10_000
        toolbox = Toolbox(http, clock, report=reported.append, show=shown.__setitem__)
        given = {
            "app_key": simulator.app_key,
            "app_secret": simulator.app_secret,
            "api_base_url": simulator.base_url,
            "receive": "stream",
            **more,
        }
        driver = StreamRobotDriver(INSTANCE, settings.read(given), toolbox, quiet=quiet)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(driver.listen(store.emit))
            try:
                yield Streaming(
                    simulator.gateway, simulator, driver, store, clock, listening, reported, shown
                )
            finally:
                listening.cancel()
