"""
What goes round comes to rest (contract clause 15), with real daemons and rooms that give everything to
everybody: each message costs at most ten posts, and ordinary talk goes on.
"""

import asyncio
import time
from collections import Counter
from pathlib import Path

from tests.faults.judge import Verdict
from tests.faults.rooms import Rooms, numbers, open_rooms
from tests.faults.scenarios import Length, Scenario
from tests.faults.stage import Result

MOST_POSTS = 13
"""That one message of a person may cost, all daemons together."""

_LINES = (
    "the build of Tuesday has failed, who looks at it?",
    "今天下午三点在二号会议室开会，请大家准时参加",
    "I have just put the new key on web1, please try again",
    "lunch at half past twelve by the river, as always",
    "ticket 4711 is back: the import stops at row 20,000",
)


def _both_ways(a: str, b: str) -> list[tuple[str, str]]:
    return [(a, b), (b, a)]


async def two_daemons_between_the_same_rooms(directory: Path, length: Length) -> Result:
    """Two daemons carry everything both ways between the same two rooms."""
    async with open_rooms() as rooms:
        for name in ("robot-one", "robot-two"):
            rooms.member(directory, name, _both_ways("left", "right"))
        return await _play("two daemons, two rooms", rooms, length)


async def a_rule_changes_the_text_at_every_hop(directory: Path, length: Length) -> Result:
    """The same, and each puts another character into the middle of whatever passes."""
    async with open_rooms() as rooms:
        for name in ("robot-one", "robot-two"):
            rooms.member(
                directory,
                name,
                _both_ways("left", "right"),
                transform=[{"replace": "(.)$", "with": "~\\1"}],
                msg={"msg_format": "{msg}"},
            )
        return await _play("the text changes at every hop", rooms, length)


async def a_ring_of_three_daemons(directory: Path, length: Length) -> Result:
    """Three rooms, and each of three daemons carries one way to the next."""
    async with open_rooms() as rooms:
        for n, (here, there) in enumerate((("a", "b"), ("b", "c"), ("c", "a")), 1):
            rooms.member(directory, f"robot-{n}", [(here, there)])
        return await _play("a ring of three daemons", rooms, length, start="a", end="b")


async def an_echo_after_a_restart(directory: Path, length: Length) -> Result:
    """A room gives a daemon its own posts back when it was killed and started again meanwhile."""
    relayed: Counter[str] = Counter()
    lost = sent = 0
    complaints: list[str] = []
    began = time.monotonic()
    for kind, names in (("room", True), ("own", False), ("new", False)):
        async with open_rooms() as rooms:
            rooms.names, rooms.echo = names, kind
            robot = rooms.member(directory / kind, "robot", _both_ways("left", "right"))
            await robot.daemon.start()
            for n, line in enumerate(_some(length)):
                sent += 1
                before = len(rooms.posts)
                rooms.says("left", "ada", line)
                lost += not await rooms.until_posts(before + 1)
                if n == 0:
                    rooms.hears.clear()
                    await robot.daemon.kill()
                    await robot.daemon.start()
                    rooms.hears.set()
                if not await rooms.rest():
                    complaints.append(f"an echo ({kind}) did not come to rest")
                relayed[kind] = max(relayed[kind], len(rooms.posts) - before - 1)
            if not (await numbers(robot)).balanced:
                complaints.append("the ledger is not balanced")
    complaints += [
        f"our own post came back by an id that we know ({kind}) and was relayed"
        for kind in ("room", "own")
        if relayed[kind]
    ]
    return Result(
        "an echo after kill -9",
        _verdict(sent, lost, max(relayed["new"] + 1 - MOST_POSTS, 0), doubled=relayed.total()),
        time.monotonic() - began,
        tuple(complaints),
        f"relayed once more at most: {', '.join(f'{n} ({kind} id)' for kind, n in relayed.items())}",
    )


async def _play(
    name: str, rooms: Rooms, length: Length, *, start: str = "left", end: str = "right"
) -> Result:
    """Messages one by one, then all at once between ordinary talk; then one more."""
    complaints: list[str] = []
    await asyncio.gather(*(member.daemon.start() for member in rooms.members))
    began = time.monotonic()
    costs: list[int] = []
    lines = _some(length)
    for line in lines:
        before = len(rooms.posts)
        rooms.says(start, "ada", line)
        if not await rooms.rest():
            complaints.append(f"{line!r} did not come to rest")
            break
        costs.append(len(rooms.posts) - before)
    before = len(rooms.posts)
    talk = [f"{line} ({n})" for n, line in enumerate(lines * 3)]
    for n, line in enumerate(talk):
        rooms.says(start if n % 2 else end, ("bob", "eve")[n % 2], line)
    if not await rooms.rest():
        complaints.append("the talk did not come to rest")
    crowd = len(rooms.posts) - before
    rooms.says(start, "ada", "one more fresh message at the end")
    await rooms.rest()
    said = [*lines, *talk[1::2], "one more fresh message at the end"]
    there = [text.replace("~", "") for room, _, text in rooms.posts if room == end]
    lost = [line for line in said if not any(line in text for text in there)]
    found = [await numbers(member) for member in rooms.members]
    if not all(one.balanced for one in found):
        complaints.append("a ledger is not balanced")
    if not any(one.tripped for one in found):
        complaints.append("nobody has reported a loop")
    over = sum(max(cost - MOST_POSTS, 0) for cost in costs) + max(crowd - MOST_POSTS * len(talk), 0)
    tripped, stopped = sum(one.tripped for one in found), sum(one.stopped for one in found)
    return Result(
        name,
        _verdict(len(said), len(lost), over, doubled=len(rooms.posts) - len(said)),
        time.monotonic() - began,
        tuple(complaints),
        f"posts for each message: {costs}, then {crowd} for {len(talk)} at once; "
        f"{tripped} loops reported, {stopped} deliveries stopped",
    )


def _some(length: Length) -> list[str]:
    return list(_LINES[: 5 if length.kills > 10 else 2])


def _verdict(promised: int, lost: int, over: int, *, doubled: int) -> Verdict:
    return Verdict(
        promised=promised,
        arrived=promised - lost,
        lost=lost,
        altered=0,
        spurious=0,
        disordered=0,
        doubled=doubled,
        doubled_too_often=over,
    )


LONG_ONLY: dict[str, Scenario] = {
    "loop-two": two_daemons_between_the_same_rooms,
    "loop-changing": a_rule_changes_the_text_at_every_hop,
    "loop-ring": a_ring_of_three_daemons,
    "loop-echo": an_echo_after_a_restart,
}
"""With real daemons; the test suite plays loops in `tests/test_loop_guard.py`."""
