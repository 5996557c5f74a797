"""The control socket against strangers: whatever bytes come, the daemon answers and goes on."""

import asyncio
import json
import os
import socket
from contextlib import asynccontextmanager

import pytest

from bridge.control import LONGEST_LINE, CannotControl, open_control, short_path
from bridge.desk import DeskError, Progress
from bridge.errors import JournalBroken
from tests.asking import ask, exchange


class Desk:
    """A desk that is a script: what each verb raises or answers."""

    def __init__(self):
        self.whos = []
        self.replayed = 0
        self.ended = asyncio.Event()
        self.error = None

    async def pause(self, instance, *, who):
        self.whos.append((instance, who))
        if self.error:
            raise self.error

    async def hold(self, choice, *, who):
        raise AssertionError("it was not chosen well")

    async def replay(self, choice, *, who, rate=None):
        try:
            while True:
                self.replayed += 1
                yield Progress(self.replayed, 1000)
                await asyncio.sleep(0.01)
        finally:
            self.ended.set()


@asynccontextmanager
async def a_control(folder, name="control.sock"):
    desk = Desk()
    async with open_control(folder / name, desk):
        yield folder / name, desk


def serve(scenario, folder):
    async def main():
        async with a_control(folder) as (path, desk):
            return await scenario(path, desk)

    return asyncio.run(main())


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"not json\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b"null\n",
        b'"status"\n',
        b"{}\n",
        b'{"verb": null}\n',
        b'{"verb": 7}\n',
        b'{"verb": "no such"}\n',
        b'{"verb": "__class__", "args": {}}\n',
        b'{"verb": "pause"}\n',
        b'{"verb": "pause", "args": []}\n',
        b'{"verb": "pause", "args": {"instance": ["x"]}}\n',
        b'{"verb": "pause", "args": {"instance": "\\ud800"}}\n',
        b'{"verb": "drop", "args": {"among": ["all"], "choice": {"ids": ["x"]}}}\n',
        b'{"verb": "hold", "args": {"choice": {"since": "yesterday"}}}\n',
        b'{"verb": "hold", "args": {"choice": {"ids": [' + b'"x",' * 2000 + b'"x"]}}}\n',
        b'{"verb": "replay", "args": {"rate": "many"}}\n',
        b"[" * 100_000 + b"\n",
        b'{"verb": "pause", "args": {"instance": NaN}}\n',
        b"x" * (LONGEST_LINE + 10) + b"\n",
    ],
    ids=lambda line: repr(line[:40]),
)
def test_what_is_no_request_is_answered_as_such(tmp_path, line):
    """And a good request right behind it is answered, too."""

    async def scenario(path, desk):
        ((kind, error),) = await exchange(path, line)
        good = await ask(path, "pause", instance="dt")
        return kind, error["code"], good, desk.whos

    kind, code, good, whos = serve(scenario, tmp_path)
    assert ("error", "malformed") == (kind, code)
    assert ("result", {}) == good
    assert [("dt", f"uid {os.getuid()}")] == whos


@pytest.mark.parametrize("raw", [b"", b'{"verb": "pa'])
def test_who_hangs_up_early_disturbs_nobody(tmp_path, raw):
    async def scenario(path, _desk):
        await exchange(path, raw, hang_up=True)
        return await ask(path, "pause", instance="dt")

    assert ("result", {}) == serve(scenario, tmp_path)


def test_who_says_nothing_is_sent_away(tmp_path):
    """A line has ten seconds to arrive; here less, because nobody wants to wait for that."""

    async def main():
        async with open_control(tmp_path / "control.sock", Desk(), ask_within=0.05):
            return await exchange(tmp_path / "control.sock", b'{"verb":')

    ((kind, error),) = asyncio.run(main())
    assert ("error", "malformed") == (kind, error["code"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DeskError("no", code="unknown"), "unknown"),
        (JournalBroken("the disk"), "storage"),
        (ZeroDivisionError("oops"), "bug"),
    ],
    ids=str,
)
def test_what_goes_wrong_has_a_code(tmp_path, error, code):
    """A bug of ours ends one request, not the daemon."""

    async def scenario(path, desk):
        desk.error = error
        _, answer = await ask(path, "pause", instance="dt")
        desk.error = None
        return answer["code"], await ask(path, "pause", instance="dt")

    assert (code, ("result", {})) == serve(scenario, tmp_path)


def test_long_work_ends_when_nobody_listens_any_more(tmp_path):
    """A replay that was interrupted by Ctrl-C puts nothing more into the queue."""

    async def scenario(path, desk):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b'{"verb": "replay", "args": {"choice": {"everything": true}}}\n')
        first = json.loads(await reader.readline())
        writer.close()
        async with asyncio.timeout(10):
            await desk.ended.wait()
        return first

    assert {"progress": {"done": 1, "total": 1000}} == serve(scenario, tmp_path)


def test_the_end_of_the_daemon_ends_every_conversation(tmp_path):
    async def main():
        async with a_control(tmp_path) as (path, desk):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b'{"verb": "replay", "args": {"choice": {"everything": true}}}\n')
            await reader.readline()
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()
        return desk.ended.is_set(), path.exists()

    assert (True, False) == asyncio.run(main())


def test_strangers_at_once_are_bounded(tmp_path):
    """More than 64 conversations are not begun, and those that are go on."""

    async def scenario(path, _desk):
        idle = [await asyncio.open_unix_connection(str(path)) for _ in range(70)]
        ((_, error),) = await exchange(path, b'{"verb": "pause", "args": {"instance": "x"}}\n')
        for _, writer in idle:
            writer.close()
        async with asyncio.timeout(10):
            while (await ask(path, "pause", instance="x"))[0] != "result":
                await asyncio.sleep(0.01)
        return error["message"]

    assert "at once" in serve(scenario, tmp_path)


def test_a_socket_that_was_left_behind_is_taken_over(tmp_path):
    """But neither one that answers, nor a file that is something else."""
    path = tmp_path / "control.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()

    async def scenario(path, _desk):
        with pytest.raises(CannotControl, match="another daemon answers"):
            async with open_control(path, Desk()):
                pass
        return await ask(path, "pause", instance="dt")

    assert ("result", {}) == serve(scenario, tmp_path)
    path.write_text("mine")
    with pytest.raises(CannotControl):
        serve(scenario, tmp_path)
    assert "mine" == path.read_text()


def test_a_path_too_long_for_the_kernel_works_all_the_same(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()

    async def main():
        async with a_control(folder) as (path, _desk):
            with short_path(path) as short:
                return await ask(short, "pause", instance="dt"), path.stat().st_mode & 0o777

    assert (("result", {}), 0o660) == asyncio.run(main())
