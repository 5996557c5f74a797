"""The door to the driver: its library is loaded when the first account is opened."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .settings import read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.driver import Driver, Settings, Toolbox
    from bridge.model import InstanceId


@asynccontextmanager
async def open_(instance: InstanceId, given: Settings, toolbox: Toolbox) -> AsyncIterator[Driver]:
    """``given`` are valid by the schema and by `settings.check`."""
    from .driver import MatrixDriver  # noqa: PLC0415 (0.1 s that a daemon without Matrix need not spend)

    driver = MatrixDriver(instance, read(given), toolbox)
    try:
        yield driver
    finally:
        await driver.close()
