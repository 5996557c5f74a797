"""The app robot against the simulator, over real sockets."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from bridge.driver import Driver, MediaSource, Toolbox, Webhook
from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Refused,
    Transient,
    Unverified,
)
from bridge.model import Inbound, InboundRequest, TextFormat
from drivers.dingtalk import DRIVER
from drivers.dingtalk.driver import AppRobotDriver
from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.signature import sign
from tests.clock import FakeClock
from tests.drivers.dingtalk.pair import GROUP, PERSON, SECRET, Pair, an_outgoing, connected
from tests.drivers.dingtalk.wire_files import INSTANCE, RECEIVED_AT, a_request, wire

TOKEN_PATH = "/v1.0/oauth2/accessToken"


def token_calls(pair: Pair) -> int:
    return sum(call.path == TOKEN_PATH for call in pair.dingtalk.calls)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def a_signed_request(body: dict[str, object], at: datetime = RECEIVED_AT) -> InboundRequest:
    stamp = str(int(at.timestamp() * 1000))
    return a_request(body, timestamp=stamp, sign=sign(stamp, SECRET))


def test_a_text_reaches_a_group_and_a_person() -> None:
    """
    The receipt has the id by which a post can be recalled.
    """

    async def scenario() -> None:
        async with connected() as pair:
            to_group = await pair.driver.send(an_outgoing("钉钉 😀", to=GROUP))
            to_person = await pair.driver.send(
                an_outgoing("**x**", to=PERSON, format=TextFormat.MARKDOWN)
            )

            first, second = pair.dingtalk.received
            assert (first.group, first.person, first.text) == (GROUP, "", "钉钉 😀")
            assert (second.group, second.person, second.text) == ("", "manager1001", "**x**")
            assert to_group.message_id == first.process_query_key
            assert to_person.message_id == second.process_query_key

    asyncio.run(scenario())


def test_the_driver_is_what_it_claims() -> None:
    """
    The core finds abilities by their protocols.
    """

    async def scenario() -> None:
        async with connected() as pair:
            driver: Driver = pair.driver
            assert isinstance(driver, Webhook)
            assert isinstance(driver, MediaSource)

    asyncio.run(scenario())


def test_one_token_serves_many_sends() -> None:
    """
    Twenty lanes at once, one token.
    """

    async def scenario() -> None:
        async with connected() as pair:
            async with asyncio.TaskGroup() as lanes:
                for number in range(20):
                    lanes.create_task(pair.driver.send(an_outgoing(str(number))))

            assert token_calls(pair) == 1
            assert len(pair.dingtalk.received) == 20

    asyncio.run(scenario())


def test_a_token_is_renewed_before_it_ends() -> None:
    """
    Two hours later the platform never sees the old one.
    """

    async def scenario() -> None:
        async with connected() as pair:
            await pair.driver.send(an_outgoing())
            pair.clock.advance(7200 - 299)
            await pair.driver.send(an_outgoing())

            assert token_calls(pair) == 2
            assert pair.reported == []

    asyncio.run(scenario())


def test_a_revoked_token_is_replaced_and_the_message_sent_once() -> None:
    """
    Somebody else's process may have had it revoked; nobody notices.
    """

    async def scenario() -> None:
        async with connected() as pair:
            await pair.driver.send(an_outgoing("one"))
            pair.dingtalk.revoke_tokens()
            await pair.driver.send(an_outgoing("two"))

            assert [m.text for m in pair.dingtalk.received] == ["one", "two"]
            assert token_calls(pair) == 2
            assert pair.reported == ["token_refused"]

    asyncio.run(scenario())


def test_a_fresh_token_that_is_refused_too_is_an_operators_case() -> None:
    """
    One new token for a send, not a loop.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.dingtalk.fail_next(*[refusal(400, "InvalidAuthentication")] * 3)
            with pytest.raises(Broken) as caught:
                await pair.driver.send(an_outgoing())

            assert caught.value.reason == "invalid_token"
            assert token_calls(pair) == 2
            assert pair.dingtalk.received == []

    asyncio.run(scenario())


def test_wrong_credentials_suspend_the_instance() -> None:
    """
    No message is condemned for it.
    """

    async def scenario() -> None:
        async with connected(app_secret="wrong-secret") as pair:
            with pytest.raises(Broken, match="app_key") as caught:
                await pair.driver.send(an_outgoing())

            assert caught.value.scope == "instance"
            assert caught.value.reason == "bad_credentials"

    asyncio.run(scenario())


def test_a_lost_answer_is_told_from_a_refused_connection() -> None:
    """
    After a cut or a silence the message may have arrived; with nobody there it has not.
    """

    async def scenario() -> None:
        async with connected(timeout=0.3) as pair:
            await pair.driver.send(an_outgoing("first"))
            for fault in (Fault(reset=True, took=True), Fault(hang=True, took=True)):
                pair.dingtalk.fail_next(fault)
                with pytest.raises(Indeterminate):
                    await pair.driver.send(an_outgoing("perhaps"))
            assert [m.text for m in pair.dingtalk.received] == ["first", "perhaps", "perhaps"]

        async with connected(api_base_url="http://127.0.0.1:1") as pair:
            with pytest.raises(Transient):
                await pair.driver.send(an_outgoing())

    asyncio.run(scenario())


def test_a_token_that_never_comes_leaves_the_message_unsent() -> None:
    """
    So it is tried again without a doubt, whatever on_lost_answer says.
    """

    async def scenario() -> None:
        async with connected(timeout=0.3) as pair:
            for fault in (Fault(reset=True), Fault(hang=True), Fault(504)):
                pair.dingtalk.fail_next(fault, path=TOKEN_PATH)
                with pytest.raises(Transient):
                    await pair.driver.send(an_outgoing())
            assert pair.dingtalk.received == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fault",
    [
        Fault(reset=True),
        refusal(400, "InvalidAuthentication", SECRET),
        refusal(403, f"x{SECRET}", SECRET),
        Fault(302, b"", {"Location": f"https://elsewhere/?secret={SECRET}"}),
        Fault(200, SECRET.encode()),
        Fault(500, {"code": [SECRET], "requestid": {"x": SECRET}}),
    ],
)
def test_no_error_tells_a_secret(fault: Fault) -> None:
    """
    Neither the app secret nor the token, in no error and in nothing that caused it.
    """

    async def scenario() -> None:
        async with connected() as pair:
            for path in (TOKEN_PATH, "/v1.0/robot/", "/v1.0/robot/"):
                pair.dingtalk.fail_next(*[fault] * 2, path=path)
                with pytest.raises(DeliveryError) as caught:
                    await pair.driver.send(an_outgoing())
                tokens = {
                    call.headers.get("x-acs-dingtalk-access-token", SECRET)
                    for call in pair.dingtalk.calls
                }
                said = " ".join(f"{e!s} {e!r}" for e in chain(caught.value))
                assert not [secret for secret in (SECRET, *tokens) if secret in said]

    asyncio.run(scenario())


def test_a_download_code_becomes_a_url_that_opens() -> None:
    """
    Anybody may open it, without a token.
    """

    async def scenario() -> None:
        async with connected() as pair:
            url = await pair.driver.public_url("simPicture+/=")
            async with aiohttp.ClientSession() as anybody, anybody.get(url) as response:
                assert response.status == 200
                assert (await response.read()).startswith(b"\x89PNG")

    asyncio.run(scenario())


def test_a_download_code_that_is_gone_is_refused() -> None:
    """
    The lane writes a note instead and goes on; silence is worth another try.
    """

    async def scenario() -> None:
        async with connected() as pair:
            with pytest.raises(Refused):
                await pair.driver.public_url("expired")
            for fault in (Fault(reset=True), Fault(504), Fault(200, b"{")):
                pair.dingtalk.fail_next(fault)
                with pytest.raises(Transient):
                    await pair.driver.public_url("simPicture+/=")

    asyncio.run(scenario())


# --- the near end: no sockets, but the driver's own state -------------------------------------------


def receiving(**settings: object) -> tuple[AppRobotDriver, list[str]]:
    """A driver that only receives, and what it reports."""
    reported: list[str] = []

    async def scenario() -> AppRobotDriver:
        given = {"app_key": "dingsimappkey0000001", "app_secret": SECRET, **settings}
        async with aiohttp.ClientSession() as http:
            toolbox = Toolbox(http=http, clock=FakeClock(), report=reported.append)
            async with DRIVER.open(INSTANCE, given, toolbox) as driver:
                assert isinstance(driver, AppRobotDriver)
                return driver

    return asyncio.run(scenario()), reported


def test_a_signed_callback_is_taken_and_an_unsigned_one_is_not() -> None:
    """
    Verified before it is looked at.
    """
    driver, _ = receiving(signing_secret=SECRET)
    body = wire("inbound/text_group.json")

    driver.verify(a_signed_request(body))
    for request in (a_request(body), a_signed_request(body, RECEIVED_AT - timedelta(minutes=6))):
        with pytest.raises(Unverified):
            driver.verify(request)


def test_without_a_signing_secret_everybody_is_believed() -> None:
    """
    As existing configurations expect; it is shouted elsewhere.
    """
    driver, _ = receiving()
    request = a_request(wire("inbound/text_group.json"))

    driver.verify(request)

    assert len(driver.normalize(request).envelopes) == 1


def test_one_signature_cannot_carry_a_flood() -> None:
    """
    The 65th message under one signature is refused, and one with its own is taken.
    """
    driver, _ = receiving(signing_secret=SECRET)
    body = wire("inbound/text_group.json")
    for number in range(64):
        driver.normalize(a_signed_request({**body, "msgId": f"m{number}"}))

    with pytest.raises(Unverified):
        driver.normalize(a_signed_request({**body, "msgId": "m64"}))
    later = RECEIVED_AT + timedelta(milliseconds=1)
    assert driver.normalize(a_signed_request({**body, "msgId": "m64"}, later)).envelopes


def test_an_exhausted_quota_is_reported() -> None:
    """
    From then on DingTalk says nothing more, so this must be seen.
    """
    driver, reported = receiving()

    inbound = driver.normalize(a_request(wire("inbound/quota_exceeded_20001.json")))

    assert inbound.ignored == "quota_exhausted"
    assert reported == ["quota_exhausted"]


def test_the_robot_answers_with_silence() -> None:
    """
    What there is to say comes later, from a lane.
    """
    driver, _ = receiving()
    now = datetime.now(UTC)

    response = driver.reply(a_request(b"{}"), Inbound(), now=now, nonce="n")

    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.body) == {"msgtype": "empty"}
