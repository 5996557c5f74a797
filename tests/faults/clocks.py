"""
Somebody sets the clock of the machine (contract clause 14) while messages wait for a destination that
is down: a real daemon with a wall clock that is wrong by what stands in a file.
"""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

from tests.faults.judge import Verdict
from tests.faults.rooms import Member, Rooms, numbers, open_rooms
from tests.faults.scenarios import Length, Scenario
from tests.faults.stage import Result

_HOUR, _DAY, _YEAR = 3600, 86400, 365 * 86400
_DOWN_FOR = 3.0
_ARRIVES_WITHIN = 25.0
"""Seconds: the wait after the fourth attempt is 15 s, and 20 % of jitter."""

_EACH = 3
_ATTEMPTS = 4
"""That one lane makes at most in `_DOWN_FOR` seconds; one more is no storm yet."""


async def the_clock_is_set(directory: Path, _: Length) -> Result:
    """The clock is set by an hour, a day, a year and back to 1970 during retries, and at a restart."""
    to_1970 = -int(time.time())
    steps = {"+1 h": _HOUR, "-1 h": -_HOUR, "+1 d": _DAY, "-1 d": -_DAY, "+1 y": _YEAR, "1970": to_1970}
    complaints: list[str] = []
    slowest = 0.0
    offset = directory / "offset"
    offset.write_text("0")
    async with open_rooms() as rooms:
        robot = rooms.member(directory, "robot", [("left", "right")], msg={"msg_format": "{msg}"})
        through = ("tests.faults.other_clock", str(offset))
        await robot.daemon.ready(robot.daemon.begin(through=through))
        for name, step in steps.items():
            slowest = max(slowest, await _while_down(rooms, offset, name, step, complaints))
        for name in ("+1 d", "1970"):
            rooms.down = True
            said = _say(rooms, f"before a restart at {name}")
            await asyncio.sleep(_DOWN_FOR / 2)
            await robot.daemon.kill()
            offset.write_text(str(steps[name]))
            await robot.daemon.ready(robot.daemon.begin(through=through))
            rooms.down = False
            slowest = max(slowest, await _arrival(rooms, said, complaints))
            await _repeat(rooms, said, complaints, f"after a restart at {name}")
            offset.write_text("0")
        complaints += await _books(robot)
        status, _seconds = await robot.daemon.terminate()
        if status:
            complaints.append(f"SIGTERM ended it with status {status}")
        texts = _texts(rooms)
        promised = (len(steps) + 2) * _EACH
        return Result(
            "the clock is set",
            Verdict(
                promised=promised,
                arrived=len(set(texts)),
                lost=promised - len(set(texts)),
                altered=0,
                spurious=0,
                disordered=sum(a > b for a, b in pairwise(texts) if a[:-1] == b[:-1]),
                doubled=len(texts) - len(set(texts)),
                doubled_too_often=max(len(texts) - len(set(texts)) - 2, 0),
            ),
            slowest,
            tuple(complaints),
            f"{len(steps)} steps and back, 2 restarts with a wrong clock; {rooms.refused} attempts while "
            f"the destination was down, the slowest message {slowest:.1f} s after that",
        )


async def _while_down(rooms: Rooms, offset: Path, name: str, step: int, complaints: list[str]) -> float:
    rooms.down = True
    before = rooms.refused
    said = _say(rooms, f"while the clock goes {name}")
    await asyncio.sleep(_DOWN_FOR / 2)
    offset.write_text(str(step))
    await asyncio.sleep(_DOWN_FOR / 2)
    if not 1 <= rooms.refused - before <= _ATTEMPTS:
        complaints.append(f"{rooms.refused - before} attempts while the clock went {name}")
    rooms.down = False
    seconds = await _arrival(rooms, said, complaints)
    await _repeat(rooms, said, complaints, f"with the clock at {name}")
    offset.write_text("0")
    await asyncio.sleep(1.2)
    await _repeat(rooms, said, complaints, f"after the clock was {name}")
    return seconds


def _texts(rooms: Rooms) -> list[str]:
    """What arrived, without the mark of what looks late: after a restart it does, by a wrong clock."""
    return [text.rpartition("] ")[2] for _, _, text in rooms.posts]


def _say(rooms: Rooms, what: str) -> dict[str, str]:
    """Text → id of what a person wrote."""
    return {text: rooms.says("left", "ada", text) for text in (f"{what}: {n}" for n in range(_EACH))}


async def _arrival(rooms: Rooms, said: dict[str, str], complaints: list[str]) -> float:
    began = time.monotonic()
    while missing := set(said) - set(_texts(rooms)):
        if time.monotonic() - began > _ARRIVES_WITHIN:
            complaints.append(f"{min(missing)!r} did not arrive within {_ARRIVES_WITHIN:g} s")
            break
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def _repeat(rooms: Rooms, said: dict[str, str], complaints: list[str], when: str) -> None:
    """The platform sends the same again: nothing may come of it."""
    before = len(rooms.posts)
    for text, id_ in said.items():
        rooms.says("left", "ada", text, again=id_)
    await rooms.rest()
    if more := len(rooms.posts) - before:
        complaints.append(f"{more} messages were taken for new once more {when}")


async def _books(robot: Member) -> list[str]:
    return [] if (await numbers(robot)).balanced else ["the ledger is not balanced"]


LONG_ONLY: dict[str, Scenario] = {"clock": the_clock_is_set}
"""The test suite sets clocks in virtual time: `tests/test_clock_steps.py`."""
