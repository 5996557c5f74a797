"""The whole bridge with a real IRC server at one end, which dies in the middle."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from bridge.clock import SystemClock
from tests.drivers.irc.ircds import free_port, running
from tests.drivers.irc.people import raw
from tests.running_app import a_daemon, a_mouth

pytestmark = [pytest.mark.full, pytest.mark.real_time]


class Hasty(SystemClock):
    """The machine's clock for somebody without patience: what waits a second waits a tenth."""

    async def sleep(self, seconds):
        await super().sleep(seconds / 10)


def files(folder, irc_port, in_port, out_url):
    config = {
        "global": {
            "data_dir": str(folder / "data"),
            "http": {"host": "127.0.0.1"},
            "status": {"enabled": False},
            "log": {"level": "error"},
        },
        "webhook": {"ci": {"url": f"{out_url}/x", "listen_port": in_port, "listen_path": "/in"}},
        "irc": {
            "net": {
                "host": "127.0.0.1",
                "port": irc_port,
                "tls": False,
                "nick": "bridge",
                "channels": ["#team"],
                "max_rate": "100/1s",
                "send_timeout": "5s",
            }
        },
    }
    both = {"ci": {}, "net": {"channel": "#team"}}
    return json.dumps(config), json.dumps({"rules": [{"id": "both", "channels": both}]})


@pytest.mark.parametrize("kind", ["inspircd", "ngircd"])
def test_a_server_that_is_killed_in_the_middle_loses_nothing(kind, tmp_path):
    """
    Every message is said in the channel, in order; one at most is said twice, the one whose
    confirmation the dead server still owed.
    """
    (tmp_path / "irc").mkdir()

    async def scenario(server):
        said = [f"line {number:02} 你好" for number in range(30)]
        heard = []
        async with AsyncExitStack() as stack:
            mouth = await stack.enter_async_context(a_mouth())
            port = free_port()
            config, rules = files(tmp_path, server.port, port, mouth.url)
            async with raw(server.port, "peer", "#team") as peer:
                daemon = await stack.enter_async_context(a_daemon(tmp_path, config, rules, clock=Hasty()))
                for text in said[:10]:
                    await daemon.say(text, port=port)
                await daemon.until(lambda: len(peer.said()) >= 5, within=30)
                server.kill()
                await peer.until(lambda _lines: peer.gone)  # what it still said is on its way
                heard += peer.said()
            for text in said[10:20]:
                await daemon.say(text, port=port)
            server.start()
            async with raw(server.port, "peer", "#team") as peer:
                for text in said[20:]:
                    await daemon.say(text, port=port)
                await daemon.until(lambda: peer.said()[-1:] == [f"ci: {said[-1]}".encode()], within=40)
                await daemon.settled()
                heard += peer.said()
                peer.say("PRIVMSG #team :and back")
                await daemon.until(lambda: mouth.texts == ["peer: and back"], within=10)
            status = await daemon.status()
        assert [200] * 30 == daemon.answers
        texts = [line.decode().removeprefix("ci: ") for line in heard]
        assert said == sorted(set(texts))
        assert texts == sorted(texts)
        assert len(texts) <= len(said) + 1
        assert 31 == status["journal"]["ledger"]["by_status"]["sent"]

    async def within_a_minute():
        async with asyncio.timeout(90):
            with running(kind, tmp_path / "irc") as server:
                await scenario(server)

    asyncio.run(within_a_minute())


def _joins(who):
    return sum(b":bridge_!" in line and b" JOIN " in line for line in who.lines)


@pytest.mark.parametrize("kind", ["inspircd", "ngircd"])
def test_a_taken_nick_and_a_kick_lose_and_double_nothing(kind, tmp_path):
    """
    Under another nick, out of the channel for some seconds, and under its own nick again.
    """
    (tmp_path / "irc").mkdir()
    said = [f"line {number:02}" for number in range(30)]

    async def scenario(server):
        port = free_port()
        async with (
            a_mouth() as mouth,
            raw(server.port, "op", "#team") as op,
            raw(server.port, "bridge", "#team") as holder,
        ):
            config, rules = files(tmp_path, server.port, port, mouth.url)
            async with a_daemon(tmp_path, config, rules, clock=Hasty()) as daemon:
                for text in said[:10]:
                    await daemon.say(text, port=port)
                await daemon.until(lambda: len(op.said()) >= 5, within=20)
                op.say("KICK #team bridge_ :out")
                for text in said[10:20]:
                    await daemon.say(text, port=port)
                # Only who shares a channel sees somebody leave; else the nick is tried every minute.
                await daemon.until(lambda: _joins(op) == 2, within=20)
                holder.say("QUIT")
                await daemon.until(lambda: any(b" NICK :bridge" in line for line in op.lines), within=20)
                for text in said[20:]:
                    await daemon.say(text, port=port)
                await daemon.until(lambda: len(op.said()) >= 30, within=30)
                await daemon.settled()
        assert [f"ci: {text}".encode() for text in said] == op.said()

    async def within_a_minute():
        async with asyncio.timeout(90):
            with running(kind, tmp_path / "irc") as server:
                await scenario(server)

    asyncio.run(within_a_minute())


@pytest.mark.parametrize("kind", ["inspircd", "ngircd"])
def test_twelve_thousand_characters_arrive_whole(kind, tmp_path):
    """
    In lines that no server cuts, in order, with nothing between them but what was cut at.
    """
    (tmp_path / "irc").mkdir()
    text = "".join(chr(0x4E00 + i % 5000) for i in range(12_000))

    async def scenario(server):
        port = free_port()
        async with a_mouth() as mouth, raw(server.port, "peer", "#team") as peer:
            config, rules = files(tmp_path, server.port, port, mouth.url)
            async with a_daemon(tmp_path, config, rules) as daemon:
                await daemon.say(text, port=port)
                await daemon.until(lambda: len(b"".join(peer.said())) >= 36_004, within=60)
                assert f"ci: {text}".replace(" ", "") == b"".join(peer.said()).decode().replace(" ", "")
                assert max(map(len, peer.lines)) <= 512

    async def within_a_minute():
        async with asyncio.timeout(90):
            with running(kind, tmp_path / "irc") as server:
                await scenario(server)

    asyncio.run(within_a_minute())
