"""Published exchanges with DingTalk's APIs: what we send, and what we make of each answer."""

import asyncio
import json
from typing import Any

import pytest

from bridge.errors import Broken, DeliveryError, Indeterminate, Refused, Scope, Throttled
from bridge.model import MessageId, TextFormat
from drivers.dingtalk import oapi, openapi, recall, webhook_failures
from drivers.dingtalk.failures import failure
from drivers.dingtalk.message_templates import complaint_about
from drivers.dingtalk.openapi import Encoder
from tests.clock import NOON
from tests.drivers.dingtalk.pair import GROUP, PERSON, an_outgoing, connected
from tests.drivers.dingtalk.wire_files import wire

API = wire("api_vectors.json")["api"]
ERRORS = API["errors"]
ROBOT = "dingsimappkey0000001"


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_the_token_exchange() -> None:
    """
    Request, grant and refusal.
    """
    case = API["accessToken"]
    asked = case["request"]["json"]

    assert case["request"]["path"] == openapi.TOKEN_PATH
    assert json.loads(openapi.encode_token_request(asked["appKey"], asked["appSecret"])) == asked
    grant = openapi.decode_token(200, {}, encoded(case["ok"]["json"]), now=NOON)
    assert (grant.token, grant.lifetime) == (case["ok"]["json"]["accessToken"], 7200)
    with pytest.raises(Broken) as caught:
        openapi.decode_token(case["bad"]["status"], {}, encoded(case["bad"]["json"]), now=NOON)
    assert (caught.value.reason, caught.value.scope) == ("bad_credentials", Scope.INSTANCE)
    assert oapi.success(200, encoded(API["gettoken_ok"])) == API["gettoken_ok"]


def test_the_two_ways_to_send() -> None:
    """
    The same JSON, and the receipt that each answer stands for.
    """
    group, person = API["groupMessages_send"], API["oToMessages_batchSend"]

    _, ours = Encoder(ROBOT, "Message").send(an_outgoing("钉钉，让进步发生", to=GROUP))
    assert json.loads(ours) == group["request"]
    receipt = openapi.decode_sent(200, {}, encoded(group["ok"]), now=NOON)
    assert receipt.message_id == group["ok"]["processQueryKey"]

    markdown = an_outgoing("hello text", to=PERSON, title="hello title", format=TextFormat.MARKDOWN)
    _, ours = Encoder(ROBOT, "Message").send(markdown)
    assert json.loads(ours) == person["request"]
    for name in ("ok", "ok_all_fields"):
        with pytest.raises(Broken) as caught:
            openapi.decode_sent(200, {}, encoded(person[name]), now=NOON)
        assert caught.value.reason == "unknown_person"
    for request in (group["request"], person["request"]):
        assert complaint_about(request) == ""


def test_the_recall() -> None:
    """
    Both requests; an answer without failures leaves nothing.
    """
    case = API["recall"]

    path, body = recall.encode(GROUP, ROBOT, ["k1"])
    assert (path, json.loads(body)) == ("/v1.0/robot/groupMessages/recall", case["request_group"])
    path, body = recall.encode(PERSON, ROBOT, ["k1"])
    assert (path, json.loads(body)) == ("/v1.0/robot/otoMessages/batchRecall", case["request_oto"])
    assert recall.decode(200, {}, encoded(case["ok"]), [MessageId("k1")], now=NOON) == []
    assert recall.decode(200, {}, encoded(case["ok"]), [MessageId("k1"), MessageId("k2")], now=NOON) == [
        "k2"
    ]


def test_the_download() -> None:
    """
    A code for a URL.
    """
    case = API["messageFiles_download"]

    ours = Encoder(ROBOT, "Message").download(case["request"]["downloadCode"])
    assert json.loads(ours) == case["request"]
    assert openapi.decode_download(200, {}, encoded(case["ok"]), now=NOON) == case["ok"]["downloadUrl"]


@pytest.mark.parametrize(
    ("name", "error", "scope", "reason"),
    [
        ("invalid_token_new", Broken, Scope.INSTANCE, "invalid_token"),
        ("qps_app", Throttled, Scope.INSTANCE, "qps_limit"),
        ("qps_api", Throttled, Scope.INSTANCE, "qps_limit"),
        ("monthly_quota", Throttled, Scope.INSTANCE, "monthly_quota"),
        ("no_permission", Broken, Scope.INSTANCE, "permission_missing"),
        ("ip_ban", Throttled, Scope.INSTANCE, "address_banned"),
        ("gateway_timeout", Indeterminate, Scope.CONVERSATION, "gateway_timeout"),
    ],
)
def test_a_published_error_of_the_openapi(
    name: str, error: type[DeliveryError], scope: Scope, reason: str
) -> None:
    """
    Each as it was captured.
    """
    case = ERRORS[name]
    status = case["status"] if case.get("status", 0) < 600 and "status" in case else 403
    body = case.get("json") or {key: value for key, value in case.items() if key != "status"}
    if name == "ip_ban":
        body = case
    if name == "invalid_token_new":
        assert openapi.token_is_refused(status, encoded(body))

    said = failure(status, {}, b"" if name == "gateway_timeout" else encoded(body), now=NOON)

    assert (type(said), said.scope, said.reason) == (error, scope, reason)
    if name == "no_permission":
        assert "(required scopes: Contact.User.Read)" in str(said)


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("custom_sign", Broken, "signature_mismatch"),
        ("custom_keyword", Broken, "keyword_mismatch"),
        ("custom_rate", Throttled, "send_too_fast"),
        ("custom_rate_documented", Throttled, "send_too_fast"),
        ("custom_too_long", Refused, "too_long"),
    ],
)
def test_a_published_error_of_a_webhook(name: str, error: type[DeliveryError], reason: str) -> None:
    """
    Each as it was captured, HTTP 200.
    """
    body = encoded(ERRORS[name])

    assert not webhook_failures.success(200, body)
    said = webhook_failures.failure(200, {}, body, now=NOON)
    assert (type(said), said.reason) == (error, reason)
    assert not webhook_failures.session_is_over(body)


def test_the_end_of_a_session() -> None:
    """
    It is told from every other failure.
    """
    assert webhook_failures.session_is_over(encoded(ERRORS["session_expired"]))


def test_the_two_shapes_of_a_missing_permission() -> None:
    """
    Wrapped in an 88, and by itself.
    """
    for name in ("permission_60011_live_shape", "permission_60011_direct_shape"):
        said = oapi.failure(200, {}, encoded(ERRORS[name]["json"]), now=NOON)
        assert (type(said), said.reason) == (Broken, "permission_missing")
    old = encoded(ERRORS["invalid_token_old"]["json"])
    assert oapi.token_is_refused(old)
    assert oapi.failure(200, {}, old, now=NOON).reason == "invalid_token"


def test_the_directory_answers_as_published() -> None:
    """
    The simulator's answer has the published keys.
    """
    case = API["topapi_user_listsimple"]

    async def scenario() -> None:
        async with connected() as pair:
            path = case["request"]["path"].partition("?")[0]
            answer = await pair.driver._api.call_old(path, encoded(case["request"]["json"]))
            # The id of a request is another each time.
            assert {**json.loads(answer.body), "request_id": "sim"} == case["ok"]

    asyncio.run(scenario())


@pytest.mark.parametrize("name", sorted(API["custom_robot_messages"]))
def test_the_simulator_takes_the_published_messages(name: str) -> None:
    """
    All but "empty", which is only a callback's answer.
    """
    message = API["custom_robot_messages"][name]

    async def scenario() -> int:
        async with connected() as pair:
            robot = pair.dingtalk.webhooks.add("t")
            answer = await pair.driver._toolbox.request(
                "POST",
                f"{pair.dingtalk.base_url}/robot/send?access_token=t",
                body=encoded(message),
                headers={"content-type": "application/json"},
            )
            code = int(json.loads(answer.body)["errcode"])
            assert bool(robot.received) == (code == 0)
            return code

    assert asyncio.run(scenario()) == (400105 if name == "empty" else 0)


def test_an_id_is_what_the_platform_calls_it() -> None:
    """
    Opaque, and never shortened.
    """
    key = API["groupMessages_send"]["ok"]["processQueryKey"]

    assert openapi.decode_sent(
        200, {}, encoded({"processQueryKey": key}), now=NOON
    ).message_id == MessageId(key)
