"""
What stands behind the scenes of ``msgbridge demo``: the example files, the real daemon in a process of
its own, a stage on which the platform is played, and a webhook that listens.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bridge.driver import Stage
from bridge.listening import listen
from bridge.model import ConversationId
from bridge.registry import installed

START_WITHIN = 30.0
STOP_WITHIN = 20.0
_LOOK_EVERY = 0.02
_PLATFORM, _ROBOT, _WEBHOOK, _RULE = "dingtalk", "dt_main", "ci", "team-room"


@dataclass(frozen=True, slots=True)
class Script:
    """The example files, ready to be run on this machine alone."""

    examples: Path
    config: dict[str, Any]
    environ: dict[str, str] = field(repr=False)

    @property
    def rules(self) -> Path:
        return self.examples / "rules.json.example"

    @property
    def groups(self) -> tuple[ConversationId, ConversationId]:
        """The two that the first rule of the examples connects."""
        rules = json.loads(self.rules.read_text(encoding="utf-8"))["rules"]
        (rule,) = (rule for rule in rules if rule["id"] == _RULE)
        one, other = (address["open_conversation_id"] for address in rule["channels"][_ROBOT])
        return one, other

    @property
    def callback_url(self) -> str:
        robot = self.config[_PLATFORM][_ROBOT]
        return f"http://127.0.0.1:{robot['listen_port']}{robot['listen_path']}"

    @property
    def status_url(self) -> str:
        return f"http://127.0.0.1:{self.config['global']['status']['port']}"

    def journal(self) -> Path:
        return Path(self.config["global"]["data_dir"]) / "journal.db"


@asynccontextmanager
async def open_scene(folder: Path) -> AsyncIterator[tuple[Script, Stage, Listener]]:
    """
    The files with their outside ends replaced, the platform and the webhook; no daemon yet.

    Replaced are the data directory, ports, base URLs and secrets, and nothing else.
    """
    inside = Path(__file__).parent / "examples"  # an installed package carries them
    examples = inside if inside.is_dir() else Path(__file__).parent.parent
    config = json.loads((examples / "config.json.example").read_text(encoding="utf-8"))
    robot = config[_PLATFORM][_ROBOT]
    secret = secrets.token_hex(16)
    spec = installed().load(_PLATFORM)
    assert spec.stage is not None, "this platform can be played"
    async with _listener() as listener, spec.stage({**robot, "app_secret": secret}) as stage:
        robot.update(stage.overrides, listen_port=_free_port())
        config["webhook"][_WEBHOOK]["url"] = listener.url
        config["global"]["data_dir"] = str(folder / "data")
        config["global"]["status"]["port"] = _free_port()
        signing = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        environ = {**os.environ, "DT_APP_SECRET": secret, "CI_SECRET": signing}
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        yield Script(examples, config, environ), stage, listener


@asynccontextmanager
async def open_daemon(folder: Path, script: Script) -> AsyncIterator[float]:
    """
    The real daemon; yields the seconds that it took to be ready. Its log is ``daemon.log``.

    Raises OSError, with that log, when it does not become ready within `START_WITHIN`.
    """
    began = time.monotonic()
    log = folder / "daemon.log"
    files = ("--config", str(folder / "config.json"), "--rules", str(script.rules))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", "run", *files),
            env=script.environ,
            stdout=output,
            stderr=output,
        )
    try:
        while not await _is_ready(script.status_url):
            if process.returncode is not None or time.monotonic() - began > START_WITHIN:
                raise OSError(f"the daemon did not start:\n{log.read_text(errors='replace')}")
            await asyncio.sleep(_LOOK_EVERY)
        yield time.monotonic() - began
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_WITHIN)
        except TimeoutError:
            process.kill()


class Listener:
    """A webhook's end: the texts that it was sent."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.url = ""

    async def take(self, request: web.BaseRequest) -> web.Response:
        self.texts.append(json.loads(await request.read())["text"])
        return web.json_response({"id": str(len(self.texts))})


@asynccontextmanager
async def _listener() -> AsyncIterator[Listener]:
    listener = Listener()
    async with listen(listener.take, "127.0.0.1", 0) as port:
        listener.url = f"http://127.0.0.1:{port}/in"
        yield listener


async def _is_ready(status_url: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
            session.get(f"{status_url}/readyz") as response,
        ):
            return response.status == HTTPStatus.OK
    except (aiohttp.ClientError, TimeoutError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
