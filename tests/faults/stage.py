"""The stage that every scenario plays on: platform, daemon, sixteen senders, and the judge."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.bridge_files import Bridge
from bench.ports import free_port
from tests.faults.daemon import Daemon
from tests.faults.judge import Sent, Verdict, judge
from tests.faults.platform import Platform, listening
from tests.faults.senders import Sender

SENDERS = 16
EXIT_WITHIN = 15.0
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Result:
    """
    What a scenario showed. ``recovery`` in seconds from the end of the faults to the last promise
    kept; ``complaints`` say what went wrong, besides the counts of the verdict.
    """

    name: str
    verdict: Verdict
    recovery: float
    complaints: tuple[str, ...]
    notes: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict.kept and not self.complaints


@dataclass(slots=True)
class Stage:
    """
    Everything a scenario moves. ``recovery_within`` and ``fresh_within``, in seconds, bound the
    arrival of what was promised and of the fresh message at the end.
    """

    platform: Platform
    daemon: Daemon
    ledger: dict[str, Sent] = field(default_factory=dict)
    kills: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    senders: list[Sender] = field(default_factory=list)
    recovery_within: float = 60.0
    fresh_within: float = 10.0

    def expect(self, claim: bool, complaint: str) -> None:
        """Note ``complaint`` unless ``claim`` holds."""
        if not claim:
            self.complaints.append(complaint)

    @asynccontextmanager
    async def load(self, *, count: int = 1_000_000, pause: float = 0.02) -> AsyncIterator[None]:
        """All senders write during the block, or until each has written ``count``."""
        stop = asyncio.Event()
        for sender in self.senders:
            sender.pause = pause
        async with asyncio.TaskGroup() as tasks:
            for sender in self.senders:
                tasks.create_task(sender.write(stop, count=count))
            try:
                yield
            finally:
                stop.set()

    async def until_written(self, count: int, *, seconds: float) -> bool:
        """Until ``count`` messages were answered 200; False if that takes too long."""
        return await _within(seconds, lambda: self.answered() >= count)

    async def until_taken(self, texts: set[str], *, seconds: float) -> bool:
        """Until the platform has taken all ``texts``; False if that takes too long."""
        return await _within(seconds, lambda: texts <= self.platform.texts)

    async def until_posts(self, count: int, *, seconds: float) -> bool:
        """Until the platform has taken ``count`` messages, repeats too; False if that takes too long."""
        return await _within(seconds, lambda: len(self.platform.posts) >= count)

    async def restart_after_kill(self) -> float:
        """kill -9, start again; seconds until ready."""
        self.kills.append(await self.daemon.kill())
        return await self.daemon.start()

    async def curtain(self, name: str, notes: str = "") -> Result:
        """
        The faults are over: everything promised arrives in time, a fresh message goes through,
        SIGTERM ends the daemon with status 0 within 15 s, and the judge counts.
        """
        began = time.monotonic()
        promised = {sent.text for sent in self.ledger.values() if sent.answered}
        await self.until_taken(promised, seconds=self.recovery_within)
        recovery = time.monotonic() - began
        bridge = self.daemon.bridge
        settled = await _within(10.0, lambda: bridge.waiting() == 0)
        self.expect(settled, "some deliveries still wait in the journal")
        await self._fresh_message()
        status, seconds = await self.daemon.terminate()
        self.expect(status == 0, f"SIGTERM ended it with status {status}")
        self.expect(seconds <= EXIT_WITHIN, f"SIGTERM took {seconds:.1f} s")
        unsent = bridge.unsent()
        self.expect(unsent == 0, f"{unsent} planned deliveries are not booked as sent")
        verdict = judge(
            self.ledger,
            self.platform.posts,
            kills=self.kills,
            lost_answers=self.platform.swallowed,
        )
        if not verdict.kept or self.complaints:
            self.complaints.append(f"stderr of the daemon{self._last_words()}")
        return Result(name, verdict, recovery, tuple(self.complaints), notes)

    async def _fresh_message(self) -> None:
        sender = self.senders[0]
        before = set(self.ledger)
        try:
            async with asyncio.timeout(10.0):
                await sender.write(asyncio.Event(), count=1)
        except TimeoutError:
            self.complaints.append("a fresh message was not accepted within 10 s")
            return
        texts = {self.ledger[key].text for key in set(self.ledger) - before}
        arrived = await self.until_taken(texts, seconds=self.fresh_within)
        self.expect(arrived, f"a fresh message did not arrive within {self.fresh_within:g} s")

    def answered(self) -> int:
        """How many promises there are so far."""
        return sum(sent.answered for sent in self.ledger.values())

    def _last_words(self) -> str:
        process = self.daemon.process
        return process.tail() or ": empty" if process else ": never started"


async def _within(seconds: float, claim: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


@asynccontextmanager
async def set_up(
    directory: Path, *, recovery_within: float, send_timeout: float = 15.0
) -> AsyncIterator[Stage]:
    """A started daemon in ``directory``; no process is left at the end. Times in seconds."""
    platform = Platform(free_port())
    bridge = Bridge(directory, free_port(), free_port())
    bridge.write(
        sink_port=platform.port,
        pairs=[(n, n) for n in range(SENDERS)],
        send_timeout=send_timeout,
    )
    stage = Stage(platform, Daemon(bridge), recovery_within=recovery_within)
    stage.senders = [
        Sender(n, bridge.listen_port, stage.ledger, stubborn=n % 2 == 0) for n in range(SENDERS)
    ]
    async with running(stage):
        yield stage


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[None]:
    """Its platform listens and its daemon is started; no process is left at the end."""
    async with listening(stage.platform):
        try:
            await stage.daemon.start()
            yield
        finally:
            await stage.daemon.end()
