"""The quick start, typed as it is written; the simulator is DingTalk."""

import asyncio
import json
import re
import shlex
import time
from contextlib import ExitStack

import pytest

from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.simulator import Simulator
from tests.daemon import ROOT, command, free_port, running, wait_until
from tests.test_cli_run import a_receiver
from tests.test_docs_pages import fences


def read(page):
    """config.json, rules.json, and the lines that are typed."""
    blocks = fences((ROOT / "docs" / page).read_text("utf-8"))
    config, rules = (json.loads(text) for language, text in blocks if language == "json")
    lines = [line for language, text in blocks if language == "sh" for line in text.splitlines()]
    return config, rules, [line for line in lines if line.startswith("msgbridge ")]


@pytest.mark.parametrize("page", ["quick-start.md", "quick-start.zh.md"])
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
