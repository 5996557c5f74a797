"""What the clients can do, row by row."""

import asyncio
from collections.abc import Awaitable

import aiohttp

from drivers.dingtalk.simulator import Simulator

GROUP = "cidSimGroup0000000001=="
WORKS, FAILS, ABSENT = "works", "FAILS", "the simulator has none"
Row = tuple[str, str, str]


class Sheet:
    """The rows of one client."""

    def __init__(self, name: str, simulator: Simulator) -> None:
        self.rows: list[Row] = []
        self._name = name
        self._simulator = simulator

    async def check(self, what: str, proof: Awaitable[bool], *, needs: str = "") -> None:
        """``needs`` is the path that the simulator must serve for it to be possible."""
        if needs and not await self._serves(needs):
            if asyncio.iscoroutine(proof):
                proof.close()
            self.rows.append((self._name, what, ABSENT))
            return
        try:
            fine = await proof
        except TimeoutError:
            fine = False
        self.rows.append((self._name, what, WORKS if fine else FAILS))

    async def _serves(self, path: str) -> bool:
        async with (
            aiohttp.ClientSession() as session,
            session.options(self._simulator.base_url + path) as response,
        ):
            return response.status == 405
