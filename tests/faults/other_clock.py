"""
``python -m tests.faults.other_clock FILE -- run --config … --rules …``: msgbridge, put together as
``msgbridge run`` does, with a clock on the wall that is wrong by as many seconds as stand in FILE.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.app import App
from bridge.clock import SystemClock
from bridge.files import read_files
from bridge.log import Logbook


class WrongClock(SystemClock):
    """The machine's, and somebody has set it."""

    def __init__(self, offset: Path) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self._offset.read_text()))


def run(arguments: list[str]) -> int:
    offset, _, _, _, config_file, _, rules_file = arguments
    reading = read_files(Path(config_file), Path(rules_file), environ=os.environ)
    assert reading.config is not None, reading.problems
    assert reading.rules is not None, reading.problems
    clock = WrongClock(Path(offset))
    logbook = Logbook(clock, reading.config.secrets)
    logbook.set_up(reading.config.global_.log.level, reading.config.global_.log.format)
    asyncio.run(App(reading.config, reading.rules.router, clock=clock, logbook=logbook).run())
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
