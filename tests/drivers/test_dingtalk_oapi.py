"""The older API: what its codes mean, and persons by their union id."""

import asyncio
import json
import traceback
from typing import Any

import pytest

from bridge.errors import Broken, DeliveryError, Indeterminate, Refused, Scope, Throttled, Transient
from drivers.dingtalk.faults import Fault
from drivers.dingtalk.oapi import MEANINGS, failure, success, token_is_refused
from tests.clock import NOON
from tests.drivers.dingtalk.pair import Pair, an_outgoing, connected
from tests.drivers.dingtalk.wire_files import wire

HERE, ALL = Scope.CONVERSATION, Scope.INSTANCE
UNION = "union:simUnion0001"
FIND = "/topapi/user/getbyunionid"
VECTORS = wire("api_vectors.json")["api"]
SCOPED = VECTORS["errors"]["permission_60011_live_shape"]["json"]
BANNED = {"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "xxx"}

# errcode, type, scope, reason, seconds to wait, what the operator reads
ROWS: list[tuple[int, type[DeliveryError], Scope, str, float | None, str]] = [
    (-1, Transient, HERE, "server_error", None, "busy"),
    (15, Transient, HERE, "server_error", None, "busy"),
    (504, Transient, HERE, "server_error", None, "busy"),
    (40014, Broken, ALL, "invalid_token", None, "token"),
    (42001, Broken, ALL, "invalid_token", None, "token"),
    (40001, Broken, ALL, "bad_credentials", None, "app_secret"),
    (60011, Broken, ALL, "permission_missing", None, "grant the app's permission"),
    (60020, Broken, ALL, "address_not_allowed", None, "address"),
    (90002, Throttled, ALL, "qps_limit", 2.0, "90002"),
    (90018, Throttled, ALL, "qpm_limit", 60.0, "90018"),
    (90020, Throttled, ALL, "qpm_limit", 60.0, "90020"),
    (33012, Broken, HERE, "unknown_person", None, "id of the person"),
    (60121, Broken, HERE, "unknown_person", None, "id of the person"),
    (50002, Broken, HERE, "out_of_scope", None, "may see"),
    (50004, Broken, HERE, "out_of_scope", None, "may see"),
    (60003, Refused, HERE, "unknown_department", None, "60003"),
    (40068, Refused, HERE, "bad_request", None, "40068"),
    (40069, Refused, HERE, "bad_request", None, "40069"),
    (123456, Refused, HERE, "unknown_code", None, "123456"),
]


def error_for(answer: object, status: int = 200) -> DeliveryError:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    assert success(status, body) is None
    return failure(status, {}, body, now=NOON, app_key="dingsimappkey0000001")


@pytest.mark.parametrize(("code", "error", "scope", "reason", "wait", "says"), ROWS)
@pytest.mark.parametrize("shape", ["number", "text", "wrapped"])
def test_every_code_has_its_meaning(
    code: int, error: type[DeliveryError], scope: Scope, reason: str, wait: float | None, says: str, shape: str
) -> None:  # fmt: skip
    """
    As a number, as a text, and inside of an 88, which wraps another system's.
    """
    if shape == "wrapped" and code < 0:
        pytest.skip("a subcode is never negative")
    answer: dict[str, Any] = {"errcode": str(code) if shape == "text" else code, "errmsg": "the vendor's"}
    if shape == "wrapped":
        answer = {"errcode": 88, "errmsg": f"ding talk error[subcode={code},submsg=the vendor's]"}

    said = error_for(answer)

    assert (type(said), said.scope, said.reason, said.retry_after) == (error, scope, reason, wait)
    assert says in str(said)
    assert "the vendor's" not in str(said)


def test_every_code_of_the_table_is_among_the_rows() -> None:
    """
    A line that is added to the table needs a line here.
    """
    assert set(MEANINGS) <= {str(code) for code, *_ in ROWS}


def test_a_missing_permission_is_named_with_the_link_to_apply_for_it() -> None:
    """
    What the operator must click on, made here: the vendor's text is not repeated.
    """
    said = error_for(SCOPED)

    assert said.reason == "permission_missing"
    assert "(required scopes: qyapi_get_department_member)" in str(said)
    link = "https://open-dev.dingtalk.com/appscope/apply?content=dingsimappkey0000001%23qyapi_get_department_member"
    assert link in str(said)


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (200, b"", Indeterminate),
        (200, {}, Indeterminate),
        (200, {"errcode": False}, Indeterminate),
        (200, {"errcode": None}, Indeterminate),
        (200, [], Indeterminate),
        (500, {"errcode": 0}, Transient),
        (504, b"", Indeterminate),
        (200, BANNED, Throttled),
        (403, b"<html>", Throttled),
        (404, b"?", Broken),
        (200, {"errcode": 88, "errmsg": 5}, Refused),
    ],
)
def test_an_answer_that_is_not_a_plain_zero_is_no_success(
    status: int, answer: object, error: type[DeliveryError]
) -> None:
    """
    A gateway, a proxy or a ban may answer anything.
    """
    assert type(error_for(answer, status)) is error


def test_a_refused_token_is_known_by_each_of_its_codes() -> None:
    """
    A new one could mend it.
    """
    assert token_is_refused(json.dumps(VECTORS["errors"]["invalid_token_old"]["json"]).encode())
    assert token_is_refused(b'{"errcode": "42001"}')
    assert token_is_refused(b'{"errcode": 88, "errmsg": "error[subcode=40014,submsg=x]"}')
    assert not token_is_refused(b'{"errcode": 0, "errmsg": "subcode=40014"}')
    assert not token_is_refused(b"<html>")


# --- persons by union id ---


def asked(pair: Pair) -> int:
    return sum(call.path == FIND for call in pair.dingtalk.calls)


def test_a_person_is_found_by_union_id_once() -> None:
    """
    And from then on written to as by staff id.
    """

    async def scenario() -> None:
        async with connected() as pair:
            for text in ("one", "two"):
                await pair.driver.send(an_outgoing(text, to=UNION))

            assert [(one.person, one.text) for one in pair.dingtalk.received] == [
                ("manager1001", "one"),
                ("manager1001", "two"),
            ]
            assert asked(pair) == 1

    asyncio.run(scenario())


def test_what_was_posted_to_a_union_id_can_be_taken_back() -> None:
    """
    The conversation is still called by the rule's name.
    """

    async def scenario() -> None:
        async with connected() as pair:
            outgoing = an_outgoing("one", to=UNION)
            posted = await pair.driver.send(outgoing)
            assert posted.message_id is not None
            await pair.driver.recall(outgoing.destination.conversation, [posted.message_id])
            assert pair.dingtalk.recalled == {posted.message_id}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        (None, Broken, "unknown_person"),
        (Fault(200, SCOPED), Broken, "permission_missing"),
        (Fault(200, {"errcode": 0, "result": {}}), Broken, "unknown_person"),
        (Fault(200, {"errcode": 90018}), Throttled, "qpm_limit"),
        (Fault(504), Transient, "gateway_timeout"),
        (Fault(reset=True), Transient, "no_answer"),
    ],
)
def test_a_person_who_is_not_found_holds_up_that_conversation(
    fault: Fault | None, error: type[DeliveryError], reason: str
) -> None:
    """
    Nothing was posted; the message waits, and the failure is not remembered.
    """

    async def scenario() -> None:
        async with connected() as pair:
            if fault is not None:
                pair.dingtalk.fail_next(fault, path=FIND)
            to = UNION if fault is not None else "union:nobody"
            with pytest.raises(DeliveryError) as caught:
                await pair.driver.send(an_outgoing("one", to=to))
            assert (type(caught.value), caught.value.reason) == (error, reason)
            assert pair.dingtalk.received == []
            await pair.driver.send(an_outgoing("two", to=UNION))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fault",
    [Fault(reset=True), Fault(hang=True), Fault(302, b"", {"Location": "https://elsewhere"}), Fault(500)],
)
def test_no_error_tells_the_token_that_stands_in_the_url(fault: Fault) -> None:
    """
    The older API wants it there.
    """

    async def scenario() -> None:
        async with connected(timeout=0.3) as pair:
            pair.dingtalk.fail_next(fault, path=FIND)
            with pytest.raises(DeliveryError) as caught:
                await pair.driver.send(an_outgoing("one", to=UNION))
            await pair.driver.send(an_outgoing("two"))
            token = pair.dingtalk.calls[-1].headers["x-acs-dingtalk-access-token"]
            said = "".join(traceback.format_exception(caught.value))
            assert token not in said
            assert "access_token" not in str(caught.value)

    asyncio.run(scenario())


def test_a_revoked_token_is_replaced_for_the_older_api_too() -> None:
    """
    Nobody notices.
    """

    async def scenario() -> None:
        async with connected() as pair:
            await pair.driver.send(an_outgoing("one"))
            pair.dingtalk.revoke_tokens()
            await pair.driver.send(an_outgoing("two", to=UNION))
            assert pair.reported == ["token_refused"]
            assert len(pair.dingtalk.received) == 2

    asyncio.run(scenario())
