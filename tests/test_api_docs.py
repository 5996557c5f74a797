"""The page about the API: its table is the API's, and what it tells people to type works."""

import asyncio
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.files import read_files
from bridge.model import Status
from bridge.status.api_operations import OPERATIONS
from tests import scenes
from tests.memory_desk import MemoryDesk
from tests.status_server import TOKENS, serving

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [DOCS / "api.md", DOCS / "api.zh.md"]


def name(path):
    return path.name


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_operation_stands_in_the_table_with_its_scopes(path):
    """And none that is not there."""
    rows = re.findall(
        r"^\| `([A-Z]+ /api/[^`]+)` \| ([a-z, ]+) \|", path.read_text("utf-8"), re.MULTILINE
    )

    assert [(f"{one.method} {one.path}", ", ".join(one.scopes)) for one in OPERATIONS] == rows


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_screenshot_is_shown_somewhere_and_small(path):
    """The pictures are made again by ``python -m tests.browser.screenshots``."""
    pictures = {one.name for one in (DOCS / "screenshots").glob("status-*.png")}
    shown = set(
        re.findall(r"screenshots/(status-[\w-]+\.png)", "".join(p.read_text("utf-8") for p in PAGES))
    )

    assert pictures == shown
    assert all(one.stat().st_size < 150_000 for one in (DOCS / "screenshots").glob("status-*.png"))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_the_page_names_every_kind_of_problem(path):
    """Those that the code can say, each once."""
    source = "".join(p.read_text("utf-8") for p in (DOCS.parent / "bridge/status").glob("*.py"))
    said = set(re.findall(r'Refusal\(\s*\d{3},\s*"(\w+)"', source)) | set(
        re.findall(r'Refusal\(e\.status, "(\w+)"', source)
    )
    said |= {"unknown", "unclear", "conflict", "unable"}  # the desk's own
    table = path.read_text("utf-8").rpartition("|---|---|---|")[2]
    written = [
        word
        for row in re.findall(r"^\| [\d、, ]+ \| ([^|]+) \|", table, re.MULTILINE)
        for word in re.findall("`([a-z]+)`", row)
    ]

    assert sorted(said) == sorted(written)


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl: apt-get install curl")
@pytest.mark.parametrize("path", PAGES, ids=name)
def test_what_the_page_tells_to_type_works(path, tmp_path):
    """Run by a shell, against a server, with the tokens in the environment."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", path.read_text("utf-8"), re.DOTALL))
    commands = [f"curl {one}".strip() for one in blocks.split("curl ")[1:]]
    config = {"dingtalk": {"dt_main": {"app_key": "k", "app_secret": "s3cret-s3cret", "robot_code": "k"}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "rules.json").write_text(json.dumps({"rules": []}))
    desk = MemoryDesk(scenes.healthy())
    desk.add(1, Status.DEAD, reason="gave_up")

    async def scenario():
        async with serving(desk) as server:
            read = read_files(tmp_path / "config.json", tmp_path / "rules.json", environ={}).config
            server.config = replace(read, global_=server.config.global_)
            environ = {
                "PATH": "/usr/bin:/bin",
                "CI_TOKEN": TOKENS["ci"].token,
                "MONITOR_TOKEN": TOKENS["monitor"].token,
                "OPERATOR_TOKEN": TOKENS["chief"].token,
                "DELIVERY_ID": "d1",
            }
            for command in commands:
                typed = command.replace("http://127.0.0.1:8089", server.url)
                process = await asyncio.create_subprocess_exec(
                    "/bin/sh", "-c", typed, env=environ,
                    stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                )  # fmt: skip
                answer, complaint = await process.communicate()
                assert 0 == process.returncode, f"{command}: {complaint.decode()}"
                assert json.loads(answer)

    asyncio.run(scenario())

    assert ["cidA==", "user:manager7"] == [letter.to.conversation for letter in desk.letters]
    assert Status.WAITING is desk.found["d1"].status
    assert 6 == len(commands)
