"""Bodies for a webhook: the published shapes, and the 20,000 bytes that they must fit into."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bridge.errors import Refused
from bridge.model import Button, Mention, TextFormat, UserId
from drivers.dingtalk.robot_send import (
    MAX_BODY,
    Wording,
    encode,
    harmless,
    max_text,
    measure,
    signed,
)
from tests.drivers.dingtalk.robot_pair import a_group_robot, an_outgoing
from tests.drivers.dingtalk.wire_files import wire

VECTORS = wire("api_vectors.json")
PUBLISHED = VECTORS["api"]["custom_robot_messages"]
WORDS = Wording()
URL_A, URL_B = "https://example.com/1", "https://example.com/2"
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=60)


def body(text: str, **more: Any) -> Any:
    return json.loads(encode(an_outgoing(text, **more), WORDS).body)


@pytest.mark.parametrize("case", VECTORS["webhook_signatures"], ids=lambda case: case["timestamp"])
def test_the_query_is_signed_as_the_published_vectors_are(case: dict[str, str]) -> None:
    """
    Percent-encoded once: also after the HTTP client has read the URL, which may write ``/`` plainly.
    """
    at = datetime.fromtimestamp(int(case["timestamp"]) / 1000, UTC)
    base = "https://oapi.dingtalk.com/robot/send?access_token=x"

    url = signed(base, case["secret"], at)

    assert url == base + case["webhook_url_suffix"]
    assert dict(URL(url).query) == dict(URL(url, encoded=True).query)


def test_a_robot_without_a_secret_is_not_signed() -> None:
    """
    Keywords or addresses protect it instead.
    """
    assert signed("https://h/x?access_token=x", "", datetime.now(UTC)) == "https://h/x?access_token=x"
    assert "?timestamp=" in signed("https://gateway/robot", "s", datetime.now(UTC))


@pytest.mark.parametrize("name", ["text", "markdown", "link", "card_single", "card_multi"])
def test_a_request_is_what_the_wire_file_says(name: str) -> None:
    """
    As it arrives at a real server: tests/drivers/dingtalk/outbound/robot_*.json.
    """
    given_, expected = wire(f"outbound/robot_{name}.json"), wire(f"outbound/robot_{name}.expected.json")

    async def scenario() -> None:
        async with a_group_robot() as pair:
            await pair.driver.send(
                an_outgoing(
                    given_["text"],
                    format=TextFormat(given_["format"]),
                    title=given_.get("title", ""),
                    buttons=tuple(Button(**one) for one in given_.get("buttons", ())),
                    mentions=tuple(Mention(UserId(one)) for one in given_.get("mentions", ())),
                )
            )
            (call,) = pair.dingtalk.calls
            assert (call.method, call.path) == (expected["method"], expected["path"])
            assert json.loads(call.body) == expected["json"]
            assert {key: call.headers[key] for key in expected["headers"]} == expected["headers"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("text", {"mentions": (Mention(UserId("user123")),)}),
        ("markdown", {"format": TextFormat.MARKDOWN, "mentions": (Mention(UserId("user123")),)}),
        ("link", {"buttons": (Button("", URL_A),)}),
        ("actionCard_single", {"buttons": (Button("阅读全文", "https://example.com/"),)}),
        ("actionCard_multi", {"buttons": (Button("内容不错", URL_A), Button("不感兴趣", URL_B))}),
    ],
)
def test_the_bodies_have_the_published_keys(name: str, more: dict[str, Any]) -> None:
    """
    The same keys with values of the same kind, besides what we leave out (phone numbers, a picture).
    """
    published = PUBLISHED[name]
    ours = body("正文", title="T", **more)
    inner = published["msgtype"]

    assert ours["msgtype"] == inner
    assert set(ours[inner]) == set(published[inner]) - {"picUrl"}
    if "at" in published:
        assert set(ours["at"]) == set(published["at"]) - {"atMobiles"}
        assert ours["at"]["isAtAll"] is False
    for key in ("btns", "singleTitle", "singleURL", "btnOrientation"):
        assert ours[inner].get(key) == published[inner].get(key)


def test_a_title_is_never_empty() -> None:
    """
    DingTalk would refuse it; without one the first line stands there.
    """
    assert body("## Up\nagain", format=TextFormat.MARKDOWN)["markdown"]["title"] == "Up"
    assert body("", format=TextFormat.MARKDOWN)["markdown"] == {"title": "Message", "text": "Message"}


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "mailto:a@b.org", "x", "file:///etc/passwd"])
def test_a_button_that_opens_nothing_is_left_out_and_said(url: str) -> None:
    """
    A receipt with a note, not a silent loss.
    """
    sent = encode(an_outgoing("x", buttons=(Button("a", url), Button("b", URL_B))), WORDS)

    assert json.loads(sent.body)["actionCard"]["singleURL"] == URL_B
    assert sent.notes == ("1 buttons left out: DingTalk can open no URL of theirs",)


@pytest.mark.parametrize("character", ["x", "字", "😀", '"', "\n", "\x01", "@", "@all "])
@pytest.mark.parametrize("format_", list(TextFormat))
@pytest.mark.parametrize("keyword", ["", "告警" * 50])
def test_a_text_of_the_full_measure_fits(character: str, format_: TextFormat, keyword: str) -> None:
    """
    In UTF-8, with the worst title and the keyword; the whole body counts.
    """
    text = character * (max_text(keyword) // measure(character))

    sent = encode(an_outgoing(text, format=format_, title="\x01" * 500), WORDS, keyword=keyword)

    assert len(sent.body) <= MAX_BODY
    assert keyword in json.loads(sent.body)[json.loads(sent.body)["msgtype"]].get("text", keyword)


@given(TEXTS, TEXTS)
def test_the_measure_is_never_too_small(one: str, two: str) -> None:
    """
    Whatever harmless() and a card add; and it adds up, so that a text can be split by it.
    """
    assert measure(one + two) == measure(one) + measure(two)
    written = len(json.dumps(harmless(one, card=True), ensure_ascii=False).encode()) - 2
    assert written <= measure(one)


BUTTONS = st.builds(Button, TEXTS, st.sampled_from([URL_A, "", "javascript:x"]))
PEOPLE = st.builds(Mention, TEXTS.map(UserId))


@given(
    TEXTS, TEXTS, st.lists(BUTTONS, max_size=4), st.lists(PEOPLE, max_size=3), st.sampled_from(TextFormat)
)
def test_anything_becomes_a_body_that_the_platform_takes(
    text: str, title: str, buttons: list[Button], people: list[Mention], format_: TextFormat
) -> None:
    """
    Of a type that it knows, with all that the type wants, and nobody pinged but those that were given.
    """
    sent = body(text, title=title, buttons=tuple(buttons), mentions=tuple(people), format=format_)

    assert complaint_about(sent) == ""
    pinged = set(sent.get("at", {}).get("atUserIds", ()))
    assert pinged <= {one.user_id for one in people}


def complaint_about(message: dict[str, Any]) -> str:
    """What DingTalk would miss in a body."""
    inner = message[message["msgtype"]]
    wanted = {
        "text": ["content"],
        "markdown": ["title", "text"],
        "link": ["title", "text", "messageUrl"],
        "actionCard": ["title", "text", "btnOrientation"],
    }[message["msgtype"]]
    missing = [key for key in wanted if not str(inner.get(key, "")).strip()]
    if message["msgtype"] == "actionCard" and not (inner.get("btns") or inner.get("singleURL")):
        missing.append("btns")
    return " ".join(missing)


def test_buttons_and_mentions_that_do_not_fit_are_said() -> None:
    """
    The text comes first.
    """
    text = "x" * (max_text() - 1000)
    many = tuple(Button(f"b{n}", f"https://example.com/{n:0400}") for n in range(9))
    people = tuple(Mention(UserId("u" * 60 + str(n))) for n in range(60))

    sent = encode(an_outgoing(text, buttons=many), WORDS)
    assert len(sent.body) <= MAX_BODY
    assert sent.notes == ("7 buttons left out: there is no room for them",)

    sent = encode(an_outgoing("x" * max_text(), buttons=many), WORDS)
    assert json.loads(sent.body)["msgtype"] == "text"
    assert sent.notes == ("9 buttons left out: there is no room for them",)

    sent = encode(an_outgoing(text, mentions=people), WORDS)
    assert len(sent.body) <= MAX_BODY
    assert "mentions left out" in sent.notes[0]

    sent = encode(an_outgoing("x", mentions=people), WORDS)
    assert len(json.loads(sent.body)["at"]["atUserIds"]) == 50


def test_a_body_that_is_too_long_is_not_sent() -> None:
    """
    The core splits before; if it did not, DingTalk would refuse it too, and count it.
    """
    with pytest.raises(Refused) as caught:
        encode(an_outgoing("x" * MAX_BODY), WORDS)

    assert caught.value.reason == "too_long"


def test_plain_lines_stay_lines_in_a_card() -> None:
    """
    A card is Markdown, which would join them.
    """
    card = body("one\ntwo", buttons=(Button("a", URL_A),))["actionCard"]

    assert card["text"] == "one  \ntwo"


def test_text_that_cannot_be_encoded_is_replaced() -> None:
    """
    Half a surrogate pair is no reason to lose a message.
    """
    assert body("a\ud800b")["text"]["content"] == "a?b"


def test_a_long_idempotency_key_is_shortened_the_same_way_every_time() -> None:
    """
    Or a retry would be a second message.
    """
    first, again = (body("x", key="k" * 500)["msgUuid"] for _ in range(2))

    assert first == again
    assert len(first) == 64
