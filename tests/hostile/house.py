"""
A whole daemon with every listener open, and what must hold in it whatever strangers send.

It lives in a loop of its own that runs while a test does, so that one house serves all of them.
"""

import asyncio
import io
import itertools
import json
import logging
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog
from aiohttp import web

from bridge.clock import SystemClock
from bridge.log import Logbook
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.simulator import Simulator
from tests.daemon import free_port
from tests.running_app import a_daemon

ROBOT_SECRET = "sim-app-secret"
CALLBACK_TOKEN = "planted-callback-token"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
HOOK_SECRET = "planted-hook-secret-5b1f"
API_TOKEN = "planted-api-token-83c2d1"
GROUP_ROBOT_TOKEN = "e" * 64
SECRETS = (ROBOT_SECRET, CALLBACK_TOKEN, AES_KEY, HOOK_SECRET, API_TOKEN, GROUP_ROBOT_TOKEN)
CORP = "dingsimcorp0000000001"
CANARY = "canary-1d7be0c4"
"""Stands in texts of messages: whatever becomes of them, it is in no line of the log."""

TEAM, SMUGGLERS = "cidSimGroup0000000001==", "cidSimGroup0000000002=="
PUBLIC_URL = "https://bridge.example.com"
MOST_CONNECTIONS = 100
BODY_WITHIN = 0.6
_STEP = 0.005


class Hasty(SystemClock):
    """The machine's clock for somebody without any patience: what waits a second waits a moment."""

    async def sleep(self, seconds):
        await super().sleep(seconds / 200)


class Lag:
    """
    How long the loop was held at most since `begin`, in seconds: what lies between two ticks that
    should be `_STEP` apart, without the time in which this thread was ready to run and another
    process of the machine ran instead. That is no fault of ours, and the kernel counts it; waiting
    for a disk, for the other thread or for a lock is, and stays in.
    """

    def __init__(self, loop):
        self._loop = loop
        self._counted = Path("/proc/thread-self/schedstat")
        self.begin()

    def begin(self):
        self.longest = 0.0
        self._last = self._now()

    def tick(self):
        now = self._now()
        self.longest = max(self.longest, now - self._last - _STEP)
        self._last = now

    async def run(self):
        while True:
            await asyncio.sleep(_STEP)
            self.tick()

    def _now(self):
        """https://docs.kernel.org/scheduler/sched-stats.html: the second figure is the wait, in ns."""
        waited = int(self._counted.read_text().split()[1]) if self._counted.exists() else 0
        return self._loop.time() - waited / 1e9


class Mailbox:
    """Where messages arrive: whole bodies, as a webhook of ours posts them."""

    def __init__(self):
        self.got = []
        self.url = ""

    async def take(self, request):
        self.got.append(await request.json())
        return web.Response()

    @property
    def texts(self):
        return [body["text"] for body in self.got]


@asynccontextmanager
async def a_mailbox():
    mailbox = Mailbox()
    app = web.Application(client_max_size=32 << 20)
    app.router.add_post("/", mailbox.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    mailbox.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield mailbox
    finally:
        await runner.cleanup()


class House:
    """``ports`` by listener; ``log`` is what the daemon wrote; ``mail`` what arrived at the far end."""

    def __init__(self, daemon, dingtalk, mailbox, log, ports):
        self.daemon = daemon
        self.dingtalk = dingtalk
        self.group_robot = dingtalk.webhooks.robots[GROUP_ROBOT_TOKEN]
        self.gateway = dingtalk.gateway
        self.mail = mailbox
        self.log = log
        self.ports = ports
        self.lag = Lag(asyncio.get_running_loop())
        self.link = ""
        self.cookie = ""
        self._count = itertools.count(1)
        self._stamp = 0

    def news(self):
        """A text that was never said before, nor as a part of another."""
        return f"news {next(self._count)}."

    def name(self):
        """An id that was never used before."""
        return f"id{next(self._count)}"

    def milliseconds(self):
        """The time, never the same twice: one signature vouches for so many messages only."""
        self._stamp = max(self._stamp + 1, int(time.time() * 1000))
        return self._stamp

    def chat(self, **more):
        given = {"robot_code": self.dingtalk.robot_code, "conversation_id": TEAM, "corp_id": CORP, **more}
        return Chat(**given)

    def message(self, text, **chat):
        """A robot callback's body."""
        return self.body("text", text, **chat)

    def body(self, kind, *said, **chat):
        """One of any kind; without a session, which would lead to DingTalk itself."""
        make = getattr(self.chat(**chat), kind)
        body = make(*said, message_id=self.name(), at_ms=self.milliseconds())
        del body["sessionWebhook"], body["sessionWebhookExpiredTime"]
        return body

    async def until(self, true, within=10.0):
        """Look again and again; fails when it takes too long."""
        async with asyncio.timeout(within):
            while not (found := true()):
                await asyncio.sleep(0.002)
        return found

    async def heard(self, text):
        """Wait for a message at the far end that says so, and return it."""
        said = await self.until(lambda: [one for one in self.mail.got if text in one["text"]])
        return said[0]

    def lines(self, since=0):
        """What the daemon wrote from that position of its log on."""
        return [json.loads(line) for line in self.log.getvalue()[since:].splitlines()]


def _config(folder, dingtalk, mailbox, ports):
    robot = {
        "app_key": dingtalk.app_key,
        "app_secret": dingtalk.app_secret,
        "allowed_users": "*",
        "corp_id": CORP,
        "api_base_url": dingtalk.base_url,
        "oapi_base_url": dingtalk.base_url,
    }
    callbacks = {
        "listen_port": ports["robot"],
        "listen_path": "/dingtalk",
        "signing_secret": ROBOT_SECRET,
        "callback_token": CALLBACK_TOKEN,
        "callback_aes_key": AES_KEY,
    }
    hook = f"{dingtalk.base_url}/robot/send?access_token={GROUP_ROBOT_TOKEN}"
    return {
        "global": {
            "data_dir": str(folder / "data"),
            "public_url": PUBLIC_URL,
            "http": {
                "host": "127.0.0.1",
                "body_timeout": BODY_WITHIN,
                "max_connections": MOST_CONNECTIONS,
            },
            "status": {"port": ports["status"], "hosts": ["bridge.example.com"]},
            "api": {
                "tokens": {"all": {"token": API_TOKEN, "scopes": ["read", "send", "operate"]}},
                "rate": "100000/1m",
            },
            "media": {"max_file": "1MB", "allow_networks": ["127.0.0.1"]},
        },
        "dingtalk": {
            "dt": {**robot, **callbacks, "send_via": "session"},
            "dt_stream": {**robot, "receive": "stream", "send_via": "session"},
            "dt_group": {"webhook_url": hook},
        },
        "webhook": {
            "ear": {"listen_port": ports["webhook"], "listen_path": "/in", "secret": HOOK_SECRET},
            "mouth": {"url": mailbox.url, "secret": HOOK_SECRET},
        },
    }


def _rules():
    everything = ["message", "notice"]
    group = {"open_conversation_id": TEAM}
    smugglers = {"open_conversation_id": SMUGGLERS}
    said = {"msg_format": "{user}: {msg}"}
    return {
        "rules": [
            {"id": "robot", "from": {"dt": group}, "to": {"mouth": {}}, "when": {"kinds": everything}, "msg": said},
            {"id": "stream", "from": {"dt_stream": group}, "to": {"mouth": {}}, "msg": said},
            {"id": "hook", "from": {"ear": {}}, "to": {"mouth": {}}, "msg": said},
            {
                "id": "answers",
                "from": {"ear": {"conversation": "answers"}},
                "to": {"dt": group, "dt_stream": group},
            },
            {
                "id": "mentions",
                "from": {
                    "dt": smugglers, "dt_stream": smugglers, "ear": {"conversation": "smugglers"},
                },
                "to": {"dt": group, "dt_group": {}, "mouth": {}},
                "when": {"kinds": everything},
                "msg": said,
            },
        ]
    }  # fmt: skip


@asynccontextmanager
async def _open(folder: Path):
    ports = {name: free_port() for name in ("robot", "webhook", "status")}
    logbook = Logbook(SystemClock(), SECRETS)
    async with Simulator() as dingtalk, a_mailbox() as mailbox:
        dingtalk.gateway.max_opens_per_second = 10_000
        dingtalk.webhooks.add(GROUP_ROBOT_TOKEN, keywords=())
        with _logged(logbook) as log:
            config = _config(folder, dingtalk, mailbox, ports)
            files = json.dumps(config), json.dumps(_rules())
            async with a_daemon(folder, *files, clock=Hasty(), logbook=logbook) as daemon:
                ports["event"] = ports["links"] = ports["robot"]
                house = House(daemon, dingtalk, mailbox, log, ports)
                probe = asyncio.create_task(house.lag.run())
                try:
                    yield house
                finally:
                    probe.cancel()


@contextmanager
def _logged(logbook):
    """The daemon's log as it is in production, into a text; afterwards all is as before."""
    before = structlog.get_config() if structlog.is_configured() else None
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    log = io.StringIO()
    from bridge.log import set_up

    root.handlers = []  # or setting up would close those of the tests
    set_up("info", "json", logbook.redaction, log, folding=logbook.folding, keeping=logbook.keeping)
    structlog.configure(**{**structlog.get_config(), "cache_logger_on_first_use": False})
    try:
        yield log
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
        if before is not None:
            structlog.configure(**before)


@contextmanager
def a_house(folder):
    """Yields the house and what runs a coroutine in it."""
    with asyncio.Runner() as runner:
        moved_in, leave = runner.run(_events())

        async def live():
            async with _open(folder) as house:
                moved_in.set_result(house)
                await leave.wait()

        async def move_in():
            task = asyncio.create_task(live())
            await asyncio.wait([task, moved_in], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            return task, moved_in.result()

        async def move_out(task):
            leave.set()
            await task

        task, house = runner.run(move_in())
        try:
            yield house, runner.run
        finally:
            runner.run(move_out(task))


async def _events():
    return asyncio.get_running_loop().create_future(), asyncio.Event()
