"""Near end to far end over Stream: the gateway pushes, the daemon relays, connections come and go."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

from bridge.app import App
from bridge.clock import SystemClock
from bridge.files import read_files
from bridge.journal.reading import open_reader
from bridge.model import Status
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.faults import refusal
from drivers.dingtalk.simulator import Simulator

TEAM, OTHERS = "cidSimGroup0000000001==", "cidSimGroup0000000002=="


class Hasty(SystemClock):
    """The machine's clock for somebody without patience: what waits a second waits a fiftieth."""

    async def sleep(self, seconds):
        await super().sleep(seconds / 50)


class Corridor:
    """The whole bridge with DingTalk at both ends, and no port of ours that anybody calls."""

    def __init__(self, folder, dingtalk):
        self.folder = folder
        self.dingtalk = dingtalk
        self.gateway = dingtalk.gateway
        self.said = 0

    def body(self, text, **chat):
        self.said += 1
        robot = Chat(robot_code=self.dingtalk.robot_code, conversation_id=TEAM, **chat)
        return robot.text(text, message_id=f"msg{self.said}==", at_ms=int(time.time() * 1000))

    async def say(self, text, **more):
        return await self.gateway.say(self.body(text), **more)

    @property
    def texts(self):
        return [one.text.partition(": ")[2] for one in self.dingtalk.received if one.group == OTHERS]

    async def heard(self, count):
        async with asyncio.timeout(20):
            while len(self.texts) < count or self._waiting():
                await asyncio.sleep(0.02)

    def _waiting(self):
        with open_reader(self.folder / "data" / "journal.db") as reader:
            return reader.rows(Status.WAITING, limit=1)


def write_files(folder, dingtalk, **globals_):
    robot = {
        "app_key": dingtalk.app_key,
        "app_secret": dingtalk.app_secret,
        "receive": "stream",
        "allowed_users": ["manager1001"],
        "api_base_url": dingtalk.base_url,
        "oapi_base_url": dingtalk.base_url,
    }
    config = {
        "global": {
            "data_dir": str(folder / "data"),
            "log": {"level": "warning"},
            "status": {"enabled": False},
            **globals_,
        },
        "dingtalk": {"dt": robot},
    }
    rooms = {"dt": [{"open_conversation_id": TEAM}, {"open_conversation_id": OTHERS}]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "rules.json").write_text(json.dumps({"rules": [{"id": "rooms", "channels": rooms}]}))


@asynccontextmanager
async def a_daemon(folder):
    reading = read_files(folder / "config.json", folder / "rules.json", environ={})
    assert reading.good, reading.problems
    app = App(reading.config, reading.rules.router, environ={}, any_port=True, clock=Hasty())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(app.run())
        ready = tasks.create_task(app.ready.wait())
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        try:
            yield app
        finally:
            app.stop()


@asynccontextmanager
async def a_corridor(folder):
    async with Simulator() as dingtalk:
        write_files(folder, dingtalk)
        async with a_daemon(folder):
            yield Corridor(folder, dingtalk)


def test_a_message_crosses_without_any_address_of_ours(tmp_path):
    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            ack = await corridor.gateway.acked(await corridor.say("构建通过 ✅"))
            await corridor.gateway.acked(
                await corridor.gateway.say(corridor.body("evil", staff_id="stranger"))
            )
            await corridor.heard(1)
            return ack.code, corridor.texts

    assert (200, ["构建通过 ✅"]) == asyncio.run(scenario())


def test_connections_that_are_cut_in_the_middle_lose_nothing_and_double_nothing(tmp_path):
    """What was not acknowledged is sent again by DingTalk; the journal knows what it had already."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            gateway = corridor.gateway
            for cut in range(2):
                connection = await gateway.connection()
                for n in range(30):
                    await corridor.say(f"{cut}.{n}", to=connection)
                connection.drop()
                await gateway.until(lambda now, one=connection: one not in now.connections)
                await gateway.connection()
                await gateway.redeliver()
                await gateway.until(lambda now: not now.unacked)
            await gateway.disconnect(await gateway.connection())
            await gateway.acked(await corridor.say("last"))
            await corridor.heard(61)
            return corridor.texts

    texts = asyncio.run(scenario())
    expected = {f"{cut}.{n}" for cut in range(2) for n in range(30)} | {"last"}
    assert expected == set(texts)
    assert len(expected) == len(texts)


def test_a_daemon_that_is_stopped_and_started_has_everything_that_it_acknowledged(tmp_path):
    """And what came twice, once before and once after, is one message."""

    async def scenario():
        async with Simulator() as dingtalk:
            write_files(tmp_path, dingtalk)
            corridor = Corridor(tmp_path, dingtalk)
            twice = corridor.body("twice")
            async with a_daemon(tmp_path):
                await corridor.gateway.acked(await corridor.gateway.say(twice))
                sent = [await corridor.say(f"{n}") for n in range(20)]
            unacked = set(corridor.gateway.unacked)
            async with a_daemon(tmp_path):
                await corridor.gateway.connection()
                await corridor.gateway.redeliver()
                await corridor.gateway.acked(await corridor.gateway.say(twice))
                await corridor.gateway.until(lambda now: not now.unacked)
                await corridor.heard(21)
            return unacked <= set(sent), sorted(corridor.texts)

    unacked_are_ours, texts = asyncio.run(scenario())
    assert unacked_are_ours
    assert sorted(["twice", *(f"{n}" for n in range(20))]) == texts


_MORE_THAN_SLIPS_THROUGH = 900
"""
What is on its way into the journal when it becomes full still gets in: up to 256 messages of one
connection, and as many behind them.
"""


def test_a_full_journal_holds_the_stream_back_and_loses_nothing(tmp_path):
    """The platform has trouble, the journal fills up; nothing is acknowledged that is not in it."""

    async def scenario():
        async with Simulator() as dingtalk:
            write_files(tmp_path, dingtalk, journal={"max_waiting": 100})
            corridor = Corridor(tmp_path, dingtalk)
            dingtalk.fail_next(*[refusal(500, "system.error")] * 6, path="/v1.0/robot/groupMessages")
            async with a_daemon(tmp_path):
                for n in range(_MORE_THAN_SLIPS_THROUGH):
                    await corridor.say(f"{n}")
                await asyncio.sleep(0.3)
                held = len(corridor.gateway.unacked)
                await corridor.gateway.until(lambda now: not now.unacked, within=30)
                await corridor.heard(_MORE_THAN_SLIPS_THROUGH)
            return held, corridor.texts

    held, texts = asyncio.run(scenario())
    assert held > 0
    assert [f"{n}" for n in range(_MORE_THAN_SLIPS_THROUGH)] == texts
