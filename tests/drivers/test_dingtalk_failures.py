"""Every refusal of DingTalk's API means one thing to the bridge: its type, scope and reason."""

import asyncio
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from drivers.dingtalk.failures import MEANINGS, code_of, failure
from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.openapi import decode_download, decode_sent, decode_token
from tests.clock import NOON
from tests.drivers.dingtalk.pair import SECRET, an_outgoing, connected

HERE, ALL = Scope.CONVERSATION, Scope.INSTANCE
QPS = "Forbidden.AccessDenied.QpsLimitFor"
PUNISHED = {"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "xxx"}
PAGE = b"<!DOCTYPE html><html><body>blocked</body></html>"

# status, body (a code, or any answer), type, scope, reason, seconds to wait
ROWS: list[tuple[int, Any, type[DeliveryError], Scope, str, float | None]] = [
    (400, "InvalidAuthentication", Broken, ALL, "invalid_token", None),
    (400, "invalidClientIdOrSecret", Broken, ALL, "bad_credentials", None),
    (401, "authFailed", Broken, ALL, "bad_credentials", None),
    (400, "auth.error", Broken, ALL, "bad_credentials", None),
    (400, "unauthorized", Broken, ALL, "unauthorized", None),
    (400, "token.notExisted", Broken, ALL, "unauthorized", None),
    (400, "bot.stopped", Broken, ALL, "robot_stopped", None),
    (400, "sign.not.match", Broken, ALL, "signature_mismatch", None),
    (400, "ip.not.match", Broken, ALL, "address_not_allowed", None),
    (400, "invalidParameter.robotCode.auth", Broken, ALL, "bad_robot_code", None),
    (403, "Forbidden.AccessDenied.AccessTokenPermissionDenied", Broken, ALL, "permission_missing", None),
    (403, "Forbidden.AccessDenied.IpNotInWhiteList", Broken, ALL, "address_not_allowed", None),
    (400, "group.disbanded", Broken, HERE, "group_dissolved", None),
    (400, "invalid.openConversationId", Broken, HERE, "unknown_conversation", None),
    (400, "robot.oto.notExist", Broken, HERE, "no_direct_chats", None),
    (400, "chatbotId.notAllow.sendOTO", Broken, HERE, "no_direct_chats", None),
    (400, "resource.not.found", Broken, HERE, "robot_not_found", None),
    (400, "resource.unavailable", Broken, HERE, "robot_not_found", None),
    (400, "conversation.org.notMatch", Broken, HERE, "other_organization", None),
    (400, "template.stopped", Broken, HERE, "template_unavailable", None),
    (400, "template.not.existed", Broken, HERE, "template_unavailable", None),
    (400, "keywords.not.match", Broken, HERE, "keyword_mismatch", None),
    (400, "bot.forbidden.sendMessage", Broken, HERE, "robot_muted", None),
    (400, "send.too.fast", Throttled, HERE, "send_too_fast", 30.0),
    (400, "too.many.people", Throttled, HERE, "send_too_fast", 30.0),
    (400, "send.byToken.tooFast", Throttled, ALL, "send_too_fast", 30.0),
    (400, "too.many.group", Throttled, ALL, "send_too_fast", 30.0),
    (400, "toomuch.msg", Throttled, ALL, "robot_rate_limit", 60.0),
    (403, QPS + "Api", Throttled, ALL, "qps_limit", 2.0),
    (403, QPS + "AppkeyAndApi", Throttled, ALL, "qps_limit", 2.0),
    (403, QPS + "SuitekeyAndOrgAndApi", Throttled, ALL, "qps_limit", 2.0),
    (403, "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi", Throttled, ALL, "qpm_limit", 60.0),
    (403, "Forbidden.AccessDenied.ApiCountLimitForOrg", Throttled, ALL, "monthly_quota", 3600.0),
    (400, "contain.unsafe.url", Refused, HERE, "unsafe_content", None),
    (400, "contain.notAllowed.text", Refused, HERE, "unsafe_content", None),
    (400, "contain.notAllowed.picture", Refused, HERE, "unsafe_content", None),
    (400, "Missingbody", Refused, HERE, "bad_request", None),
    (400, "miss.param", Refused, HERE, "bad_request", None),
    (400, "invalidParameter.msgParam", Refused, HERE, "bad_request", None),
    (400, "invalid.param.msgKey", Refused, HERE, "bad_request", None),
    (400, "sendMessage.model.notMatch", Refused, HERE, "bad_request", None),
    (400, "not.allowed.robotCode", Broken, ALL, "bad_robot_code", None),
    (400, "robot.processQueryKey.expired", Refused, HERE, "too_old", None),
    (400, "processQueryKey.expireTime", Refused, HERE, "too_old", None),
    (400, "invalid.processQueryKey", Refused, HERE, "unknown_message", None),
    (400, "invalidParameter.processQueryKeys.overMax", Refused, HERE, "bad_request", None),
    (400, "notRevoke.all.messages", Refused, HERE, "not_recalled", None),
    (400, "contain.notAllowed.content", Refused, HERE, "unsafe_content", None),
    (403, "Forbidden.AccessDenied.QpmLimitForSuitekeyAndOrgAndApi", Throttled, ALL, "qpm_limit", 60.0),
    (400, "session.expired", Refused, HERE, "session_ended", None),
    (400, "session.notExisted", Refused, HERE, "session_ended", None),
    (400, "unknown.send.result", Indeterminate, HERE, "unknown_result", None),
    (500, "system.error", Transient, HERE, "server_error", None),
    (500, "send.ding.exception", Transient, HERE, "server_error", None),
    # unknown codes, and answers that are none of DingTalk's
    (400, "something.new", Refused, HERE, "unknown_code", None),
    (403, "Forbidden.AccessDenied.Something", Refused, HERE, "unknown_code", None),
    (500, "something.new", Transient, HERE, "server_error", None),
    (503, b"", Transient, HERE, "server_error", None),
    (429, b"", Throttled, ALL, "too_many_requests", 60.0),
    (504, "system.error", Indeterminate, HERE, "gateway_timeout", None),
    (504, b"", Indeterminate, HERE, "gateway_timeout", None),
    (502, PAGE, Indeterminate, HERE, "gateway_timeout", None),
    (200, PAGE, Throttled, ALL, "address_banned", 300.0),
    (403, PAGE, Throttled, ALL, "address_banned", 300.0),
    (200, PUNISHED, Throttled, ALL, "address_banned", 300.0),
    (403, PUNISHED, Throttled, ALL, "address_banned", 300.0),
    (404, b"not found", Broken, ALL, "not_dingtalk", None),
    (302, b"", Broken, ALL, "not_dingtalk", None),
    # 200 is not success
    (200, b"", Indeterminate, HERE, "unknown_result", None),
    (200, b"[]", Indeterminate, HERE, "unknown_result", None),
    (200, b"{", Indeterminate, HERE, "unknown_result", None),
    (200, {}, Indeterminate, HERE, "unknown_result", None),
    (200, {"processQueryKey": ""}, Indeterminate, HERE, "unknown_result", None),
    (200, {"processQueryKey": 5}, Indeterminate, HERE, "unknown_result", None),
    (200, {"processQueryKey": "k", "code": "something.new"}, Indeterminate, HERE, "unknown_result", None),
    (200, {"processQueryKey": "k", "errcode": 88}, Indeterminate, HERE, "unknown_result", None),
    (200, {"processQueryKey": "k", "code": {}}, Indeterminate, HERE, "unknown_result", None),
    (200, "group.disbanded", Broken, HERE, "group_dissolved", None),
    (204, b"", Indeterminate, HERE, "unknown_result", None),
    # one person, in lists inside a 200
    (200, {"processQueryKey": "k", "invalidStaffIdList": ["x"]}, Broken, HERE, "unknown_person", None),
    (200, {"processQueryKey": "k", "flowControlledStaffIdList": ["x"]}, Throttled, HERE, "person_limit", 60.0),
    (200, {"processQueryKey": "k", "filteredStaffIdList": ["x"]}, Refused, HERE, "filtered", None),
]  # fmt: skip


def a_fault(status: int, body: Any, **headers: str) -> Fault:
    if isinstance(body, str):
        return refusal(status, body, f"the vendor's words, with {SECRET} in them")
    return Fault(status, body, headers)


def test_every_refusal_is_told_apart() -> None:
    """
    The core decides what to do next by type and scope alone; the reason is a metric label.
    """

    async def scenario() -> None:
        async with connected() as pair:
            for status, body, error, scope, reason, wait in ROWS:
                row = f"{status} {body!r}"
                # A refused token is fetched anew and tried once more before it is believed.
                times = 2 if body == "InvalidAuthentication" else 1
                pair.dingtalk.fail_next(*[a_fault(status, body)] * times)
                with pytest.raises(DeliveryError) as caught:
                    await pair.driver.send(an_outgoing())
                said = caught.value
                assert (type(said), said.scope, said.reason) == (error, scope, reason), row
                assert said.retry_after == wait, row
                if isinstance(body, str):
                    assert str(said).startswith(f"DingTalk answered {status} {body}"), row
            assert pair.dingtalk.received == []

    asyncio.run(scenario())


def test_every_code_of_the_table_is_among_the_rows() -> None:
    """
    A line that is added to the table needs a line here.
    """
    codes = {body for _, body, *_ in ROWS if isinstance(body, str)}
    for known in MEANINGS:
        assert any(code.startswith(known.removesuffix("*")) for code in codes), known


def test_what_an_operator_must_mend_says_how() -> None:
    """
    Behind the status and the code stands what to do, for every row that suspends something.
    """
    for status, code, error, *_ in ROWS:
        if error is Broken and isinstance(code, str):
            said = str(failure(status, {}, json.dumps({"code": code}).encode(), now=NOON))
            assert re.fullmatch(rf"DingTalk answered {status} {re.escape(code)}: .{{12,}}", said), said


def test_a_wish_of_the_server_is_obeyed() -> None:
    """
    Retry-After, in both its forms, wins over what the table says; garbage is no wish.
    """
    busy = json.dumps({"code": "send.too.fast"}).encode()
    for status, body in ((400, busy), (429, b""), (503, b"")):
        for value, wait in (("7", 7.0), ("Fri, 20 Nov 2026 12:01:00 GMT", 60.0), ("-1", 0.0)):
            assert failure(status, {"Retry-After": value}, body, now=NOON).retry_after == wait
    assert failure(400, {"Retry-After": "soon"}, busy, now=NOON).retry_after == 30.0


def test_a_missing_permission_is_named() -> None:
    """
    The operator must click on exactly that one in the console.
    """
    body = {
        "code": "Forbidden.AccessDenied.AccessTokenPermissionDenied",
        "requestid": "e64a36ef-2fb4-4bc5-bbd8-80e0f54218f9",
        "accessdenieddetail": {"requiredScopes": ["qyapi_robot_sendmsg", SECRET + "\n", 5]},
    }

    said = str(failure(403, {}, json.dumps(body).encode(), now=NOON))

    assert "(required scopes: qyapi_robot_sendmsg)" in said
    assert "e64a36ef-2fb4-4bc5-bbd8-80e0f54218f9" in said


def test_the_vendors_words_are_not_repeated() -> None:
    """
    They can hold what we sent; a code is repeated only if it looks like one.
    """
    body = {"code": f"x {SECRET}", "requestid": f"y {SECRET}", "message": f"token {SECRET}"}

    assert SECRET not in str(failure(400, {}, json.dumps(body).encode(), now=NOON))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"code": "a"}, "a"),
        ({"Code": "a"}, "a"),
        ({"errcode": 88}, "88"),
        ({"errcode": 0}, ""),
        ({"errcode": "0"}, ""),
        ({"code": None}, ""),
        ({"code": ["a"]}, "?"),
        ({}, ""),
    ],
)
def test_the_code_is_found_under_each_of_its_names(answer: dict[str, Any], code: str) -> None:
    """
    Gateways differ; zero is what success looks like in the older API.
    """
    assert code_of(answer) == code


def test_a_token_refusal_never_condemns_a_message() -> None:
    """
    A token that we did not get says nothing about the message, and nothing was sent: whatever the
    token's endpoint answers, the error is for the whole instance and the message stays.
    """
    for status, body, *_ in ROWS:
        with pytest.raises(DeliveryError) as caught:
            decode_token(status, {}, _bytes(body), now=NOON)
        assert isinstance(caught.value, (Broken, Throttled, Transient))
        transient = isinstance(caught.value, Transient)
        assert transient or caught.value.scope is ALL


@pytest.mark.parametrize(
    "answer",
    [
        {"accessToken": "t"},
        {"accessToken": "", "expireIn": 7200},
        {"accessToken": "a\r\nb: c", "expireIn": 7200},
        {"accessToken": 5, "expireIn": 7200},
        {"accessToken": "t", "expireIn": True},
        {"accessToken": "t", "expireIn": 0},
        {"accessToken": "t", "expireIn": "soon"},
    ],
)
def test_an_odd_token_is_no_token(answer: dict[str, Any]) -> None:
    """
    It becomes a header, so it must look like one, and it must have an end.
    """
    with pytest.raises(Transient):
        decode_token(200, {}, json.dumps(answer).encode(), now=NOON)


@pytest.mark.parametrize(
    "url",
    [
        None, 5, "", "x", "ftp://host/x", "file:///etc/passwd", "http://", "https:///x",
        "http://[", "javascript:alert(1)", "http://host/a b", "http://host/\n", "http://höst/x",
        "http://host/" + "x" * 5000,
    ],
)  # fmt: skip
def test_only_a_web_address_is_a_download(url: object) -> None:
    """
    It is put into messages for people to click on.
    """
    with pytest.raises(Refused):
        decode_download(200, {}, json.dumps({"downloadUrl": url}).encode(), now=NOON)


@given(
    st.sampled_from([200, 204, 302, 400, 403, 429, 500, 504]),
    st.binary(max_size=80) | st.sampled_from([b"null", b"1e999", b"[" * 90_000]),
)
def test_any_answer_is_an_error_or_a_receipt(status: int, body: bytes) -> None:
    """
    What stands in DingTalk's place may answer anything.
    """
    with pytest.raises(DeliveryError):
        decode_sent(status, {}, body, now=NOON)


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return json.dumps({"code": body} if isinstance(body, str) else body).encode()
