"""
A DingTalk group robot as the destination, in real time: 20 messages in any 60 s, or ten minutes of
silence, and the daemon dies in the middle of its allowance.

https://open.dingtalk.com/document/robots/custom-robot-access
"""

import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.bridge_files import Bridge
from bench.callbacks import destination
from bench.ports import free_port
from bench.wire import answer
from drivers.dingtalk.simulated_webhooks import Gate
from tests.faults.daemon import Daemon
from tests.faults.platform import Call, Platform, Post
from tests.faults.scenarios import Length, Scenario
from tests.faults.senders import Sender
from tests.faults.stage import Result, Stage, running

_MESSAGES = 60
_ALLOWED = 20
_KILLED_AFTER = (10, 30)
_TARGET = "/robot/send?access_token=fault-group-robot"
_GROUP = destination(0)

# 60 messages, two repeats and the one of the curtain need four windows; the last kill is in the second.
_RECOVERY = 200.0
_A_WINDOW = 75.0

_NOT_HERE = answer(404, b"{}")
_TAKEN = answer(200, b'{"errcode":0,"errmsg":"ok"}')
_BLOCKED = answer(200, b'{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}')


@dataclass(slots=True)
class GroupRobot(Platform):
    """
    A platform with one group robot, and a clock of its own. It counts every request, so it is no
    milder than one that knows a repeat; ``keys`` are the idempotency keys that each text came with.
    """

    gate: Gate = field(default_factory=Gate)
    keys: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def receive(self, call: Call, target: str, body: bytes) -> None:
        """One request."""
        if target != _TARGET:
            call.transport.write(_NOT_HERE)
            self.turned_away += 1
        elif self.gate.admits(time.monotonic()):
            message = json.loads(body)
            text = message["text"]["content"]
            self.keys[text].add(message["msgUuid"])
            self.take(call, _GROUP, text, _TAKEN)
        else:
            call.transport.write(_BLOCKED)
            self.turned_away += 1


async def the_group_robot_is_never_blocked(directory: Path, _: Length) -> Result:
    """Sixty messages at once for a robot that takes 20 a minute, and kill -9 while it takes them."""
    robot = GroupRobot(free_port(), longest_answer=0.3)
    async with _set_up(directory, robot) as stage:
        async with stage.load(count=_MESSAGES, pause=0.0):
            written = await stage.until_written(_MESSAGES, seconds=20.0)
            stage.expect(written, f"not all {_MESSAGES} messages were answered 200 within 20 s")
        for count in _KILLED_AFTER:
            reached = await stage.until_posts(count, seconds=2 * _A_WINDOW)
            stage.expect(reached, f"the robot was not given {count} messages in time")
            await stage.restart_after_kill()
        result = await stage.curtain(f"group robot, kill -9, {len(_KILLED_AFTER)} times")
    figures = (
        f"{len(robot.posts)} posts, the closest {_ALLOWED + 1} of them in {_tightest(robot.posts):.2f} s"
    )
    return replace(result, complaints=(*_complaints(robot), *result.complaints), notes=figures)


def _complaints(robot: GroupRobot) -> Iterator[str]:
    if robot.turned_away:
        yield f"the robot turned {robot.turned_away} posts away; it was blocked {robot.gate.blocked} times"
    if several := sum(len(keys) > 1 for keys in robot.keys.values()):
        yield f"{several} messages were repeated with another msgUuid, so the group sees them twice"


def _tightest(posts: Sequence[Post]) -> float:
    """Seconds between the first and the last of the 21 posts that lie closest; infinite for fewer."""
    pairs = zip(posts, posts[_ALLOWED:], strict=False)
    return min((last.at - first.at for first, last in pairs), default=float("inf"))


@asynccontextmanager
async def _set_up(directory: Path, robot: GroupRobot) -> AsyncIterator[Stage]:
    bridge = Bridge(directory, free_port(), free_port())
    bridge.write(sink_port=robot.port, pairs=[(0, 0)])
    _post_through_the_robot(directory, robot.port)
    stage = Stage(robot, Daemon(bridge), recovery_within=_RECOVERY, fresh_within=_A_WINDOW)
    # Stubborn, as DingTalk is: one person's messages, none given up.
    stage.senders = [Sender(0, bridge.listen_port, stage.ledger, stubborn=True)]
    async with running(stage):
        yield stage


def _post_through_the_robot(directory: Path, port: int) -> None:
    config_file, rules_file = directory / "config.json", directory / "rules.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config["dingtalk"]["dst"] = {"webhook_url": f"http://127.0.0.1:{port}{_TARGET}"}
    config_file.write_text(json.dumps(config), encoding="utf-8")
    rules = json.loads(rules_file.read_text(encoding="utf-8"))
    for rule in rules["rules"]:
        rule["to"] = {"dst": {}}
    rules_file.write_text(json.dumps(rules), encoding="utf-8")


LONG_ONLY: dict[str, Scenario] = {"group-robot": the_group_robot_is_never_blocked}
"""Scenarios whose length is the platform's, too long for the test suite."""
