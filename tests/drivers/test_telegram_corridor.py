"""The whole bridge with a simulated Telegram at one end: nothing lost, and the token stays at home."""

import asyncio
import json
import logging
import socket
from contextlib import asynccontextmanager

import pytest

from bridge.clock import SystemClock
from drivers.telegram.simulator import Fault, Simulator, refusal
from drivers.telegram.updates import ALLOWED
from tests.drivers.telegram.pair import GROUP, PNG, SECRET, TOKEN
from tests.running_app import a_daemon, a_mouth

pytestmark = pytest.mark.real_time
HOOK_SECRET = "planted-hook-secret-8d1f"


class Hasty(SystemClock):
    """The machine's clock for somebody without patience: what waits a second waits a tenth."""

    async def sleep(self, seconds):
        await super().sleep(seconds / 10)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def files(folder, telegram, ports, out_url, *, level="debug", **bot):
    config = {
        "global": {
            "data_dir": str(folder / "data"),
            "http": {"host": "127.0.0.1"},
            "public_url": f"http://127.0.0.1:{ports[0]}",
            "status": {"enabled": False},
            "log": {"level": level},
        },
        "webhook": {"ci": {"url": f"{out_url}/x", "listen_port": ports[0], "listen_path": "/in"}},
        "telegram": {"tg": {"token": TOKEN, "base_url": telegram.base_url, **bot}},
    }
    both = {"ci": {}, "tg": {"chat_id": str(GROUP)}}
    return json.dumps(config), json.dumps({"rules": [{"id": "both", "channels": both}]})


@asynccontextmanager
async def a_bridge(folder, **bot):
    ports = free_port(), free_port()
    async with Simulator(token=TOKEN) as telegram, a_mouth() as mouth:
        telegram.chats.open(GROUP, "Team")
        telegram.queue.allowed = frozenset(ALLOWED)
        if bot.get("receive") == "webhook":
            bot["listen_port"] = ports[1]
            telegram.queue.webhook = f"http://127.0.0.1:{ports[1]}/telegram/update"
            telegram.queue.secret = HOOK_SECRET
        config, rules = files(folder, telegram, ports, mouth.url, **bot)
        async with a_daemon(folder, config, rules, clock=Hasty()) as daemon:
            yield telegram, mouth, daemon, ports


def everything_kept(folder) -> bytes:
    kept = (one.read_bytes() for one in sorted((folder / "data").rglob("*")) if one.is_file())
    return b"\0".join(kept)


WAYS = [{}, {"receive": "webhook", "webhook_secret": HOOK_SECRET}]


@pytest.mark.parametrize("bot", WAYS, ids=["poll", "webhook"])
def test_a_conversation_crosses_and_the_token_stays(bot, tmp_path, capfd, caplog):
    """
    Words, a picture by a link of the bridge's own, an edit and a reply; neither the journal, nor the
    copies, nor the log, nor anything that was posted has the token in it.
    """
    caplog.set_level(logging.DEBUG)

    async def scenario():
        async with a_bridge(tmp_path, **bot) as (telegram, mouth, daemon, ports):

            async def people(*args, **more):
                said = telegram.chats.say(GROUP, *args, **more)
                if bot:
                    assert {200} == set(await telegram.deliver())
                return said

            await people("hello", entities=[{"type": "bold", "offset": 0, "length": 5}])
            picture = telegram.files.store("photos/file_1.png", PNG)
            size = {**telegram.files.described(picture), "width": 9, "height": 9}
            await people(photo=[size], caption="look")
            await people(document=telegram.files.described("SimFile-0"), caption="and again")
            await daemon.until(lambda: len(mouth.got) == 3)
            await daemon.say("answer", port=ports[0])
            await daemon.until(lambda: telegram.chats.posted(GROUP))
            link = mouth.texts[1].split("\n")[1]
            async with daemon.session.get(link) as response:
                copy = await response.read()
            await daemon.settled()
            status = json.dumps(await daemon.status())
            return mouth.texts, telegram.chats.posted(GROUP), copy, status

    texts, posted, copy, status = asyncio.run(scenario())
    assert "Ada: **hello**" == texts[0]
    assert texts[1].startswith("Ada: look\nhttp://127.0.0.1:")
    assert PNG == copy
    assert ["ci: answer"] == [one["text"] for one in posted]
    logged = "".join(capfd.readouterr()) + caplog.text
    assert "message.accepted" in logged
    for secret in (SECRET, HOOK_SECRET):
        assert secret.encode() not in everything_kept(tmp_path)
        assert secret not in logged
        assert secret not in f"{texts}{posted}{status}"


def test_a_call_without_the_secret_is_refused(tmp_path):
    """
    Whoever finds the address: 401, and nothing is heard.
    """

    async def scenario():
        async with a_bridge(tmp_path, **WAYS[1], level="error") as (telegram, mouth, daemon, _):
            telegram.chats.say(GROUP, "forged")
            telegram.queue.secret = ""
            unsigned = await telegram.deliver()
            telegram.queue.secret = HOOK_SECRET + "x"
            wrong = await telegram.deliver()
            telegram.queue.secret = HOOK_SECRET
            right = await telegram.deliver()
            await daemon.until(lambda: mouth.texts)
            return unsigned, wrong, right, mouth.texts

    assert ([401], [401], [200], ["Ada: forged"]) == asyncio.run(scenario())


def test_a_bot_that_was_put_out_speaks_as_soon_as_it_is_let_in(tmp_path):
    """
    What was said meanwhile waits, and goes out at once: not at the next look, minutes later.
    """

    async def scenario():
        async with a_bridge(tmp_path, level="error") as (telegram, _mouth, daemon, ports):
            room = telegram.chats.by_id[GROUP]
            room.gone = "bot was kicked from the supergroup chat"
            for text in ("one", "two"):
                await daemon.say(text, port=ports[0])

            async def suspended():
                return '"suspended"' in json.dumps(await daemon.status())

            await daemon.until(suspended)
            telegram.chats.let_in(GROUP)
            await daemon.until(lambda: len(telegram.chats.posted(GROUP)) == 2)
            return [one["text"] for one in telegram.chats.posted(GROUP)]

    assert ["ci: one", "ci: two"] == asyncio.run(scenario())


def test_trouble_on_all_sides_loses_and_doubles_nothing(tmp_path):
    """
    Telegram fails while it is asked and while it is told; everything arrives once, in order.
    """
    said = [f"line {number:02}" for number in range(20)]

    async def scenario():
        async with a_bridge(tmp_path, level="error") as (telegram, mouth, daemon, ports):
            telegram.fail_next(
                refusal(409, "Conflict: terminated by other getUpdates request"),
                Fault(reset=True),
                Fault(200, b"<html>"),
                method="getUpdates",
            )
            telegram.fail_next(
                refusal(500, "Internal Server Error"),
                refusal(429, "Too Many Requests: retry after 1", retry_after=1),
            )
            for text in said:
                telegram.chats.say(GROUP, text)
                await daemon.say(text, port=ports[0])
            await daemon.until(
                lambda: len(mouth.got) >= 20 and len(telegram.chats.posted(GROUP)) >= 20, 30
            )
            await daemon.settled()
            return mouth.texts, [one["text"] for one in telegram.chats.posted(GROUP)]

    there, here = asyncio.run(scenario())
    assert [f"Ada: {text}" for text in said] == there
    assert [f"ci: {text}" for text in said] == here
