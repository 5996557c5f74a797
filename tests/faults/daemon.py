"""The daemon under test: started, killed and started again on the same files."""

import asyncio
import time
from dataclasses import dataclass

from bench.bridge_files import Bridge
from bench.process import Subject, launch

_DRAIN = 0.05


@dataclass(slots=True)
class Daemon:
    """One bridge; at most one process of it runs at a time."""

    bridge: Bridge
    process: Subject | None = None

    async def start(self) -> float:
        """Start it; the seconds until it was ready. Raises `RuntimeError` with its last words."""
        self.process = launch(self.bridge.command, self.bridge.log)
        return await self.process.ready(self.bridge.status_port, seconds=30.0)

    async def kill(self) -> float:
        """kill -9; the monotonic time when it was dead and its last bytes had been read."""
        assert self.process is not None
        self.process.process.kill()
        await self.process.ended(seconds=5.0)
        await asyncio.sleep(_DRAIN)
        return time.monotonic()

    async def terminate(self) -> tuple[int, float]:
        """SIGTERM; its exit status and the seconds it took. Raises `TimeoutError` after 30 s."""
        assert self.process is not None
        began = time.monotonic()
        self.process.process.terminate()
        status = await self.process.ended(seconds=30.0)
        return status, time.monotonic() - began

    async def end(self) -> None:
        """Make sure that no process is left."""
        if self.process is not None and self.process.process.poll() is None:
            self.process.process.kill()
            await self.process.ended(seconds=5.0)
