"""One IRC connection without a socket: lines in, bytes out, time by hand."""

import asyncio
import base64

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bridge.errors import Broken, DeliveryError, Transient
from bridge.model import InstanceId
from drivers.irc import inbound, wire
from drivers.irc.session import DEAF, QUIET, REGISTERED_WITHIN
from tests.clock import NOON
from tests.drivers.irc.by_hand import Server

relaxed = hypothesis_settings(deadline=None)  # the machine may be busy


def test_capabilities_are_asked_for_as_far_as_they_are_offered() -> None:
    """
    A list in several lines is read to its end, values are not part of a name.
    """
    server = Server()

    assert ["CAP LS 302", "NICK bridge", "USER msgbridge 0 * msgbridge"] == server.start
    assert [] == server.says(":s CAP * LS * :message-tags sts=port=6697 batch")
    assert ["CAP REQ :batch echo-message message-tags"] == server.says(
        ":s CAP * LS :echo-message sasl=PLAIN"
    )
    assert ["CAP END"] == server.says(":s CAP * ACK :batch echo-message message-tags")


def test_sasl_plain_logs_in_before_anything_else() -> None:
    """
    In pieces of 400 bytes, with an empty one behind a full one.
    """
    server = Server(sasl_password="p" * 292, nick="ab")

    assert ["CAP REQ sasl"] == server.says(":s CAP * LS :sasl=EXTERNAL,PLAIN")
    assert ["AUTHENTICATE PLAIN"] == server.says(":s CAP * ACK :sasl")
    pieces = [line.removeprefix("AUTHENTICATE ") for line in server.says("AUTHENTICATE +")]
    assert [396] == [len(piece) for piece in pieces]
    assert b"\0ab\0" + b"p" * 292 == base64.b64decode("".join(pieces))
    assert ["CAP END"] == server.says(":s 900 ab ab!u@h ab :Logged in", ":s 903 ab :ok")

    longer = Server(sasl_password="p" * 296, nick="ab")
    longer.says(":s CAP * LS :sasl", ":s CAP * ACK :sasl")
    assert ["AUTHENTICATE +"] == longer.says("AUTHENTICATE +")[1:]


def test_sasl_external_shows_the_certificate_only() -> None:
    """
    The account is the certificate's.
    """
    server = Server(sasl_external=True)

    server.says(":s CAP * LS :sasl=EXTERNAL")
    assert ["AUTHENTICATE EXTERNAL"] == server.says(":s CAP * ACK :sasl")
    assert ["AUTHENTICATE +"] == server.says("AUTHENTICATE +")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([":s CAP * LS :message-tags"], "no_sasl"),
        ([":s CAP * LS :sasl=SCRAM-SHA-256"], "no_sasl"),
        ([":s CAP * LS :sasl", ":s CAP * NAK :sasl"], "no_sasl"),
        ([":s CAP * LS :sasl", ":s CAP * ACK :sasl", ":s 904 x :not with sesame"], "sasl_failed"),
        ([":s 464 * :Password sesame incorrect"], "bad_password"),
        ([":s 465 * :You are banned"], "banned"),
    ],
)
def test_who_is_not_let_in_needs_an_operator(lines: list[str], reason: str) -> None:
    """
    Without the login nothing is sent or joined; and the server's words never repeat a secret.
    """
    server = Server(sasl_password="sesame")

    with pytest.raises(Broken) as caught:
        server.says(*lines)

    assert reason == caught.value.reason
    assert "instance" == caught.value.scope
    assert "sesame" not in str(caught.value)


def test_nickserv_is_told_before_channels_are_entered() -> None:
    """
    For networks without SASL; and a bot says that it is one, where that can be said.
    """
    server = Server(nickserv_password="sesame")

    said = server.says(":s 001 bridge :hi", ":s 005 bridge BOT=B :x", ":s 376 bridge :End")

    assert ["MODE bridge +B", "PRIVMSG NickServ :IDENTIFY sesame", "JOIN #team"] == said


def test_a_taken_nick_is_replaced_and_taken_back_when_its_holder_goes() -> None:
    """
    At once when we see it, and every minute in case that we do not.
    """
    server = Server()
    assert ["NICK bridge_"] == server.says(":s 433 * bridge :Nickname is already in use")
    assert ["NICK bridge__"] == server.says(":s 433 * bridge_ :Nickname is already in use")
    server.welcome("bridge__").joined()

    assert [] == server.after(59)
    assert ["PING are-you-there", "NICK bridge"] == server.after(2)
    assert [] == server.says(":s 433 bridge__ bridge :Nickname is already in use")
    assert [] == server.after(1)
    server.says(":bridge!h@h QUIT :gone")
    assert ["NICK bridge"] == server.after(0)
    server.says(":bridge__!~u@cloak.example NICK bridge")
    assert "bridge" == server.session.nick
    assert server.session.nick_is_ours
    assert "NICK bridge" not in server.after(120 - QUIET)


def test_a_nick_that_the_server_calls_bad_is_tried_shorter() -> None:
    """
    RFC 1459 allowed nine characters, and some servers do today.
    """
    server = Server(nick="msgbridge-of-ops")

    assert ["NICK msgbridge"] == server.says(":s 432 * msgbridge-of-ops :Erroneous nickname")
    assert ["NICK msgbridg_"] == server.says(":s 433 * msgbridge :in use")
    server.welcome("msgbridg_")


def test_names_run_out() -> None:
    """
    A server that takes no nick at all is left.
    """
    server = Server()

    with pytest.raises(Transient):
        server.says(*[":s 433 * x :in use"] * 200)


def test_a_silent_server_is_asked_and_then_left() -> None:
    """
    A cut network says nothing; a minute and a half later we know.
    """
    server = Server().welcome().joined()

    assert [] == server.after(QUIET - 1)
    assert ["PING are-you-there"] == server.after(1)
    assert [] == server.after(DEAF - 1)
    server.says(":s PONG s :are-you-there")
    assert [] == server.after(QUIET - 1)
    server.after(1)
    with pytest.raises(Transient) as caught:
        server.after(DEAF)
    assert "silent" == caught.value.reason


def test_a_server_that_never_greets_is_left() -> None:
    """
    And whoever waits is told so.
    """
    server = Server()
    server.now = REGISTERED_WITHIN - 1
    server.says(":s NOTICE * :*** Looking up your hostname")

    with pytest.raises(Transient) as caught:
        server.after(1)

    assert "no_greeting" == caught.value.reason


def test_a_kick_again_and_again_is_meant() -> None:
    """
    The first two times it is enough to wait; then somebody has to be asked.
    """
    server = Server().welcome().joined()
    kinds: list[type] = []
    for _ in range(3):
        server.says(":op!o@o KICK #team bridge :out")
        channel = server.session.channels.get("#TEAM")
        assert channel is not None
        assert isinstance(channel.trouble, DeliveryError)
        kinds.append(type(channel.trouble))
        assert ["JOIN #team"] == server.after(50)
        server.joined()

    assert [Transient, Transient, Broken] == kinds
    assert ["kicked", "let_in"] * 3 == server.reported
    server.after(30)
    server.says(":x!y@z PRIVMSG #team :still here")
    server.after(30)
    server.says(":op!o@o KICK #team bridge :out")
    channel = server.session.channels.get("#team")
    assert channel is not None
    assert isinstance(channel.trouble, Transient), "a minute in the channel makes good"


def test_the_prefix_is_learnt_from_the_server_and_long_until_then() -> None:
    """
    A cloak, a changed host and a new nick count; who knows nothing assumes the longest.
    """
    server = Server().welcome()
    assert 12 + 1 + 64 == len(server.session.prefix.partition("!")[2])
    server.joined()
    assert "bridge!~u@cloak.example" == server.session.prefix
    server.says(":s 396 bridge users.example :is now your hidden host")
    assert "bridge!~u@users.example" == server.session.prefix
    server.says(":bridge!~u@users.example CHGHOST bot gateway/bridge")
    assert "bridge!bot@gateway/bridge" == server.session.prefix


def test_members_are_known_as_they_come_and_go() -> None:
    """
    By NAMES with signs and hosts, joins, parts, kicks, quits and new names.
    """
    server = Server().welcome().joined()
    server.says(
        ":s 353 bridge = #team :bridge @+Ada!a@h +bob cy[1]",
        ":s 353 bridge = #team :dan eve",
        ":fay!f@h JOIN #Team",
        ":bob!b@h PART #team :bye",
        ":op!o@h KICK #team dan :out",
        ":eve!e@h QUIT :gone",
        ":fay!f@h NICK gil",
    )
    channel = server.session.channels.get("#team")

    assert channel is not None
    assert ["Ada", "bridge", "cy[1]", "gil"] == sorted(channel.members.values(), key=str.lower)
    assert "cy{1}" in channel.members


def test_version_is_answered_now_and_then_and_nothing_else() -> None:
    """
    A crowd that asks gets one answer in ten seconds; CTCP to us never reaches other platforms.
    """
    server = Server().welcome().joined()
    asked = ":ada!a@h PRIVMSG bridge :\x01VERSION\x01"

    assert 1 == len(server.says(asked, asked, asked))
    assert [] == server.says(
        ":ada!a@h PRIVMSG bridge :\x01PING 1\x01",
        ":ada!a@h PRIVMSG #team :\x01DCC SEND x 1 2 3\x01",
        ":ada!a@h NOTICE bridge :\x01VERSION x\x01",
        ":ada!a@h NOTICE bridge :\x01ACTION x\x01",
        ":ada!a@h PRIVMSG #team :\x01",
    )
    assert [] == server.session.heard
    server.now += 10
    assert ["NOTICE ada"] == [" ".join(line.split()[:2]) for line in server.says(asked)]


def test_what_a_bouncer_plays_back_is_not_said_again() -> None:
    """
    It was said before we came; it is counted, not relayed.
    """
    server = Server().welcome(capabilities="batch message-tags").joined()

    server.says(
        ":s BATCH +7 chathistory #team",
        "@batch=7 :ada!a@h PRIVMSG #team :old",
        ":ada!a@h PRIVMSG #team :new",
        ":s BATCH -7",
        "@batch=7 :ada!a@h PRIVMSG #team :newer",
    )

    assert ["new", "newer"] == [line.params[-1] for line in server.session.heard]
    assert ["playback_ignored"] == server.reported


VERBS = st.sampled_from(
    [
        "PRIVMSG",
        "NOTICE",
        "JOIN",
        "PART",
        "KICK",
        "QUIT",
        "NICK",
        "KILL",
        "MODE",
        "TOPIC",
        "CAP",
        "ACK",
        "BATCH",
        "FAIL",
        "PING",
        "PONG",
        "ERROR",
        "CHGHOST",
        "AUTHENTICATE",
        "TAGMSG",
        "001",
        "005",
        "332",
        "353",
        "366",
        "376",
        "396",
        "401",
        "404",
        "433",
        "439",
        "470",
        "474",
        "900",
        "903",
        "904",
        "999",
    ]
)
PARAMS = st.lists(
    st.one_of(
        st.sampled_from(
            ["#team", "bridge", "*", "LS", "ACK", "DEL", "+1", "-1", "BOT=B", "\x01VERSION\x01"]
        ),
        st.text(st.characters(exclude_characters="\r\n\0"), max_size=12),
    ),
    max_size=5,
)
LINES = st.builds(
    lambda tags, source, verb, params: (
        f"{tags}{source}{verb} {' '.join(params[:-1])} :{''.join(params[-1:])}"
    ),
    st.sampled_from(["", "@label=1 ", "@batch=1;label= ", "@msgid=\\s;time=x ", "@= "]),
    st.sampled_from(["", ":irc.test ", ":bridge!u@h ", ":ada!a@h ", ":! ", ":: ", ":@!@ "]),
    VERBS,
    PARAMS,
)


@relaxed
@given(st.booleans(), st.lists(LINES, max_size=12))
@example(True, [":: PRIVMSG #team :\x01VERSION\x01"])
def test_nothing_that_a_server_says_is_a_crash(registered: bool, lines: list[str]) -> None:
    """
    It is understood, ignored, or the end of this connection; what we answer is whole lines.
    """
    server = Server(nickserv_password="sesame", sasl_password="sesame")
    if registered:
        server.welcome(capabilities="sasl message-tags echo-message labeled-response batch")

    async def scenario() -> None:
        if registered:
            post, _ = server.session.post("PRIVMSG", "#team", ["x"], None)
        for line in lines:
            parsed = wire.read(line.encode("utf-8", "replace"))
            if parsed is None:
                continue
            server.now += 1
            try:
                said = server.session.receive(parsed, server.now) + server.session.tick(server.now)
            except DeliveryError:
                break
            assert all(one.endswith(b"\r\n") and one.count(b"\n") == 1 for one in said)
            assert server.session.next_due >= 0
        for heard in server.session.heard:
            inbound.normalize(
                heard,
                instance=InstanceId("net"),
                network=server.session.network,
                nick=server.session.nick,
                now=NOON,
                ids=inbound.Ids("s"),
            )
        if registered:
            server.session.posts.forget(post)

    asyncio.run(scenario())
