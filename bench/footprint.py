"""
What platforms cost that nobody uses, and what all of them cost together.

The servers of the other platforms are ports that nobody listens on: an idle account is one that tries.
"""

import asyncio
import subprocess
import sys
from typing import Any

from bench.ports import free_port
from bench.process import ROOT
from bench.rig import Rig, bridge
from bench.table import Figure

_IDLE_FOR = 5.0
_FOREIGN = ("mautrix", "irctokens", "apprise", "markdown_it")
"""Libraries that a daemon with DingTalk alone must not have loaded."""

_IMPORT = """
import sys, time
began = time.perf_counter()
import bridge.app, bridge.assembly, drivers.dingtalk, drivers.dingtalk.http_robot
print(time.perf_counter() - began, *[name for name in {foreign!r} if name in sys.modules])
"""


def everybody() -> dict[str, Any]:
    """One account of every other platform."""
    url = f"http://127.0.0.1:{free_port()}"
    return {
        "apprise": {"pager": {"urls": [f"json://127.0.0.1:{free_port()}"]}},
        "irc": {
            "net": {
                "host": "127.0.0.1",
                "port": free_port(),
                "tls": False,
                "nick": "bridge",
                "channels": ["#a"],
            }
        },
        "matrix": {"home": {"homeserver_url": url, "access_token": "bench-token"}},
        "telegram": {"bot": {"token": f"1:{'b' * 35}", "base_url": url}},
        "webhook": {"hook": {"url": url}},
    }


async def footprint(rig: Rig, pairs: int) -> list[Figure]:
    """Memory and start of a daemon with DingTalk alone, and with an account of every platform."""
    alone = [await _idle(rig, {}) for _ in range(pairs)]
    together = [await _idle(rig, everybody()) for _ in range(pairs)]
    imports = [_imported() for _ in range(pairs)]
    floor_name = "DingTalk alone"
    return [
        Figure(
            "RSS idle, a driver of every platform",
            "MB",
            [rss for rss, _ in together],
            [rss for rss, _ in alone],
            floor_name,
            "difference",
        ),
        Figure(
            "start to ready, a driver of every platform",
            "s",
            [ready for _, ready in together],
            [ready for _, ready in alone],
            floor_name,
            "difference",
        ),
        Figure("import of a daemon with DingTalk alone", "s", imports),
    ]


async def _idle(rig: Rig, others: dict[str, Any]) -> tuple[float, float]:
    """RSS in MB after five idle seconds, and seconds from start to ready."""
    async with bridge(rig, [(0, 0)], others=others) as relay:
        await asyncio.sleep(_IDLE_FOR)
        return relay.process.rss_mb(), relay.ready_after


def _imported() -> float:
    """Seconds. Raises `RuntimeError` where a library of another platform came with it."""
    command = [sys.executable, "-c", _IMPORT.format(foreign=_FOREIGN)]
    said = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    seconds, *loaded = said.split()
    if loaded:
        raise RuntimeError(f"a daemon with DingTalk alone loads {', '.join(loaded)}")
    return float(seconds)
