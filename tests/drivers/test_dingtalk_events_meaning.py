"""Events become notices where they mean something to a bridge; the rest is counted."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.errors import Forbidden, Malformed
from bridge.model import Envelope, EventKind, Inbound
from bridge.wild import Wild
from drivers.dingtalk.callback import Account
from drivers.dingtalk.events import COUNTED, normalize_event
from tests.drivers.dingtalk.wire_files import ACCOUNT, INSTANCE, RECEIVED_AT, wire

CASES = {case["event"]: case for case in wire("events.json")}
GROUP = "cidSimGroup0000000001=="
HEADERS = {"eventType": "chat_add_member", "eventId": "e1", "eventCorpId": "corp"}
JOINED = {"openConversationId": GROUP, "operator": "manager1001", "userId": ["user456"]}


def in_chinese(**more: Any) -> Account:
    return Account(INSTANCE, "dingsimappkey0000001", language="zh", **more)


def understood(
    headers: dict[str, Any], data: dict[str, Any] | None = None, account: Account = ACCOUNT
) -> Inbound:
    return normalize_event(Wild(headers), Wild(headers if data is None else data), account, RECEIVED_AT)


def notice(kind: str, account: Account = ACCOUNT, **data: Any) -> Envelope:
    (envelope,) = understood({**HEADERS, "eventType": kind}, {**JOINED, **data}, account).envelopes
    return envelope


def from_frame(case: dict[str, Any], account: Account = ACCOUNT) -> Inbound:
    frame = case["stream_frame"]
    return understood(frame["headers"], json.loads(frame["data"]), account)


def from_push(case: dict[str, Any], account: Account = ACCOUNT) -> Inbound:
    return understood(json.loads(case["http_push"]["plaintext"]), account=account)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_both_ways_in_mean_the_same(case: dict[str, Any]) -> None:
    """
    A flat push and a frame with headers: the same id, place and words, so that dedupe finds the twin.
    """
    pushed, streamed = from_push(case), from_frame(case)

    assert pushed.ignored == streamed.ignored
    assert [(e.id, e.source, e.message, e.sender) for e in pushed.envelopes] == [
        (e.id, e.source, e.message, e.sender) for e in streamed.envelopes
    ]


def test_people_join() -> None:
    """
    A notice in the group that it is about, under the event's own id and time.
    """
    (envelope,) = from_frame(CASES["chat_add_member"]).envelopes

    assert EventKind.NOTICE is envelope.kind
    assert "c7c7120f2c07419simebdba0318c2" == envelope.id
    assert GROUP == envelope.source.conversation
    assert "joined the group: user456" == envelope.message.text
    assert "manager1001" == envelope.sender.display_name
    assert datetime.fromtimestamp(1608027106.99, UTC) == envelope.occurred_at
    assert not envelope.direct


def test_a_group_is_renamed() -> None:
    """
    The new title, in the language of the instance, and as the conversation's title from now on.
    """
    (envelope,) = from_push(CASES["chat_update_title"], in_chinese()).envelopes

    assert "群名称改为“开放平台”" == envelope.message.text
    assert "开放平台" == envelope.conversation_title


@pytest.mark.parametrize(
    ("kind", "english", "chinese"),
    [
        ("chat_add_member", "joined the group: a, b", "加入了群聊：a、b"),
        ("chat_remove_member", "was removed from the group: a, b", "被移出群聊：a、b"),
        ("chat_quit", "left the group: a, b", "退出了群聊：a、b"),
        ("chat_update_owner", "the group has a new owner: a, b", "新的群主：a、b"),
        ("chat_disband", "the group was dissolved", "群聊已解散"),
    ],
)
def test_every_notice_has_its_words(kind: str, english: str, chinese: str) -> None:
    """
    In both languages of the bridge.
    """
    assert english == notice(kind, userId=["a", "b"]).message.text
    assert chinese == notice(kind, in_chinese(), userId=["a", "b"]).message.text


def test_many_people_are_counted() -> None:
    """
    A whole department that joins is one short line.
    """
    text = notice("chat_add_member", userId=[f"u{number}" for number in range(300)]).message.text

    assert text.endswith("u9, and 290 more")
    assert notice("chat_add_member", in_chinese(), userId=["u"] * 12).message.text.endswith("等另外 2 人")


def test_who_is_not_named_is_somebody() -> None:
    """
    Fields that are missing leave words, not holes.
    """
    envelope = notice("chat_add_member", operator=None, userId=None)

    assert "joined the group: somebody" == envelope.message.text
    assert "somebody" == envelope.sender.display_name
    assert "u7" == notice("chat_quit", operator=None, userId="u7").sender.id


def test_a_title_is_tamed() -> None:
    """
    It is chosen by a user: one line, no direction marks, no format strings, not endless.
    """
    text = notice("chat_update_title", title="a\n\u202e{persons.__class__}" + "x" * 500).message.text

    assert text.isprintable()
    assert "{persons.__class__}" in text
    assert len(text) < 200


@pytest.mark.parametrize("kind", sorted(COUNTED))
def test_known_types_are_counted_by_name(kind: str) -> None:
    """
    Acknowledged, not relayed.
    """
    assert Inbound(ignored=f"event_{kind}") == understood({"eventType": kind})


@pytest.mark.parametrize("kind", ["", "made_up", "x" * 5000, "label\n{a}"])
def test_unknown_types_share_one_name(kind: str) -> None:
    """
    A metric label is never a stranger's choice.
    """
    assert Inbound(ignored="event_other") == understood({"eventType": kind})


def test_another_organizations_event_is_refused() -> None:
    """
    Where corp_id is set, in both spellings.
    """
    account = in_chinese(corp_id="mine")
    for spelling in ("eventCorpId", "CorpId"):
        with pytest.raises(Forbidden):
            understood(
                {"eventType": "chat_add_member", "eventId": "e", spelling: "theirs"}, JOINED, account
            )

    assert understood({**HEADERS, "eventCorpId": "mine"}, JOINED, account).envelopes


def test_only_who_may_speak_makes_notices() -> None:
    """
    A title is text that somebody chose.
    """
    account = in_chinese(allowed_users=frozenset({"boss"}))

    assert Inbound(ignored="sender_not_allowed") == understood(HEADERS, JOINED, account)
    assert understood(HEADERS, {**JOINED, "operator": "boss"}, account).envelopes


def test_a_group_known_by_its_old_id_alone_is_no_place() -> None:
    """
    Nothing can be routed by a chatId.
    """
    data = {"chatId": "chat1", "operator": "manager1001"}

    assert Inbound(ignored="event_without_conversation") == understood(HEADERS, data)


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        ({}, {}),
        ({"eventType": 7}, {}),
        ({"eventType": "chat_quit"}, JOINED),
        ({**HEADERS, "eventId": ""}, JOINED),
        ({**HEADERS, "eventId": "x" * 2000}, JOINED),
        (HEADERS, {**JOINED, "openConversationId": 7}),
        (HEADERS, {**JOINED, "openConversationId": "user:manager1001"}),
        (HEADERS, {**JOINED, "userId": [7]}),
        (HEADERS, {**JOINED, "timeStamp": "soon"}),
        (HEADERS, {**JOINED, "operator": ["x"]}),
    ],
)
def test_what_is_not_an_event_is_malformed(headers: dict[str, Any], data: dict[str, Any]) -> None:
    """
    Refused with the place, never a crash; a group cannot pose as somebody's direct chat.
    """
    with pytest.raises(Malformed):
        understood(headers, data)
