"""
A platform that repeats itself (contract clause 3): the same id a hundred times at once, again after
kill -9, and with other content; by HTTP and by Stream, into one real daemon.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from bench.bridge_files import Bridge
from bench.callbacks import PATH, ROBOT_CODE, SIGNING_SECRET, Callback, signature, source
from bench.ports import free_port
from bench.wire import Framed, get, status_of
from bridge.clock import SystemClock
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.simulator import Simulator
from tests.faults.daemon import Daemon
from tests.faults.judge import Verdict
from tests.faults.scenarios import Length, Scenario
from tests.faults.stage import Result

_TIMES = 100
_WITHIN = 20.0
_WAYS = ("http", "stream")


@dataclass(slots=True)
class _Sink:
    """Takes what the daemon posts."""

    texts: Counter[str] = field(default_factory=Counter)

    async def take(self, request: web.Request) -> web.Response:
        self.texts[(await request.json())["text"]] += 1
        return web.json_response({"id": str(self.texts.total())})

    async def got(self, *texts: str) -> bool:
        """Whether these come in time."""
        deadline = time.monotonic() + _WITHIN
        while not all(text in self.texts for text in texts):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


class _Post(Framed):
    def __init__(self) -> None:
        super().__init__()
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def message_received(self, head: bytes, body: bytes) -> None:
        if not self.status.done():
            self.status.set_result(status_of(head))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.status.done():
            self.status.set_exception(exc or ConnectionResetError("closed without an answer"))


@dataclass(slots=True)
class _Near:
    """Both ways into the daemon."""

    bridge: Bridge
    simulator: Simulator
    daemon: Daemon

    async def say(self, way: str, id_: str, text: str, *, times: int = 1) -> int:
        """The same message, so often at once; how many of them were answered as taken."""
        if way == "http":
            callback = Callback(source(1), id_, text)
            sent = callback.on_the_wire(self.bridge.listen_port, signature(time.time_ns() // 1_000_000))
            statuses = await asyncio.gather(*(self._post(sent) for _ in range(times)))
            return statuses.count(200)
        body = Chat(robot_code=self.simulator.robot_code).text(
            text, message_id=id_, at_ms=int(time.time() * 1000)
        )
        connection = await self.simulator.gateway.connection()
        frames = await asyncio.gather(
            *(self.simulator.gateway.say(body, to=connection) for _ in range(times))
        )
        acks = [await self.simulator.gateway.acked(frame) for frame in frames]
        return sum(ack.code == 200 for ack in acks)

    async def _post(self, sent: bytes) -> int:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_WITHIN):
            transport, post = await loop.create_connection(_Post, "127.0.0.1", self.bridge.listen_port)
            try:
                transport.write(sent)
                return await post.status
            finally:
                transport.close()

    async def verdicts(self, way: str) -> Counter[str]:
        """What the daemon made of all that came since its start."""
        _, page = await get(self.bridge.status_port, "/metrics")
        pattern = rf'messages_accepted_total{{instance="{way}",verdict="(\w+)"}} ([\d.]+)'
        return Counter({name: int(float(n)) for name, n in re.findall(pattern, page.decode())})


async def the_platform_repeats_itself(directory: Path, _: Length) -> Result:
    """The same message a hundred times at once, by HTTP and Stream, again after kill -9, and changed."""
    complaints: list[str] = []
    taken: list[str] = []
    began = time.monotonic()

    def expect(claim: bool, complaint: str) -> None:
        if not claim:
            complaints.append(complaint)

    sink = _Sink()
    async with _set_up(directory, sink) as near:
        for way in _WAYS:
            answered = await near.say(way, f"{way}Once==", f"{way} once", times=_TIMES)
            expect(answered == _TIMES, f"{way}: only {answered} of {_TIMES} were answered as taken")
            expect(await sink.got(f"{way} once"), f"{way}: the message did not arrive")
            counts = await near.verdicts(way)
            expect(
                (counts["new"], counts["duplicate"]) == (1, _TIMES - 1),
                f"{way}: {counts['new']} times new, {counts['duplicate']} times known",
            )
            changed = await near.say(way, f"{way}Once==", f"{way} but with other words")
            expect(changed == 1, f"{way}: the changed one was not answered as the first")
            conflicts = (await near.verdicts(way))["conflict"]
            expect(conflicts == 1, f"{way}: {conflicts} conflicts counted, not 1")
            taken.append(f"{way} {counts['new']}+{counts['duplicate']}")
        log = near.bridge.log.read_text(encoding="utf-8")
        told = log.count("message.conflicted")
        expect(told == len(_WAYS), f"the log tells of {told} conflicts")
        await near.daemon.kill()
        await near.daemon.start()
        for way in _WAYS:
            answered = await near.say(way, f"{way}Once==", f"{way} once", times=_TIMES)
            expect(answered == _TIMES, f"{way}: after kill -9 only {answered} were answered as taken")
            counts = await near.verdicts(way)
            expect(counts["duplicate"] == _TIMES, f"{way}: after kill -9 {dict(counts)}")
            await near.say(way, f"{way}Fresh==", f"{way} fresh")
            expect(await sink.got(f"{way} fresh"), f"{way}: a fresh message did not arrive")
        status, _seconds = await near.daemon.terminate()
        expect(status == 0, f"SIGTERM ended it with status {status}")
    wanted = {f"{way} {what}" for way in _WAYS for what in ("once", "fresh")}
    extra = sum(count - 1 for count in sink.texts.values())
    return Result(
        f"the same {_TIMES} times",
        Verdict(
            promised=len(wanted),
            arrived=len(wanted & set(sink.texts)),
            lost=len(wanted - set(sink.texts)),
            altered=0,
            spurious=len(set(sink.texts) - wanted),
            disordered=0,
            doubled=extra,
            doubled_too_often=extra,
        ),
        time.monotonic() - began,
        tuple(complaints),
        f"new + known: {', '.join(taken)}; as many again after kill -9, all known",
    )


@asynccontextmanager
async def _set_up(directory: Path, sink: _Sink) -> AsyncIterator[_Near]:
    app = web.Application()
    app.router.add_post("/sink", sink.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/sink"
    bridge = Bridge(directory, free_port(), free_port())
    async with Simulator(clock=SystemClock()) as simulator:
        _write_files(bridge, simulator, url)
        near = _Near(bridge, simulator, Daemon(bridge))
        try:
            await near.daemon.start()
            yield near
        finally:
            await near.daemon.end()
            await runner.cleanup()


def _write_files(bridge: Bridge, simulator: Simulator, url: str) -> None:
    account = {
        "app_key": simulator.app_key,
        "app_secret": simulator.app_secret,
        "allowed_users": "*",
        "api_base_url": simulator.base_url,
        "oapi_base_url": simulator.base_url,
    }
    config = {
        "global": {
            "data_dir": str(bridge.directory / "data"),
            "http": {"host": "127.0.0.1"},
            "log": {"level": "warning"},
            "status": {"host": "127.0.0.1", "port": bridge.status_port},
        },
        "dingtalk": {
            "http": {
                **account,
                "robot_code": ROBOT_CODE,
                "signing_secret": SIGNING_SECRET,
                "listen_port": bridge.listen_port,
                "listen_path": PATH,
            },
            "stream": {**account, "receive": "stream"},
        },
        "webhook": {"sink": {"url": url}},
    }
    rules = [
        {
            "id": way,
            "from": {way: {"open_conversation_id": "*"}},
            "to": {"sink": {}},
            "msg": {"msg_format": "{msg}"},
        }
        for way in _WAYS
    ]
    (bridge.directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (bridge.directory / "rules.json").write_text(json.dumps({"rules": rules}), encoding="utf-8")


LONG_ONLY: dict[str, Scenario] = {"duplicates": the_platform_repeats_itself}
"""The hours until an id is forgotten pass in `tests/test_duplicates.py`."""
