"""What the simulator refuses of posts by webhook, uploads and recalls: where a client could go wrong."""

import asyncio
import io
import json
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from drivers.dingtalk.signature import sign
from drivers.dingtalk.simulator import Simulator
from tests.clock import FakeClock

TEXT: dict[str, Any] = {"msgtype": "text", "text": {"content": "hello"}}
JSON = {"Content-Type": "application/json"}
SECRET = "SEC1"


def code_for(
    body: object,
    *,
    query: str = "",
    headers: dict[str, str] = JSON,
    path: str = "/robot/send",
    **robot: Any,
) -> int:
    """The errcode that a robot with these settings (or a session) answers with."""

    async def scenario() -> int:
        async with Simulator(clock=FakeClock()) as dingtalk, aiohttp.ClientSession() as http:
            made = dingtalk.webhooks.add("t", **robot)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            url = f"{dingtalk.base_url}{path}?access_token=t{query}"
            async with http.post(url, data=content, headers=headers) as response:
                assert response.status == 200
                code = int((await response.json())["errcode"])
            assert len(made.received) == (code == 0)
            return code

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (TEXT, 0),
        (b"", 40035),
        (b"{", 40035),
        (b"[]", 40035),
        (b"[" * 9000, 40035),
        ({"msgtype": "text"}, 40035),
        ({"msgtype": "text", "text": {"content": " "}}, 40035),
        ({"msgtype": "markdown", "markdown": {"text": "x"}}, 40035),
        ({"msgtype": "link", "link": {"title": "t", "text": "x", "messageURL": "https://e.org"}}, 40035),
        ({"msgtype": "actionCard", "actionCard": {"title": "t", "text": "x"}}, 40035),
        ({"msgtype": "actionCard", "actionCard": {"title": "t", "text": "x", "btns": []}}, 40035),
        (
            {
                "msgtype": "actionCard",
                "actionCard": {"title": "t", "text": "x", "btns": [{"title": "a"}]},
            },
            40035,
        ),
        ({"msgtype": "image", "image": {}}, 400105),
        ({"msgtype": "text", "text": {"content": "x" * 20_000}}, 460101),
    ],
)
def test_a_wrong_body_is_refused(body: object, code: int) -> None:
    """
    Spelling traps, empty values, and the size in bytes.
    """
    assert code_for(body) == code


def test_the_form_of_the_request_is_looked_at() -> None:
    """
    Content type, token and address.
    """
    assert code_for(TEXT, headers={"Content-Type": "text/plain"}) == 43004
    assert code_for(TEXT, query="x") == 400101
    assert code_for(TEXT, addresses=["192.0.2.1"]) == 310000
    assert code_for(TEXT, addresses=["127.0.0.1"]) == 0
    assert code_for(TEXT, keywords=["other", "hell"]) == 0
    assert code_for(TEXT, keywords=["other"]) == 310000
    assert code_for(TEXT, path="/robot/sendBySession") == 300001


@pytest.mark.parametrize(
    ("age", "times", "code"),
    [(0, 1, 0), (0, 0, 310000), (0, 2, 310000), (3_598_000, 1, 0), (3_600_000, 1, 310000)],
)
def test_a_signature_is_encoded_once_and_an_hour_at_most_old(age: int, times: int, code: int) -> None:
    """
    A bare plus sign becomes a blank, and a second encoding is no signature either. ``age`` is in
    milliseconds.
    """
    now = int(FakeClock().now().timestamp() * 1000)
    stamp = next(str(now - age - n) for n in range(999) if "+" in sign(str(now - age - n), SECRET))
    given = sign(stamp, SECRET)
    for _ in range(times):
        given = quote(given, safe="")

    async def scenario() -> int:
        async with Simulator(clock=FakeClock()) as dingtalk, aiohttp.ClientSession() as http:
            dingtalk.webhooks.add("t", secret=SECRET)
            query = f"access_token=t&timestamp={stamp}&sign={given}"
            url = URL(f"{dingtalk.base_url}/robot/send?{query}", encoded=True)
            async with http.post(url, json=TEXT) as response:
                return int((await response.json())["errcode"])

    assert asyncio.run(scenario()) == code


def a_form(word: str, filename: str, content: bytes) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("type", word)
    form.add_field(
        "media", io.BytesIO(content), filename=filename, content_type="application/octet-stream"
    )
    return form


@pytest.mark.parametrize(
    ("word", "filename", "content", "code"),
    [
        ("image", "a.png", b"x\r\n--y", 0),
        ("voice", "a.amr", b"x", 0),
        ("file", "a.pdf", b"x", 0),
        ("video", "a.mp4", b"x", 0),
        ("other", "a.png", b"x", 40004),
        ("image", "a.svg", b"x", 40005),
        ("image", "png", b"x", 40005),
        ("image", "a.png", b"", 41005),
        ("voice", "a.amr", b"x" * ((2 << 20) + 1), 40006),
    ],
)
def test_an_upload_is_checked(word: str, filename: str, content: bytes, code: int) -> None:
    """
    A form as any client writes it; types and sizes as published.
    """

    async def scenario() -> None:
        async with Simulator() as dingtalk, aiohttp.ClientSession() as http:
            keys = {"appKey": dingtalk.app_key, "appSecret": dingtalk.app_secret}
            async with http.post(f"{dingtalk.base_url}/v1.0/oauth2/accessToken", json=keys) as response:
                token = (await response.json())["accessToken"]
            url = f"{dingtalk.base_url}/media/upload?access_token={token}"
            async with http.post(url, data=a_form(word, filename, content)) as response:
                answer = await response.json()
            async with http.post(f"{url}x", data=a_form(word, filename, content)) as response:
                assert (await response.json())["errcode"] == 40014

            assert answer["errcode"] == code
            if not code:
                assert dingtalk.media.uploaded[answer["media_id"]].content == content

    asyncio.run(scenario())
