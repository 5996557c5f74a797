"""The daemon dies at every place that has a name, while it recovers from that, and while it starts."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.faults.crowd import CROWD, crowd
from tests.faults.platform import Mood
from tests.faults.points import POINTS, Point, Under
from tests.faults.scenarios import Length, Scenario
from tests.faults.stage import Result, Stage
from tests.faults.strace import CALLS, CHECKPOINT, deadly, why_not

FEW = ("accept: before the 200", "mark: half-written", "recovery: before the marks' commit")
"""For the test suite: between commit and answer, and all around the mark of what was sent."""

_DIES_WITHIN = 30.0
_PAST_RETENTION = 97 * 3600.0
_MARKED = "mark: after"

_WAITING = 10_000
_BOOTS = 12
_LONGEST_BOOT = 1.2


async def every_point(directory: Path, length: Length) -> Result:
    """kill -9 before and after every step that has a name, also of the recovery from the kill before."""
    return await die_at(tuple(POINTS), directory, length)


async def die_at(names: Sequence[str], directory: Path, length: Length) -> Result:
    """At each of the named points once, under load all the time."""
    chance = random.Random(5)
    traced = len(names) == len(POINTS) and not why_not()
    async with crowd(
        directory, recovery_within=length.recovery, size=length.senders, long_winded=4
    ) as stage:
        stage.platform.longest_answer = 0.1
        async with stage.load(pause=0.05):
            await asyncio.sleep(0.2)
            stage.kills.append(await stage.daemon.kill())
            for name in names:
                await _die(stage, name, chance)
            if traced:
                await _die_inside_calls(stage)
            await stage.daemon.start()
            await asyncio.sleep(0.5)
        stage.platform.longest_answer = 0.01
        places = f"{len(names)} points" + (f" and {len(CALLS) + 1} system calls" if traced else "")
        notes = (
            "each was reached" if traced or len(names) < len(POINTS) else f"no system calls: {why_not()}"
        )
        return await stage.curtain(f"kill -9 at {places}", notes)


async def _die(stage: Stage, name: str, chance: random.Random) -> None:
    point = POINTS[name]
    nth = point.first
    if point.under is Under.LOAD:
        nth += chance.randrange(point.spread)
    if point.under is Under.RECOVERY:
        await _die(stage, _MARKED, chance)
    elif point.under is Under.PRUNING:
        _age(stage.daemon.bridge.journal)
    elif point.under is Under.ERRORS:
        stage.platform.mood = Mood.ERRORS
    answered = stage.answered()
    process = stage.daemon.begin(through=["tests.faults.armed", name, str(nth)])
    if point.under in (Under.RELOAD, Under.STOP):
        await stage.daemon.ready(process)
        await _provoke(stage, point, process.pid)
    await _dead(stage, f"the point “{name}”")
    stage.platform.mood = Mood.WELL
    if point.under is Under.RECOVERY:
        early = stage.answered() == answered
        stage.expect(early, f"the point “{name}” was only reached after the recovery")


async def _provoke(stage: Stage, point: Point, pid: int) -> None:
    await asyncio.sleep(0.2)
    if point.under is Under.RELOAD:
        _edit(stage.daemon.bridge.directory)
        os.kill(pid, signal.SIGHUP)
    else:
        os.kill(pid, signal.SIGTERM)


async def _dead(stage: Stage, where: str) -> None:
    """It killed itself there; if it did not, that is a complaint, and it is killed."""
    try:
        status = await stage.daemon.died(seconds=_DIES_WITHIN)
    except TimeoutError:
        stage.complaints.append(f"{where} was not reached within {_DIES_WITHIN:.0f} s")
        await stage.daemon.kill()
    else:
        # An exit with any other status is one that the harness did not ask for.
        stage.expect(status == -signal.SIGKILL, f"it ended with status {status} before {where}")
    stage.kills.append(time.monotonic())


async def _die_inside_calls(stage: Stage) -> None:
    journal = stage.daemon.bridge.journal
    for name, call in CALLS.items():
        stage.daemon.begin(under=deadly(call, journal))
        await _dead(stage, name)
    await stage.daemon.start()
    status, _ = await stage.daemon.terminate()
    stage.expect(status == 0, f"SIGTERM ended it with status {status}")
    answered = stage.answered()
    stage.daemon.begin(under=deadly(CHECKPOINT, journal))
    await _dead(stage, "a checkpoint under load")
    stage.expect(stage.answered() > answered, "the checkpoint was not one under load")


def _age(journal: Path) -> None:
    """The older half of what was accepted becomes so old that its time is over. Nobody has it open."""
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute(
            "UPDATE messages SET accepted_at = accepted_at - ? "
            "WHERE seq <= (SELECT (min(seq) + max(seq)) / 2 FROM messages)",
            (_PAST_RETENTION,),
        )


def _edit(directory: Path) -> None:
    """Files that a reload takes: another rule, and another driver for the way out."""
    rules_file, config_file = directory / "rules.json", directory / "config.json"
    rules = json.loads(rules_file.read_text(encoding="utf-8"))
    rule = dict(rules["rules"][0], id=f"reload-{time.monotonic_ns()}")
    rule["from"] = {"src": {"open_conversation_id": "cidNobody=="}}
    rules["rules"].append(rule)
    config = json.loads(config_file.read_text(encoding="utf-8"))
    timeout = config["dingtalk"]["dst"]["send_timeout"]
    config["dingtalk"]["dst"]["send_timeout"] = "14s" if timeout == "15s" else "15s"
    rules_file.write_text(json.dumps(rules), encoding="utf-8")
    config_file.write_text(json.dumps(config), encoding="utf-8")


async def while_starting(directory: Path, length: Length) -> Result:
    """kill -9 again and again while it starts with 10,000 waiting messages."""
    chance = random.Random(10)
    async with crowd(directory, recovery_within=length.recovery) as stage:
        stage.platform.mood = Mood.HANGS
        each = -(-_WAITING // (2 * CROWD))
        async with stage.load(count=each, pause=0.0):
            written = await stage.until_written(_WAITING, seconds=60.0)
            stage.expect(written, f"not all {_WAITING} deliveries were planned within 60 s")
        stage.kills.append(await stage.daemon.kill())
        waiting = stage.daemon.bridge.waiting()
        stage.expect(waiting >= _WAITING, f"only {waiting} deliveries waited")
        stage.platform.mood = Mood.WELL
        for _ in range(_BOOTS):
            stage.daemon.begin()
            await asyncio.sleep(chance.uniform(0.05, _LONGEST_BOOT))
            stage.kills.append(await stage.daemon.kill())
        left = stage.daemon.bridge.waiting()
        ready = await stage.daemon.start()
        notes = f"{left} of {waiting} still waited at the last start, ready within {ready:.2f} s"
        return await stage.curtain(f"kill -9 at {_BOOTS} starts with {_WAITING:,} waiting", notes)


LONG_ONLY: dict[str, Scenario] = {"points": every_point, "starting": while_starting}
"""Too long for the test suite, which plays `FEW` of the points."""
