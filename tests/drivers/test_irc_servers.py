"""The IRC driver against real servers, InspIRCd and ngIRCd; people there use other clients."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.clock import SystemClock
from bridge.driver import Toolbox
from bridge.errors import Broken, DeliveryError, Indeterminate, Refused, Transient
from bridge.model import ConversationRef, Inbound, InstanceId, Sender, TextFormat, UserId
from drivers.irc import DRIVER
from tests.builders import an_outgoing
from tests.drivers.irc.ircds import Server, free_port, program, running
from tests.drivers.irc.people import person, raw

pytestmark = [pytest.mark.full, pytest.mark.real_time]

NET = InstanceId("net")


@pytest.fixture(params=["inspircd", "ngircd"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with running(request.param, tmp_path) as server:
        yield server


@pytest.fixture
def inspircd(tmp_path: Path) -> Iterator[Server]:
    with running("inspircd", tmp_path) as server:
        yield server


class Bridge:
    """An open driver that listens; ``heard`` is what it emitted, ``reported`` what it counted."""

    def __init__(self) -> None:
        self.heard: list[Inbound] = []
        self.reported: list[str] = []
        self.shown: dict[str, float] = {}
        self.driver: Any = None
        self.changed = asyncio.Event()

    async def emit(self, inbound: Inbound) -> None:
        self.heard.append(inbound)
        self.changed.set()

    @property
    def texts(self) -> list[str]:
        return [one.message.text for inbound in self.heard for one in inbound.envelopes]

    async def until(self, true: Callable[[], object], *, within: float = 20.0) -> None:
        """Wait; what is counted and shown is looked at every now and then."""
        async with asyncio.timeout(within):
            while not true():
                await asyncio.sleep(0.02)

    async def send(self, text: str, to: str = "#team", **more: Any) -> Any:
        return await self.driver.send(an_outgoing(text, to=f"net/{to}", **more))


@asynccontextmanager
async def bridge(port: int, *, patience: float = 10.0, **settings: Any) -> AsyncIterator[Bridge]:
    given = {"host": "127.0.0.1", "port": port, "tls": False, "nick": "bridge", "channels": ["#team"]}
    it = Bridge()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience)) as http:
        toolbox = Toolbox(http, SystemClock(), report=it.reported.append, show=it.shown.__setitem__)
        async with DRIVER.open(NET, {**given, **settings}, toolbox) as driver:
            it.driver = driver
            listening = asyncio.create_task(driver.listen(it.emit))  # type: ignore[attr-defined]
            try:
                yield it
            finally:
                listening.cancel()
                await asyncio.wait([listening])


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def within_a_minute() -> None:
        async with asyncio.timeout(60):
            await scenario

    asyncio.run(within_a_minute())


def test_a_long_chinese_text_arrives_byte_for_byte(server: Server) -> None:
    """
    600 characters are 1,800 bytes; no server cuts a line of ours, and no character is cut in two.
    """
    text = "".join(chr(0x4E00 + i) for i in range(600))

    async def scenario() -> None:
        async with (
            raw(server.port, "peer", "#team") as peer,
            person(server.port, "oracle") as oracle,
            bridge(server.port) as it,
        ):
            await it.send(text)
            await peer.until(lambda _lines: b"".join(peer.said()) == text.encode())
            await it.until(lambda: len(oracle.heard) == len(peer.said()))

            assert text == "".join(message for _, _, message in oracle.heard)
            assert {("#team", "bridge")} == {(target, by) for target, by, _ in oracle.heard}
            lines = [line for line in peer.lines if b"PRIVMSG" in line]
            assert max(map(len, lines)) <= 512
            assert len(lines) <= 5, "shorter lines than needed"

    run(scenario())


def test_what_people_say_is_heard_and_our_own_is_not(server: Server) -> None:
    """
    Another library's messages, actions and formatting; in a channel and in person.
    """

    async def scenario() -> None:
        async with bridge(server.port) as it, person(server.port, "oracle") as oracle:
            await it.send("from us")
            await oracle.message("#team", "hello 你好")
            await oracle.message("bridge", "between us")
            await oracle.ctcp("#team", "ACTION", "waves")
            await oracle.message("#team", "\x02bold\x02 and *not*")
            await it.until(lambda: len(it.texts) == 4)

            assert ["hello 你好", "between us", "*waves*", r"**bold** and \*not\*"] == it.texts
            envelopes = [one for inbound in it.heard for one in inbound.envelopes]
            assert ["#team", "nick:oracle", "#team", "#team"] == [
                e.source.conversation for e in envelopes
            ]
            assert [False, True, False, False] == [e.direct for e in envelopes]
            assert 4 == len({e.id for e in envelopes})
            assert {"oracle"} == {e.sender.display_name for e in envelopes}

    run(scenario())


def test_what_we_say_is_understood_by_another_library(server: Server) -> None:
    """
    Formatting as codes, an action as an action; a nick of the channel highlights nobody.
    """

    async def scenario() -> None:
        async with person(server.port, "oracle") as oracle:
            async with bridge(server.port) as it:
                await it.send("**Ada**: hi oracle", format=TextFormat.MARKDOWN)
                await it.send("in person", to="nick:oracle")
            async with bridge(server.port, send_as="action", nick="other") as it:
                await it.send("waves \x01 twice")
                await it.until(lambda: len(oracle.heard) == 3)

            assert [
                ("#team", "bridge", "\x02Ada\x02: hi o\u200bracle"),
                ("oracle", "bridge", "in person"),
                ("#team", "other", "* waves  twice"),
            ] == oracle.heard

    run(scenario())


def test_a_nick_that_is_taken_is_taken_back(server: Server) -> None:
    """
    Until its holder goes the bridge speaks under another; nothing waits for that.
    """

    async def scenario() -> None:
        async with (
            raw(server.port, "bridge", "#team") as holder,
            raw(server.port, "peer", "#team") as peer,
        ):
            async with bridge(server.port) as it:
                await it.send("first")
                await peer.until(lambda lines: any(b":bridge_!" in line for line in lines))
                assert any(not finding.ok for finding in await it.driver.probe())
                holder.say("QUIT")
                await it.until(lambda: it.shown.get("irc_nick_is_ours") == 1.0)
                await it.send("second")
                await peer.until(lambda _lines: len(peer.said()) == 2)

            assert b":bridge!" in next(line for line in peer.lines if b"second" in line)

    run(scenario())


def test_a_kick_is_reported_and_we_come_back(server: Server) -> None:
    """
    A few seconds later; a message in between is not lost but told to wait.
    """

    async def scenario() -> None:
        async with raw(server.port, "op", "#team") as op, bridge(server.port) as it:
            await it.send("before")
            op.say("KICK #team bridge :out")
            await it.until(lambda: "irc_kicked" in it.reported)
            with pytest.raises(Transient) as caught:
                await it.send("meanwhile")
            assert "kicked by op: out" in str(caught.value)
            await it.until(lambda: it.shown.get("irc_channels_joined") == 1.0)
            await it.send("after")
            await op.until(lambda _lines: op.said() == [b"before", b"after"])

    run(scenario())


def test_a_ban_suspends_the_channel_alone(server: Server) -> None:
    """
    An operator is needed, and is told which; other channels go on.
    """

    async def scenario() -> None:
        async with raw(server.port, "op", "#team") as op, bridge(server.port) as it:
            await it.send("before")
            op.say("MODE #team +b bridge!*@*")
            op.say("KICK #team bridge :out")
            await it.until(lambda: "irc_join_refused" in it.reported)
            with pytest.raises(Broken) as caught:
                await it.send("meanwhile")
            await it.send("elsewhere", to="#other")

            assert "banned" == caught.value.reason
            assert "conversation" == caught.value.scope
            findings = [finding for finding in await it.driver.probe() if not finding.ok]
            assert 1 == len(findings)

    run(scenario())


def test_a_channel_with_a_key_is_entered_with_it_and_not_without(server: Server) -> None:
    """
    The key is in the settings, and never in what is said of it.
    """

    async def scenario() -> None:
        async with raw(server.port, "op", "#secret") as op:
            op.say("MODE #secret +k sesame")
            async with bridge(server.port, channel_keys={"#secret": "sesame"}) as it:
                await it.send("in", to="#secret")
            async with bridge(server.port, nick="other") as it:
                with pytest.raises(Broken) as caught:
                    await it.send("out", to="#secret")
            await op.until(lambda _lines: op.said("#secret") == [b"in"])

            assert "bad_key" == caught.value.reason
            assert "sesame" not in str(caught.value)

    run(scenario())


def test_a_moderated_channel_and_an_absent_person_refuse_before_anybody_thinks_it_was_said(
    server: Server,
) -> None:
    """
    A server says nothing about a message that it took, so silence alone proves nothing.
    """

    async def scenario() -> None:
        async with raw(server.port, "op", "#team") as op, bridge(server.port) as it:
            await it.send("before")
            op.say("MODE #team +m")
            op.say("PING x")
            await op.until(lambda lines: any(b"PONG" in line for line in lines))
            with pytest.raises(Broken) as caught:
                await it.send("meanwhile")
            assert "cannot_send" == caught.value.reason
            with pytest.raises(Transient) as absent:
                await it.send("hello?", to="nick:nobody")
            assert "no_such_nick" == absent.value.reason
            op.say("MODE #team +v bridge")
            op.say("PING y")
            await op.until(lambda lines: sum(b"PONG" in line for line in lines) == 2)
            await it.send("after")
            await op.until(lambda _lines: op.said() == [b"before", b"after"])

    run(scenario())


def test_two_hundred_lines_arrive_in_order_and_nobody_is_killed(server: Server) -> None:
    """
    Each waits for its confirmation, so a server that slows us down is never ahead of us by more.
    """

    async def scenario() -> None:
        async with raw(server.port, "peer", "#team") as peer, bridge(server.port, patience=30) as it:
            for number in range(200):
                await it.send(f"line {number:03}")
            await peer.until(lambda _lines: len(peer.said()) == 200)

            assert [b"line %03d" % number for number in range(200)] == peer.said()
            assert not [event for event in it.reported if "reconnect" in event]

    run(scenario())


def test_a_server_that_dies_and_comes_back_gets_every_message(server: Server) -> None:
    """
    What was not confirmed is never called delivered; sent again as the core does, nothing is missing.
    """

    async def scenario() -> None:
        sent: list[str] = []
        errors: list[type] = []
        async with bridge(server.port, patience=5) as it:
            await it.send("first")
            server.kill()
            for number in range(3):
                try:
                    await it.send(f"lost {number}")
                except DeliveryError as e:
                    errors.append(type(e))
            server.start()
            async with raw(server.port, "peer", "#team") as peer:
                for number in range(3):
                    while True:
                        try:
                            await it.send(f"line {number}")
                        except (Transient, Indeterminate):
                            await asyncio.sleep(0.2)
                        else:
                            sent.append(f"line {number}")
                            break
                await peer.until(lambda _lines: len(peer.said()) >= 3)

                assert [one.encode() for one in sent] == peer.said()
        assert 3 == len(errors)
        assert set(errors) <= {Transient, Indeterminate}

    run(scenario())


def test_a_message_that_hangs_in_a_dead_network_is_not_called_delivered(server: Server) -> None:
    """
    The server is stopped, not closed: bytes still leave, and nobody says anything to them.
    """
    import os
    import signal

    async def scenario() -> None:
        async with bridge(server.port, patience=3) as it:
            await it.send("first")
            process = server._process
            assert process is not None
            os.kill(process.pid, signal.SIGSTOP)
            try:
                with pytest.raises(Indeterminate):
                    await it.send("into the void")
            finally:
                os.kill(process.pid, signal.SIGCONT)

    run(scenario())


def test_message_ids_and_replies_with_a_server_that_has_them(inspircd: Server) -> None:
    """
    The id in the receipt is the one that others see, and a reply by tag names it.
    """

    async def scenario() -> None:
        async with raw(inspircd.port, "peer", "#team") as peer:
            peer.say("CAP REQ :message-tags")
            async with bridge(inspircd.port, reply_tags=True) as it:
                first = await it.send("first")
                await it.send("second", reply_to=first.message_id)
                await peer.until(lambda _lines: len(peer.said()) == 2)

            lines = [line.decode() for line in peer.lines if b"PRIVMSG" in line]
            assert f"msgid={first.message_id}" in lines[0]
            assert f"+draft/reply={first.message_id}" in lines[1]

    run(scenario())


def test_a_censored_word_ends_that_message_alone(inspircd: Server) -> None:
    """
    The lane goes on: this message will never be taken.
    """

    async def scenario() -> None:
        async with raw(inspircd.port, "op", "#team") as op, bridge(inspircd.port) as it:
            await it.send("before")
            op.say("MODE #team +G")
            op.say("PING x")
            await op.until(lambda lines: any(b"PONG" in line for line in lines))
            with pytest.raises(Refused) as caught:
                await it.send("a verbotenwort here")
            await it.send("after")

            assert "content_refused" == caught.value.reason
            assert "verbotenwort" not in str(caught.value)

    run(scenario())


def _certificates(folder: Path) -> None:
    """A CA, and a certificate of 127.0.0.1 that it signed."""
    conf = folder / "openssl.cnf"
    conf.write_text(
        "[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\nbasicConstraints=critical,CA:true\n"
        "keyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n"
        "[leaf]\nsubjectAltName=IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n"
    )
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca -config openssl.cnf",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=127.0.0.1 -config openssl.cnf",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile openssl.cnf -extensions leaf",
    ):
        subprocess.run(
            [program("openssl"), *command.split()], cwd=folder, check=True, capture_output=True
        )


@pytest.mark.parametrize("kind", ["inspircd", "ngircd"])
def test_tls_is_verified_unless_told_otherwise(kind: str, tmp_path: Path) -> None:
    """
    By a CA of one's own or by a fingerprint; a stranger's certificate is an operator's affair.
    """
    _certificates(tmp_path)
    shown = subprocess.run(
        [program("openssl"), "x509", "-in", "server.pem", "-noout", "-fingerprint", "-sha256"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    fingerprint = shown.stdout.strip().partition("=")[2]

    async def scenario(port: int) -> None:
        tls = {"tls": True}
        for more in (
            {"tls_ca_file": str(tmp_path / "ca.pem")},
            {"tls_fingerprint": fingerprint},
            {"tls_verify": False},
        ):
            async with bridge(port, **tls, **more) as it:
                await it.send("over TLS")
                findings = await it.driver.probe()
                assert ("tls_verify" not in more) == all(finding.ok for finding in findings)
        for more in ({}, {"tls_fingerprint": "00" * 32}):
            async with bridge(port, **tls, **more) as it:
                with pytest.raises(Broken) as caught:
                    await it.send("to a stranger")
                assert "certificate" == caught.value.reason
                assert "instance" == caught.value.scope

    with running(kind, tmp_path, tls_port=free_port()) as server:
        run(scenario(server.tls_port))


def test_the_directory_names_who_is_there_also_without_entering(server: Server) -> None:
    """
    A command beside a running bridge is a visitor: it joins nothing and says nothing.
    """

    async def scenario() -> None:
        async with raw(server.port, "ada", "#team") as ada, bridge(server.port) as it:
            await it.send("here")
            assert ["ada"] == [entry.address["nick"] for entry in await it.driver.users()]
            assert [{"channel": "#team"}] == [e.address for e in await it.driver.conversations()]
            ada.say("PING before")
            await ada.until(lambda lines: any(b"PONG" in line for line in lines))
            before = len(ada.lines)
            async with aiohttp.ClientSession() as http:
                given = {
                    "host": "127.0.0.1", "port": server.port, "tls": False, "nick": "bridge",
                    "channels": ["#team"],
                }  # fmt: skip
                async with DRIVER.open(NET, given, Toolbox(http, SystemClock())) as visitor:
                    users = await visitor.users()  # type: ignore[attr-defined]
                    assert all(finding.ok for finding in await visitor.probe())
            assert {"ada", "bridge"} >= {entry.address["nick"] for entry in users} >= {"ada"}
            ada.say("PING z")
            await ada.until(lambda lines: any(b"PONG" in line for line in lines[before:]))
            assert not [line for line in ada.lines[before:] if b"JOIN" in line or b"PRIVMSG" in line]

    run(scenario())


def test_an_outgoing_of_a_person_pings_nobody_by_name(server: Server) -> None:
    """
    The writer's name is somebody's nick there, too.
    """
    sender = Sender(id=UserId("1"), display_name="peer")

    async def scenario() -> None:
        async with raw(server.port, "peer", "#team") as peer, bridge(server.port, pings="typed") as it:
            await it.driver.send(
                an_outgoing("peer: hello peer", to=str(ConversationRef(NET, "#team")), sender=sender)  # type: ignore[arg-type]
            )
            await peer.until(lambda _lines: peer.said())

            assert "p\u200beer: hello peer" == peer.said()[0].decode()

    run(scenario())
