"""What becomes of a message to IRC: confirmed, refused, or nobody knows."""

import asyncio
from typing import Any

import pytest

from bridge.errors import Broken, Transient
from tests.drivers.irc.by_hand import ALL, Server


def posting(server: Server, *replies: str, lines: int = 1) -> Any:
    """What becomes of one message to #team: its id, an error, or ``...`` while nobody knows."""

    async def scenario() -> Any:
        post, sent = server.session.post("PRIVMSG", "#team", ["x"] * lines, None)
        assert sent.count(b"\r\n") == lines + (0 if server.session.posts.labels else 1)
        server.says(*replies)
        if not post.done.done():
            server.session.posts.forget(post)
            return ...
        found = post.done.exception() or post.done.result()
        assert 0 == len(server.session.posts) or not post.labelled
        return found

    return asyncio.run(scenario())


OURS = ":bridge!~u@cloak.example PRIVMSG #team :x"


@pytest.mark.parametrize(
    ("replies", "found"),
    [
        ([], ...),
        ([f"@label=1;msgid=m1 {OURS}"], "m1"),
        ([f"@label=1 {OURS}"], None),
        (["@label=1 :s ACK"], None),
        ([OURS], ...),
        ([":s PONG s :msgbridge-1"], None),
        (["@label=2;msgid=m1 :s ACK"], ...),
        ([":ada!a@h PRIVMSG #team :x"], ...),
        (
            ["@label=1 :s BATCH +9 labeled-response", f"@batch=9;msgid=m1 {OURS}", "@batch=9 :s 301 b a :away"],
            ...,
        ),
        (
            ["@label=1 :s BATCH +9 labeled-response", f"@batch=9;msgid=m1 {OURS}", ":s BATCH -9"],
            "m1",
        ),
    ],
)  # fmt: skip
def test_an_echo_under_our_label_is_the_confirmation(replies: list[str], found: Any) -> None:
    """
    Also in a batch, whose end counts; an answer to something else proves nothing.
    """
    server = Server().welcome(capabilities=ALL).joined()

    assert found == posting(server, *replies)


def test_every_line_of_a_message_has_to_be_confirmed() -> None:
    """
    A second line that never came back may be lost.
    """
    echo = f"@label=1;msgid=m1 {OURS}"

    assert ... is posting(Server().welcome(capabilities=ALL).joined(), echo, lines=2)
    assert "m1" == posting(Server().welcome(capabilities=ALL).joined(), echo, echo, lines=2)


@pytest.mark.parametrize("capabilities", ["", ALL])
def test_a_refusal_before_the_confirmation_is_the_answer(capabilities: str) -> None:
    """
    With a label or by the name of the channel, in any case of its letters.
    """
    label = "@label=1 " if capabilities else ""
    pong = ":s PONG s :msgbridge-1"
    server = Server().welcome(capabilities=capabilities).joined()

    found = posting(server, f"{label}:s 404 bridge #TEAM :Cannot send to channel (+m)", pong)

    assert isinstance(found, Broken)


def test_a_refusal_that_follows_a_kick_passes() -> None:
    """
    The message crossed the kick; nobody has to be asked for voice, for we come back by ourselves.
    """
    server = Server().welcome().joined()

    found = posting(
        server,
        ":op!o@o KICK #team bridge :out",
        ":s 404 bridge #team :You cannot send external messages to this channel (+n)",
        ":s PONG s :msgbridge-1",
    )

    assert isinstance(found, Transient)


def test_a_refusal_of_something_else_is_not_the_answer() -> None:
    """
    A JOIN that fails at the same time, or a message to another channel.
    """
    server = Server().welcome().joined()

    found = posting(
        server,
        ":s 404 bridge #other :Cannot send to channel (+m)",
        ":s 433 bridge bridge2 :in use",
        ":s PONG s :are-you-there",
        ":s PONG s :msgbridge-1",
    )

    assert None is found


@pytest.mark.parametrize("token", ["are-you-there", "msgbridge-2", "msgbridge-", ""])
def test_the_pong_of_something_else_confirms_nothing(token: str) -> None:
    """
    Whether the server still lives is asked with a PING, too.
    """
    assert ... is posting(Server().welcome().joined(), f":s PONG s :{token}")
