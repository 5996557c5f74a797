"""A client in a process of its own, with the Python of its own environment."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv-oracle"
PATIENCE = 20.0


class Client:
    """What it prints, one JSON object on a line, can be waited for; the rest is its log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self.log: list[str] = []
        self.over = False

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                self.log.append(line.decode(errors="replace"))
                continue
            async with self._news:
                self._said.append(said)
                self._news.notify_all()
        async with self._news:
            self.over = True
            self._news.notify_all()

    async def tells(self, **like: Any) -> dict[str, Any] | None:
        """The first that it said with these members; None when nothing like it comes."""

        def found() -> dict[str, Any] | None:
            fit = (one for one in self._said if like.items() <= one.items())
            return next(fit, None)

        try:
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(lambda: found() or self.over)
        except TimeoutError:
            return None
        return found()


@asynccontextmanager
async def client(name: str, script: str, **environ: str) -> AsyncIterator[Client]:
    """``name`` is an environment of `ENVIRONMENTS`; without proxies, for everything is on loopback."""
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.exists():
        sys.exit(f"{python} is missing: run `make oracle`")
    clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(HERE / script),
        env={**clean, **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=16 << 20,
    )
    running = Client(process)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(running.listen())
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
