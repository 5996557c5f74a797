"""
The quick start, typed as it is written; the simulator is DingTalk.

``python -m tests.test_quick_start`` writes what stands on the terminals into the pages anew.
"""

import asyncio
import json
import re
import shlex
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.simulator import Simulator
from tests.daemon import ROOT, command, free_port, running, wait_until
from tests.terminal import at_a_terminal, shown, with_a_clock
from tests.test_cli_run import a_receiver
from tests.test_docs_pages import fences

PAGES = ("quick-start.md", "quick-start.zh.md")
STEADY = (
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "2026-01-05T08:00:00.000000Z"),
    (r"127\.0\.0\.1:\d+/in", "127.0.0.1:9000/in"),
    (r"127\.0\.0\.1:\d+$", "127.0.0.1:8089"),
    (r"ports=\[\d+\]", "ports=[8089]"),
    (r"delivery=[0-9a-f]{16}", "delivery=6cc67347e19ec420"),
    (r"Python \S+, SQLite \S+, msgbridge \S+, .*", "Python 3.12.3, SQLite 3.45.1, msgbridge 1.0.0, …"),
    (r"version=\S+|(?<=^msgbridge )\d[^,]*", lambda found: re.sub(r"\d.*", "1.0.0", found[0])),
    (r"(?<=, up )\d+ s", "12 s"),
    (r"just now|\d+ s ago", "just now"),
)
"""What differs from run to run, and what is shown in its place."""


def read(page):
    """config.json, rules.json, and the lines that are typed."""
    blocks = fences((ROOT / "docs" / page).read_text("utf-8"))
    config, rules = (json.loads(text) for language, text in blocks if language == "json")
    lines = [line for language, text in blocks if language == "sh" for line in text.splitlines()]
    return config, rules, [line for line in lines if line.startswith("msgbridge ")]


@pytest.mark.parametrize("page", PAGES)
def test_the_quick_start_leads_to_a_relayed_message(tmp_path, page):
    """Every command ends with 0, and what is written in a group arrives at the webhook."""
    config, rules, typed = read(page)
    status_port = free_port()

    def write(dingtalk, url):
        """Only what stands for something else is filled in."""
        robot = config["dingtalk"]["dt_main"]
        robot |= {"api_base_url": dingtalk.base_url, "oapi_base_url": dingtalk.base_url}
        robot["app_key"] = dingtalk.app_key
        config["webhook"]["ci"]["url"] = url
        config["global"] = {"status": {"port": status_port}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "rules.json").write_text(json.dumps(rules))

    async def scenario():
        async with Simulator() as dingtalk:
            environ = {"DT_APP_SECRET": dingtalk.app_secret, "CI_SECRET": "a-secret-of-ours"}
            environ["PATH"] = ""  # what timedatectl says of this machine's clock is not our matter

            async def type_(line):
                words = shlex.split(line.replace("/etc/msgbridge/", f"{tmp_path}/"))[1:]
                done = await asyncio.to_thread(command, *words, folder=tmp_path, environ=environ)
                assert 0 == done.returncode, line + done.stdout + done.stderr

            with a_receiver() as (url, got), ExitStack() as stack:
                write(dingtalk, url)
                before = [line for line in typed if re.match("msgbridge (check|doctor|route)", line)]
                for line in before:
                    await type_(line)
                daemon = running(tmp_path, environ=environ)
                await asyncio.to_thread(stack.enter_context, daemon)
                chat = Chat(robot_code=dingtalk.robot_code, conversation_id="cidAnyGroup==")
                await dingtalk.gateway.say(
                    chat.text("hello from the group", message_id="m1", at_ms=int(time.time() * 1000))
                )
                await asyncio.to_thread(wait_until, lambda: got)
                for line in typed:
                    if line not in before and " run " not in line:
                        await type_(line)
                await asyncio.to_thread(stack.close)
        assert [True] == ["hello from the group" in text for text in got]
        assert {"check", "doctor", "run", "queue", "dead", "route"} == {line.split()[1] for line in typed}

    asyncio.run(scenario())


def steady(text):
    for pattern, placeholder in STEADY:
        text = re.sub(pattern, placeholder, text, flags=re.MULTILINE)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def session(folder):
    """What stands on two terminals: init, check, doctor, run; and status meanwhile."""
    environ = {"PATH": with_a_clock(folder), "NO_COLOR": "1"}

    def at_hand(*words):
        terminal, code = shown(*words, folder=folder, environ=environ)
        assert 0 == code, terminal.screen
        return f"$ msgbridge {' '.join(words)}\n{terminal.plain}\n"

    def init(dingtalk, url):
        with at_a_terminal("init", folder=folder, environ=environ) as terminal:
            for answer in (dingtalk.app_key, dingtalk.app_secret, "", "", f"{url}in"):
                terminal.answer(answer)
            assert 0 == terminal.end(), terminal.screen
        assert dingtalk.app_secret not in terminal.screen
        config = json.loads((folder / "config.json").read_text())
        robot = config["dingtalk"]["dt_main"]
        robot |= {"api_base_url": dingtalk.base_url, "oapi_base_url": dingtalk.base_url}
        config["global"]["status"]["port"] = free_port()
        (folder / "config.json").write_text(json.dumps(config))
        return f"$ msgbridge init\n{terminal.plain.replace(dingtalk.app_key, 'dingxxxxxxxxxx')}\n"

    async def scenario():
        async with Simulator() as dingtalk:
            with a_receiver() as (url, got), ExitStack() as stack:
                first = await asyncio.to_thread(init, dingtalk, url)
                for word in ("check", "doctor"):
                    first += await asyncio.to_thread(at_hand, word)
                daemon = stack.enter_context(at_a_terminal("run", folder=folder, environ=environ))
                await asyncio.to_thread(daemon.until, lambda one: "daemon.started" in one.plain)
                chat = Chat(robot_code=dingtalk.robot_code, conversation_id="cidAnyGroup==")
                await dingtalk.gateway.say(
                    chat.text("hello from the group", message_id="m1", at_ms=int(time.time() * 1000))
                )
                await asyncio.to_thread(daemon.until, lambda one: "delivery.sent" in one.plain)
                second = await asyncio.to_thread(at_hand, "status")
                assert 0 == await asyncio.to_thread(daemon.stop), daemon.screen
                assert [True] == ["hello from the group" in text for text in got]
        return first + f"$ msgbridge run\n{daemon.plain}", second

    return [steady(text) for text in asyncio.run(scenario())]


def terminals(page):
    return [
        text
        for language, text in fences((ROOT / "docs" / page).read_text("utf-8"))
        if language == "console"
    ]


def test_what_the_quick_start_shows_is_what_the_commands_print(tmp_path):
    """From nothing to a relayed message, on real terminals, within five minutes. Else: write it anew."""
    began = time.monotonic()
    printed = session(tmp_path)

    for page in PAGES:
        assert printed == terminals(page), f"{page} is old: python -m tests.test_quick_start"
    assert time.monotonic() - began < 300


def write_anew(printed):
    for page in PAGES:
        path = ROOT / "docs" / page
        text = path.read_text("utf-8")
        for old, new in zip(terminals(page), printed, strict=True):
            text = text.replace(f"```console\n{old}```", f"```console\n{new}```", 1)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_anew(session(Path(folder)))
