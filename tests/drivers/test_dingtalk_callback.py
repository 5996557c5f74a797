"""DingTalk callbacks become envelopes, or are refused; never a crash."""

import copy
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Forbidden, IngressError, Malformed
from bridge.model import Attachment, AttachmentKind, Envelope, Mention, Quote
from drivers.dingtalk.callback import Account, normalize
from tests.drivers.dingtalk.wire_files import (
    ACCOUNT,
    INSTANCE,
    RECEIVED_AT,
    a_request,
    inbound_names,
    readable,
    wire,
)

TEXT = wire("inbound/text_group.json")
DIRECT = wire("inbound/text_dm.json")
CID = TEXT["conversationId"]


def the_envelope(body: dict[str, Any], account: Account = ACCOUNT) -> Envelope:
    """The only one that the callback holds."""
    (envelope,) = normalize(a_request(body), account).envelopes
    return envelope


@pytest.mark.parametrize("name", inbound_names())
def test_a_real_body_becomes_its_envelope(name: str) -> None:
    """
    Every captured body beside what it must become: tests/drivers/dingtalk/inbound.
    """
    inbound = normalize(a_request(wire(f"inbound/{name}.json")), ACCOUNT)

    assert wire(f"inbound/{name}.expected.json") == readable(inbound)


@pytest.mark.parametrize("exchange", wire("signed_requests.json"), ids=lambda e: e["name"])
def test_the_exact_bytes_of_a_callback_are_understood(exchange: dict[str, Any]) -> None:
    """
    Not our own JSON of it, but the bytes as captured.
    """
    body = exchange["body_utf8"].encode()
    assert exchange["body_sha256"] == hashlib.sha256(body).hexdigest()

    inbound = normalize(a_request(body, **exchange["headers"]), ACCOUNT)

    assert wire(f"inbound/{exchange['name']}.expected.json") == readable(inbound)


@pytest.mark.parametrize("robot_code", ["dingsimappkey0000001", "normal", "", None])
def test_a_callback_for_our_robot_is_taken(robot_code: str | None) -> None:
    """
    Real bodies carry the code, the word "normal", or nothing.
    """
    assert the_envelope({**TEXT, "robotCode": robot_code})


@pytest.mark.parametrize("robot_code", ["dingother", "DINGSIMAPPKEY0000001", "normal "])
def test_a_callback_for_another_robot_is_forbidden(robot_code: str) -> None:
    """
    The signature does not cover the body, so the body is held against the configuration.
    """
    with pytest.raises(Forbidden, match="robot_code"):
        normalize(a_request({**TEXT, "robotCode": robot_code}), ACCOUNT)


def test_a_callback_of_another_organization_is_forbidden() -> None:
    """
    Only where corp_id is set; its own is taken.
    """
    ours = Account(INSTANCE, ACCOUNT.robot_code, corp_id=TEXT["chatbotCorpId"])
    other = Account(INSTANCE, ACCOUNT.robot_code, corp_id="dingother")

    assert the_envelope(TEXT, ours)
    with pytest.raises(Forbidden, match="corp_id"):
        normalize(a_request(TEXT), other)


@pytest.mark.parametrize(
    ("allowed", "ignored"),
    [
        (None, ""),
        (frozenset({"manager1001"}), ""),
        (frozenset(), "sender_not_allowed"),
        (frozenset({"测试用户"}), "sender_not_allowed"),
        (frozenset({TEXT["senderId"]}), "sender_not_allowed"),
        (frozenset({"MANAGER1001"}), "sender_not_allowed"),
    ],
)
def test_only_allowed_users_are_relayed(allowed: frozenset[str] | None, ignored: str) -> None:
    """
    By staff id: a nickname is whatever its owner types, and an encrypted id is nobody's name.
    """
    account = Account(INSTANCE, ACCOUNT.robot_code, allowed_users=allowed)

    assert ignored == normalize(a_request(TEXT), account).ignored


def test_a_stranger_is_not_an_allowed_user() -> None:
    """
    Without a staff id nobody is on the list, not even by the encrypted id.
    """
    allowed = frozenset({"manager1001", TEXT["senderId"]})
    account = Account(INSTANCE, ACCOUNT.robot_code, allowed_users=allowed)
    for staff_id in ("", None):
        body = {**TEXT, "senderStaffId": staff_id}
        assert normalize(a_request(body), account).ignored == "sender_not_allowed"


def test_one_person_is_one_conversation() -> None:
    """
    A direct chat is named after the person; a stranger's after the chat.
    """
    assert the_envelope(DIRECT).source.conversation == "user:manager1001"

    stranger = the_envelope({**DIRECT, "senderStaffId": ""})

    assert stranger.source.conversation == "dm:" + DIRECT["conversationId"]
    assert stranger.direct


def test_a_group_cannot_pose_as_a_direct_chat() -> None:
    """
    Or one forged callback could write in the name of a person's chat.
    """
    for name in ("user:manager1001", "dm:x", "union:x"):
        with pytest.raises(Malformed, match="conversationId"):
            normalize(a_request({**TEXT, "conversationId": name}), ACCOUNT)


def test_both_names_of_a_conversation_id_are_understood() -> None:
    """
    Callbacks say conversationId, some deployments openConversationId.
    """
    body = {key: value for key, value in TEXT.items() if key != "conversationId"}

    assert the_envelope({**body, "openConversationId": CID}).source.conversation == CID
    assert the_envelope({**TEXT, "openConversationId": None}).source.conversation == CID


def test_ids_are_whole_and_case_sensitive() -> None:
    """
    Direct chats of one robot share a long suffix, so a shortened id would mix up people.
    """
    long = "cid" + "aB+/" * 100 + "=="

    assert the_envelope({**TEXT, "conversationId": long}).source.conversation == long


def test_a_monstrous_id_is_refused() -> None:
    """
    Ids are stored and repeated everywhere.
    """
    for key in ("msgId", "conversationId", "senderStaffId"):
        with pytest.raises(Malformed, match=key):
            normalize(a_request({**TEXT, key: "x" * 1025}), ACCOUNT)


def test_times_come_as_numbers_or_texts_or_not_at_all() -> None:
    """
    The page says text, every capture says number; without one our receipt counts.
    """
    sent = datetime(2025, 10, 9, 8, 53, 20, 123000, tzinfo=UTC)

    assert the_envelope({**TEXT, "createAt": 1760000000123}).occurred_at == sent
    assert the_envelope({**TEXT, "createAt": "1760000000123"}).occurred_at == sent
    assert the_envelope({**TEXT, "createAt": None}).occurred_at == RECEIVED_AT


OPTIONAL = (
    "senderNick", "senderStaffId", "conversationTitle", "isInAtList", "atUsers", "isAdmin",
    "senderCorpId", "chatbotCorpId", "chatbotUserId", "sessionWebhook", "senderPlatform",
    "robotCode", "createAt", "sessionWebhookExpiredTime", "content", "errorCode",
)  # fmt: skip


@pytest.mark.parametrize("key", OPTIONAL)
def test_an_optional_field_may_be_null_or_absent(key: str) -> None:
    """
    The table in the vendor's page is a hope: whatever a bridge can do without, it does without.
    """
    absent = {name: value for name, value in TEXT.items() if name != key}

    assert the_envelope({**TEXT, key: None}) == the_envelope(absent)
    assert the_envelope(absent).message.text == "你好"


@pytest.mark.parametrize("key", ["msgId", "msgtype", "conversationType", "conversationId", "senderId"])
def test_a_callback_without_what_it_needs_says_which(key: str) -> None:
    """
    The refusal names the path, so that the log helps.
    """
    body = {name: value for name, value in TEXT.items() if name not in (key, "senderStaffId")}

    with pytest.raises(Malformed, match=rf"\$\.{key}"):
        normalize(a_request(body), ACCOUNT)


def test_a_sender_without_a_name_is_called_by_the_id() -> None:
    """
    The default template puts a name in front of the text.
    """
    assert the_envelope({**TEXT, "senderNick": None}).sender.display_name == "manager1001"


def test_names_are_tamed() -> None:
    """
    A nickname stands in front of other people's text: one line, no direction marks, not endless.
    """
    assert the_envelope({**TEXT, "senderNick": "A\u202eda\nB\x00"}).sender.display_name == "A da B"
    assert len(the_envelope({**TEXT, "senderNick": "x" * 5000}).sender.display_name) == 100


def test_an_empty_call_of_the_robot_is_counted_not_relayed() -> None:
    """
    Nothing but an @ leaves an empty text.
    """
    for content in (" ", None):
        body = {**TEXT, "text": {"content": content}}
        assert normalize(a_request(body), ACCOUNT).ignored == "empty_message"


def test_a_notice_of_the_platform_is_not_a_message() -> None:
    """
    An error code without content; with content it is an ordinary message.
    """
    notice = wire("inbound/quota_exceeded_20001.json")

    assert normalize(a_request({**notice, "errorCode": 20001}), ACCOUNT).ignored == "quota_exhausted"
    assert normalize(a_request({**notice, "errorCode": "9"}), ACCOUNT).ignored == "platform_notice"
    assert the_envelope({**TEXT, "errorCode": "20001"}).message.text == "你好"


def test_pictures_of_a_rich_text_keep_their_order() -> None:
    """
    Text runs are joined, pictures follow as references, odd parts are skipped.
    """
    parts = [
        {"type": "picture", "downloadCode": "a"},
        {"type": "text", "text": " one"},
        {"type": "sticker", "id": 5},
        {"type": 7, "text": ["no"]},
        "odd",
        {"text": " two "},
        {"type": "picture", "pictureDownloadCode": "b"},
    ]
    body = {**TEXT, "msgtype": "richText", "text": None, "content": {"richText": parts}}

    message = the_envelope(body).message

    assert message.text == "one two"
    assert message.attachments == (
        Attachment(AttachmentKind.IMAGE, ref="a"),
        Attachment(AttachmentKind.IMAGE, ref="b"),
    )


def test_mentions_leave_out_the_robot() -> None:
    """
    By staff id where there is one; the robot is in the list like everybody else.
    """
    robot = TEXT["chatbotUserId"]
    users = [{"dingtalkId": "$:x", "staffId": "u1"}, {"dingtalkId": robot}, {"dingtalkId": "$:y"}]

    message = the_envelope({**TEXT, "atUsers": [*users, None, {}]}).message

    assert message.mentions == (Mention("u1"), Mention("$:y"))


@pytest.mark.parametrize(
    ("replied", "quote"),
    [
        ({"msgId": "q", "content": {"text": "old "}}, Quote("q", text="old")),
        ({"msgId": "q", "content": {"richText": [{"text": "a"}, {"text": "b"}]}}, Quote("q", text="ab")),
        ({"msgId": "q", "content": {"downloadCode": "x"}}, Quote("q")),
        ({"content": {"text": "old"}}, Quote(text="old")),
        ({"msgId": 5, "content": {"text": "old"}}, None),
        ({"msgId": "q", "content": {"text": ["old"]}}, None),
        ({"content": 5}, None),
        ("odd", None),
        (None, None),
    ],
)
def test_a_quote_is_taken_when_it_is_well_formed(replied: object, quote: Quote | None) -> None:
    """
    Undocumented, so nothing about it can make a message fail.
    """
    body = {**TEXT, "text": {"content": "yes", "isReplyMsg": True, "repliedMsg": replied}}

    assert the_envelope(body).message.quote == quote


def test_a_quote_of_our_own_message_has_the_id_of_our_receipt() -> None:
    """
    So that a reply to a relayed message finds its way back to the original.
    """
    body = {**TEXT, "originalProcessQueryKey": "key=", "originalMsgId": "msg=="}

    assert the_envelope(body).message.quote == Quote("key=")


def test_the_session_webhook_goes_nowhere() -> None:
    """
    It is a capability in a body that no signature covers.
    """
    assert "session" not in repr(normalize(a_request(TEXT), ACCOUNT))


def test_the_message_id_is_vouched_for_before_anything_else_is_told() -> None:
    """
    Also a message that would be ignored wears its signature out.
    """
    seen: list[str] = []

    normalize(a_request(wire("inbound/unknownMsgType.json")), ACCOUNT, seen.append)

    assert seen == ["msgSim11=="]


NASTY = [
    None, True, False, 0, -1, 10**30, 1.5, "", " ", "\x00", "\ud800", "\u202e", "x" * 3000, [], {},
    [None], [[]], {"text": None}, {"content": 1}, [{"type": "picture"}], {"richText": {}},
    {"richText": [{"text": 1}]}, {"repliedMsg": []},
]  # fmt: skip
BODIES = [wire(f"inbound/{name}.json") for name in inbound_names()]


def _understood_or_refused(body: object) -> None:
    try:
        inbound = normalize(a_request(json.dumps(body).encode()), ACCOUNT)
    except IngressError:
        return
    assert bool(inbound.envelopes) != bool(inbound.ignored)


@pytest.mark.parametrize("body", BODIES, ids=inbound_names())
def test_every_wrong_type_in_every_field_is_survived(body: dict[str, Any]) -> None:
    """
    Any JSON is understood or refused; a short list of nasty values, put into each place in turn.
    """
    for path in _places(body):
        for nasty in NASTY:
            _understood_or_refused(_with(body, path, nasty))


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    places = []
    for key, item in inner:
        places.append((*path, key))
        if isinstance(item, (dict, list)):
            places += _places(item, (*path, key))
    return places


def _with(body: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    changed: Any = copy.deepcopy(body)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(BODIES), st.dictionaries(st.sampled_from(sorted(TEXT)), JSON, max_size=4))
def test_any_json_in_the_fields_of_a_real_body_is_survived(
    body: dict[str, Any], changes: dict[str, Any]
) -> None:
    """
    As above, with values that nobody thought of.
    """
    _understood_or_refused({**body, **changes})


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b"null", b"5", b'"x"', b"{", b"NaN", b'{"msgId": NaN}', b"[" * 100_000],
)
def test_what_is_not_an_event_is_refused(body: bytes) -> None:
    """
    Bytes that are no JSON, and JSON that is no object.
    """
    with pytest.raises(Malformed):
        normalize(a_request(body), ACCOUNT)


def test_nesting_of_every_depth_is_survived() -> None:
    """
    Around the depth where the parser just manages, and the rest of the way must manage too.
    """
    for depth in range(850, 1000):
        body = b'{"msgId":"m","msgtype":' + b"[" * depth + b"]" * depth + b"}"
        with pytest.raises(Malformed):
            normalize(a_request(body), ACCOUNT)
