"""A subject: a process on a core of its own, and what the kernel says about it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.wire import get

ROOT = Path(__file__).parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
_LOG_SHOWN = 3000


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the subject runs on, and which the load and the sink."""

    subject: int
    load: int

    @classmethod
    def of_this_machine(cls) -> "Cores":
        """The two last cores that we may use; the same one twice when there is only one."""
        ours = sorted(os.sched_getaffinity(0))
        return cls(subject=ours[-1], load=ours[-2] if len(ours) > 1 else ours[-1])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This process, and whatever it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(slots=True)
class Subject:
    """A running process; its figures come from /proc."""

    process: subprocess.Popen[bytes]
    log: Path
    started: float

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss_mb(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    async def ready(self, port: int, *, seconds: float = 60.0) -> float:
        """
        Wait for 200 from ``/readyz``; the seconds since the start.

        Raises `RuntimeError` with the end of its log when it ends or does not get ready.
        """
        while time.monotonic() < self.started + seconds:
            if self.process.poll() is not None:
                raise RuntimeError(f"ended with {self.process.returncode} at its start{self.tail()}")
            try:
                status, _ = await get(port, "/readyz", seconds=1.0)
            except (OSError, TimeoutError):
                status = 0
            if status == 200:
                return time.monotonic() - self.started
            await asyncio.sleep(0.005)
        raise RuntimeError(f"not ready after {seconds:.0f} s{self.tail()}")

    async def ended(self, *, seconds: float) -> int:
        """Its exit status. Raises `TimeoutError` if it still runs after ``seconds``."""
        async with asyncio.timeout(seconds):
            while (status := self.process.poll()) is None:
                await asyncio.sleep(0.005)
        return status

    async def stop(self) -> int:
        """SIGTERM, and SIGKILL when that has not helped within 20 s; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                await self.ended(seconds=20.0)
            except TimeoutError:
                self.process.kill()
        return await self.ended(seconds=5.0)

    def tail(self) -> str:
        """The end of what it wrote to stderr, for the reader of a failure."""
        text = self.log.read_text(errors="replace")[-_LOG_SHOWN:]
        return f"; its last words:\n{text}" if text else ""


def launch(module: Sequence[str], log: Path, *, under: Sequence[str] = ()) -> Subject:
    """
    Start ``python -m MODULE …`` from the project's root, stderr appended to ``log``.

    ``under`` is a command that becomes it, such as a tracer that steps aside.
    """
    started = time.monotonic()
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [*under, sys.executable, "-m", *module],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    return Subject(process, log, started)


@asynccontextmanager
async def running(module: Sequence[str], log: Path, *, core: int) -> AsyncIterator[Subject]:
    """A subject on ``core``, stopped at the end whatever happens."""
    with pinned(core):
        subject = launch(module, log)
    try:
        yield subject
    finally:
        await subject.stop()
