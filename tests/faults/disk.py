"""
The disk of the data directory is full: nothing more is promised, what was promised goes out, and all
goes on by itself when there is room. The log is on that disk too.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from bench.bridge_files import Bridge
from bench.callbacks import Callback, signature, source
from bench.ports import free_port
from bench.wire import Framed, status_of
from tests.faults.daemon import Daemon
from tests.faults.platform import Mood, Platform
from tests.faults.scenarios import Length, Scenario
from tests.faults.senders import Sender
from tests.faults.small_disk import SmallDisk, small_disk
from tests.faults.stage import SENDERS, Result, Stage, running

_SIZE = 96 << 20
_KEPT_FREE = 1 << 20
_MOST_SPARE = _KEPT_FREE
_A_FEW = 10
_RESUMES_WITHIN = 5.0
_LOOKS_EVERY = 0.05
_RETRY_AFTER = re.compile(rb"\r\nretry-after:[ \t]*([0-9]+)\r?\n?", re.IGNORECASE)


async def fills_under_load(directory: Path, length: Length) -> Result:
    """The disk fills up, to another byte each time, while sixteen people write; and is emptied."""
    chance = random.Random(6)
    slowest, rounds = 0.0, 4 if length.kills < _A_FEW else 25
    async with _set_up(directory, length) as (stage, disk):
        async with stage.load(pause=0.005):
            for _ in range(rounds):
                await asyncio.sleep(chance.uniform(0.2, 0.6))
                disk.fill(spare=chance.choice((0, 1, chance.randrange(_MOST_SPARE))))
                refused = await _until(partial(_refused_since, stage, _refusals(stage)), _RESUMES_WITHIN)
                stage.expect(refused, "nothing was refused on a full disk")
                stage.expect(await _is_asked_to_wait(stage), "a refusal had no 503 with Retry-After")
                began, taken = time.monotonic(), partial(_taken_since, stage, stage.answered())
                disk.free()
                again = await _until(taken, _RESUMES_WITHIN)
                stage.expect(again, f"nothing was accepted {_RESUMES_WITHIN:g} s after there was room")
                slowest = max(slowest, time.monotonic() - began)
        notes = f"{_refusals(stage)} refused, accepted again after at most {slowest:.1f} s"
        return await stage.curtain(f"disk full, {rounds} times", notes)


async def backlog_goes_out(directory: Path, length: Length) -> Result:
    """Not a byte is free, the daemon is killed, and what waits still goes out and is booked."""
    each = 60 if length.kills < _A_FEW else 600
    async with _set_up(directory, length) as (stage, disk):
        stage.platform.mood = Mood.THROTTLES
        async with stage.load(count=each, pause=0.0):
            everything = each * len(stage.senders)
            written = await stage.until_written(everything, seconds=60.0)
            stage.expect(written, f"not all {everything} messages were answered 200")
        waiting = stage.daemon.bridge.waiting()
        disk.fill()
        stage.platform.mood = Mood.WELL
        await stage.until_posts(everything // 4, seconds=30.0)
        # A few may still be taken: until the disk is measured again, into what the WAL has room for.
        async with stage.load(pause=0.05):
            refused = await _until(partial(_refused_since, stage, _refusals(stage)), _RESUMES_WITHIN)
        stage.expect(refused, "nothing was refused on the full disk")
        stage.expect(await _is_asked_to_wait(stage), "a refusal had no 503 with Retry-After")
        await stage.restart_after_kill()
        done = await _until(lambda: stage.daemon.bridge.waiting() == 0, 60.0)
        stage.expect(done, f"{stage.daemon.bridge.waiting()} still wait on the full disk")
        disk.free()
        stage.expect(await _accepts(stage) < _RESUMES_WITHIN, "nothing was accepted with room again")
        return await stage.curtain("disk full, backlog", f"{waiting} waited and were booked as sent")


def _refusals(stage: Stage) -> int:
    return sum(sender.refusals for sender in stage.senders)


async def _accepts(stage: Stage) -> float:
    """Seconds until a message is taken again; infinite if that takes too long."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(_RESUMES_WITHIN):
            await stage.senders[0].write(asyncio.Event(), count=1)
    except TimeoutError:
        return float("inf")
    return time.monotonic() - began


async def _until(claim: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_LOOKS_EVERY)
    return True


def _refused_since(stage: Stage, refusals: int) -> bool:
    return _refusals(stage) > refusals


def _taken_since(stage: Stage, answered: int) -> bool:
    return stage.answered() > answered


async def _is_asked_to_wait(stage: Stage) -> bool:
    """Whether a message is answered 503, and when to come again."""
    head = await _head_of_answer(stage.daemon.bridge.listen_port)
    return status_of(head) == 503 and _RETRY_AFTER.search(head) is not None


class _Head(Framed):
    """Sends one request and keeps the head of the answer."""

    def __init__(self, request: bytes) -> None:
        super().__init__()
        self._request = request
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(self._request)

    def message_received(self, head: bytes, body: bytes) -> None:
        if not self.answered.done():
            self.answered.set_result(head)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError("closed without an answer"))


async def _head_of_answer(port: int) -> bytes:
    """To a message that must be refused: if it is taken, the judge finds it spurious."""
    now = time.time_ns()
    probe = Callback(source(0), f"probe{now}==", f"probe-{now} not to be taken")
    request = probe.on_the_wire(port, signature(now // 1_000_000))
    async with asyncio.timeout(_RESUMES_WITHIN):
        transport, exchange = await asyncio.get_running_loop().create_connection(
            lambda: _Head(request), "127.0.0.1", port
        )
        try:
            return await exchange.answered
        finally:
            transport.close()


@asynccontextmanager
async def _set_up(directory: Path, length: Length) -> AsyncIterator[tuple[Stage, SmallDisk]]:
    bridge = Bridge(directory, free_port(), free_port())
    platform = Platform(free_port())
    bridge.write(sink_port=platform.port, pairs=[(n, n) for n in range(SENDERS)])
    _fill_the_log_too(bridge)
    stage = Stage(platform, Daemon(bridge), recovery_within=length.recovery)
    stage.senders = [Sender(n, bridge.listen_port, stage.ledger, stubborn=True) for n in range(SENDERS)]
    with small_disk(directory / "data", _SIZE) as disk:
        (directory / "data" / "stderr.log").touch()
        bridge.log.symlink_to(directory / "data" / "stderr.log")
        async with running(stage):
            yield stage, disk


def _fill_the_log_too(bridge: Bridge) -> None:
    """Every message leaves lines in a log on the same disk; and little of the disk is kept free."""
    file = bridge.directory / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["global"]["log"] = {"level": "info"}
    config["global"]["journal"] = {"min_free_disk": _KEPT_FREE}
    file.write_text(json.dumps(config), encoding="utf-8")


LONG_ONLY: dict[str, Scenario] = {"disk-full": fills_under_load, "disk-backlog": backlog_goes_out}
"""They need a file system of their own, and leave to mount it."""
