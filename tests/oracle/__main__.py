"""
``python -m tests.oracle [stable|next|openapi|telegram …]``: the official clients (of Telegram the best
known one), unmodified, against the simulators.

Prints a table; ends with 1 when one of them cannot do what it and the simulator can.
"""

import asyncio
import sys

from drivers.dingtalk.simulator import Simulator
from tests.oracle.openapi import openapi
from tests.oracle.sheet import FAILS, Row
from tests.oracle.stream import refused, stream
from tests.oracle.telegram import telegram

CLIENTS = {
    "stable": (stream, refused),
    "next": (stream, refused),
    "openapi": (openapi,),
    "telegram": (telegram,),
}


async def main(names: list[str]) -> int:
    rows: list[Row] = []
    for name in names or CLIENTS:
        for part in CLIENTS[name]:
            async with Simulator() as simulator:
                rows += await part(name, simulator)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    failed = sum(row[2] == FAILS for row in rows)
    sys.stdout.write(f"\n{len(rows)} checks, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
