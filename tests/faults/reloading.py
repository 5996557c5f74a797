"""
Somebody edits the files all the time, badly, while everybody writes: what runs is always all of one
good generation, and no message sees two.

Every generation signs its texts with its number. Each message goes to two groups, by a rule at the
head of the file and by one at its end, so that half a swap would show.
"""

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.bridge_files import Bridge
from bench.callbacks import destination
from bench.ports import free_port
from bench.wire import answer, get
from bridge.journal.codec import decode_plan
from tests.faults.daemon import Daemon
from tests.faults.judge import key_of
from tests.faults.platform import Call, Platform
from tests.faults.scenarios import Length, Scenario
from tests.faults.senders import Sender
from tests.faults.stage import SENDERS, Result, Stage, running

_EVERY = 0.2
_STEPS = 150
_PAUSE = 0.15
"""Seconds between two messages of a sender: sixteen of them write about 100 in a second."""

_UNHURRIED = 25
"""Steps between two files that are left alone, without a signal, until the daemon looks by itself."""

_NOTICED_WITHIN = 6.0
_LEAST = _STEPS // 5
_LEFT_ALONE = 2.5
_TWINS = 100
_TWIN_GROUPS = frozenset(destination(_TWINS + n) for n in range(SENDERS))
_SIGNED = re.compile(r"g(\d{4}) (.*)", re.DOTALL)
_TAKEN = answer(200, b'{"processQueryKey":"fault"}')

Breaker = Callable[[dict[str, Any]], None]


class Way(StrEnum):
    """How a file gets to its place."""

    RENAMED = "renamed"
    IN_PIECES = "in pieces"
    BROKEN = "broken"
    HALF = "half-written"


@dataclass(slots=True)
class SigningPlatform(Platform):
    """``arrived`` are the generations that each message was signed with, by its key."""

    arrived: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    unsigned: int = 0

    def receive(self, call: Call, target: str, body: bytes) -> None:
        """One request; the texts are remembered without their signature."""
        message = json.loads(body)
        if "msgParam" not in message:
            Platform.receive(self, call, target, body)
            return
        signed = _SIGNED.fullmatch(json.loads(message["msgParam"])["content"])
        if signed is None:
            self.unsigned += 1
            call.transport.write(_TAKEN)
            return
        number, text = signed.groups()
        self.arrived[key_of(text)].append(int(number))
        if message["openConversationId"] in _TWIN_GROUPS:
            call.transport.write(_TAKEN)
        else:
            self.take(call, message["openConversationId"], text, _TAKEN)


@dataclass(slots=True)
class Editor:
    """Somebody with a text editor. ``good`` are the generations that may run, newest last."""

    bridge: Bridge
    hup: Callable[[], None]
    chance: random.Random = field(default_factory=lambda: random.Random(200))
    good: list[int] = field(default_factory=lambda: [0])
    edits: int = 0
    ways: dict[Way, int] = field(default_factory=lambda: defaultdict(int))
    _rules: dict[str, Any] = field(default_factory=dict)
    _config: bytes = b""

    def __post_init__(self) -> None:
        self._config = self.config_file.read_bytes()
        self._rules = json.loads(self.rules_file.read_bytes())
        self.rules_file.write_bytes(self._signed(0))

    @property
    def config_file(self) -> Path:
        return self.bridge.directory / "config.json"

    @property
    def rules_file(self) -> Path:
        return self.bridge.directory / "rules.json"

    async def edit(self, way: Way) -> None:
        """Write the next generation in this way. A broken one asks for its own number, too."""
        self.edits += 1
        self.ways[way] += 1
        written = self._signed(self.edits)
        if self.config_file.read_bytes() != self._config:
            _rename_onto(self.config_file, self._config)
        match way:
            case Way.RENAMED:
                self.good.append(self.edits)
                _rename_onto(self.rules_file, written)
            case Way.IN_PIECES:
                self.good.append(self.edits)
                await self._write_in_pieces(written)
            case Way.BROKEN:
                self._break(written)
            case Way.HALF:
                self.rules_file.write_bytes(written[: self.chance.randrange(len(written) - 1)])

    def _break(self, written: bytes) -> None:
        breaker = self.chance.choice(_BREAKERS)
        if breaker is _config_is_wrong:
            config = json.loads(self._config)
            breaker(config)
            # The rules beside it stay as they are: good ones may run as soon as the config is mended.
            _rename_onto(self.config_file, json.dumps(config).encode())
            return
        rules = json.loads(written)
        breaker(rules)
        self.rules_file.write_bytes(json.dumps(rules).encode())

    async def _write_in_pieces(self, written: bytes) -> None:
        middle = self.chance.randrange(1, len(written))
        with self.rules_file.open("wb") as file:
            file.write(written[:middle])
            file.flush()
            self.hup()
            await asyncio.sleep(self.chance.uniform(0.0, 0.05))
            file.write(written[middle:])

    def _signed(self, number: int) -> bytes:
        for rule in self._rules["rules"]:
            rule["msg"] = {"msg_format": f"g{number:04d} {{msg}}"}
        return json.dumps(self._rules).encode()


def _unknown_instance(rules: dict[str, Any]) -> None:
    rules["rules"][-1]["to"] = {"dts": {"open_conversation_id": "cid"}}


def _misspelt_key(rules: dict[str, Any]) -> None:
    rules["rules"][-1]["wehn"] = {}


def _bad_pattern(rules: dict[str, Any]) -> None:
    rules["rules"][0]["when"] = {"text_matches": "("}


def _bad_template(rules: dict[str, Any]) -> None:
    rules["rules"][-1]["msg"]["msg_format"] += " {mgs}"


def _double_id(rules: dict[str, Any]) -> None:
    rules["rules"][-1]["id"] = rules["rules"][0]["id"]


def _config_is_wrong(config: dict[str, Any]) -> None:
    del config["dingtalk"]["dst"]["app_secret"]


_BREAKERS: tuple[Breaker, ...] = (
    _unknown_instance, _misspelt_key, _bad_pattern, _bad_template, _double_id, _config_is_wrong,
)  # fmt: skip


def _rename_onto(path: Path, written: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(written)
    beside.replace(path)


async def the_files_change_all_the_time(directory: Path, _: Length) -> Result:
    """A reload every 200 ms for 30 s at 100 messages a second, half of the files broken or half-written."""
    platform = SigningPlatform(free_port())
    async with _set_up(directory, platform) as (stage, editor):
        began = time.monotonic()
        async with stage.load(pause=_PAUSE):
            seconds = await _edit_for_long(stage, editor, platform)
            lasted = time.monotonic() - began
        written = len(stage.ledger)
        reloads = await _reloads(stage.daemon.bridge.status_port)
        met = min(reloads.values())
        stage.expect(met >= _LEAST, f"too few attempts ended each way to prove anything: {reloads}")
        result = await stage.curtain(f"{_STEPS} reloads in {seconds:.0f} s")
        planned = _planned(stage.daemon.bridge.journal)
    complaints = (*_complaints(platform, planned, editor), *result.complaints)
    ran = {number for numbers in planned.values() for number in numbers}
    notes = (
        f"{editor.edits} files ({', '.join(f'{n} {way}' for way, n in editor.ways.items())}); "
        f"reloads taken {reloads['taken']}, refused {reloads['refused']}; "
        f"messages planned under {len(ran)} generations; {written / lasted:.0f} messages/s"
    )
    return replace(result, complaints=complaints, notes=notes)


async def _edit_for_long(stage: Stage, editor: Editor, platform: SigningPlatform) -> float:
    """The steps, then a last good file; the seconds that the hurried steps took."""
    hurried = 0.0
    ways = [*Way] * (_STEPS // len(Way) + 1)
    editor.chance.shuffle(ways)
    for first in range(0, _STEPS, _UNHURRIED):
        began = time.monotonic()
        for n, way in enumerate(ways[first : first + _UNHURRIED], 1):
            await editor.edit(way)
            editor.hup()
            await asyncio.sleep(max(0.0, began + n * _EVERY - time.monotonic()))
        hurried += time.monotonic() - began
        await asyncio.sleep(_EVERY)
        await editor.edit(Way.BROKEN)
        await asyncio.sleep(_LEFT_ALONE)
        await editor.edit(Way.RENAMED)
        noticed = await _until_it_signs(platform, editor.edits)
        stage.expect(noticed, f"file {editor.edits} was good and left alone, but never ran")
    await editor.edit(Way.RENAMED)
    editor.hup()
    last = await _until_it_signs(platform, editor.edits)
    stage.expect(last, "the last good file does not run")
    return hurried


async def _until_it_signs(platform: SigningPlatform, number: int) -> bool:
    deadline = time.monotonic() + _NOTICED_WITHIN
    while time.monotonic() < deadline:
        newest = next(reversed(platform.arrived.values()), [])
        if number in newest:
            return True
        await asyncio.sleep(_EVERY / 4)
    return False


def _complaints(
    platform: SigningPlatform, planned: dict[str, list[int]], editor: Editor
) -> Iterator[str]:
    good = set(editor.good)
    if platform.unsigned:
        yield f"{platform.unsigned} texts came without a signature"
    if torn := [key for key, numbers in planned.items() if len(set(numbers)) != 1]:
        yield f"{len(torn)} messages were planned under two generations, first {torn[0]}"
    if single := [key for key, numbers in planned.items() if len(numbers) != 2]:
        yield f"{len(single)} messages do not have two deliveries, first {single[0]}"
    if bad := {number for numbers in planned.values() for number in numbers} - good:
        yield f"files that are not good were applied: {sorted(bad)}"
    order = [numbers[0] for numbers in planned.values()]
    if back := sum(later < earlier for earlier, later in pairwise(order)):
        yield f"an older generation followed a newer one {back} times"
    if other := [key for key, numbers in platform.arrived.items() if numbers != planned.get(key)]:
        yield f"{len(other)} messages arrived otherwise than they were planned, first {other[0]}"


def _planned(journal: Path) -> dict[str, list[int]]:
    """The generations of each message's plans, by its key, in the order of acceptance."""
    planned: dict[str, list[int]] = defaultdict(list)
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT m.event_id, p.body FROM deliveries AS d JOIN messages AS m ON m.seq = d.message "
            "JOIN plans AS p ON p.id = d.plan ORDER BY d.seq"
        )
        for event_id, body in rows:
            signed = _SIGNED.fullmatch(decode_plan(body).template)
            planned[event_id.removeprefix("msg").rstrip("=")].append(int(signed[1]) if signed else -1)
    return planned


async def _reloads(port: int) -> dict[str, int]:
    """How the attempts ended, by the daemon's own metrics."""
    _, body = await get(port, "/metrics")
    found = re.findall(r'msgbridge_reloads_total\{outcome="(\w+)"\} ([\d.]+)', body.decode())
    return {outcome: int(float(count)) for outcome, count in found}


@asynccontextmanager
async def _set_up(directory: Path, platform: SigningPlatform) -> AsyncIterator[tuple[Stage, Editor]]:
    bridge = Bridge(directory, free_port(), free_port())
    pairs = [(n, n + twin) for twin in (0, _TWINS) for n in range(SENDERS)]
    bridge.write(sink_port=platform.port, pairs=pairs)
    stage = Stage(platform, Daemon(bridge))

    def hup() -> None:
        assert stage.daemon.process is not None
        os.kill(stage.daemon.process.pid, signal.SIGHUP)

    editor = Editor(bridge, hup)
    # Stubborn, as DingTalk is: nothing is given up.
    stage.senders = [Sender(n, bridge.listen_port, stage.ledger, stubborn=True) for n in range(SENDERS)]
    async with running(stage):
        yield stage, editor


LONG_ONLY: dict[str, Scenario] = {"reload": the_files_change_all_the_time}
"""Too long for the test suite."""
