"""The whole daemon in the loop of a test, from files that the test may write anew."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from bridge.app import App
from bridge.files import read_files
from bridge.reload import Source, look
from tests.asking import ask


class Mouth:
    """A webhook that keeps what it is sent, with the time; ``hold`` makes it wait before it answers."""

    def __init__(self):
        self.got = []
        self.url = ""
        self.hold = asyncio.Event()
        self.hold.set()
        self.inside = 0
        self.status = 200

    async def take(self, request):
        body = await request.json()
        self.inside += 1
        await self.hold.wait()
        self.inside -= 1
        if self.status == 200:
            self.got.append((request.path, body["text"]))
        return web.Response(status=self.status)

    @property
    def texts(self):
        return [text for _, text in self.got]


@asynccontextmanager
async def a_mouth():
    mouth = Mouth()
    app = web.Application()
    app.router.add_post("/{name}", mouth.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    mouth.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield mouth
    finally:
        mouth.hold.set()
        await runner.cleanup()


@dataclass
class Daemon:
    """A running `App` and its two files."""

    app: App
    folder: Path
    session: aiohttp.ClientSession
    said: int = 0
    answers: list[int] = field(default_factory=list)

    @property
    def socket(self):
        return self.folder / "data" / "control.sock"

    async def ask(self, verb, **arguments):
        """What the desk answers."""
        kind, value = await ask(self.socket, verb, **arguments)
        assert kind == "result", value
        return value

    async def reload(self, **arguments):
        return await self.ask("reload", **arguments)

    async def status(self):
        return await self.ask("status")

    async def say(self, text, *, port, path="/in"):
        """A program calls us; the status of our answer."""
        self.said += 1
        async with self.session.post(
            f"http://127.0.0.1:{port}{path}",
            json={"text": text, "sender": {"name": "ci"}},
            headers={"webhook-id": f"m{self.said}"},
        ) as answer:
            self.answers.append(answer.status)
            return answer.status

    async def until(self, holds, within=10.0):
        """Look again and again; ``holds`` may be a coroutine function."""
        async with asyncio.timeout(within):
            while True:
                found = holds()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.01)

    async def settled(self):
        async def nothing_waits():
            return not (await self.status())["journal"]["ledger"]["by_status"]["waiting"]

        await self.until(nothing_waits)


def config(folder, instances, **more):
    """config.json with these webhook instances."""
    written = {
        "global": {
            "data_dir": str(folder / "data"),
            "http": {"host": "127.0.0.1"},
            "status": {"enabled": False},
            "log": {"level": "error"},
            **more,
        },
        "webhook": instances,
    }
    return json.dumps(written)


def rules(*made):
    """rules.json; each rule as (id, from, to, template)."""
    return json.dumps(
        {
            "rules": [
                {
                    "id": id_,
                    "from": {source: {}},
                    "to": {target: {} for target in targets},
                    "msg": {"msg_format": template},
                }
                for id_, source, targets, template in made
            ]
        }
    )


@asynccontextmanager
async def a_daemon(folder, config_text, rules_text, environ=None, **surroundings):
    """``surroundings`` are further arguments of `App`."""
    paths = folder / "config.json", folder / "rules.json"
    paths[0].write_text(config_text)
    paths[1].write_text(rules_text)
    seen = look(paths)

    def read():
        return read_files(*paths, environ={})

    reading = read()
    assert reading.good, reading.problems
    app = App(
        reading.config,
        reading.rules.router,
        environ=environ or {},
        source=Source(read=read, paths=paths, warnings=reading.problems, seen=seen),
        **surroundings,
    )
    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as session:
        running = tasks.create_task(app.run())
        ready = tasks.create_task(app.ready.wait())
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        try:
            yield Daemon(app, folder, session)
        finally:
            app.stop()
            ready.cancel()
            await asyncio.wait([running])
