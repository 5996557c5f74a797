"""IRC's lines, both ways, as values."""

import random

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bridge.errors import Broken, Refused, Throttled, Transient
from bridge.model import TextFormat
from bridge.text.tree import Code, Document, Emphasis, Paragraph, Strike, Strong, Text
from drivers.irc import codes, failures, inbound, outbound, settings, wire
from drivers.irc.channels import Channels
from drivers.irc.network import Network, alternatives
from tests.builders import an_outgoing
from tests.clock import NOON
from tests.drivers.irc.wire_files import GIVEN, heard, names, said
from tests.drivers.irc.wire_files import wire as wire_file

relaxed = hypothesis_settings(deadline=None)  # the machine may be busy
ACCOUNT = settings.read(GIVEN)
TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("\r\n\0\x01\x02\x03\x0f\x11\x1d\x1e\u2028 :@汉👨‍👩‍👧"),
    ),
    max_size=400,
)


@pytest.mark.parametrize("name", names("inbound"))
def test_inbound_lines_become_what_stands_beside_them(name: str) -> None:
    """
    With tags and without, in codes and as CTCP; what is not for a bridge has a reason.
    """
    assert wire_file(f"inbound/{name}.expected.json") == heard(wire_file(f"inbound/{name}.json")["line"])


@pytest.mark.parametrize("name", names("outbound"))
def test_messages_become_the_lines_that_stand_beside_them(name: str) -> None:
    """
    Formatting becomes codes, nobody is highlighted, and nothing that was typed becomes a command.
    """
    import asyncio

    async def scenario() -> list[str]:
        return said(wire_file(f"outbound/{name}.json"))

    assert wire_file(f"outbound/{name}.expected.json") == asyncio.run(scenario())


@relaxed
@given(TEXTS, st.sampled_from(TextFormat), st.sampled_from(["message", "notice", "action"]))
@example("\x01ACTION x\x01\r\nPRIVMSG NickServ :DROP\0", TextFormat.PLAIN, "action")
@example("汉" * 600, TextFormat.MARKDOWN, "message")
def test_no_text_says_more_than_one_message_or_is_cut_by_a_server(
    text: str, format_: TextFormat, send_as: str
) -> None:
    """
    Each line is one command with its two parameters, no longer than 512 bytes with our prefix, and no
    CTCP that we did not mean.
    """
    account = settings.read({**GIVEN, "send_as": send_as})
    verb, prefix = outbound.verb_of(account), "bridge!~msgbridge@" + "h" * 63
    room = wire.room(verb, prefix, "#team")
    for one in outbound.texts(an_outgoing(text, format=format_), account, room):
        sent = wire.write(verb, "#team", one)
        assert sent.endswith(b"\r\n")
        assert not set(sent[:-2]) & {0, 10, 13}
        # A server writes the colon where irctokens leaves it out.
        assert len(f":{prefix} {verb} #team :{one}\r\n".encode()) <= 512
        line = wire.read(sent[:-2])
        assert line is not None
        assert [verb, "#team", one] == [line.command, *line.params]
        assert one.count("\x01") == (2 if send_as == "action" else 0)


@relaxed
@given(TEXTS)
def test_nothing_but_blanks_and_controls_is_lost_on_the_way(text: str) -> None:
    """
    Every character that can be seen arrives, in order.
    """
    lines = outbound.texts(an_outgoing(text), ACCOUNT, 60)

    def seen(value: str) -> str:
        return "".join(c for c in value if c.isprintable() and not c.isspace())

    assert seen(text) == seen("".join(lines))
    assert all(wire.measure(line) <= 60 for line in lines)


@relaxed
@given(st.binary(max_size=300))
@example(b"@a=\xff :x!y@z PRIVMSG #c :\xff\xfe")
@example(b":")
@example(b"@")
def test_no_line_from_a_server_is_too_much(raw: bytes) -> None:
    """
    It is understood, or it is none; what was said in another charset still says something.
    """
    line = wire.read(raw.replace(b"\n", b""), "gb18030")

    if line is not None and line.command in ("PRIVMSG", "NOTICE") and len(line.params) > 1:
        inbound.normalize(
            line,
            instance="net",  # type: ignore[arg-type]
            network=Network(),
            nick="bridge",
            now=NOON,
            ids=inbound.Ids("s"),
        )


def test_a_line_in_another_charset_is_read() -> None:
    """
    Old Chinese clients write GB 18030; UTF-8 is tried first.
    """
    line = wire.read(b":a!b@c PRIVMSG #team :" + "你好".encode("gb18030"), "gb18030")

    assert line is not None
    assert "你好" == line.params[-1]


def test_a_line_with_a_parameter_that_is_none_is_not_written() -> None:
    """
    It would say something else than it was meant to.
    """
    for target in ("", "a b"):
        with pytest.raises(ValueError, match="PRIVMSG"):
            wire.write("PRIVMSG", target, "text")


def test_a_line_is_one_line_whatever_its_parameters_hold() -> None:
    """
    The last guard, for what comes from settings, rules and servers.
    """
    sent = wire.write("PRIVMSG", "#team", "one\r\nQUIT\0 :two", tags={"label": "a\r\nb; c"})

    assert 1 == sent.count(b"\r\n")
    assert b"\0" not in sent
    assert sent.startswith(b"@label=a\\s\\sb\\:\\sc PRIVMSG #team :one")


# --- codes ------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
INLINES = st.recursive(
    st.one_of(WORDS.map(Text), WORDS.map(Code)),
    lambda inner: st.one_of(
        inner.map(lambda one: Strong((one,))),
        inner.map(lambda one: Emphasis((one,))),
        inner.map(lambda one: Strike((one,))),
    ),
    max_leaves=4,
)


@relaxed
@given(INLINES)
def test_what_codes_can_say_is_read_as_it_was_written(inline: object) -> None:
    """
    The words and how they are stressed; the order of two stresses on the same words means nothing.
    """
    written = codes.write(Document((Paragraph((inline,)),)))  # type: ignore[arg-type]
    again = codes.write(Document((Paragraph(codes.read(written)),)))

    assert written == again
    assert codes.stripped(written) == codes.write(Document((Paragraph((inline,)),)), formatting=False)  # type: ignore[arg-type]


def test_colours_end_where_their_digits_end() -> None:
    """
    A third digit belongs to the text, and so does a comma without a background.
    """
    assert (Text("5, ok 8"),) == codes.read("\x03045\x03, ok \x034,048\x0f")


# --- nobody is highlighted --------------------------------------------------------------------------


@relaxed
@given(st.lists(st.sampled_from(["bob", "[cy]", "x-y", "d_"]), max_size=6), TEXTS)
def test_no_nick_of_the_channel_stands_in_a_text(nicks: list[str], between: str) -> None:
    """
    As clients look for them: whole words, in any case, whatever stands around them.
    """
    text = between.join(["", *(nick.upper() for nick in nicks), ""])
    changed = outbound.unpinged(text, "", {"bob", "[cy]", "x-y", "d_"}, str.lower, typed=False)

    assert changed.replace(outbound.UNSEEN, "") == text.replace(outbound.UNSEEN, "")
    kept = " ".join(part for part in changed.split() if "http" not in part)
    assert inbound.names(kept, ("bob", "x-y")) is None


# --- failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numeric", "said_", "error", "reason"),
    [
        ("404", "Cannot send to channel (+m)", Broken, "cannot_send"),
        ("404", "Can't send colors to channel (+c is set)", Refused, "content_refused"),
        ("404", "You cannot send CTCPs to this channel (+C)", Refused, "content_refused"),
        ("401", "No such nick", Transient, "no_such_nick"),
        ("439", "Please wait 7 seconds", Throttled, "too_fast"),
        ("499", "?", Refused, "unknown_numeric"),
    ],
)
def test_a_refusal_is_told_apart(numeric: str, said_: str, error: type, reason: str) -> None:
    """
    What concerns the text is refused, so that the lane goes on; what concerns us waits for somebody.
    """
    found = failures.of_a_post(numeric, said_)

    assert (error, reason) == (type(found), found.reason)


@pytest.mark.parametrize(
    ("said_", "error", "reason", "wait"),
    [
        ("Closing link: (Throttled: Reconnecting too fast)", Transient, "throttled", 60),
        ("Closing link: (K-Lined: open proxy)", Broken, "banned", None),
        ("Closing link: (Ping timeout)", Transient, "closed", None),
    ],
)
def test_the_last_words_of_a_server_say_when_to_come_back(
    said_: str, error: type, reason: str, wait: float | None
) -> None:
    """
    Who knocks too often is banned for longer.
    """
    found = failures.of_the_end(said_)

    assert (error, reason, wait) == (type(found), found.reason, found.retry_after)


# --- names ------------------------------------------------------------------------------------------


def test_other_nicks_fit_and_differ() -> None:
    """
    A server that cuts nicks would otherwise be asked for the same one again and again.
    """
    found = list(alternatives("msgbridge", 9))

    assert len(found) == len(set(found))
    assert all(len(nick) <= 9 and nick != "msgbridge" for nick in found)


def test_a_channel_that_refuses_us_is_tried_more_and_more_slowly() -> None:
    """
    5, 10, 20 … seconds and never more than five minutes, by a fifth more or less.
    """
    channels = Channels(Network(), ["#team"], {}, random.Random(1), lambda _event: None)
    channels.start(0.0)
    now, waits = 0.0, []
    line = wire.read(b":irc.test 474 bridge #team :Cannot join channel (+b)")
    assert line is not None
    for _ in range(10):
        assert [b"JOIN #team\r\n"] == channels.tick(now)
        assert channels.refused(line, now)
        due = channels.next_due
        assert due is not None
        waits.append(due - now)
        assert [] == channels.tick(due - 0.01)
        now = due

    for wait, wanted in zip(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300], strict=True):
        assert 0.8 * wanted <= wait <= 1.2 * wanted
