"""
A hundred thousand messages wait: the daemon starts as if there were none, keeps to its memory, refuses
what is too much, takes again in time, and brings every one in order.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bench.bridge_files import Bridge
from bench.callbacks import destination, source
from bench.ports import free_port
from bridge.clock import SystemClock
from bridge.journal import Capacity, Retention
from bridge.journal.sqlite import SqliteJournal, open_journal
from bridge.model import ConversationId, ConversationRef, InstanceId
from tests.builders import a_route, an_envelope
from tests.faults.daemon import Daemon
from tests.faults.judge import Sent
from tests.faults.platform import Mood, Platform
from tests.faults.scenarios import Length, Scenario
from tests.faults.senders import Sender
from tests.faults.stage import Result, Stage, running

_WAITING, _WAITING_SHORT = 100_000, 5_000
_LANES = 64
_BYTES = 1024
_AT_ONCE = 500
_READY_WITHIN = 2.0
_MOST_MB = 150.0
_LIMIT, _RESUMES_AT = 0.95, 0.70
_BEFORE_THE_LIMIT = 40
_SLACK = 0.1
_OUT_MEANWHILE = 1500
"""Messages that may go out between the moment when some are taken again and our next try."""
_A_FEW = 10
_ALL_OUT_WITHIN = 300.0


async def a_hundred_thousand_wait(directory: Path, length: Length) -> Result:
    """A hundred thousand messages of 1 KiB wait, the limit is met, and all go out in order."""
    count = _WAITING_SHORT if length.kills < _A_FEW else _WAITING
    async with _set_up(directory, count) as (stage, empty):
        slowest = await stage.restart_after_kill()
        stage.kills.clear()  # nothing was in flight: not one repeat is allowed
        process = stage.daemon.process
        assert process is not None
        # What it waited because other programs had the core is theirs, not its own.
        own = slowest - _waited_for_a_core(process.pid)
        refused = await _write_until_refused(stage)
        stage.expect(refused, f"nothing was refused at {_LIMIT:.0%} of the limit")
        full = stage.daemon.bridge.waiting()
        stage.platform.mood = Mood.WELL
        began = time.monotonic()
        await stage.senders[0].write(asyncio.Event(), count=1)
        resumed = stage.daemon.bridge.waiting() / _limit(count)
        lowest = _RESUMES_AT - max(_SLACK, _OUT_MEANWHILE / _limit(count))
        stage.expect(lowest <= resumed <= _RESUMES_AT, f"it took messages again at {resumed:.0%}")
        promised = {sent.text for sent in stage.ledger.values() if sent.answered}
        await stage.until_taken(promised, seconds=_ALL_OUT_WITHIN)
        rate = len(promised) / (time.monotonic() - began)
        peak = _peak_mb(process.pid)
        stage.expect(own <= _READY_WITHIN, f"it was ready only after {own:.2f} s of its own")
        stage.expect(peak <= _MOST_MB, f"it took {peak:.0f} MB")
        notes = (
            f"ready in {own:.2f} s (on this busy machine {slowest:.2f} s, empty {empty:.2f} s), at most {peak:.0f} MB, refused at {full / _limit(count):.1%}, "
            f"took again at {resumed:.1%}, {rate:.0f} a second went out"
        )
        return await stage.curtain(f"{count:,} waiting", notes)


def _limit(count: int) -> int:
    """So that ``count`` is a little less than what is refused at."""
    return int((count + _BEFORE_THE_LIMIT) / _LIMIT)


async def _write_until_refused(stage: Stage) -> bool:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for sender in stage.senders:
            tasks.create_task(sender.write(stop, count=2 * _BEFORE_THE_LIMIT // len(stage.senders)))
        for _ in range(200):
            if any(sender.refusals for sender in stage.senders):
                break
            await asyncio.sleep(0.05)
        stop.set()
    return any(sender.refusals for sender in stage.senders)


def _waited_for_a_core(pid: int) -> float:
    """Seconds that its first thread could have run, but was not let."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def _peak_mb(pid: int) -> float:
    """The most memory it ever had, in MB (10^6 bytes)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024 / 1e6


async def fill(journal: SqliteJournal, ledger: dict[str, Sent], count: int) -> None:
    """``count`` accepted messages, one after the other over all lanes."""
    for first in range(0, count, _AT_ONCE):
        async with asyncio.TaskGroup() as tasks:
            for number in range(first, min(first + _AT_ONCE, count)):
                lane = number % _LANES
                sent = Sent(destination(lane), number // _LANES, _text(number), answered=True)
                ledger[sent.text.partition(" ")[0]] = sent
                where = ConversationRef(InstanceId("src"), ConversationId(source(lane)))
                tasks.create_task(
                    journal.accept(
                        replace(an_envelope(sent.text, id=f"b{number}"), source=where),
                        [a_route(f"dst/{destination(lane)}", template="{msg}")],
                    )
                )


def _text(number: int) -> str:
    key = f"b{number % _LANES:02d}-{number // _LANES:06d}"
    return f"{key} ".ljust(_BYTES, "x")


@asynccontextmanager
async def _set_up(directory: Path, count: int) -> AsyncIterator[tuple[Stage, float]]:
    bridge = Bridge(directory, free_port(), free_port())
    platform = Platform(free_port(), longest_answer=0.0, mood=Mood.THROTTLES)
    bridge.write(sink_port=platform.port, pairs=[(n, n) for n in range(_LANES)])
    file = bridge.directory / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["global"]["journal"] = {"max_waiting": _limit(count)}
    file.write_text(json.dumps(config), encoding="utf-8")
    stage = Stage(platform, Daemon(bridge), recovery_within=60.0)
    empty = min([await _start(stage.daemon) for _ in range(2)])
    async with open_journal(
        bridge.journal, clock=SystemClock(), capacity=Capacity(), retention=Retention()
    ) as journal:
        await fill(journal, stage.ledger, count)
    # Those who write now are other people, so that their messages come after all the others.
    stage.senders = [
        Sender(n, bridge.listen_port, stage.ledger, stubborn=True, _next=count) for n in range(4)
    ]
    async with running(stage):
        yield stage, empty


async def _start(daemon: Daemon) -> float:
    """Seconds until a daemon is ready that has nothing to do."""
    try:
        took = await daemon.start()
        await daemon.terminate()
    finally:
        await daemon.end()
    return took


LONG_ONLY: dict[str, Scenario] = {"backlog": a_hundred_thousand_wait}
"""Its shorter form is a test of its own."""
