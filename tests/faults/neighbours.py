"""
IRC and Matrix servers for real, and what befalls them: they are killed, answers are lost, the nick is
taken, the bridge is kicked out, the homeserver says "slower".
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.bridge_files import Bridge
from bench.callbacks import source
from bench.ports import free_port
from tests import matrix_server
from tests.conversation.matrix import Person
from tests.drivers.irc import ircds
from tests.drivers.irc.people import raw
from tests.faults.chaos import Chaos, Trouble, chaos
from tests.faults.daemon import Daemon
from tests.faults.judge import Sent
from tests.faults.scenarios import LONG, Length, Scenario
from tests.faults.senders import Sender
from tests.faults.stage import Result, Stage, running
from tests.faults.witnesses import BOT, IrcWitness, MatrixWitness, Neighbours

_SENDERS = 3
_CROSSING = "back", "forth"
"""From Matrix to IRC, and from IRC to Matrix."""
_TIGHT = {"rc_message": {"per_second": 15, "burst_count": 10}}
"""For each of its people: more than is written here in a second, less than what waits after a trouble."""
_PAUSE = 0.6
_STALLED = 1.0
_WITHIN = 30.0
"""Seconds for the bridge to come back, to a channel or to its nick."""


class NotHere(Exception):
    """A server is missing, and how to get it."""


@dataclass(slots=True)
class NeighbourSender(Sender):
    """What was answered once must be said in a channel, and in a room, where it is marked."""

    def compose(self, key: str, number: int) -> tuple[str, list[Sent]]:
        text = f"{key} 你好 *stars* <b>tags</b> a_b_c 👩\u200d🚀 & \\ all"
        channel, room = f"#c{self.number}", f"room{self.number}"
        return text, [Sent(channel, number, text), Sent(room, number, f"t-{text}")]


@dataclass(slots=True)
class Town:
    """Everything that can be broken."""

    stage: Stage
    ircd: ircds.Server
    synapse: matrix_server.Synapse
    world: Neighbours
    rooms: dict[str, str]
    """Ids by name."""
    line: Chaos
    """Between the bridge and the homeserver."""
    numbers: dict[str, itertools.count[int]] = field(
        default_factory=lambda: {name: itertools.count() for name in _CROSSING}
    )

    # --- people who write ---

    async def write_on_matrix(self, stop: asyncio.Event) -> None:
        """Somebody whose client repeats until the homeserver says that it has it: so must IRC."""
        person, room = self.world.matrix.person, self.rooms["back"]
        while not stop.is_set():
            number = next(self.numbers["back"])
            sent = Sent("#back", number, f"m-{number:05} 从 Matrix 来 *x* <y>")
            self.stage.ledger[f"m-{number:05}"] = sent
            while not sent.answered and not stop.is_set():
                try:
                    content = {"msgtype": "m.text", "body": sent.text}
                    await person.put(room, "m.room.message", content, name=f"m{number}")
                    sent.answered = True
                except (aiohttp.ClientError, OSError, TimeoutError, AssertionError):
                    await asyncio.sleep(0.2)
            await asyncio.sleep(2 * _PAUSE)

    async def write_on_irc(self, stop: asyncio.Event) -> None:
        """IRC keeps nothing for anybody: it may be lost, but nothing else may happen to it."""
        while not stop.is_set():
            number = next(self.numbers["forth"])
            text = f"i-{number:05} from IRC 你好"
            if (here := self.world.irc.here) is not None:
                self.stage.ledger[f"i-{number:05}"] = Sent("forth", number, text)
                here.say(f"PRIVMSG #forth :{text}")
            await asyncio.sleep(2 * _PAUSE)

    # --- what befalls them ---

    def _one_may_repeat(self) -> None:
        """In every channel one message may have been said whose confirmation died."""
        for channel in self.world.irc.channels:
            self.world.swallowed[channel] += 1

    async def kill_ircd(self, *, away: float) -> None:
        """It is gone for ``away`` seconds, and somebody has our nick when we come back."""
        await _stall(self.ircd)
        self.ircd.kill()
        self._one_may_repeat()
        await asyncio.sleep(away)
        await asyncio.to_thread(self.ircd.start)
        async with AsyncExitStack() as stack:
            try:
                # In a channel with us: so we see at once that the nick is free.
                thief = await stack.enter_async_context(raw(self.ircd.port, BOT, "#c0"))
            except TimeoutError:
                self.stage.expect(False, "nobody could take the nick: the bridge was there first")
                return
            back = await self._joined(f"{BOT}_", seconds=_WITHIN)
            self.stage.expect(back, "not in the channels under another nick")
            await asyncio.sleep(1.0)
            # The first in a channel is its operator, and it is the witness who has to kick later.
            thief.say("MODE #c0 +o witness")
            thief.say("QUIT")
            taken = await self.world.irc.until(_renamed, seconds=_WITHIN)
            self.stage.expect(taken, "the nick was free, and not taken back")

    async def kick(self) -> None:
        """Out of a channel that it speaks in, by the operator."""
        here = self.world.irc.here
        assert here is not None
        before = _joins(here, BOT, "#c0")
        here.say(f"KICK #c0 {BOT} :out")
        back = await self.world.irc.until(lambda now: _joins(now, BOT, "#c0") > before, seconds=_WITHIN)
        self.stage.expect(back, "kicked, and not back in the channel")

    async def kill_synapse(self, *, away: float) -> None:
        """It is gone for ``away`` seconds."""
        await _stall(self.synapse)
        self.synapse.kill()
        await asyncio.sleep(away)
        await asyncio.to_thread(self.synapse.start)

    async def lose_answers(self, *, seconds: float) -> None:
        """Synapse takes what it is sent, and half of each of its answers arrives."""
        await self.line.become(Trouble.HALVES)
        await asyncio.sleep(seconds)
        await self.line.become(Trouble.NONE)

    async def flood(self, *, seconds: float) -> None:
        """Everybody has much to say at once: more than Synapse takes."""
        for sender in self.stage.senders:
            sender.pause = _PAUSE / 10
        await asyncio.sleep(seconds)
        for sender in self.stage.senders:
            sender.pause = _PAUSE

    async def _joined(self, nick: str, *, seconds: float) -> bool:
        return await self.world.irc.until(lambda here: _joins(here, nick, "#c0"), seconds=seconds)


async def _stall(server: ircds.Server | matrix_server.Synapse) -> None:
    """It stands still before it dies, so that in every conversation something is on its way."""
    assert server._process is not None
    os.kill(server._process.pid, signal.SIGSTOP)
    await asyncio.sleep(_STALLED)


def _joins(here: Any, nick: str, channel: str) -> int:
    begin, end = f":{nick}!".encode(), f"JOIN :{channel}".encode()
    lines = [line.replace(b" :#", b" #").rstrip() for line in here.lines]
    return sum(line.startswith(begin) and line.endswith(end.replace(b":#", b"#")) for line in lines)


def _renamed(here: Any) -> bool:
    return any(
        line.startswith(f":{BOT}_!".encode()) and line.split()[1:2] == [b"NICK"] for line in here.lines
    )


async def neighbours_fail(directory: Path, length: Length) -> Result:
    """IRC and Matrix servers die, the nick is taken, the bridge is kicked, Synapse says 429."""
    rounds, away = (2, 4.0) if length is LONG else (1, 1.0)
    async with _set_up(directory) as town:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks, town.stage.load(pause=_PAUSE):
            tasks.create_task(town.write_on_matrix(stop))
            tasks.create_task(town.write_on_irc(stop))
            try:
                for _ in range(rounds):
                    await asyncio.sleep(1.0)
                    await town.flood(seconds=1.0)
                    await town.kick()
                    await town.kill_ircd(away=away)
                    await town.lose_answers(seconds=2.0)
                    await asyncio.sleep(1.0)
                    await town.kill_synapse(away=away)
                    await asyncio.sleep(2.0)
            finally:
                stop.set()
        throttled = await _throttled(town.stage.daemon.bridge.status_port)
        town.stage.expect(throttled > 0, "Synapse never said 429")
        town.stage.expect(town.line.halved > 0, "no answer of Synapse was lost")
        notes = (
            f"{throttled:.0f} times 429; {town.line.halved} answers of Synapse cut; each server killed "
            f"{rounds} times"
        )
        return await town.stage.curtain(f"IRC and Matrix in trouble, {rounds} times", notes)


async def _throttled(port: int) -> float:
    """How often a destination asked for patience, by the daemon's own count."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as page,
    ):
        lines = (await page.text()).splitlines()
    begin = 'msgbridge_attempts_failed_total{instance="mx",kind="throttled"}'
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(begin))


@asynccontextmanager
async def _set_up(directory: Path) -> AsyncIterator[Town]:
    _look_for_servers()
    (directory / "ircd").mkdir()
    channels = [*(f"#c{n}" for n in range(_SENDERS)), *(f"#{name}" for name in _CROSSING)]
    names = [*(f"room{n}" for n in range(_SENDERS)), *_CROSSING]
    async with AsyncExitStack() as stack:
        ircd = stack.enter_context(ircds.running("inspircd", directory / "ircd"))
        starting = matrix_server.running(directory / "synapse", **_TIGHT)
        synapse = await asyncio.to_thread(starting.__enter__)
        stack.push(starting.__exit__)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10.0))
        )
        person = Person(session, synapse.url, synapse.register("max"))
        token = synapse.register(BOT)
        rooms = {name: await _room(person, name) for name in names}
        world = Neighbours(
            IrcWitness(ircd.port, channels),
            MatrixWitness(person, {id_: name for name, id_ in rooms.items()}),
        )
        bridge = Bridge(directory / "bridge", free_port(), free_port())
        line = await stack.enter_async_context(chaos(free_port(), synapse.port))
        _write(bridge, ircd.port, f"http://127.0.0.1:{line.port}", token, rooms)
        stage = Stage(world, Daemon(bridge), recovery_within=60.0)  # type: ignore[arg-type]
        port, ledger = bridge.listen_port, stage.ledger
        stage.senders = [NeighbourSender(n, port, ledger, stubborn=True) for n in range(_SENDERS)]
        async with running(stage):
            town = Town(stage, ircd, synapse, world, rooms, line)
            there = await world.irc.until(lambda here: _joins(here, BOT, "#forth"), seconds=20.0)
            assert there, f"the bridge did not come to IRC: {bridge.log.read_text()[-2000:]}"
            yield town


def _look_for_servers() -> None:
    wanted = []
    if not shutil.which("inspircd", path="/usr/sbin:/usr/local/sbin:/usr/bin"):
        wanted.append("InspIRCd (apt-get install inspircd)")
    if not matrix_server.PYTHON.exists():
        wanted.append("Synapse (make .venv-synapse/installed)")
    if wanted:
        raise NotHere(f"not run: needs {' and '.join(wanted)}")


async def _room(person: Person, name: str) -> str:
    wanted = {"name": name, "invite": [f"@{BOT}:{matrix_server.NAME}"]}
    made = await person.ask("POST", "client/v3/createRoom", wanted)
    return str(made["room_id"])


def _write(bridge: Bridge, irc_port: int, synapse: str, token: str, rooms: dict[str, str]) -> None:
    """Texts go out as they came; see `Bridge.write`."""
    bridge.write(sink_port=free_port(), pairs=[])
    config_file, rules_file = bridge.directory / "config.json", bridge.directory / "rules.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    del config["dingtalk"]["dst"]
    limit = {"send_timeout": "5s"}
    config["irc"] = {
        "net": {
            "host": "127.0.0.1",
            "port": irc_port,
            "tls": False,
            "nick": BOT,
            "channels": [f"#c{n}" for n in range(_SENDERS)] + [f"#{name}" for name in _CROSSING],
            "max_rate": "1000/1s",
            **limit,
        }
    }
    config["matrix"] = {
        "mx": {
            "homeserver_url": synapse,
            "access_token": token,
            "rooms": list(rooms.values()),
            **limit,
        }
    }

    def rule(id_: str, from_: dict[str, Any], to: dict[str, Any], msg: str = "{msg}") -> dict[str, Any]:
        return {"id": id_, "from": from_, "to": to, "msg": {"msg_format": msg}}

    rules = [
        rule("back", {"mx": {"room_id": rooms["back"]}}, {"net": {"channel": "#back"}}),
        rule("forth", {"net": {"channel": "#forth"}}, {"mx": {"room_id": rooms["forth"]}}),
    ]
    for n in range(_SENDERS):
        said = {"src": {"open_conversation_id": source(n)}}
        rules.append(rule(f"irc-{n}", said, {"net": {"channel": f"#c{n}"}}))
        rules.append(rule(f"mx-{n}", said, {"mx": {"room_id": rooms[f"room{n}"]}}, "t-{msg}"))
    config_file.write_text(json.dumps(config), encoding="utf-8")
    rules_file.write_text(json.dumps({"rules": rules}), encoding="utf-8")


LONG_ONLY: dict[str, Scenario] = {"neighbours": neighbours_fail}
