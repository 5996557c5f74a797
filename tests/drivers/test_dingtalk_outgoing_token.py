"""The legacy outgoing robot: a token in a header, and messages without a robot's code."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bridge.driver import Complaint
from bridge.errors import Unverified
from drivers.dingtalk import DRIVER
from drivers.dingtalk.http_robot import HttpRobotDriver
from drivers.dingtalk.signature import sign
from tests.drivers.dingtalk.pair import SECRET, connected
from tests.drivers.dingtalk.wire_files import RECEIVED_AT, a_request, wire

CASES = {case["name"]: case for case in wire("outgoing_tokens.json")}
BODY = wire("inbound/custom_robot_outgoing_no_robotCode.json")
TOKEN = "simOutgoingToken01"
STAMP = str(int(RECEIVED_AT.timestamp() * 1000))


def with_driver(check: Callable[[HttpRobotDriver], None], **settings: Any) -> None:
    async def scenario() -> None:
        async with connected(**{"outgoing_token": TOKEN, **settings}) as pair:
            check(pair.driver)

    asyncio.run(scenario())


@pytest.mark.parametrize("signing_secret", [SECRET, None])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_token_decides(case: dict[str, Any], signing_secret: str | None) -> None:
    """
    Whether or not other callers sign: without a token nobody is taken for an outgoing robot.
    """
    request = a_request(BODY, **case["headers"])

    def check(driver: HttpRobotDriver) -> None:
        if case["accept"]:
            driver.verify(request)
            (envelope,) = driver.normalize(request).envelopes
            assert envelope.message.text
            assert (
                b'{"msgtype":"empty"}'
                == driver.reply(request, driver.normalize(request), now=RECEIVED_AT, nonce="n").body
            )
        else:
            with pytest.raises(Unverified):
                driver.verify(request)

    with_driver(check, outgoing_token=case["configured_token"], signing_secret=signing_secret)


@pytest.mark.parametrize("token", ["", "x", TOKEN + "é", "\udcff", TOKEN.upper(), TOKEN + " "])
def test_a_nasty_token_is_refused(token: str) -> None:
    """
    Compared as bytes: a comparison of texts raises on what is not ASCII.
    """

    def check(driver: HttpRobotDriver) -> None:
        with pytest.raises(Unverified):
            driver.verify(a_request(BODY, token=token))

    with_driver(check)


def test_a_signed_call_is_held_to_its_signature() -> None:
    """
    A token beside a sign proves nothing; a good sign needs no token.
    """

    def check(driver: HttpRobotDriver) -> None:
        good = a_request(BODY, timestamp=STAMP, sign=sign(STAMP, SECRET))
        driver.verify(good)
        assert driver.normalize(good).envelopes
        with pytest.raises(Unverified, match="sign"):
            driver.verify(a_request(BODY, token=TOKEN, timestamp=STAMP, sign="A" * 43 + "="))

    with_driver(check)


def test_without_a_configured_token_the_header_means_nothing() -> None:
    """
    Such a call is held to the signature like any other.
    """

    def check(driver: HttpRobotDriver) -> None:
        with pytest.raises(Unverified, match="timestamp"):
            driver.verify(a_request(BODY, token=TOKEN))

    with_driver(check, outgoing_token=None)


def test_a_token_is_proof_enough_for_check() -> None:
    """
    Nobody is told that callbacks are not verified, for those without the token are refused.
    """

    def codes(**settings: Any) -> list[str]:
        given = {"app_key": "k", "app_secret": "s", "allowed_users": "*", **settings}
        return [complaint.code for complaint in DRIVER.check(given) if isinstance(complaint, Complaint)]

    assert ["callbacks-unverified"] == codes()
    assert [] == codes(outgoing_token=TOKEN)
