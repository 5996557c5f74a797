"""A group robot's driver and the simulator that it talks to over loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bridge.driver import Toolbox
from bridge.model import ConversationId, ConversationRef, Outgoing
from drivers.dingtalk import DRIVER
from drivers.dingtalk.group_robot import GroupRobotDriver
from drivers.dingtalk.simulated_webhooks import WebhookRobot
from drivers.dingtalk.simulator import Simulator
from tests.clock import FakeClock
from tests.drivers.dingtalk.wire_files import INSTANCE

TOKEN = "c" * 64
SIGNED = "SEC" + "f" * 64


@dataclass
class RobotPair:
    """The driver, the robot that it posts as, the platform, and the clock that all read."""

    driver: GroupRobotDriver
    robot: WebhookRobot
    dingtalk: Simulator
    clock: FakeClock

    @property
    def url(self) -> str:
        return f"{self.dingtalk.base_url}/robot/send?access_token={TOKEN}"


@asynccontextmanager
async def a_group_robot(
    *, secret: str = "", keywords: tuple[str, ...] = (), **settings: Any
) -> AsyncIterator[RobotPair]:
    """``secret`` and ``keywords`` are the robot's own; ``settings`` those of the instance."""
    clock = FakeClock()
    async with (
        Simulator(clock=clock) as dingtalk,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http,
    ):
        robot = dingtalk.webhooks.add(TOKEN, secret=secret, keywords=keywords)
        url = f"{dingtalk.base_url}/robot/send?access_token={TOKEN}"
        toolbox = Toolbox(http=http, clock=clock)
        async with DRIVER.open(INSTANCE, {"webhook_url": url, **settings}, toolbox) as driver:
            assert isinstance(driver, GroupRobotDriver)
            yield RobotPair(driver, robot, dingtalk, clock)


def an_outgoing(text: str = "hello", *, key: str = "0123456789abcdef:1", **more: Any) -> Outgoing:
    """To the robot's group; ``more`` are fields of `Outgoing`."""
    return Outgoing(ConversationRef(INSTANCE, ConversationId("default")), text, key, **more)
