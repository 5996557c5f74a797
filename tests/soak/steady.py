"""
The real daemon for minutes on end, with everything it does moving: HTTP and Stream in, a destination
that fails every half minute in another way. What it holds of the machine must not grow.
"""

import asyncio
import csv
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, fields
from itertools import count
from pathlib import Path

from bench.bridge_files import Bridge
from bench.callbacks import destination
from bench.ports import free_port
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.simulator import Simulator
from tests.faults.daemon import Daemon
from tests.faults.judge import Sent
from tests.faults.platform import Mood, Platform
from tests.faults.senders import Sender
from tests.faults.stage import SENDERS, Result, Stage, running

SAMPLED_EVERY = 5.0
WARM_UP = 120.0
"""Seconds of haste before anything is measured: SQLite's cache (8 MB) fills, pools grow."""

GROWTH = 5.0
"""MB in ten minutes, at most."""

MORE_FILES = 8
"""Connections come and go with the destination's moods."""

_HASTE, _PAUSE = 0.03, 0.5
_PUSHED_EVERY = 0.2
_CALM, _TROUBLE = 27.0, 3.0
_SEND_TIMEOUT = 2.0
_STREAM_GROUP = destination(500)
_MOODS = (Mood.ERRORS, Mood.THROTTLES, Mood.HANGS, Mood.SWALLOWS)


@dataclass(frozen=True, slots=True)
class Sample:
    """``seconds`` since the load began; ``rss_mb`` in 10^6 bytes."""

    seconds: float
    rss_mb: float
    files: int
    threads: int
    answered: int
    arrived: int


@dataclass(frozen=True, slots=True)
class Flatness:
    """Medians of memory in the first and last fifth of the samples; the most of the others, by halves."""

    minutes: float
    rss: tuple[float, float]
    files: tuple[int, int]
    threads: tuple[int, int]

    @property
    def growth(self) -> float:
        """MB in ten minutes."""
        return (self.rss[1] - self.rss[0]) / self.minutes * 10.0

    @property
    def complaints(self) -> list[str]:
        found = []
        if self.growth > GROWTH:
            found.append(f"memory grows by {self.growth:.1f} MB in 10 minutes, {GROWTH:g} are allowed")
        if self.files[1] > self.files[0] + MORE_FILES:
            found.append(f"open files went from {self.files[0]} to {self.files[1]}")
        if self.threads[1] > self.threads[0]:
            found.append(f"threads went from {self.threads[0]} to {self.threads[1]}")
        return found


def flatness(samples: Sequence[Sample]) -> Flatness:
    """Raises `ValueError` for a run that was too short to tell."""
    fifth, half = len(samples) // 5, len(samples) // 2
    if not fifth:
        raise ValueError(f"{len(samples)} samples are too few")
    first, last = samples[:fifth], samples[-fifth:]
    early, late = samples[:half], samples[half:]
    middle = statistics.mean(one.seconds for one in last) - statistics.mean(one.seconds for one in first)
    return Flatness(
        middle / 60.0,
        (statistics.median(o.rss_mb for o in first), statistics.median(o.rss_mb for o in last)),
        (max(o.files for o in early), max(o.files for o in late)),
        (max(o.threads for o in early), max(o.threads for o in late)),
    )


def table(flat: Flatness) -> str:
    rows = (
        ("", "at first", "at last"),
        ("resident memory, MB", *(f"{one:.1f}" for one in flat.rss)),
        ("open files, at most", *map(str, flat.files)),
        ("threads, at most", *map(str, flat.threads)),
    )
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|---:|---:|")
    return "\n".join([*lines, "", f"memory: {flat.growth:+.2f} MB in 10 minutes, {GROWTH:g} are allowed"])


async def steady(directory: Path, minutes: float, samples_file: Path) -> tuple[Result, Flatness]:
    """Samples go to ``samples_file`` as CSV while it runs."""
    samples: list[Sample] = []
    async with Simulator() as push, _set_up(directory, push) as stage:
        async with asyncio.TaskGroup() as tasks:
            around = [
                tasks.create_task(_speak(stage, push)),
                tasks.create_task(_flap(stage.platform)),
            ]
            async with stage.load(pause=_HASTE):
                await asyncio.sleep(WARM_UP)
            began = time.monotonic()
            async with stage.load(pause=_PAUSE):
                with samples_file.open("w", newline="") as file:
                    writer = csv.writer(file)
                    writer.writerow([field.name for field in fields(Sample)])
                    while time.monotonic() < began + minutes * 60.0:
                        await asyncio.sleep(SAMPLED_EVERY)
                        samples.append(_sample(stage, time.monotonic() - began))
                        writer.writerow(astuple(samples[-1]))
                        file.flush()
            for task in around:
                task.cancel()
        stage.platform.mood = Mood.WELL
        result = await stage.curtain(f"{minutes:g} minutes under load", f"samples in {samples_file}")
    return result, flatness(samples)


def _sample(stage: Stage, seconds: float) -> Sample:
    process = stage.daemon.process
    assert process is not None
    proc = Path(f"/proc/{process.pid}")
    return Sample(
        round(seconds, 1),
        round(process.rss_mb(), 3),
        len(list((proc / "fd").iterdir())),
        len(list((proc / "task").iterdir())),
        stage.answered(),
        len(stage.platform.posts),
    )


async def _speak(stage: Stage, push: Simulator) -> None:
    """Somebody in a group whose messages come over the Stream."""
    for number in count():
        key = f"t-{number:06d}"
        text = f"{key} over the Stream"
        stage.ledger[key] = Sent(_STREAM_GROUP, number, text, answered=True)
        body = Chat(robot_code=push.robot_code).text(
            text, message_id=f"msg{key}==", at_ms=time.time_ns() // 1_000_000
        )
        await push.gateway.say(body)
        await asyncio.sleep(_PUSHED_EVERY)


async def _flap(platform: Platform) -> None:
    for turn in count():
        await asyncio.sleep(_CALM)
        mood = (*_MOODS, None)[turn % (len(_MOODS) + 1)]
        if mood is None:
            platform.refuse()
        else:
            platform.mood = mood
        await asyncio.sleep(_TROUBLE)
        platform.mood = Mood.WELL
        if mood is None:
            await platform.open()


@asynccontextmanager
async def _set_up(directory: Path, push: Simulator) -> AsyncIterator[Stage]:
    platform = Platform(free_port())
    bridge = Bridge(directory, free_port(), free_port())
    bridge.write(
        sink_port=platform.port,
        pairs=[(n, n) for n in range(SENDERS)],
        send_timeout=_SEND_TIMEOUT,
    )
    _add_stream(bridge, push)
    stage = Stage(platform, Daemon(bridge), fresh_within=60.0)
    stage.senders = [Sender(n, bridge.listen_port, stage.ledger, stubborn=True) for n in range(SENDERS)]
    async with running(stage):
        await _until(lambda: bool(push.gateway.connections))
        yield stage


def _add_stream(bridge: Bridge, push: Simulator) -> None:
    config_file, rules_file = bridge.directory / "config.json", bridge.directory / "rules.json"
    config, rules = json.loads(config_file.read_text()), json.loads(rules_file.read_text())
    config["dingtalk"]["push"] = {
        "app_key": push.app_key,
        "app_secret": push.app_secret,
        "receive": "stream",
        "allowed_users": "*",
        "api_base_url": push.base_url,
        "oapi_base_url": push.base_url,
    }
    rules["rules"].append(
        {
            "id": "pushed",
            "from": {"push": {"open_conversation_id": "*"}},
            "to": {"dst": {"open_conversation_id": _STREAM_GROUP}},
            "msg": {"msg_format": "{msg}"},
        }
    )
    config_file.write_text(json.dumps(config))
    rules_file.write_text(json.dumps(rules))


async def _until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(20.0):
        while not claim():
            await asyncio.sleep(0.05)
