"""From an app robot's group to a group robot's, in one process, over real sockets."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bridge.app import App
from bridge.files import read_files
from bridge.journal.reading import open_reader
from bridge.model import Status
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.faults import Fault
from drivers.dingtalk.simulator import Simulator

TEAM = "cidSimGroup0000000001=="
TOKEN, SIGNED = "a" * 64, "SEC" + "b" * 64


class Corridor:
    """The whole bridge, and a DingTalk at both of its ends."""

    def __init__(self, app, dingtalk, robot, journal):
        self.app = app
        self.dingtalk = dingtalk
        self.robot = robot
        self.journal = journal
        self.said = 0

    async def say(self, text):
        self.said += 1
        now = datetime.now(UTC)
        body = Chat(robot_code=self.dingtalk.robot_code, conversation_id=TEAM).text(
            text, message_id=f"msg{self.said}==", at_ms=int(now.timestamp() * 1000)
        )
        url = f"http://127.0.0.1:{self.app.ports[8082]}/dingtalk/event"
        status, _ = await self.dingtalk.post_event(url, body, now=now)
        assert 200 == status

    def rows(self, status):
        with open_reader(self.journal) as reader:
            return reader.rows(status, limit=100)

    async def until(self, true):
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.02)

    async def settled(self):
        await self.until(lambda: not self.rows(Status.WAITING))


@asynccontextmanager
async def a_corridor(folder, *, keyword="告警", keywords=("告警",)):
    async with Simulator() as dingtalk:
        robot = dingtalk.webhooks.add(TOKEN, secret=SIGNED, keywords=keywords)
        app_robot = {
            "app_key": dingtalk.app_key,
            "app_secret": dingtalk.app_secret,
            "signing_secret": dingtalk.app_secret,
            "allowed_users": "*",
            "api_base_url": dingtalk.base_url,
            "oapi_base_url": dingtalk.base_url,
        }
        alerts = {
            "webhook_url": {"env": "WEBHOOK"},
            "sign_secret": {"env": "SIGNED"},
            "keyword": keyword,
        }
        config = {
            "global": {"data_dir": str(folder / "data"), "log": {"level": "warning"}},
            "dingtalk": {"dt": app_robot, "alerts": alerts},
        }
        rules = {"rules": [{"from": {"dt": {"open_conversation_id": "*"}}, "to": {"alerts": {}}}]}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "rules.json").write_text(json.dumps(rules))
        url = f"{dingtalk.base_url}/robot/send?access_token={TOKEN}"
        environ = {"WEBHOOK": url, "SIGNED": SIGNED}
        reading = read_files(folder / "config.json", folder / "rules.json", environ=environ)
        assert reading.good, reading.problems
        app = App(reading.config, reading.rules.router, environ={}, any_port=True)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(app.run())
            ready = tasks.create_task(app.ready.wait())
            await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
            try:
                yield Corridor(app, dingtalk, robot, folder / "data" / "journal.db")
            finally:
                app.stop()


def test_what_a_group_says_reaches_the_robots_group_signed_and_with_its_keyword(tmp_path):
    """And pings nobody."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            await corridor.say("磁盘满了 @all")
            await corridor.say("告警 解除")
            await corridor.settled()
            return corridor.robot.received, corridor.rows(Status.SENT)

    received, sent = asyncio.run(scenario())
    assert ["测试用户: 磁盘满了 ＠all\n告警", "测试用户: 告警 解除"] == [
        one["text"]["content"] for one in received
    ]
    assert all({"atUserIds": [], "isAtAll": False} == one["at"] for one in received)
    assert [f"{row.delivery.id}:1" for row in sent] == [one["msgUuid"] for one in received]


def test_the_twenty_first_message_waits(tmp_path):
    """Twenty at once, and none more within the minute: the robot is never blocked."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            for number in range(25):
                await corridor.say(f"{number}")
            await corridor.until(lambda: len(corridor.robot.received) == 20)
            await asyncio.sleep(0.2)
            return corridor.robot, corridor.rows(Status.WAITING)

    robot, waiting = asyncio.run(scenario())
    assert [f"测试用户: {number}\n告警" for number in range(20)] == robot.texts
    assert 5 == len(waiting)
    assert 0 == robot.gate.blocked


def test_a_lost_answer_is_repeated_and_the_group_sees_it_once(tmp_path):
    """The same msgUuid."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            corridor.dingtalk.fail_next(Fault(reset=True, took=True), path="/robot/send")
            await corridor.say("once")
            await corridor.settled()
            posts = [call for call in corridor.dingtalk.calls if call.path == "/robot/send"]
            return corridor.robot.texts, len(posts)

    texts, posts = asyncio.run(scenario())
    assert ["测试用户: once\n告警"] == texts
    assert 2 == posts


def test_a_wrong_keyword_suspends_and_loses_nothing(tmp_path):
    """The operator reads what to set; the messages wait, and none is a dead letter."""

    async def scenario():
        async with a_corridor(tmp_path, keyword="alert") as corridor:
            for number in range(3):
                await corridor.say(f"{number}")
            await corridor.until(lambda: any("/robot/send" == c.path for c in corridor.dingtalk.calls))
            await asyncio.sleep(0.2)
            posts = [call for call in corridor.dingtalk.calls if call.path == "/robot/send"]
            with open_reader(corridor.journal) as reader:
                (suspension,) = reader.suspensions(0.0)
            return len(posts), corridor.rows(Status.WAITING), corridor.rows(Status.DEAD), suspension

    posts, waiting, dead, suspension = asyncio.run(scenario())
    assert 1 == posts
    assert 3 == len(waiting)
    assert not dead
    assert ("alerts", "keyword_mismatch") == (suspension.instance, suspension.reason)
    assert "set keyword" in suspension.detail
