"""
Nothing is answered before it is on the disk: shown by what the daemon asks of the kernel.

strace writes down every request read, every byte of the journal written, every fsync, and every
answer written; `trace` puts them in order for each message.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bench.bridge_files import Bridge
from bench.callbacks import destination, source
from bench.ports import free_port
from bridge.clock import SystemClock
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.simulator import Simulator
from tests.faults.daemon import Daemon
from tests.faults.judge import Sent, Verdict
from tests.faults.platform import Platform, listening
from tests.faults.scenarios import Length, Scenario
from tests.faults.senders import WORDS, Sender
from tests.faults.stage import Result, Stage
from tests.faults.strace import BESIDE, why_not
from tests.faults.trace import evidence, read_trace

MESSAGES = 1_000
_TALKERS = 16
_STREAM = 700
_CALLS = "recvfrom,recvmsg,sendto,sendmsg,write,writev,pwrite64,pwritev,fsync,fdatasync"
_LONGEST = str(1 << 18)
"""Bytes that are shown of one call: the most that the daemon reads at once."""
_TAKES = 120.0
_TOLD = 3
_END = 4096
_NAME = "fsync before the answer"


async def fsync_comes_first(directory: Path, _: Length) -> Result:
    """strace watches 1,000 requests and 1,000 frames: each is written and synced before its answer."""
    return await watched(directory, MESSAGES)


async def watched(directory: Path, count: int) -> Result:
    """``count`` messages each way. Where nothing can be traced, nothing is shown: that is a complaint."""
    if reason := why_not():
        return Result(_NAME, Verdict(0, 0, 0, 0, 0, 0, 0, 0), 0.0, (reason,))
    file = directory / "trace"
    async with _set_up(directory, file) as (stage, simulator):
        async with asyncio.timeout(_TAKES), asyncio.TaskGroup() as tasks:
            for number, sender in enumerate(stage.senders):
                share = len(range(number, count, _TALKERS))
                tasks.create_task(sender.write(asyncio.Event(), count=share))
                tasks.create_task(_talk(simulator, stage, number, share))
        result = await stage.curtain(_NAME)
        await _all_written(file, stage.daemon)
    found = evidence(read_trace(file))
    complaints = [f"{one}: {why}" for one, why in found.unshown[:_TOLD]]
    for way, shown in (("requests", found.requests), ("frames", found.frames)):
        if shown < count:
            complaints.append(f"only {shown} of {count} {way} were shown to be on disk before the answer")
    notes = (
        f"{found.requests} requests and {found.frames} frames were on disk before the answer; "
        f"{found.syncs} commits were synced"
    )
    return replace(result, complaints=(*complaints, *result.complaints), notes=notes)


async def _all_written(file: Path, daemon: Daemon) -> None:
    """Until the tracer, which outlives the daemon, has written its end. Raises `TimeoutError`."""
    assert daemon.process is not None
    last = re.compile(rf"^{daemon.process.pid} +\+\+\+ exited", re.MULTILINE)
    async with asyncio.timeout(_TAKES):
        while not last.search(_end_of(file)):
            await asyncio.sleep(0.05)


def _end_of(file: Path) -> str:
    with file.open("rb") as lines:
        lines.seek(max(0, file.stat().st_size - _END))
        return lines.read().decode("ascii", "replace")


async def _talk(simulator: Simulator, stage: Stage, number: int, count: int) -> None:
    """One person in a group of their own, who waits for each acknowledgement."""
    chat = Chat(robot_code=simulator.robot_code, conversation_id=source(_STREAM + number))
    for n in range(count):
        key = f"f{number:02d}-{n:06d}"
        sent = Sent(destination(_STREAM + number), n, f"{key} {WORDS}")
        stage.ledger[key] = sent
        body = chat.text(sent.text, message_id=f"msg{key}==", at_ms=time.time_ns() // 1_000_000)
        ack = await simulator.gateway.acked(await simulator.gateway.say(body), within=_TAKES)
        sent.answered = ack.code == 200


@asynccontextmanager
async def _set_up(directory: Path, file: Path) -> AsyncIterator[tuple[Stage, Simulator]]:
    platform = Platform(free_port())
    bridge = Bridge(directory, free_port(), free_port())
    people = range(_TALKERS)
    pairs = [(n, n) for n in people] + [(_STREAM + n, _STREAM + n) for n in people]
    bridge.write(sink_port=platform.port, pairs=pairs)
    stage = Stage(platform, Daemon(bridge))
    stage.senders = [
        Sender(n, bridge.listen_port, stage.ledger, stubborn=True, pause=0.0) for n in people
    ]
    tracer = [*BESIDE, "-yy", "-s", _LONGEST, "-e", "signal=none", "-e", f"trace={_CALLS}"]
    async with Simulator(clock=SystemClock()) as simulator, listening(platform):
        _hear_the_stream(directory, simulator)
        try:
            await stage.daemon.start(under=[*tracer, "-o", str(file)])
            yield stage, simulator
        finally:
            await stage.daemon.end()


def _hear_the_stream(directory: Path, simulator: Simulator) -> None:
    """The second half of the rules is for an account that hears by Stream."""
    config_file, rules_file = directory / "config.json", directory / "rules.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config["dingtalk"]["stream"] = {
        "app_key": simulator.app_key,
        "app_secret": simulator.app_secret,
        "receive": "stream",
        "allowed_users": "*",
        "api_base_url": simulator.base_url,
        "oapi_base_url": simulator.base_url,
    }
    config_file.write_text(json.dumps(config), encoding="utf-8")
    rules = json.loads(rules_file.read_text(encoding="utf-8"))
    for rule in rules["rules"][_TALKERS:]:
        rule["from"] = {"stream": rule["from"]["src"]}
    rules_file.write_text(json.dumps(rules), encoding="utf-8")


LONG_ONLY: dict[str, Scenario] = {"fsync": fsync_comes_first}
"""Needs strace."""
