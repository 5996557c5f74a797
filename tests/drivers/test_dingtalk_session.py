"""Session webhooks: who may say where answers go, and when they are used."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.errors import Broken, DeliveryError, Refused, Transient
from bridge.model import Attachment, AttachmentKind, ConversationId, Mention, UserId
from bridge.wild import Wild
from drivers.dingtalk.callback_bodies import Chat
from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.http_robot import HttpRobotDriver
from drivers.dingtalk.session import MOST, Sessions
from drivers.dingtalk.signature import sign
from tests.drivers.dingtalk.pair import GROUP, PERSON, SECRET, Pair, an_outgoing, connected
from tests.drivers.dingtalk.wire_files import a_request, wire

CASES = wire("api_vectors.json")["session_webhooks"]
DENIED = refusal(403, "Forbidden.AccessDenied.AccessTokenPermissionDenied")
PING = (Mention(UserId("manager1001")),)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["url"] or "empty")
def test_only_dingtalks_own_hosts_are_believed(case: dict[str, Any]) -> None:
    """
    The URL stands in a body that no signature covers.
    """
    assert Sessions().accepts(case["url"]) == case["accept"]


@pytest.mark.parametrize(
    ("url", "accept"),
    [
        ("http://127.0.0.1:8080/robot/sendBySession?session=a", True),
        ("http://127.0.0.1:8081/robot/sendBySession?session=a", False),
        ("https://127.0.0.1:8080/robot/sendBySession?session=a", False),
        ("https://oapi.dingtalk.io/robot/sendBySession?session=a", True),
        ("https://oapi.dingtalk.com\\@evil.example/x", False),
        ("https://oapi.dingtalk.com\t.evil.example/x", False),
        ("https://oapi.dingtalk.com/x\r\nHost: evil", False),
        ("https://oapi.dingtalk.com:0443/x", True),
        ("https://oapi.dingtalk.com:４43/x", False),
        ("https://oapi.dingtalk.com#@evil.example/", False),
        ("https://oapi.dingtalk.com/" + "x" * 3000, False),
        ("https://ｏapi.dingtalk.com/x", False),
    ],
)
def test_the_configured_base_urls_are_believed_too(url: str, accept: bool) -> None:
    """
    DingTalk abroad, a gateway, a simulator: scheme, host and port, exactly.
    """
    sessions = Sessions(("http://127.0.0.1:8080", "https://oapi.dingtalk.io/base"))

    assert sessions.accepts(url) == accept


def test_sessions_are_bounded_and_end_a_minute_early() -> None:
    """
    Memory stays bounded, whatever strangers send; odd ones are ignored.
    """
    sessions, now = Sessions(), datetime(2026, 11, 20, tzinfo=UTC)
    until = int((now + timedelta(minutes=5)).timestamp() * 1000)
    good = "https://oapi.dingtalk.com/robot/sendBySession?session="
    for number in range(MOST + 10):
        body = {"sessionWebhook": f"{good}{number}", "sessionWebhookExpiredTime": until}
        sessions.notice(ConversationId(str(number)), Wild(body))
    odd: list[Any] = [
        {},
        {"sessionWebhook": 5},
        {"sessionWebhook": good, "sessionWebhookExpiredTime": "x"},
    ]
    for body in odd:
        sessions.notice(ConversationId("odd"), Wild(body))

    assert len(sessions) == MOST
    assert sessions.current(ConversationId("0"), now) == ""
    assert sessions.current(ConversationId("odd"), now) == ""
    last = ConversationId(str(MOST + 9))
    assert sessions.current(last, now + timedelta(seconds=239)) == f"{good}{MOST + 9}"
    assert sessions.current(last, now + timedelta(seconds=240)) == ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["url"] or "empty")
def test_what_a_callback_says_is_kept_only_if_it_leads_to_dingtalk(case: dict[str, Any]) -> None:
    """
    A signed callback can be forged in its body: its URL is judged before it is kept.
    """
    sessions, now = Sessions(), datetime(2026, 11, 20, tzinfo=UTC)
    until = int((now + timedelta(minutes=90)).timestamp() * 1000)
    body = {"sessionWebhook": case["url"], "sessionWebhookExpiredTime": until}

    sessions.notice(ConversationId(GROUP), Wild(body))

    assert sessions.current(ConversationId(GROUP), now) == (case["url"] if case["accept"] else "")


@pytest.mark.parametrize("until", [-62_135_596_800_000, 0, 253_402_300_799_999])
def test_a_session_may_end_at_either_end_of_the_calendar(until: int) -> None:
    """
    A minute before the year 1 there is no time: the callback is taken, and its session is over.
    """
    sessions, now = Sessions(), datetime(2026, 11, 20, tzinfo=UTC)
    url = "https://oapi.dingtalk.com/robot/sendBySession?session=a"
    sessions.notice(
        ConversationId(GROUP), Wild({"sessionWebhook": url, "sessionWebhookExpiredTime": until})
    )

    assert sessions.current(ConversationId(GROUP), now) == (url if until > 0 else "")


def test_the_session_that_was_heard_of_again_is_kept() -> None:
    """
    Where there are too many, the one that nothing was heard of for longest goes.
    """
    sessions, now = Sessions(), datetime(2026, 11, 20, tzinfo=UTC)
    url = "https://oapi.dingtalk.com/robot/sendBySession?session="
    body = {"sessionWebhook": url, "sessionWebhookExpiredTime": 253_402_300_799_999}
    for number in (*range(MOST), 0, MOST):
        sessions.notice(ConversationId(str(number)), Wild(body))

    assert len(sessions) == MOST
    assert sessions.current(ConversationId("0"), now) == url
    assert sessions.current(ConversationId("1"), now) == ""


def hear(pair: Pair, *, signed: bool = True, direct: bool = False, **chat: Any) -> None:
    """Somebody writes to the robot; the callback names a session of the simulator."""
    now = pair.clock.now()
    until = now + timedelta(minutes=90)
    people = Chat(
        robot_code=pair.dingtalk.robot_code,
        conversation_id="cidDirect=" if direct else GROUP,
        direct=direct,
        **chat,
    )
    at_ms = int(now.timestamp() * 1000)
    body = people.text("hi", message_id=f"m{at_ms}", at_ms=at_ms)
    pair.dingtalk.webhooks.open_session("s1", GROUP, until)
    body["sessionWebhook"] = f"{pair.dingtalk.base_url}/robot/sendBySession?session=s1"
    body["sessionWebhookExpiredTime"] = int(until.timestamp() * 1000)
    stamp = str(at_ms)
    headers = {"timestamp": stamp, "sign": sign(stamp, SECRET)} if signed else {}
    request = a_request(body, **headers)
    assert isinstance(pair.driver, HttpRobotDriver)
    assert pair.driver.normalize(request).envelopes


def ways(pair: Pair) -> tuple[int, int]:
    """How many messages arrived by the session, and by the OpenAPI."""
    return len(pair.dingtalk.webhooks.sessions["s1"].received), len(pair.dingtalk.received)


@pytest.mark.parametrize(
    ("send_via", "more", "expected"),
    [
        ("auto", {}, (0, 1)),
        ("auto", {"mentions": PING}, (1, 0)),
        ("openapi", {"mentions": PING}, (0, 1)),
        ("session", {}, (1, 0)),
        ("session", {"mentions": PING}, (1, 0)),
    ],
)
def test_which_way_a_message_goes(send_via: str, more: dict[str, Any], expected: tuple[int, int]) -> None:
    """
    By the session where somebody is to be pinged, always, or never.
    """

    async def scenario() -> None:
        async with connected(send_via=send_via) as pair:
            hear(pair)
            receipt = await pair.driver.send(an_outgoing("hello", **more))

            assert ways(pair) == expected
            assert (receipt.message_id is None) == (expected == (1, 0))

    asyncio.run(scenario())


def test_a_mention_pings_and_no_token_goes_along() -> None:
    """
    The URL is the capability; whoever it leads to gets nothing else of ours.
    """

    async def scenario() -> None:
        async with connected() as pair:
            hear(pair)
            await pair.driver.send(an_outgoing("look", mentions=PING))

            (body,) = pair.dingtalk.webhooks.sessions["s1"].received
            assert body["at"] == {"atUserIds": ["manager1001"], "isAtAll": False}
            assert body["text"]["content"] == "look @manager1001"
            (call,) = pair.dingtalk.calls
            assert call.path == "/robot/sendBySession"
            assert not [
                name for name in call.headers if "token" in name.lower() or "auth" in name.lower()
            ]

    asyncio.run(scenario())


def test_a_missing_permission_is_bypassed_where_there_is_a_session() -> None:
    """
    And an operator's case where there is none, or where the configuration forbids it.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.dingtalk.fail_next(DENIED, DENIED)
            with pytest.raises(Broken):
                await pair.driver.send(an_outgoing("one"))
            hear(pair)
            await pair.driver.send(an_outgoing("two"))
            assert ways(pair) == (1, 0)
        async with connected(send_via="openapi") as pair:
            hear(pair)
            pair.dingtalk.fail_next(DENIED)
            with pytest.raises(Broken):
                await pair.driver.send(an_outgoing("one"))
            assert ways(pair) == (0, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize("code", [300001, "300001", 300005])
def test_a_session_that_is_over_is_forgotten_and_the_api_takes_the_message(code: object) -> None:
    """
    DingTalk may end it before its time.
    """

    async def scenario() -> None:
        async with connected(send_via="session") as pair:
            hear(pair)
            pair.dingtalk.fail_next(
                Fault(200, {"errcode": code, "errmsg": "session 不存在"}), path="/robot/"
            )
            await pair.driver.send(an_outgoing("one"))
            await pair.driver.send(an_outgoing("two"))

            assert ways(pair) == (0, 2)
            assert pair.reported == ["session_ended"]

    asyncio.run(scenario())


def test_an_expired_session_is_not_tried() -> None:
    """
    Its time is in the callback.
    """

    async def scenario() -> None:
        async with connected(send_via="session") as pair:
            hear(pair)
            pair.clock.advance(5400 - 59)
            await pair.driver.send(an_outgoing("one"))
            assert "/robot/sendBySession" not in [call.path for call in pair.dingtalk.calls]
            assert ways(pair) == (0, 1)

    asyncio.run(scenario())


def test_other_failures_of_a_session_are_failures() -> None:
    """
    Unsafe content is unsafe either way, a lost answer is a doubt; neither names the URL.
    """

    async def scenario() -> None:
        async with connected(send_via="session") as pair:
            hear(pair)
            for fault, error in (
                (Fault(200, {"errcode": 430104}), Refused),
                (Fault(200, {"errcode": -1}), Transient),
                (Fault(reset=True), DeliveryError),
                (Fault(302, b"", {"Location": "http://127.0.0.1/"}), DeliveryError),
            ):
                pair.dingtalk.fail_next(fault, path="/robot/")
                with pytest.raises(error) as caught:
                    await pair.driver.send(an_outgoing("one"))
                assert "session=" not in str(caught.value)
            assert ways(pair) == (0, 0)

    asyncio.run(scenario())


def test_what_nobody_vouches_for_says_not_where_answers_go() -> None:
    """
    Without a signing secret a forged callback could turn answers to a stranger's chat.
    """

    async def scenario() -> None:
        async with connected(send_via="session", signing_secret=None) as pair:
            hear(pair, signed=False)
            await pair.driver.send(an_outgoing("one"))
            assert ways(pair) == (0, 1)

    asyncio.run(scenario())


def test_a_direct_chat_is_answered_too_and_an_outsider_by_the_session_alone() -> None:
    """
    The OpenAPI reaches members only.
    """

    async def scenario() -> None:
        async with connected() as pair:
            hear(pair, direct=True)
            await pair.driver.send(an_outgoing("one", to=PERSON, mentions=PING))
            assert ways(pair) == (1, 0)
            hear(pair, direct=True, staff_id="")
            await pair.driver.send(an_outgoing("two", to="dm:cidDirect="))
            assert len(pair.dingtalk.webhooks.sessions["s1"].received) == 1
            assert not pair.dingtalk.received
            with pytest.raises(Refused, match="members"):
                await pair.driver.send(an_outgoing("three", to="dm:cidOther="))

    asyncio.run(scenario())


def test_a_file_goes_by_the_api() -> None:
    """
    A webhook takes none.
    """

    async def scenario() -> None:
        async with connected(send_via="session") as pair:
            hear(pair)
            file = Attachment(kind=AttachmentKind.FILE, url="https://example.com/a.exe")
            await pair.driver.send(an_outgoing("one", attachments=(file,)))
            assert ways(pair) == (0, 1)

    asyncio.run(scenario())


def test_relayed_text_does_not_ping_by_a_session() -> None:
    """
    The same care as with a group robot.
    """

    async def scenario() -> None:
        async with connected(send_via="session") as pair:
            hear(pair)
            await pair.driver.send(an_outgoing("@all @13800000000"))
            (body,) = pair.dingtalk.webhooks.sessions["s1"].received
            assert "@" not in json.dumps(body["text"])
            assert body["at"] == {"atUserIds": [], "isAtAll": False}

    asyncio.run(scenario())
