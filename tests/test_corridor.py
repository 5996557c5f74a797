"""Near end to far end, in one process, over real sockets: files in, messages out."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook as Signature

from bridge.app import App, CannotStart
from bridge.files import read_files
from bridge.journal.reading import open_reader
from bridge.model import Status
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.simulator import Simulator

TEAM, OTHERS = "cidSimGroup0000000001==", "cidSimGroup0000000002=="
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Script:
    """A script that takes webhooks: it checks their signature and keeps them."""

    def __init__(self):
        self.got = []
        self.hangs = asyncio.Event()
        self.released = asyncio.Event()

    async def take(self, request):
        body = await request.text()
        self.got.append(Signature(SECRET).verify(body, dict(request.headers)))
        if self.hangs.is_set():
            await self.released.wait()
        return web.json_response({"id": f"w{len(self.got)}"})

    @property
    def texts(self):
        return [one["text"] for one in self.got]


class Corridor:
    """The whole bridge with a simulator at one end and a script at the other."""

    def __init__(self, app, dingtalk, script, ports, journal):
        self.app = app
        self.dingtalk = dingtalk
        self.script = script
        self.url = f"http://127.0.0.1:{ports[8082]}/dingtalk/event"
        self.status_url = f"http://127.0.0.1:{ports[8089]}"
        self.webhook_url = f"http://127.0.0.1:{ports[8083]}/hook"
        self.journal = journal
        self.said = 0

    async def say(self, text, *, chat=None, picture="", **more):
        """Somebody writes in a group, and DingTalk calls us; the status of the answer."""
        more = {"now": datetime.now(UTC), **more}
        self.said += 1
        chat = chat or Chat(robot_code=self.dingtalk.robot_code, conversation_id=TEAM)
        ids = {"message_id": f"msg{self.said}==", "at_ms": int(more["now"].timestamp() * 1000)}
        body = chat.picture(picture, **ids) if picture else chat.text(text, **ids)
        status, answer = await self.dingtalk.post_event(self.url, body, **more)
        if status == 200:
            assert {"msgtype": "empty"} == json.loads(answer)
        return status

    async def settled(self):
        """Wait until nothing waits."""
        async with asyncio.timeout(20):
            while self._waiting():
                await asyncio.sleep(0.02)

    def _waiting(self):
        with open_reader(self.journal) as reader:
            return reader.rows(Status.WAITING, limit=1)

    def texts(self, group):
        return [one.text for one in self.dingtalk.received if one.group == group]

    async def get(self, path):
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.status_url + path) as response,
        ):
            return response.status, await response.text()


def files(folder, dingtalk, script_port, **more):
    """The two files of a small team."""
    robot = {
        "app_key": dingtalk.app_key,
        "app_secret": dingtalk.app_secret,
        "signing_secret": {"env": "SIGNING"},
        "api_base_url": dingtalk.base_url,
    }
    config = {
        "global": {"data_dir": str(folder / "data"), "log": {"level": "warning"}, **more},
        "dingtalk": {"dt": robot},
        "webhook": {
            "script": {
                "url": f"http://127.0.0.1:{script_port}/",
                "secret": SECRET,
                "listen_port": 8083,
                "listen_path": "/hook",
            }
        },
    }
    rules = {
        "rules": [
            {
                "id": "rooms",
                "channels": {"dt": [{"open_conversation_id": TEAM}, {"open_conversation_id": OTHERS}]},
            },
            {"id": "all", "from": {"dt": {"open_conversation_id": "*"}}, "to": {"script": {}}},
            {"id": "back", "from": {"script": {}}, "to": {"dt": {"open_conversation_id": TEAM}}},
        ]
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "rules.json").write_text(json.dumps(rules))


@asynccontextmanager
async def a_corridor(folder, **more):
    """Files, daemon, simulator and script; ports are whatever is free."""
    script = Script()
    app_of_script = web.Application()
    app_of_script.router.add_post("/", script.take)
    runner = web.AppRunner(app_of_script, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Simulator() as dingtalk:
            files(folder, dingtalk, runner.addresses[0][1], **more)
            async with a_daemon(folder, dingtalk.app_secret) as app:
                journal = folder / "data" / "journal.db"
                yield Corridor(app, dingtalk, script, app.ports, journal)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_daemon(folder, signing):
    reading = read_files(folder / "config.json", folder / "rules.json", environ={"SIGNING": signing})
    assert reading.good, reading.problems
    app = App(reading.config, reading.rules.router, environ={}, any_port=True)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(app.run())
        ready = tasks.create_task(app.ready.wait())
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        try:
            yield app
        finally:
            app.stop()


def test_a_text_and_a_picture_cross_to_a_group_and_to_a_script(tmp_path):
    """What one group says arrives in the other and at the webhook, attachments as links."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            assert 200 == await corridor.say(" 构建 42 通过 ✅")
            assert 200 == await corridor.say("", picture="simPicture+/=")
            await corridor.settled()
            return corridor.texts(OTHERS), corridor.script.got, corridor.texts(TEAM)

    others, script, team = asyncio.run(scenario())
    assert "测试用户: 构建 42 通过 ✅" == others[0]
    name, url = others[1].split("\n")
    assert "测试用户:" == name
    assert url.startswith("http://127.0.0.1:")
    assert others == [one["text"] for one in script]
    assert [] == team


def test_with_a_public_url_pictures_come_from_the_bridge_itself(tmp_path):
    """Both destinations get the same link, and it is served at the door that DingTalk calls."""
    more = {"public_url": "https://bridge.example", "media": {"allow_networks": ["127.0.0.1"]}}

    async def scenario():
        async with a_corridor(tmp_path, **more) as corridor:
            await corridor.say("", picture="simPicture+/=")
            await corridor.settled()
            urls = {text.split("\n")[1] for text in corridor.texts(OTHERS) + corridor.script.texts}
            path = min(urls).removeprefix("https://bridge.example")
            here = corridor.url.removesuffix("/dingtalk/event") + path
            async with aiohttp.ClientSession() as session, session.get(here) as response:
                return urls, response.headers["Content-Type"], await response.read()

    urls, media_type, content = asyncio.run(scenario())
    assert 1 == len(urls)
    assert "image/png" == media_type
    assert content.startswith(b"\x89PNG")


def test_a_script_speaks_to_a_group(tmp_path):
    """Any program can sign a small JSON body and be heard."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            body = json.dumps({"text": "deployed", "sender": {"name": "ci"}})
            now = datetime.now(UTC)
            headers = {
                "webhook-id": "msg_1",
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Signature(SECRET).sign("msg_1", now, body),
                "content-type": "application/json",
            }
            async with aiohttp.ClientSession() as session:
                for _ in range(2):
                    async with session.post(corridor.webhook_url, data=body, headers=headers) as r:
                        assert 200 == r.status
                headers["webhook-id"] = "msg_2"
                async with session.post(corridor.webhook_url, data=body, headers=headers) as r:
                    assert 401 == r.status
            await corridor.settled()
            return corridor.texts(TEAM)

    assert ["ci: deployed"] == asyncio.run(scenario())


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"secret": None}, 401),
        ({"secret": "not the secret"}, 401),
        ({"now": datetime.now(UTC) - timedelta(minutes=10)}, 401),
        ({"now": datetime.now(UTC) + timedelta(minutes=10)}, 401),
    ],
    ids=["unsigned", "wrong secret", "stale", "from the future"],
)
def test_what_is_not_signed_now_does_not_come_in(tmp_path, more, expected):
    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            status = await corridor.say("evil", **more)
            await corridor.say("good")
            await corridor.settled()
            return status, corridor.texts(OTHERS)

    status, texts = asyncio.run(scenario())
    assert expected == status
    assert ["good"] == [text.partition(": ")[2] for text in texts]


@pytest.mark.parametrize(
    "fault",
    [
        refusal(500, "system.error"),
        refusal(403, "Forbidden.AccessDenied.QpsLimitForApi"),
        refusal(400, "InvalidAuthentication"),
        Fault(status=504, body=b"<html>"),
    ],
    ids=["500", "qps", "token", "gateway timeout"],
)
def test_what_a_destination_refuses_for_a_while_arrives_in_order(tmp_path, fault):
    """The other destination does not notice."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            corridor.dingtalk.fail_next(fault, path="/v1.0/robot/groupMessages")
            for n in range(5):
                await corridor.say(f"{n}")
            await corridor.settled()
            return corridor.texts(OTHERS), corridor.script.texts

    others, script = asyncio.run(scenario())
    said = [text.partition(": ")[2] for text in others]
    # An answer that is no answer may mean that it was taken: at most once more, and never less.
    assert ["0", "1", "2", "3", "4"] == list(dict.fromkeys(said))
    assert len(said) <= 6
    assert script == list(dict.fromkeys(others))


def test_while_one_destination_hangs_the_other_has_everything(tmp_path):
    """And every message is acknowledged: nothing on the way in waits for a way out."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            corridor.script.hangs.set()
            for n in range(20):
                assert 200 == await corridor.say(f"{n}")
            async with asyncio.timeout(10):
                while len(corridor.texts(OTHERS)) < 20:
                    await asyncio.sleep(0.02)
            heard = corridor.script.texts
            corridor.script.released.set()
            return corridor.texts(OTHERS), heard

    others, hanging = asyncio.run(scenario())
    assert 20 == len(others)
    assert 1 == len(hanging)


def test_what_was_accepted_before_a_stop_is_sent_after_the_start(tmp_path):
    """The destination is down, the daemon is restarted, the destination comes back."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            corridor.dingtalk.fail_next(
                *[refusal(500, "system.error")] * 3, path="/v1.0/robot/groupMessages"
            )
            for n in range(5):
                await corridor.say(f"{n}")
            corridor.app.stop()
            async with asyncio.timeout(10):
                await corridor.app.stopped.wait()
            before = corridor.texts(OTHERS)
            async with a_daemon(tmp_path, corridor.dingtalk.app_secret):
                await corridor.settled()
            return before, corridor.texts(OTHERS)

    before, after = asyncio.run(scenario())
    assert [] == before
    assert ["0", "1", "2", "3", "4"] == [text.partition(": ")[2] for text in after]


def test_monitors_can_ask_whether_all_is_well(tmp_path):
    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            await corridor.say("hi")
            await corridor.settled()
            pages = [await corridor.get(p) for p in ("/healthz", "/readyz", "/metrics", "/x")]
            async with (
                aiohttp.ClientSession() as session,
                session.get(
                    f"{corridor.status_url}/metrics", headers={"Host": "evil.example"}
                ) as rebound,
            ):
                return pages, rebound.status

    (health, ready, metrics, missing), rebound = asyncio.run(scenario())
    assert (200, "ok\n") == health
    assert (200, "ready\n") == ready
    assert 404 == missing[0]
    assert 421 == rebound
    for line in (
        'msgbridge_messages_accepted_total{instance="dt",verdict="new"} 1.0',
        'msgbridge_deliveries_settled_total{instance="script",reason="",status="sent"} 1.0',
        'msgbridge_deliveries_waiting{instance="dt"} 0.0',
        "msgbridge_ledger_balanced 1.0",
    ):
        assert line in metrics[1]


def test_two_daemons_do_not_share_a_journal(tmp_path):
    """Both would send everything."""

    async def scenario():
        async with a_corridor(tmp_path) as corridor:
            with pytest.raises(ExceptionGroup) as caught:
                async with a_daemon(tmp_path, corridor.dingtalk.app_secret):
                    pass
            return caught.value.exceptions

    (error,) = asyncio.run(scenario())
    assert isinstance(error, CannotStart)
    assert "another msgbridge" in str(error)
