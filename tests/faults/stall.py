"""
The daemon stands still for five seconds in the middle of everything, as on a machine that is frozen,
and goes on: over HTTP, and over a Stream connection.
"""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.bridge_files import Bridge
from bench.callbacks import ROBOT_CODE, Callback, source
from bench.ports import free_port
from bench.wire import get
from drivers.dingtalk.simulator import Simulator
from tests.faults.daemon import Daemon
from tests.faults.platform import Platform
from tests.faults.scenarios import LONG, Length, Scenario
from tests.faults.senders import Sender
from tests.faults.stage import SENDERS, Result, Stage, running

_STALL = 5.0
_SHORT_STALL = 2.0
_ACK_WITHIN = 10.0
_SLOW = 0.1
"""Seconds that the platform may take to answer: every stall finds sends in flight."""


@dataclass(slots=True)
class StreamSender(Sender):
    """Pushes frames, and pushes what is not acknowledged again, as DingTalk does."""

    simulator: Simulator | None = None

    async def _send(self, stop: asyncio.Event) -> None:
        assert self.simulator is not None
        gateway = self.simulator.gateway
        key = f"s{self.number:02d}-{self._next:06d}"
        text, promised = self.compose(key, self._next)
        self._next += 1
        self.ledger.update((key, sent) for sent in promised)
        body = json.loads(Callback(source(self.number), f"msg{key}==", text).body())
        message_id = await gateway.say(body)
        while not stop.is_set():
            try:
                await gateway.acked(message_id, within=_ACK_WITHIN)
            except TimeoutError:
                await gateway.redeliver([message_id])
                continue
            for sent in promised:
                sent.answered = True
            return


async def stands_still_http(directory: Path, length: Length) -> Result:
    """SIGSTOP for five seconds, then SIGCONT, while callbacks come in and messages go out."""
    async with _set_up(directory, length) as stage:
        return await _stall(stage, length, "HTTP")


async def stands_still_stream(directory: Path, length: Length) -> Result:
    """The same with messages that come over a Stream connection."""
    async with (
        Simulator(app_key="dingbenchsrc", app_secret="bench-app-secret-src-0123456789") as simulator,
        _set_up(directory, length, simulator) as stage,
    ):
        await simulator.gateway.connection()
        result = await _stall(stage, length, "Stream")
    opened = len(simulator.gateway.opens)
    stalls = _stalls(length)
    complaints = result.complaints
    if opened > 1 + 2 * stalls:
        complaints = (*complaints, f"{opened} tickets were asked for after {stalls} stalls")
    return replace(result, complaints=complaints, notes=f"{result.notes}, {opened} tickets")


def _stalls(length: Length) -> int:
    return 3 if length is LONG else 1


async def _stall(stage: Stage, length: Length, how: str) -> Result:
    process = stage.daemon.process
    assert process is not None
    seconds = _STALL if length is LONG else _SHORT_STALL
    async with stage.load(pause=0.02):
        await asyncio.sleep(1.0)
        for _ in range(_stalls(length)):
            process.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            process.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(1.0)
    failed = await _failed_attempts(stage.daemon.bridge.status_port)
    most = _stalls(length) * SENDERS
    stage.expect(failed <= most, f"{failed} attempts failed: no answer was lost, {most} could be late")
    result = await stage.curtain(f"{how}: SIGSTOP for {seconds:g} s, {_stalls(length)} times")
    return replace(result, notes=f"{failed} attempts failed")


async def _failed_attempts(port: int) -> int:
    _, page = await get(port, "/metrics")
    return sum(
        int(float(count))
        for count in re.findall(r"msgbridge_attempts_failed_total\{[^}]*\} ([\d.]+)", page.decode())
    )


@asynccontextmanager
async def _set_up(
    directory: Path, length: Length, simulator: Simulator | None = None
) -> AsyncIterator[Stage]:
    """The messages come from ``simulator`` where there is one; they all go to the platform."""
    platform = Platform(free_port(), longest_answer=_SLOW)
    bridge = Bridge(directory, free_port(), free_port())
    timeout = _STALL - 2 if length is LONG else _SHORT_STALL / 2
    bridge.write(sink_port=platform.port, pairs=[(n, n) for n in range(SENDERS)], send_timeout=timeout)
    stage = Stage(platform, Daemon(bridge), recovery_within=length.recovery)
    if simulator is None:
        stage.senders = [
            Sender(n, bridge.listen_port, stage.ledger, stubborn=True) for n in range(SENDERS)
        ]
    else:
        _hear_by_stream(directory, simulator)
        stage.senders = [StreamSender(n, 0, stage.ledger, simulator=simulator) for n in range(SENDERS)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(stage))
        try:
            yield stage
        finally:
            if stage.daemon.process is not None:  # SIGKILL ends what stands still, SIGTERM does not
                stage.daemon.process.process.send_signal(signal.SIGCONT)


def _hear_by_stream(directory: Path, simulator: Simulator) -> None:
    file = directory / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["dingtalk"]["src"] = {
        "app_key": simulator.app_key,
        "app_secret": simulator.app_secret,
        "robot_code": ROBOT_CODE,
        "receive": "stream",
        "api_base_url": simulator.base_url,
        "oapi_base_url": simulator.base_url,
    }
    file.write_text(json.dumps(config), encoding="utf-8")


LONG_ONLY: dict[str, Scenario] = {
    "stall-http": stands_still_http,
    "stall-stream": stands_still_stream,
}
