"""Which driver goes with which settings."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from . import group_settings, settings
from .driver import AppRobotDriver
from .group_robot import GroupRobotDriver
from .http_robot import HttpRobotDriver
from .stream_robot import StreamRobotDriver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.driver import Driver, Settings, Toolbox
    from bridge.model import InstanceId

_BY_WAY_IN = {"http": HttpRobotDriver, "stream": StreamRobotDriver, "none": AppRobotDriver}


@asynccontextmanager
async def open_(instance: InstanceId, given: Settings, toolbox: Toolbox) -> AsyncIterator[Driver]:
    """``given`` are valid by the schema and by `settings.check`."""
    if group_settings.is_group_robot(given):
        yield GroupRobotDriver(instance, group_settings.read(given), toolbox)
        return
    robot = settings.read(given)
    yield _BY_WAY_IN[robot.receive](instance, robot, toolbox)
