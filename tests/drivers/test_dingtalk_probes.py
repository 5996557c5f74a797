"""What doctor says of an app robot."""

import asyncio
from typing import Any

import aiohttp
import pytest

from bridge.driver import Toolbox
from bridge.model import Finding
from drivers.dingtalk.clock_skew import compare
from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.probes import STATUS_PATH, reach_gateway
from tests.clock import NOON
from tests.contract.servers import closed_port
from tests.drivers.dingtalk.pair import connected

DOWNLOAD_PATH = "/v1.0/robot/messageFiles/download"
TOKEN_PATH = "/v1.0/oauth2/accessToken"
DENIED = Fault(
    403,
    {
        "code": "Forbidden.AccessDenied.AccessTokenPermissionDenied",
        "accessdenieddetail": {"requiredScopes": ["qyapi_robot_sendmsg"]},
    },
)


def probed(arrange: Any = None, **settings: Any) -> tuple[list[Finding], list[str]]:
    """The findings, and the paths that were called."""

    async def scenario() -> tuple[list[Finding], list[str]]:
        async with connected(**settings) as pair:
            if arrange:
                arrange(pair)
            findings = list(await pair.driver.probe())
            return findings, [call.path for call in pair.dingtalk.calls]

    return asyncio.run(scenario())


def wrong(findings: list[Finding]) -> Finding:
    (finding,) = [finding for finding in findings if not finding.ok]
    return finding


def test_a_good_account_is_fine_and_nothing_is_posted() -> None:
    """
    Token, clock, robot, permission, and what the console must say.
    """
    findings, calls = probed()

    assert all(finding.ok for finding in findings)
    assert [TOKEN_PATH, TOKEN_PATH, DOWNLOAD_PATH, STATUS_PATH] == calls
    said = "\n".join(finding.what for finding in findings)
    for word in ("access token", "clock agrees", "knows the robot", "permission to send", "消息接收地址"):
        assert word in said


def test_wrong_credentials_are_found_first() -> None:
    """
    Nothing else can be known then; the secret itself is not repeated.
    """
    findings, calls = probed(app_secret="wrong-secret")
    (finding, *_) = findings

    assert not finding.ok
    assert "app_secret" in finding.hint
    assert "wrong-secret" not in repr(findings)
    assert [TOKEN_PATH] == calls


def test_a_wrong_robot_code_is_named() -> None:
    """
    With the page where the right one stands.
    """
    findings, _ = probed(robot_code="dingother")
    bad = [finding for finding in findings if not finding.ok]

    assert "robot_code" in bad[0].hint


@pytest.mark.parametrize("path", [DOWNLOAD_PATH, STATUS_PATH])
def test_a_missing_permission_is_named_with_its_link(path: str) -> None:
    """
    The scope, and the page on which this app asks for it.
    """
    finding = wrong(probed(lambda pair: pair.dingtalk.fail_next(DENIED, path=path))[0])

    assert "qyapi_robot_sendmsg" in finding.what
    assert finding.hint.endswith("appscope/apply?content=dingsimappkey0000001%23qyapi_robot_sendmsg")


@pytest.mark.parametrize("fault", [Fault(200, b"<html>"), Fault(500, {}), Fault(404, b"nothing here")])
@pytest.mark.parametrize("path", [DOWNLOAD_PATH, STATUS_PATH])
def test_what_could_not_be_tried_is_not_fine(path: str, fault: Fault) -> None:
    """
    A 404 of a proxy is not DingTalk's word.
    """
    if fault.status == 200:
        fault = Fault(reset=True)
    findings, _ = probed(lambda pair: pair.dingtalk.fail_next(fault, path=path))

    assert wrong(findings).hint


def test_the_link_asks_for_what_is_missing() -> None:
    """
    DingTalk may name another permission than the one that we think of.
    """
    detail = {"requiredScopes": ["Robot.Message.Read"]}
    code = "Forbidden.AccessDenied.AccessTokenPermissionDenied"
    denied = Fault(403, {"code": code, "accessdenieddetail": detail})
    finding = wrong(probed(lambda pair: pair.dingtalk.fail_next(denied, path=STATUS_PATH))[0])

    assert finding.hint.endswith("%23Robot.Message.Read")


def test_a_gateway_behind_a_firewall_is_found() -> None:
    """
    The ticket is granted by another host; it stays unused, and is not shown.
    """

    async def scenario() -> list[Finding]:
        with closed_port() as port:
            async with connected() as pair, aiohttp.ClientSession() as http:
                toolbox = Toolbox(http, pair.clock)
                return [
                    await reach_gateway(toolbox, f"ws://127.0.0.1:{port}/connect?ticket=t1cket"),
                    await reach_gateway(
                        toolbox, pair.dingtalk.base_url.replace("http", "ws") + "/connect?ticket=t1cket"
                    ),
                ]

    shut, open_ = asyncio.run(scenario())

    assert not shut.ok
    assert "wss-open-connection.dingtalk.com" in shut.hint
    assert open_.ok
    assert "t1cket" not in repr((shut, open_))


def test_an_unknown_refusal_proves_permission() -> None:
    """
    Whatever DingTalk calls the message that does not exist.
    """
    odd = refusal(400, "some.other.word", "")
    findings, _ = probed(lambda pair: pair.dingtalk.fail_next(odd, path=STATUS_PATH))

    assert all(finding.ok for finding in findings)


def test_events_have_their_own_page_in_the_console() -> None:
    """
    It is named where the keys are set.
    """
    findings, _ = probed(callback_token="simToken01", callback_aes_key="a" * 43)

    assert [finding for finding in findings if "callback_aes_key" in finding.what]
    assert "a" * 43 not in repr(findings)


def test_unverified_callbacks_are_shouted() -> None:
    """
    Every time; an outgoing token is proof, too.
    """
    assert "signing_secret" in wrong(probed(signing_secret=None)[0]).hint
    assert all(finding.ok for finding in probed(signing_secret=None, outgoing_token="t")[0])


@pytest.mark.parametrize(
    ("date", "ok"),
    [
        ("Fri, 20 Nov 2026 12:00:59 GMT", True),
        ("Fri, 20 Nov 2026 11:59:01 GMT", True),
        ("Fri, 20 Nov 2026 12:01:01 GMT", False),
        ("Fri, 20 Nov 2026 09:00:00 GMT", False),
    ],
)
def test_a_clock_that_is_off_is_found(date: str, ok: bool) -> None:
    """
    A minute is tolerated; the command that mends it is in the hint.
    """
    finding = compare(date, NOON)

    assert finding is not None
    assert ok is finding.ok
    assert ok or "set-ntp" in finding.hint


@pytest.mark.parametrize(
    "date", ["", "soon", "Fri, 20 Nov 2026 12:00:00 -0000", "Fri, 99 Nov 2026 12:00:00 GMT"]
)
def test_no_date_is_no_finding(date: str) -> None:
    """
    A proxy may take it away; nothing is claimed then.
    """
    assert compare(date, NOON) is None
