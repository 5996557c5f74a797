"""Messages that a full journal did not take: kept in order until it does, and nothing read meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.errors import JournalFull

if TYPE_CHECKING:
    from bridge.clock import Clock
    from bridge.driver import Emit
    from bridge.model import Inbound

LONGEST_WAIT = 5.0
"""Seconds until a full journal is asked again; asking is cheap, and room may come at any time."""


class Holding:
    """
    Between a stream and the journal. Not dropped, because a platform may send a message only once;
    not acknowledged, because it is not durable yet.
    """

    def __init__(self, emit: Emit, clock: Clock) -> None:
        self._emit = emit
        self._clock = clock
        self._held = 0
        self._turn = asyncio.Lock()  # its waiters are served in the order in which they came
        self._empty = asyncio.Event()
        self._empty.set()

    async def over(self) -> None:
        """Wait until nothing is held: until then nothing more should be read."""
        await self._empty.wait()

    async def keep(self, inbound: Inbound) -> None:
        """Return once it is durable. Raises `JournalError`, but waits for as long as it is full."""
        wait = 0.0
        if not self._held:
            try:
                return await self._emit(inbound)
            except JournalFull as e:
                wait = min(e.retry_after, LONGEST_WAIT)
        self._held += 1
        self._empty.clear()
        try:
            async with self._turn:
                await self._insist(inbound, wait)
        finally:
            self._held -= 1
            if not self._held:
                self._empty.set()

    async def _insist(self, inbound: Inbound, wait: float) -> None:
        while True:
            await self._clock.sleep(wait)
            try:
                return await self._emit(inbound)
            except JournalFull as e:
                wait = min(e.retry_after, LONGEST_WAIT)
