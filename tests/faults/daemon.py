"""The daemon under test: started, killed and started again on the same files."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.bridge_files import Bridge
from bench.process import Subject, launch

_DRAIN = 0.05


@dataclass(slots=True)
class Daemon:
    """One bridge; at most one process of it runs at a time."""

    bridge: Bridge
    process: Subject | None = None

    async def start(self, *, under: Sequence[str] = ()) -> float:
        """Start it; the seconds until it was ready. Raises `RuntimeError` with its last words."""
        return await self.ready(self.begin(under=under))

    def begin(self, *, through: Sequence[str] = (), under: Sequence[str] = ()) -> Subject:
        """
        Start it, and wait for nothing. ``through`` is a module, with arguments, that runs the command
        in its place; ``under`` a command that becomes it.
        """
        module, *arguments = self.bridge.command
        command = [*through, "--", *arguments] if through else [module, *arguments]
        self.process = launch(command, self.bridge.log, under=under)
        return self.process

    async def ready(self, process: Subject) -> float:
        """The seconds from its start until it was ready. Raises `RuntimeError` with its last words."""
        return await process.ready(self.bridge.status_port, seconds=30.0)

    async def kill(self) -> float:
        """kill -9; the monotonic time when it was dead and its last bytes had been read."""
        assert self.process is not None
        self.process.process.kill()
        await self.died(seconds=5.0)
        return time.monotonic()

    async def died(self, *, seconds: float) -> int:
        """
        Its exit status, once its last bytes have been read. Raises `TimeoutError` if it still lives.
        """
        assert self.process is not None
        status = await self.process.ended(seconds=seconds)
        await asyncio.sleep(_DRAIN)
        return status

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
