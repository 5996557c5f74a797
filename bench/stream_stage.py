"""One Stream client between a scripted gateway and a sink: what was said, and what arrived."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import web

from bridge.clock import SystemClock
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.gateway import Connection, Gateway
from drivers.dingtalk.simulator import Simulator

ROOT = Path(__file__).parent.parent
RESEND_AFTER = 16.0
"""Seconds until what is not acknowledged is sent again: the shortest that was seen in the field."""
_PROBE, _PROBE_EVERY = "probe", 0.1
OURS = "msgbridge"
OFFICIAL = {"dingtalk-stream 0.24.3": "stable", "dingtalk-stream 0.24.4b1": "next"}


@dataclass
class Stage:
    """``texts`` and ``order`` are what arrived at the sink; while ``down``, it answers 503."""

    simulator: Simulator
    process: asyncio.subprocess.Process | None = None
    sent: list[str] = field(default_factory=list)
    texts: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    down: bool = False
    resends: bool = True
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def gateway(self) -> Gateway:
        return self.simulator.gateway

    async def say(self, *, to: Connection | None = None) -> str:
        """A new message; its text."""
        text = f"message {len(self.sent)}"
        self.sent.append(text)
        await self._push(text, to)
        return text

    async def probed(self) -> None:
        """
        Wait until a new message goes all the way, on whatever connection there is then. Those that
        are said before that are not counted: they only measure time, which is shown already.
        """
        async with asyncio.TaskGroup() as tasks:
            saying = tasks.create_task(self._keep_probing())
            async with self._news:
                await self._news.wait_for(lambda: any(text.startswith(_PROBE) for text in self.texts))
            saying.cancel()

    async def _keep_probing(self) -> None:
        for number in count():
            await self._push(f"{_PROBE} {number}", None)
            await asyncio.sleep(_PROBE_EVERY)

    async def _push(self, text: str, to: Connection | None) -> None:
        body = Chat(robot_code=self.simulator.robot_code).text(
            text, message_id=f"msg {text}==", at_ms=int(time.time() * 1000)
        )
        await self.gateway.say(body, to=to)

    async def arrived(self, *texts: str, within: float = 120.0) -> None:
        """Wait until these have arrived. Raises TimeoutError."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: all(text in self.texts for text in texts))

    async def take(self, request: web.Request) -> web.Response:
        if self.down:
            return web.Response(status=503)
        text = json.loads(await request.read())["text"]
        async with self._news:
            self.order.append(text)
            self.texts[text] += 1
            self._news.notify_all()
        return web.json_response({"id": str(self.texts.total())})

    async def resend(self) -> None:
        """As DingTalk does with robot messages in the field, though its pages do not say so."""
        seen: dict[str, float] = {}
        while True:
            await asyncio.sleep(0.25)
            now = time.monotonic()
            seen = {one: seen.get(one, now) for one in self.gateway.unacked}
            due = [one for one, since in seen.items() if now - since >= RESEND_AFTER]
            if due and self.resends:
                await self.gateway.redeliver(due)
                seen.update(dict.fromkeys(due, now))

    @property
    def overtaken(self) -> int:
        """How many arrived after one that was said later."""
        number = {text: n for n, text in enumerate(self.sent)}
        latest = overtaken = 0
        for text in self.order:
            overtaken += number.get(text, latest) < latest
            latest = max(latest, number.get(text, latest))
        return overtaken

    @property
    def lost(self) -> int:
        return len(set(self.sent) - set(self.texts))

    @property
    def doubled(self) -> int:
        return sum(max(self.texts[text] - 1, 0) for text in self.sent)


@asynccontextmanager
async def stage(name: str, folder: Path, *, resends: bool) -> AsyncIterator[Stage]:
    """The client ``name`` is connected, and has relayed five messages."""
    async with Simulator(clock=SystemClock()) as simulator:
        it = Stage(simulator, resends=resends)
        app = web.Application()
        app.router.add_post("/sink", it.take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sink_url = f"http://127.0.0.1:{runner.addresses[0][1]}/sink"
        it.process = await _start(name, folder, simulator, sink_url)
        async with asyncio.TaskGroup() as tasks:
            resending = tasks.create_task(it.resend())
            try:
                await it.arrived(*[await it.say() for _ in range(5)])
                yield it
            finally:
                resending.cancel()
                it.process.terminate()
                await it.process.wait()
                await runner.cleanup()


async def _start(
    name: str, folder: Path, simulator: Simulator, sink_url: str
) -> asyncio.subprocess.Process:
    folder.mkdir(parents=True)
    environ = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    if name == OURS:
        _write_files(folder, simulator, sink_url)
        files = ("--config", str(folder / "config.json"), "--rules", str(folder / "rules.json"))
        command = [sys.executable, "-m", "bridge", "run", *files]
    else:
        environ |= {
            "BASE_URL": simulator.base_url,
            "APP_KEY": simulator.app_key,
            "APP_SECRET": simulator.app_secret,
            "SINK_URL": sink_url,
        }
        python = ROOT / ".venv-oracle" / OFFICIAL[name] / "bin" / "python"
        command = [str(python), str(Path(__file__).with_name("stream_sdk.py"))]
    with (folder / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environ, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log
        )


def _write_files(folder: Path, simulator: Simulator, sink_url: str) -> None:
    robot: dict[str, Any] = {
        "app_key": simulator.app_key,
        "app_secret": simulator.app_secret,
        "receive": "stream",
        "allowed_users": "*",
        "api_base_url": simulator.base_url,
        "oapi_base_url": simulator.base_url,
    }
    config = {
        "global": {
            "data_dir": str(folder / "data"),
            "log": {"level": "warning"},
            "status": {"enabled": False},
        },
        "dingtalk": {"robot": robot},
        "webhook": {"sink": {"url": sink_url}},
    }
    rule = {
        "id": "all",
        "type": "forward",
        "from": {"robot": {"open_conversation_id": "*"}},
        "to": {"sink": {}},
        "msg": {"msg_format": "{msg}"},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "rules.json").write_text(json.dumps({"rules": [rule]}), encoding="utf-8")
