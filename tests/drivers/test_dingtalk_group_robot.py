"""A group robot against the simulator: security settings, mentions, and what every code means."""

import asyncio
import json
from typing import Any

import pytest

from bridge.driver import Editor, Listener, MediaSource, Recaller, Webhook
from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.model import Button, Mention, RateLimit, TextFormat, UserId
from drivers.dingtalk.faults import Fault
from drivers.dingtalk.robot_send import EVERYBODY
from drivers.dingtalk.webhook_failures import MEANINGS
from tests.drivers.dingtalk.robot_pair import SIGNED, TOKEN, a_group_robot, an_outgoing

HERE, ALL = Scope.CONVERSATION, Scope.INSTANCE
SIGN_LIVE = (
    "description:机器人发送签名不匹配;solution:请确认签名和生成签名的时间戳必须都放在调用的网址中，请确认机器人的密钥加密和填写正确;"
    "link:请参考本接口对应文档获得具体要求，或者在https://open.dingtalk.com/document/  搜索相关文档;"
)
KEYWORD_LIVE = (
    "description:关键词不匹配;solution:请联系群管理员查看此机器人的关键词，并在发送的信息中包含此关键词;"
)

# errcode, errmsg, type, scope, reason, seconds to wait, what the operator reads
ROWS: list[tuple[int, str, type[DeliveryError], Scope, str, float | None, str]] = [
    (-1, "系统繁忙", Transient, HERE, "server_error", None, "DingTalk is busy"),
    (40035, "缺少参数 json", Refused, HERE, "bad_request", None, "no JSON"),
    (43004, "无效的HTTP HEADER", Refused, HERE, "bad_request", None, "Content-Type"),
    (400013, "群已被解散", Broken, HERE, "group_dissolved", None, "the group is gone"),
    (400101, "access_token不存在", Broken, ALL, "unknown_token", None, "check webhook_url"),
    (400102, "机器人已停用", Broken, ALL, "robot_stopped", None, "enable the robot"),
    (400105, "不支持的消息类型", Refused, HERE, "bad_request", None, "type of message"),
    (400106, "机器人不存在", Broken, HERE, "robot_not_found", None, "add the robot to the group"),
    (310000, "keywords not in content", Broken, ALL, "keyword_mismatch", None, "set keyword"),
    (310000, KEYWORD_LIVE, Broken, ALL, "keyword_mismatch", None, "set keyword"),
    (310000, "invalid timestamp", Broken, ALL, "clock_skew", None, "clock"),
    (310000, "sign not match", Broken, ALL, "signature_mismatch", None, "sign_secret"),
    (310000, SIGN_LIVE, Broken, ALL, "signature_mismatch", None, "sign_secret"),
    (310000, "ip 1.2.3.4 not in whitelist", Broken, ALL, "address_not_allowed", None, "address"),
    (310000, "something else", Broken, ALL, "security_check", None, "sign_secret and keyword"),
    (410100, "发送速度太快而限流", Throttled, ALL, "send_too_fast", 600.0, "20 messages in a minute"),
    (130101, "send too fast, exceed 20 times per minute", Throttled, ALL, "send_too_fast", 600.0, "20 mess"),
    (430101, "不安全的外链", Refused, HERE, "unsafe_content", None, "link"),
    (430102, "不合适的文本", Refused, HERE, "unsafe_content", None, "text"),
    (430103, "不合适的图片", Refused, HERE, "unsafe_content", None, "picture"),
    (430104, "不合适的内容", Refused, HERE, "unsafe_content", None, "content"),
    (460101, "message too long, exceed 20000 bytes", Refused, HERE, "too_long", None, "20000 bytes"),
    (300001, "token 不存在", Broken, ALL, "unknown_token", None, "check webhook_url"),
    (300005, "token is not exist", Broken, ALL, "unknown_token", None, "check webhook_url"),
    (101002, "?", Refused, HERE, "send_failed", None, "does not say why"),
    (660026, "?", Refused, HERE, "send_failed", None, "does not say why"),
    (777777, "new", Refused, HERE, "unknown_code", None, "777777"),
]  # fmt: skip


async def error_of(fault: Fault) -> DeliveryError:
    async with a_group_robot() as pair:
        pair.dingtalk.fail_next(fault, path="/robot/send")
        with pytest.raises(DeliveryError) as caught:
            await pair.driver.send(an_outgoing())
        assert pair.robot.received == []
        return caught.value


def posted(text: str = "hello", **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What arrived at the robot, and the notes of the receipt."""

    async def scenario() -> tuple[dict[str, Any], tuple[str, ...]]:
        async with a_group_robot() as pair:
            receipt = await pair.driver.send(an_outgoing(text, **more))
            (body,) = pair.robot.received
            return body, receipt.notes

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("code", "words", "error", "scope", "reason", "wait", "says"), ROWS, ids=[f"{r[0]} {r[1][:12]}" for r in ROWS]
)  # fmt: skip
@pytest.mark.parametrize("as_text", [False, True], ids=["number", "text"])
def test_every_code_has_its_meaning(
    code: int, words: str, error: type[DeliveryError], scope: Scope, reason: str, wait: float | None, says: str, as_text: bool
) -> None:  # fmt: skip
    """
    The class says what the core does, the scope how much waits, and the operator reads what to do;
    HTTP 200 with an errcode, a number or a text, is never success.
    """
    answer = {"errcode": str(code) if as_text else code, "errmsg": f"{words} {TOKEN}"}

    caught = asyncio.run(error_of(Fault(200, answer)))

    assert (type(caught), caught.scope, caught.reason) == (error, scope, reason)
    assert caught.retry_after == wait
    assert says in str(caught)
    assert str(code) in str(caught)
    assert TOKEN not in str(caught)


def test_every_code_of_the_table_is_among_the_rows() -> None:
    """
    A line that is added to the table needs a line here.
    """
    assert set(MEANINGS) <= {str(code) for code, *_ in ROWS}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(200, b""), Indeterminate),
        (Fault(200, {}), Indeterminate),
        (Fault(200, {"errmsg": "ok"}), Indeterminate),
        (Fault(200, {"errcode": None}), Indeterminate),
        (Fault(200, {"errcode": False}), Indeterminate),
        (Fault(200, [0]), Indeterminate),
        (Fault(200, {"errcode": {"a": 1}}), Refused),
        (Fault(500, {"errcode": 0}), Transient),
        (Fault(504, b""), Indeterminate),
        (Fault(404, b"not here"), Broken),
        (Fault(302, b"", {"Location": "https://elsewhere"}), Broken),
        (Fault(403, b"<html>blocked</html>"), Throttled),
        (Fault(200, {"status": 1111, "wait": 5, "source": "x5", "punish": "deny"}), Throttled),
    ],
)
def test_an_answer_that_is_not_a_plain_zero_is_no_success(
    fault: Fault, error: type[DeliveryError]
) -> None:
    """
    A gateway, a proxy or a ban may answer anything.
    """
    assert type(asyncio.run(error_of(fault))) is error


@pytest.mark.parametrize("zero", [0, "0"])
def test_zero_is_success_as_a_number_and_as_a_text(zero: object) -> None:
    """
    The documentation prints both.
    """

    async def scenario() -> None:
        async with a_group_robot() as pair:
            pair.dingtalk.fail_next(Fault(200, {"errcode": zero, "errmsg": "ok"}), path="/robot/send")

            receipt = await pair.driver.send(an_outgoing())

            assert receipt.message_id is None

    asyncio.run(scenario())


def test_the_driver_only_sends() -> None:
    """
    DingTalk never calls a group robot, and what it posted cannot be taken back.
    """

    async def scenario() -> None:
        async with a_group_robot() as pair:
            for ability in (Webhook, Listener, Editor, Recaller, MediaSource):
                assert not isinstance(pair.driver, ability)
            assert pair.driver.capabilities.rate_limit == RateLimit(20, 60.0)

    asyncio.run(scenario())


def test_a_signed_post_is_taken_and_the_base64_is_encoded_once() -> None:
    """
    Over a hundred timestamps there are all of ``+``, ``/`` and ``=`` in the signatures.
    """

    async def scenario() -> None:
        async with a_group_robot(secret=SIGNED, sign_secret=SIGNED) as pair:
            for number in range(100):
                await pair.driver.send(an_outgoing(str(number), key=f"d:{number}"))
                pair.clock.advance(7.001)

            assert [str(number) for number in range(100)] == pair.robot.texts

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [("", SIGNED, "signature_mismatch"), ("SECwrong", SIGNED, "signature_mismatch")],
)
def test_a_missing_or_wrong_secret_is_an_operators_case(ours: str, theirs: str, reason: str) -> None:
    """
    Nothing goes out until somebody puts it right.
    """

    async def scenario() -> None:
        async with a_group_robot(secret=theirs, sign_secret=ours or None) as pair:
            with pytest.raises(Broken) as caught:
                await pair.driver.send(an_outgoing())
            assert caught.value.reason == reason

    asyncio.run(scenario())


def test_an_address_that_is_not_on_the_list_is_named_as_that() -> None:
    """
    IP mode: there is nothing to configure here, only there.
    """

    async def scenario() -> None:
        async with a_group_robot() as pair:
            pair.robot.addresses = frozenset({"127.0.0.1"})
            await pair.driver.send(an_outgoing())
            pair.robot.addresses = frozenset({"192.0.2.1"})
            with pytest.raises(Broken, match="address") as caught:
                await pair.driver.send(an_outgoing(key="d:2"))
            assert caught.value.reason == "address_not_allowed"

    asyncio.run(scenario())


@pytest.mark.parametrize("format_", TextFormat)
@pytest.mark.parametrize(
    "buttons", [(), (Button("a", "https://example.com"),), (Button("", "https://e.org"),)]
)
def test_the_keyword_is_added_where_it_is_missing(
    format_: TextFormat, buttons: tuple[Button, ...]
) -> None:
    """
    In every kind of message, and only once.
    """

    async def scenario() -> None:
        async with a_group_robot(keywords=("告警", "other"), keyword="告警") as pair:
            for key, text in (("d:1", "disk full"), ("d:2", "告警: disk full")):
                await pair.driver.send(an_outgoing(text, key=key, format=format_, buttons=buttons))
            assert [text.count("告警") for text in pair.robot.texts] == [1, 1]

    asyncio.run(scenario())


def test_a_repeated_post_has_the_same_idempotency_key() -> None:
    """
    After a lost answer the group sees the message once.
    """

    async def scenario() -> None:
        async with a_group_robot() as pair:
            pair.dingtalk.fail_next(Fault(reset=True, took=True), path="/robot/send")
            with pytest.raises(Indeterminate):
                await pair.driver.send(an_outgoing("once"))
            await pair.driver.send(an_outgoing("once"))

            (body,) = pair.robot.received
            assert body["msgUuid"] == "0123456789abcdef:1"

    asyncio.run(scenario())


def test_mentions_ping_by_user_id_and_everybody() -> None:
    """
    The id stands in ``at`` and in the text, or nothing is rendered.
    """
    one, everybody = Mention(UserId("user123")), Mention(EVERYBODY)

    for format_, inner in ((TextFormat.PLAIN, "content"), (TextFormat.MARKDOWN, "text")):
        body, notes = posted("look", format=format_, mentions=(one, everybody))
        assert body["at"] == {"atUserIds": ["user123"], "isAtAll": True}
        assert body[body["msgtype"]][inner] == "look @user123"
        assert notes == ()
    card, _ = posted("look", mentions=(one,), buttons=(Button("a", "https://example.com"),))
    assert card["actionCard"]["text"].endswith(" @user123")
    _, notes = posted("look", mentions=(one,), buttons=(Button("", "https://example.com"),))
    assert notes == ("1 mentions left out: a link mentions nobody",)


@pytest.mark.parametrize("format_", TextFormat)
@pytest.mark.parametrize("text", ["@all hi", "hi @ALL", "@所有人", "call @13800000000 @138", "@everyone"])
def test_relayed_text_never_pings(text: str, format_: TextFormat) -> None:
    """
    Neither by ``at``, which is explicitly empty, nor by what stands in the text.
    """
    body, _ = posted(text, format=format_, title=text)

    assert body["at"] == {"atUserIds": [], "isAtAll": False}
    assert "@" not in json.dumps(body[body["msgtype"]])


def test_in_a_card_no_word_pings() -> None:
    """
    There the text alone decides, so every sign before a word goes; an address stays readable.
    """
    body, _ = posted("ask @manager1001 or a@b.org @ noon", buttons=(Button("a", "https://example.com"),))

    assert body["actionCard"]["text"] == "ask ＠manager1001 or a＠b.org @ noon"


def test_an_ordinary_at_sign_is_left_alone() -> None:
    """
    An e-mail address or a name is no ping where ``at`` decides.
    """
    body, _ = posted("mail a@b.org, @manager1001")

    assert body["text"]["content"] == "mail a@b.org, @manager1001"


def test_a_probe_reaches_the_host_and_compares_clocks() -> None:
    """
    Without posting; the token can only be proven by a message.
    """

    async def scenario() -> None:
        async with a_group_robot(sign_secret=SIGNED) as pair:
            pair.dingtalk.fail_next(
                Fault(404, b"", {"Date": "Fri, 20 Nov 2026 12:00:01 GMT"}),
                Fault(404, b"", {"Date": "Fri, 20 Nov 2026 14:00:00 GMT"}),
                path="/",
            )
            assert [finding.ok for finding in await pair.driver.probe()] == [True, True]
            _, skewed = await pair.driver.probe()
            assert not skewed.ok
            assert "7200 s" in skewed.what
            assert pair.robot.received == []
            assert not [call for call in pair.dingtalk.calls if TOKEN in str(call)]

    asyncio.run(scenario())
