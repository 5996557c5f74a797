"""The IRC driver in front of a server that does what real ones cannot be made to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bridge.clock import SystemClock
from bridge.driver import Toolbox
from bridge.errors import Broken, Indeterminate, JournalBroken, JournalFull, Refused, Transient
from bridge.model import Inbound, InstanceId, MessageId
from drivers.irc import DRIVER, connection
from tests.builders import an_outgoing
from tests.drivers.irc.scripted import Guest, Scripted

ECHO = "message-tags echo-message labeled-response batch"


class Restless(SystemClock):
    """Waits no longer than a moment, and says for how long it was asked to."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.005))


class Net:
    """A driver that is open and what it was told by the journal."""

    def __init__(self, server: Scripted) -> None:
        self.server = server
        self.driver: Any = None
        self.clock = Restless()
        self.reported: list[str] = []
        self.heard: list[str] = []
        self.journal_says: list[Exception] = []

    async def emit(self, inbound: Inbound) -> None:
        if self.journal_says:
            raise self.journal_says.pop(0)
        self.heard += [one.message.text for one in inbound.envelopes]
        self.server.changed.set()

    async def send(self, text: str = "hello", to: str = "#team") -> Any:
        return await self.driver.send(an_outgoing(text, to=f"net/{to}"))


@asynccontextmanager
async def net(server: Scripted, *, patience: float = 5.0, **given: Any) -> AsyncIterator[Net]:
    it = Net(server)
    async with (
        server.running(),
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience)) as http,
    ):
        toolbox = Toolbox(http, it.clock, report=it.reported.append)
        settings = {
            "host": "127.0.0.1", "port": server.port, "tls": False, "nick": "bridge",
            "channels": ["#team"], **given,
        }  # fmt: skip
        async with DRIVER.open(InstanceId("net"), settings, toolbox) as driver:
            it.driver = driver
            yield it


@asynccontextmanager
async def listening(it: Net) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(it.driver.listen(it.emit))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def run(scenario: Any) -> None:
    async def within_a_while() -> None:
        async with asyncio.timeout(20):
            await scenario

    asyncio.run(within_a_while())


def test_one_connection_carries_both_ways() -> None:
    """
    What is sent and what is heard share a nick, and a stop of the one closes it when the other is done.
    """

    async def scenario() -> None:
        async with net(Scripted()) as it:
            async with listening(it):
                await it.send()
                it.server.guest.say(":ada!a@h PRIVMSG #team :hi")
                await it.server.until(lambda: it.heard)
                assert 1 == len(it.server.guests)
            assert it.server.said("QUIT")
            await it.send("again")
            assert 2 == len(it.server.guests)

    run(scenario())


def test_its_own_nick_stays_a_word() -> None:
    """
    The others' nicks are hidden from highlighting; the bridge calls nobody when it says its own.
    """

    async def scenario() -> None:
        async with net(Scripted()) as it:
            await it.send("ada went over the bridge")
        assert ["PRIVMSG #team :a\u200bda went over the bridge"] == it.server.said("PRIVMSG")

    run(scenario())


def test_a_message_on_its_way_outlives_the_end_of_listening() -> None:
    """
    At a stop the daemon ends its listeners first, and waits for what is being sent.
    """

    def answer(guest: Guest, verb: str, params: list[str]) -> Iterable[str] | None:
        return () if verb == "PING" else None

    async def scenario() -> None:
        async with net(Scripted(answer)) as it:
            async with listening(it):
                sending = asyncio.create_task(it.send())
                await it.server.until(lambda: it.server.said("PING"))
            token = it.server.said("PING")[0].split()[1]
            it.server.guest.say(f":irc.test PONG irc.test :{token}")

            await sending
            await it.server.until(lambda: it.server.guest.gone)

    run(scenario())


def test_a_connection_that_breaks_before_the_confirmation_leaves_it_open() -> None:
    """
    The bytes had left. The next message goes over a new connection, and nothing was called delivered.
    """
    cuts = [True, False]

    def answer(guest: Guest, verb: str, params: list[str]) -> Iterable[str] | None:
        if verb == "PRIVMSG" and cuts.pop(0):
            guest.hang_up()
            return ()
        return None

    async def scenario() -> None:
        async with net(Scripted(answer)) as it:
            with pytest.raises(Indeterminate):
                await it.send()
            while True:
                try:
                    await it.send()
                except Transient:
                    await asyncio.sleep(0.01)
                else:
                    break
            assert 2 == len(it.server.guests)
            assert "irc_reconnect_closed" in it.reported or "irc_reconnect_connection_lost" in it.reported

    run(scenario())


def test_reconnecting_waits_longer_and_longer() -> None:
    """
    2 seconds at least and two minutes at most; a server that throws us out is not stormed.
    """

    def answer(guest: Guest, verb: str, params: list[str]) -> Iterable[str] | None:
        guest.hang_up()
        return ()

    async def scenario() -> None:
        async with net(Scripted(answer)) as it, listening(it):
            await it.server.until(lambda: len(it.clock.slept) >= 9)
            waits = it.clock.slept[:9]
            assert all(connection.SHORTEST <= wait <= connection.LONGEST for wait in waits)
            assert waits[-1] >= connection.LONGEST / 2
            assert waits[0] <= 4

    run(scenario())


def test_a_login_that_fails_suspends_the_instance_and_is_not_tried_again_at_once() -> None:
    """
    A network bans who tries passwords; and what the server repeats of ours is masked.
    """

    async def scenario() -> None:
        server = Scripted(capabilities="sasl", accounts={"bridge": "right"})
        async with net(server, sasl_password="wrong") as it:
            with pytest.raises(Broken) as caught:
                await it.send()
            assert ("sasl_failed", "instance") == (caught.value.reason, caught.value.scope)
            assert "wrong" not in str(caught.value)
            assert not server.said("JOIN")
            findings = await it.driver.probe()
            assert [False] == [finding.ok for finding in findings]

    run(scenario())


@pytest.mark.parametrize("external", [False, True])
def test_a_login_that_works_is_shown(external: bool) -> None:
    """
    The account that the server names.
    """

    async def scenario() -> None:
        server = Scripted(capabilities="sasl=PLAIN,EXTERNAL", accounts={"ops": "right"})
        how = {"sasl_external": True} if external else {"sasl_user": "ops", "sasl_password": "right"}
        async with net(server, **how) as it:
            await it.send()
            whats = [finding.what for finding in await it.driver.probe()]
            assert f"SASL logged us in: {'by-certificate' if external else 'ops'}" in whats

    run(scenario())


def test_ids_come_from_the_echo() -> None:
    """
    And a multi-line text is one message, whose first line has its id.
    """

    async def scenario() -> None:
        async with net(Scripted(capabilities=ECHO)) as it:
            receipt = await it.send("one\ntwo")
            assert receipt.message_id
            assert ["PRIVMSG #team one", "PRIVMSG #team two"] == it.server.said("PRIVMSG")
            assert not it.server.said("PING")

    run(scenario())


@pytest.mark.parametrize("capabilities", ["", ECHO])
def test_a_reply_is_a_tag_or_it_is_noted_that_it_is_none(capabilities: str) -> None:
    """
    A server without tags would refuse the whole line.
    """

    async def scenario() -> None:
        async with net(Scripted(capabilities=capabilities), reply_tags=True) as it:
            answer = an_outgoing("yes", to="net/#team", reply_to=MessageId("m1"))
            receipt = await it.driver.send(answer)
            line = next(line for line in it.server.guest.said if "PRIVMSG" in line)
            assert bool(capabilities) == ("+draft/reply=m1" in line) == (not receipt.notes)

    run(scenario())


def test_messages_at_the_same_time_are_told_apart() -> None:
    """
    One is refused, the others are delivered, whatever the server says in between.
    """

    def answer(guest: Guest, verb: str, params: list[str]) -> Iterable[str] | None:
        if verb == "PRIVMSG" and params[0] == "#closed":
            return (f":irc.test 404 {guest.nick} #CLOSED :Cannot send to channel (+m)",)
        return None

    async def scenario() -> None:
        async with net(Scripted(answer)) as it:
            results = await asyncio.gather(
                *(it.send(to=to) for to in ("#a", "#closed", "#b", "#closed", "nick:ada")),
                return_exceptions=True,
            )
            kinds = [type(result) for result in results]
            assert [Broken, Broken] == [kinds[1], kinds[3]]
            assert not {kinds[0], kinds[2], kinds[4]} & {Broken}

    run(scenario())


def test_a_channel_named_in_the_rules_alone_is_entered_when_it_is_needed() -> None:
    """
    And stays entered.
    """

    async def scenario() -> None:
        async with net(Scripted(), channels=[]) as it:
            await it.send(to="#new")
            await it.send(to="#new")
            assert ["JOIN #new"] == it.server.said("JOIN")

    run(scenario())


@pytest.mark.parametrize(
    "target", ["nick:a b", "nick:a,b", "nick:", "nick::x", "nick:*!*@*", "nick:$irc.x"]
)
def test_who_is_nobody_is_refused(target: str) -> None:
    """
    A nick out of a rule or a script cannot become a list, a mask or a second parameter.
    """

    async def scenario() -> None:
        async with net(Scripted()) as it:
            with pytest.raises(Refused):
                await it.send(to=target)
            assert not it.server.said("PRIVMSG")

    run(scenario())


def test_a_full_journal_gets_everything_later_and_in_order() -> None:
    """
    IRC says everything once, so nothing may be let go.
    """

    async def scenario() -> None:
        async with net(Scripted()) as it:
            it.journal_says = [JournalFull("full", retry_after=3600)] * 3
            async with listening(it):
                await it.server.until(lambda: it.server.said("JOIN"))
                it.server.guest.say(*(f":ada!a@h PRIVMSG #team :line {n}" for n in range(50)))
                await it.server.until(lambda: len(it.heard) == 50)

                assert [f"line {n}" for n in range(50)] == it.heard
                assert 3 == it.reported.count("irc_journal_full")
                assert max(it.clock.slept) <= 5.0

    run(scenario())


def test_while_nothing_is_taken_the_server_is_held_back_but_our_messages_are_confirmed() -> None:
    """
    Else a journal that is full of messages to IRC could never empty itself.
    """

    async def scenario() -> None:
        async with net(Scripted()) as it:
            it.journal_says = [JournalFull("full")] * 100_000
            async with listening(it):
                await it.server.until(lambda: it.server.said("JOIN"))
                many = connection.HELD_LINES + 5_000
                it.server.guest.say(*(f":ada!a@h PRIVMSG #team :line {n}" for n in range(many)))
                held = it.driver._connection.heard
                while len(held) < connection.HELD_LINES:
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0.05)
                assert len(held) == connection.HELD_LINES
                await it.send("in between")
                assert len(held) == many
                it.journal_says.clear()
                await it.server.until(lambda: len(it.heard) == many)

    run(scenario())


def test_a_broken_journal_ends_the_listening() -> None:
    """
    The daemon must stop; that is not for a driver to survive.
    """

    async def scenario() -> None:
        async with net(Scripted()) as it:
            it.journal_says = [JournalBroken("EIO")]
            async with listening(it) as task:
                await it.server.until(lambda: it.server.said("JOIN"))
                it.server.guest.say(":ada!a@h PRIVMSG #team :x")
                await asyncio.wait([task], timeout=5)
                assert isinstance(task.exception(), JournalBroken)

    run(scenario())


def test_our_own_words_are_never_heard() -> None:
    """
    Neither as an echo nor under another case of our nick; a stranger of a like nick is heard.
    """

    async def scenario() -> None:
        async with net(Scripted(capabilities=ECHO)) as it, listening(it):
            await it.send("from us")
            it.server.guest.say(
                ":BRIDGE!x@y PRIVMSG #team :echo",
                ":bridge!x@y NOTICE #team :echo",
                ":bridge2!x@y PRIVMSG #team :a stranger",
            )
            await it.server.until(lambda: it.heard)
            assert ["a stranger"] == it.heard

    run(scenario())


# --- settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({"channels": ["#a"]}, []),
        ({}, ["no-channels"]),
        ({"channels": ["#a"], "tls": False}, ["no-tls"]),
        ({"channels": ["#a"], "tls": False, "host": "127.0.0.1"}, []),
        (
            {"channels": ["#a"], "tls": False, "sasl_password": "x", "server_password": "y"},
            ["password-in-the-clear", "password-in-the-clear"],
        ),
        ({"channels": ["#a"], "tls_verify": False}, ["tls-unverified"]),
        ({"channels": ["#a"], "tls_verify": False, "tls_fingerprint": "00" * 32}, []),
        ({"channels": ["#a"], "tls": False, "host": "::1", "tls_ca_file": "x"}, ["tls-off"]),
        ({"channels": ["#a"], "sasl_user": "x"}, ["sasl-without-password"]),
        ({"channels": ["#a"], "sasl_external": True}, ["sasl-without-certificate"]),
        ({"channels": ["#a"], "charset": "klingon"}, ["unknown-charset"]),
    ],
)
def test_settings_that_do_not_go_together_are_complained_about(
    given: dict[str, Any], codes: list[str]
) -> None:
    """
    What sends secrets in the clear or trusts anybody is a warning, what cannot work is an error.
    """
    complaints = list(DRIVER.check({"host": "irc.example.org", "nick": "bridge", **given}))

    assert codes == [complaint.code for complaint in complaints]
    warnings = {"no-channels", "no-tls", "password-in-the-clear", "tls-unverified"}
    assert all(complaint.warning == (complaint.code in warnings) for complaint in complaints)


def test_a_file_that_cannot_be_used_is_named() -> None:
    """
    Before anything is sent anywhere.
    """

    async def scenario() -> None:
        async with net(Scripted(), tls=True, tls_ca_file="/nonexistent/ca.pem") as it:
            with pytest.raises(Broken) as caught:
                await it.send()
            assert "tls_ca_file" in str(caught.value)

    run(scenario())
