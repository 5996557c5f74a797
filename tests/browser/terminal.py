"""
The pictures of a terminal in ``docs/screenshots``: ``python -m tests.browser.terminal``.

They need Chromium, fonts (``fonts-dejavu``, ``fonts-noto-cjk``, ``fonts-noto-color-emoji``) and ``pngquant``.
"""

import asyncio
import base64
import json
import re
import sys
import tempfile
import time
import unicodedata
from contextlib import ExitStack, asynccontextmanager
from html import escape
from pathlib import Path

from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.simulator import Simulator
from tests.browser.devtools import browsing, chromium
from tests.browser.screenshots import FOLDER, small
from tests.daemon import ROOT, free_port
from tests.receiver import a_receiver
from tests.terminal import at_a_terminal, shown, with_a_clock

WIDTH = 900
LOOKS = {
    "1": "font-weight:700",
    "31": "color:#ff7b72",
    "32": "color:#7ee787",
    "33": "color:#f2cc60",
    "34": "color:#79c0ff",
}
"""What the colours that the commands use look like."""

STYLE = """
html { background: #161b22 }
body { margin: 0; padding: 16px 20px; color: #e6edf3 }
pre { margin: 0; font: 14px/1.35 "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace;
      white-space: pre-wrap; line-break: anywhere; width: 100ch }
i { display: inline-block; width: 2ch; font-style: normal; text-align: center; line-height: 1 }
b { color: #8b949e; font-weight: 400 }
"""


def as_page(typed, printed):
    """A self-contained page of what is typed and printed; colours by SGR (ECMA-48, 8.3.117)."""
    spans, looks = [], []
    for text, codes in re.findall(r"([^\x1b]+)|\x1b\[([\d;]*)m", printed):
        if text:
            spans.append(f'<span style="{";".join(looks)}">{"".join(map(cell, text))}</span>')
            continue
        for code in (codes or "0").split(";"):
            looks = [] if code == "0" else [*looks, LOOKS[code]]
    body = f"<pre><b>$</b> {escape(typed)}\n{''.join(spans)}</pre>"
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{body}"


def cell(char):
    """On a terminal a wide character takes exactly two places."""
    return f"<i>{char}</i>" if unicodedata.east_asian_width(char) in "WF" else escape(char)


async def check(folder):
    """Both files of the golden test, with their six mistakes."""
    for path in (ROOT / "tests/golden/six").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    environ = {"DT_APP_SECRET": "an-app-secret", "CI_SECRET": "a-secret-of-ours"}
    terminal, code = await asyncio.to_thread(shown, "check", folder=folder, environ=environ)
    assert 1 == code, terminal.screen
    return terminal.screen


async def demo(folder):
    terminal, code = await asyncio.to_thread(shown, "demo", folder=folder)
    assert 0 == code, terminal.screen
    return terminal.screen.lstrip("\n").replace(str(ROOT), "/opt/msgbridge")


@asynccontextmanager
async def house(folder):
    """A simulated DingTalk, a webhook that refuses its first message, one that takes all, one that is down."""
    async with Simulator() as dingtalk:
        with a_receiver() as ci, a_receiver(400) as pager:
            robot = {
                "app_key": dingtalk.app_key, "app_secret": {"env": "DT_APP_SECRET"}, "receive": "stream",
                "allowed_users": "*",
                "api_base_url": dingtalk.base_url, "oapi_base_url": dingtalk.base_url,
            }  # fmt: skip
            urls = {"archive": f"http://127.0.0.1:{free_port()}/", "ci": ci.url, "pager": pager.url}
            hooks = {name: {"url": url, "secret": {"env": "CI_SECRET"}} for name, url in urls.items()}
            status = {"status": {"port": free_port()}}
            config = {"global": status, "dingtalk": {"dt_main": robot}, "webhook": hooks}
            rule = {"from": {"dt_main": {"open_conversation_id": "*"}}}
            rules = [{"id": f"to-{name}", **rule, "to": {name: {}}} for name in hooks]
            (folder / "config.json").write_text(json.dumps(config))
            (folder / "rules.json").write_text(json.dumps({"rules": rules}))
            secrets = {"DT_APP_SECRET": dingtalk.app_secret, "CI_SECRET": "a-secret-of-ours"}
            yield dingtalk, {**secrets, "PATH": with_a_clock(folder)}


async def doctor(folder):
    """One receiver does not answer; all else is well."""
    async with house(folder) as (_, environ):
        terminal, code = await asyncio.to_thread(shown, "doctor", folder=folder, environ=environ)
    assert 1 == code, terminal.screen
    return terminal.screen


async def status(folder):
    """Of five messages each: one webhook took all, one refused the first, one hears nothing."""
    async with house(folder) as (dingtalk, environ):
        with ExitStack() as stack:
            daemon = stack.enter_context(at_a_terminal("run", folder=folder, environ=environ))
            await asyncio.to_thread(daemon.until, lambda one: "daemon.started" in one.plain)
            chat = Chat(robot_code=dingtalk.robot_code, conversation_id="cidTeamA==")
            for number in range(5):
                body = chat.text(
                    f"build {number}", message_id=f"m{number}", at_ms=int(time.time() * 1000)
                )
                await dingtalk.gateway.say(body)
            await asyncio.to_thread(daemon.until, lambda one: 9 == one.plain.count("delivery.sent"))
            terminal, code = await asyncio.to_thread(shown, "status", folder=folder, environ=environ)
            assert 0 == code, terminal.screen
            await asyncio.to_thread(daemon.stop)
    return terminal.screen


async def shoot(target):
    target.mkdir(parents=True, exist_ok=True)
    async with browsing() as page:
        for scene in (check, demo, doctor, status):
            with tempfile.TemporaryDirectory() as folder:
                printed = await scene(Path(folder))
            html = as_page(f"msgbridge {scene.__name__}", printed)
            encoded = base64.b64encode(html.encode()).decode()
            await page.open(f"data:text/html;charset=utf-8;base64,{encoded}", width=WIDTH, height=100)
            path = target / f"terminal-{scene.__name__}.png"
            path.write_bytes(small(await page.picture()))
            print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    if not chromium():
        sys.exit("Chromium is not installed; on Debian: apt-get install chromium")
    asyncio.run(shoot(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
