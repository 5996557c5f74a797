"""The simulator is as strict as the platform, and sends what the platform sends."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from drivers.dingtalk.callback_bodies import Chat, Picture
from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.message_templates import MAX_PARAM, WANTED, complaint_about
from drivers.dingtalk.picture import small_picture
from drivers.dingtalk.signature import Verifier
from drivers.dingtalk.simulator import Simulator
from tests.clock import NOON, FakeClock
from tests.drivers.dingtalk.pair import GROUP, SECRET
from tests.drivers.dingtalk.wire_files import wire

SEND = "/v1.0/robot/groupMessages/send"
BATCH = "/v1.0/robot/oToMessages/batchSend"
DOWNLOAD = "/v1.0/robot/messageFiles/download"
CREDENTIALS = {"appKey": "dingsimappkey0000001", "appSecret": SECRET}
GOOD = {
    "msgKey": "sampleText",
    "msgParam": '{"content":"hi"}',
    "openConversationId": GROUP,
    "robotCode": "dingsimappkey0000001",
}


class Client:
    """Somebody else's client: plain HTTP."""

    def __init__(self, dingtalk: Simulator, http: aiohttp.ClientSession) -> None:
        self.dingtalk = dingtalk
        self.http = http

    async def post(self, path: str, body: Any, token: str = "") -> tuple[int, dict[str, Any]]:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json", "x-acs-dingtalk-access-token": token}
        url = self.dingtalk.base_url + path
        async with self.http.post(url, data=payload, headers=headers) as response:
            return response.status, await response.json()

    async def token(self) -> str:
        _, answer = await self.post("/v1.0/oauth2/accessToken", CREDENTIALS)
        return str(answer["accessToken"])


def run(scenario: Any) -> None:
    """Play ``scenario(client, clock)``."""

    async def play() -> None:
        clock = FakeClock()
        async with Simulator(clock=clock) as dingtalk, aiohttp.ClientSession() as http:
            await scenario(Client(dingtalk, http), clock)

    asyncio.run(play())


def test_a_token_needs_the_right_credentials_and_ends() -> None:
    """
    In the vendor's words and codes.
    """

    async def scenario(client: Client, clock: FakeClock) -> None:
        status, answer = await client.post("/v1.0/oauth2/accessToken", {**CREDENTIALS, "appSecret": "x"})
        assert (status, answer["code"]) == (400, "invalidClientIdOrSecret")

        token = await client.token()
        assert (await client.post(SEND, GOOD, token))[0] == 200
        clock.advance(7200)
        status, answer = await client.post(SEND, GOOD, token)
        assert (status, answer["code"]) == (400, "InvalidAuthentication")
        assert answer["requestid"]

    run(scenario)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"robotCode": ""}, "invalidParameter.robotCode.empty"),
        ({"robotCode": "ding2"}, "resource.not.found"),
        ({"openConversationId": GROUP.lower()}, "invalid.openConversationId"),
        ({"openConversationId": ["x"]}, "invalid.openConversationId"),
        ({"msgKey": "sampleTextt"}, "invalidParameter.msgKey"),
        ({"msgParam": {"content": "hi"}}, "invalidParameter.msgParam"),
        ({"msgParam": "hi"}, "invalidParameter.msgParam"),
        ({"msgParam": '{"text":"hi"}'}, "invalidParameter.msgParam"),
        ({"msgParam": '{"content":""}'}, "invalidParameter.msgParam"),
        ({"msgKey": "sampleMarkdown", "msgParam": '{"title":"","text":"x"}'}, "invalidParameter.msgParam"),
        ({"msgParam": json.dumps({"content": "x" * MAX_PARAM})}, "invalidParameter.msgParam"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused(change: dict[str, Any], code: str) -> None:
    """
    Where a client could go wrong, it must notice here and not at the platform.
    """

    async def scenario(client: Client, _: FakeClock) -> None:
        token = await client.token()

        status, answer = await client.post(SEND, {**GOOD, **change}, token)

        assert (status, answer["code"]) == (400, code)
        assert client.dingtalk.received == []

    run(scenario)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 90_000, b"\xff"])
@pytest.mark.parametrize("path", ["/v1.0/oauth2/accessToken", SEND, BATCH, DOWNLOAD])
def test_a_body_that_is_no_object_is_refused(path: str, body: bytes) -> None:
    """
    Never a crash of the server, or a test would look for the fault in the wrong place.
    """

    async def scenario(client: Client, _: FakeClock) -> None:
        status, answer = await client.post(path, body, await client.token())

        assert (status, answer["code"]) == (400, "Missingbody")

    run(scenario)


def test_the_published_exchange_with_persons() -> None:
    """
    200, with those that were not reached in lists.
    """

    async def scenario(client: Client, _: FakeClock) -> None:
        client.dingtalk.users.add("busy1")
        client.dingtalk.busy_users.add("busy1")
        asked = {
            "robotCode": "dingsimappkey0000001",
            "userIds": ["manager1001", "ghost", "busy1"],
            "msgKey": "sampleMarkdown",
            "msgParam": '{"title":"hello title","text":"hello text"}',
        }

        status, answer = await client.post(BATCH, asked, await client.token())

        assert status == 200
        assert answer["invalidStaffIdList"] == ["ghost"]
        assert answer["flowControlledStaffIdList"] == ["busy1"]
        (received,) = client.dingtalk.received
        assert (received.person, received.text) == ("manager1001", "hello text")
        assert received.process_query_key == answer["processQueryKey"]

        for persons in ([], ["x"] * 21, "manager1001", [5]):
            wrong = {**asked, "userIds": persons}
            status, answer = await client.post(BATCH, wrong, await client.token())
            assert (status, answer["code"]) == (400, "invalidParameter.userIds")

    run(scenario)


def test_files_are_found_by_their_code() -> None:
    """
    The URL is open to everybody; a code that is unknown has none.
    """

    async def scenario(client: Client, _: FakeClock) -> None:
        token = await client.token()
        for code, content in client.dingtalk.files.items():
            asked = {"downloadCode": code, "robotCode": GOOD["robotCode"]}
            _, answer = await client.post(DOWNLOAD, asked, token)
            async with client.http.get(answer["downloadUrl"]) as response:
                assert (response.content_type, await response.read()) == ("image/png", content)
        status, answer = await client.post(DOWNLOAD, {**asked, "downloadCode": "gone"}, token)
        assert (status, answer["code"]) == (400, "invalidParameter.downloadCode")
        for name in ("99.png", "x.png"):
            async with client.http.get(f"{client.dingtalk.base_url}/files/{name}") as response:
                assert response.status == 404

    run(scenario)


def test_faults_come_in_turn_and_then_all_is_well() -> None:
    """
    Only on the paths that they were made for.
    """

    async def scenario(client: Client, _: FakeClock) -> None:
        client.dingtalk.fail_next(refusal(400, "send.too.fast"), Fault(503, {}, {"Retry-After": "7"}))
        token = await client.token()

        assert (await client.post(SEND, GOOD, token))[1]["code"] == "send.too.fast"
        assert (await client.post(SEND, GOOD, token))[0] == 503
        assert (await client.post(SEND, GOOD, token))[0] == 200

    run(scenario)


def test_a_hanging_answer_does_not_hold_up_the_end() -> None:
    """
    The simulator closes in time, whatever it was told.
    """

    async def scenario() -> None:
        async with aiohttp.ClientSession() as http:
            async with asyncio.timeout(5):
                async with Simulator() as dingtalk:
                    client = Client(dingtalk, http)
                    dingtalk.fail_next(Fault(hang=True))
                    waiting = asyncio.create_task(client.post(SEND, GOOD))
                    while not dingtalk.calls:
                        await asyncio.sleep(0)
                with pytest.raises(aiohttp.ClientError):
                    await waiting

    asyncio.run(scenario())


@pytest.mark.parametrize("msg_key", sorted(WANTED))
def test_every_template_has_its_parameters(msg_key: str) -> None:
    """
    All of them, or the message is refused.
    """
    params = dict.fromkeys(WANTED[msg_key], "x")

    assert complaint_about({"msgKey": msg_key, "msgParam": json.dumps(params)}) == ""
    params.popitem()
    assert complaint_about({"msgKey": msg_key, "msgParam": json.dumps(params)})


# --- callbacks --------------------------------------------------------------------------------------

GROUP_CHAT = Chat(robot_code="dingsimappkey0000001")
DIRECT_CHAT = Chat(
    robot_code="dingsimappkey0000001",
    direct=True,
    conversation_id="cidSimDirect00000000000000000000000000000000=",
)
CODE = "mIofN681YE3f/+m+SimDownloadCode0123456789/abcdefg+Q=="
AT = 1760000000123
OUTSIDER = Chat(robot_code="dingsimappkey0000001", staff_id="")


@pytest.mark.parametrize(
    ("captured", "made"),
    [
        ("text_group", GROUP_CHAT.text("你好", message_id="msgSim01==", at_ms=AT)),
        ("text_dm", DIRECT_CHAT.text("hello", message_id="msgSim03==", at_ms=AT)),
        (
            "text_external_sender_no_staffId",
            OUTSIDER.text("外部", message_id="msgSim05==", at_ms=AT),
        ),
        (
            "richText",
            GROUP_CHAT.rich_text("第一行\n", Picture(CODE), "第二行", message_id="msgSim06==", at_ms=AT),
        ),
        ("picture", DIRECT_CHAT.picture(CODE, message_id="msgSim07==", at_ms=AT)),
        ("audio", DIRECT_CHAT.audio(CODE, "钉钉，让进步发生", message_id="msgSim08==", at_ms=AT)),
        ("video", DIRECT_CHAT.video(CODE, message_id="msgSim09==", at_ms=AT)),
        ("file", DIRECT_CHAT.file(CODE, "钉钉让进步发生.pdf", message_id="msgSim10==", at_ms=AT)),
    ],
)
def test_made_bodies_are_like_captured_ones(captured: str, made: dict[str, Any]) -> None:
    """
    Key by key; only what is random on the platform may differ.
    """
    assert _plain(wire(f"inbound/{captured}.json")) == _plain(made)


def _plain(value: Any) -> Any:
    random = {"sessionWebhook", "sessionWebhookExpiredTime", "pictureDownloadCode"}
    if isinstance(value, dict):
        return {key: "…" if key in random else _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def test_mentioned_people_follow_the_robot() -> None:
    """
    The list has the robot, too.
    """
    body = GROUP_CHAT.text("x", message_id="m", at_ms=AT, mentioned=("user1002",))

    assert [user["staffId"] for user in body["atUsers"]] == ["", "user1002"]


def test_callbacks_are_signed_unless_told_otherwise() -> None:
    """
    Rightly, with another secret, with odd headers, or not at all.
    """
    seen: list[tuple[dict[str, str], bytes]] = []

    async def endpoint(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), await request.read()))
        return web.Response(status=202, text="taken")

    async def scenario() -> None:
        app = web.Application()
        app.router.add_post("/event", endpoint)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/event"
        async with Simulator() as dingtalk:
            assert await dingtalk.post_event(url, {"a": "钉"}, now=NOON) == (202, "taken")
            await dingtalk.post_event(url, b"raw", now=NOON, secret="other")
            await dingtalk.post_event(url, b"raw", now=NOON, timestamp="1", sign="x")
            await dingtalk.post_event(url, b"raw", now=NOON, secret=None)
        await runner.cleanup()

    asyncio.run(scenario())
    (right, body), (other, raw), (odd, _), (unsigned, _) = seen
    assert (json.loads(body), raw) == ({"a": "钉"}, b"raw")
    Verifier(SECRET, 300.0).check(right, NOON)
    Verifier("other", 300.0).check(other, NOON)
    assert (odd["timestamp"], odd["sign"]) == ("1", "x")
    assert not {"timestamp", "sign"} & set(unsigned)


def test_the_picture_is_a_picture() -> None:
    """
    Small, whole, and of a known kind.
    """
    picture = small_picture()

    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.endswith(b"IEND\xaeB`\x82")
    assert len(picture) < 100
