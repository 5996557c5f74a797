"""What our client puts on the wire, beside what the official SDK puts there."""

import asyncio
import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import Button, ConversationId, MessageId, TextFormat
from drivers.dingtalk.message_templates import MAX_PARAM
from drivers.dingtalk.openapi import MAX_TEXT, Encoder, measure, title_of
from tests.drivers.dingtalk.pair import GROUP, PERSON, an_outgoing, connected
from tests.drivers.dingtalk.wire_files import HERE, wire

REQUESTS = sorted(
    path.stem
    for path in (HERE / "outbound").glob("*.json")
    if not path.name.endswith(".expected.json") and not path.name.startswith("robot_")
)
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=80)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_what_the_official_sdk_sends(name: str) -> None:
    """
    Method, path, headers and JSON, as they arrive at a real server: tests/drivers/dingtalk/outbound.
    """
    given_ = wire(f"outbound/{name}.json")
    expected = wire(f"outbound/{name}.expected.json")

    async def scenario() -> None:
        async with connected() as pair:
            if given_["call"] == "public_url":
                await pair.driver.public_url(given_["ref"])
            elif given_["call"] == "recall":
                ids = [MessageId(one) for one in given_["message_ids"]]
                with contextlib.suppress(Refused):  # the simulator knows no such message
                    await pair.driver.recall(ConversationId(given_["conversation"]), ids)
            else:
                await pair.driver.send(
                    an_outgoing(
                        given_["text"],
                        to=given_["conversation"],
                        format=TextFormat(given_["format"]),
                        title=given_.get("title", ""),
                        buttons=tuple(Button(**one) for one in given_.get("buttons", ())),
                    )
                )
            token_call, *calls = pair.dingtalk.calls
            call = token_call if name == "token" else calls[0]

        headers = {key: call.headers[key] for key in expected["headers"]}
        if name != "token":
            granted = headers["x-acs-dingtalk-access-token"]
            assert re.fullmatch("[0-9a-f]{32}", granted)
            headers["x-acs-dingtalk-access-token"] = "<the granted token>"
        assert (expected["method"], expected["path"]) == (call.method, call.path)
        assert expected["json"] == json.loads(call.body)
        assert expected["headers"] == headers

    asyncio.run(scenario())


def the_param(text: str, **more: Any) -> str:
    """``msgParam`` of one post, after the outer JSON is undone."""
    _, body = Encoder("ding1", "Message").send(an_outgoing(text, **more))
    return str(json.loads(body)["msgParam"])


@given(TEXTS)
def test_plain_text_arrives_byte_for_byte(text: str) -> None:
    """
    Through two layers of JSON, in raw UTF-8.
    """
    assert json.loads(the_param(text)) == {"content": text}


@given(TEXTS, TEXTS)
def test_markdown_arrives_byte_for_byte_with_a_title(text: str, title: str) -> None:
    """
    DingTalk refuses an empty title, so there always is one.
    """
    param = json.loads(the_param(text, format=TextFormat.MARKDOWN, title=title))

    assert param["text"] == text
    assert param["title"].strip()


def test_raw_utf8_is_sent() -> None:
    r"""
    An escape like \u94b1 would double the size of Chinese text.
    """
    _, body = Encoder("ding1", "Message").send(an_outgoing("钉钉"))

    assert "钉钉".encode() in body


def test_text_that_cannot_be_encoded_is_replaced() -> None:
    """
    Half a surrogate pair is no reason to lose a message.
    """
    assert json.loads(the_param("a\ud800b")) == {"content": "a?b"}


@given(TEXTS, TEXTS)
def test_measure_counts_what_the_platform_counts(one: str, two: str) -> None:
    """
    Bytes inside of msgParam, escapes included; and it adds up, so that a text can be split by it.
    """
    assert measure(one) == len(the_param(one).encode()) - len('{"content":""}')
    assert measure(one + two) == measure(one) + measure(two)


@pytest.mark.parametrize("character", ["x", "字", "😀", '"', "\n", "\x01"])
@pytest.mark.parametrize("format_", list(TextFormat))
def test_a_text_of_the_full_measure_fits(character: str, format_: TextFormat) -> None:
    """
    With the worst title, in both formats, whatever it is made of; and little is given away.
    """
    text = character * (MAX_TEXT // measure(character))

    size = len(the_param(text, format=format_, title="\x01" * 500).encode())

    assert MAX_PARAM - 420 < size <= MAX_PARAM


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("Build", "x", "Build"),
        ("", "## Result\nall green", "Result"),
        ("", "\n\n> quoted", "quoted"),
        ("", "***\n---\n", "Message"),
        ("", "", "Message"),
        ("", "x" * 100, "x" * 64),
        (" \n", "text", "text"),
    ],
)
def test_the_title_is_the_first_line_that_says_something(title: str, text: str, expected: str) -> None:
    """
    It is the preview in the list of chats.
    """
    assert expected == title_of(an_outgoing(text, title=title), "Message")


def test_groups_and_persons_have_their_own_calls() -> None:
    """
    The two endpoints name the destination differently.
    """
    encoder = Encoder("ding1", "Message")

    group_path, group = encoder.send(an_outgoing(to=GROUP))
    person_path, person = encoder.send(an_outgoing(to=PERSON))

    assert group_path == "/v1.0/robot/groupMessages/send"
    assert json.loads(group)["openConversationId"] == GROUP
    assert person_path == "/v1.0/robot/oToMessages/batchSend"
    assert json.loads(person)["userIds"] == ["manager1001"]


def test_a_stranger_cannot_be_written_to() -> None:
    """
    Refused before anything is sent, in words that help.
    """
    with pytest.raises(Refused, match="members") as caught:
        Encoder("ding1", "Message").send(an_outgoing(to="dm:cidX"))

    assert caught.value.reason == "not_a_member"
