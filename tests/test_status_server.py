"""The status server as a browser and a monitor meet it."""

import asyncio
import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from bridge.errors import JournalBroken
from bridge.status.access import COOKIE, SESSION
from bridge.status.page_picture import routes_picture
from tests import scenes
from tests.memory_desk import MemoryDesk
from tests.status_server import PUBLIC, TOKENS, serving

READER = TOKENS["monitor"].token
SENDER = TOKENS["ci"].token


def over_http(scenario, **server):
    async def run():
        async with serving(**server) as running:
            return await scenario(running)

    return asyncio.run(run())


def cookie_of(response):
    return response.cookies[COOKIE]


def test_while_there_is_no_token_the_page_is_open_on_this_machine():
    """As the monitors' pages; and from the first token on nobody sees it without one."""

    async def scenario(server):
        response = await server.get("/")
        assert 200 == response.status
        assert "All is well" in await response.text()

        server.set_tokens(TOKENS)
        response = await server.get("/")
        assert 401 == response.status
        assert "dt_main" not in await response.text()
        assert 200 == (await server.get("/", token=READER)).status

    over_http(scenario, tokens={})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": PUBLIC},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"X-Real-IP": "203.0.113.9"},
        {"Via": "1.1 proxy"},
    ],
)
def test_where_there_are_tokens_the_page_needs_one(headers):
    """Also on this machine: so a reverse proxy, whatever it sends, does not open it to the world."""

    async def scenario(server):
        response = await server.get("/", headers=headers)
        assert 401 == response.status
        text = await response.text()
        assert '<form method="post" action="/login?lang=en">' in text
        assert "dt_main" not in text

        assert 200 == (await server.get("/", headers=headers, token=READER)).status
        assert 401 == (await server.get("/", headers=headers, token="monitor-012345678X")).status
        assert 403 == (await server.get("/", headers=headers, token=SENDER)).status

    over_http(scenario)


@pytest.mark.parametrize(
    "headers",
    [{"Host": PUBLIC}, {"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=x"}, {"Via": "1.1 proxy"}],
)
def test_from_elsewhere_there_is_no_page_without_tokens(headers):
    """Nobody can show one then; the answer says where to write it."""

    async def scenario(server):
        response = await server.get("/", headers=headers)
        assert 403 == response.status
        assert "global.api.tokens" in await response.text()

    over_http(scenario, tokens={})


def test_a_person_shows_a_token_once():
    """The cookie opens the page; it is out of reach of scripts and other sites, and holds no token."""

    async def scenario(server):
        response = await server.post("/login?lang=zh", host=PUBLIC, data={"token": READER})
        assert 303 == response.status
        assert "/?lang=zh" == response.headers["Location"]
        cookie = cookie_of(response)
        assert cookie["httponly"]
        assert "Strict" == cookie["samesite"]
        assert "/" == cookie["path"]
        assert str(SESSION) == cookie["max-age"]
        assert READER not in cookie.value

        shown = {"Cookie": f"{COOKIE}={cookie.value}"}
        assert 200 == (await server.get("/", host=PUBLIC, headers=shown)).status

    over_http(scenario)


def test_behind_tls_the_cookie_stays_behind_tls():
    async def scenario(server):
        behind = {"X-Forwarded-Proto": "https"}
        response = await server.post("/login", host=PUBLIC, headers=behind, data={"token": READER})
        assert cookie_of(response)["secure"]
        response = await server.post("/login", host=PUBLIC, data={"token": READER})
        assert not cookie_of(response)["secure"]

    over_http(scenario)


def test_a_cookie_ends_with_its_time_and_with_its_token():
    """Half a day, or until the token is taken out of config.json."""

    async def scenario(server):
        response = await server.post("/login", host=PUBLIC, data={"token": READER})
        shown = {"Cookie": f"{COOKIE}={cookie_of(response).value}"}

        server.set_tokens({"other": replace(TOKENS["monitor"], token="another-token-0123")})
        assert 401 == (await server.get("/", host=PUBLIC, headers=shown)).status
        server.set_tokens(TOKENS)
        assert 200 == (await server.get("/", host=PUBLIC, headers=shown)).status
        server.clock.advance(SESSION + 1)
        assert 401 == (await server.get("/", host=PUBLIC, headers=shown)).status

    over_http(scenario)


def test_a_cookie_cannot_be_made_up():
    """Neither its time nor its seal can be changed."""

    async def scenario(server):
        response = await server.post("/login", host=PUBLIC, data={"token": READER})
        expires, _, seal = cookie_of(response).value.partition(".")
        forged = (
            f"{int(expires) + 1000}.{seal}", f"{expires}.{seal[::-1]}", f"{expires}.{'0' * 64}",
            expires, f".{seal}", f"９{expires}.{seal}", "x" * 4000,
        )  # fmt: skip
        for cookie in forged:
            headers = {"Cookie": f"{COOKIE}={cookie}"}
            assert 401 == (await server.get("/", host=PUBLIC, headers=headers)).status, cookie

    over_http(scenario)


def test_the_cookie_is_for_the_page_alone():
    """So a web page elsewhere can act in nobody's name."""

    async def scenario(server):
        response = await server.post("/login", host=PUBLIC, data={"token": TOKENS["chief"].token})
        shown = {"Cookie": f"{COOKIE}={cookie_of(response).value}"}
        assert 401 == (await server.get("/api/status", host=PUBLIC, headers=shown)).status
        assert 401 == (await server.get("/api/status", headers=shown)).status

    over_http(scenario)


@pytest.mark.parametrize("given", ["", "wrong", SENDER, "ключ", "x" * 3000])
def test_a_wrong_token_gets_the_form_again(given):
    """Also one that may send but not read."""

    async def scenario(server):
        response = await server.post("/login", host=PUBLIC, data={"token": given})
        assert 401 == response.status
        assert COOKIE not in response.cookies
        assert "That is no token" in await response.text()

    over_http(scenario)


def test_guessing_tokens_is_slowed_down_but_never_the_right_one():
    """Sixty wrong ones in a minute, at the form and at the API together."""

    async def scenario(server):
        for number in range(60):
            path = "/login" if number % 2 else "/api/status"
            more = {"data": {"token": "wrong"}} if number % 2 else {"token": "wrong"}
            assert (
                401
                == (await server.ask("POST" if number % 2 else "GET", path, host=PUBLIC, **more)).status
            )
        response = await server.post("/login", host=PUBLIC, data={"token": "wrong"})
        assert 429 == response.status
        assert 0 < int(response.headers["Retry-After"]) <= 61
        assert 429 == (await server.get("/api/status", token="wrong")).status
        assert 303 == (await server.post("/login", host=PUBLIC, data={"token": READER})).status
        assert 200 == (await server.get("/api/status", token=READER)).status
        server.clock.advance(61)
        assert 401 == (await server.get("/api/status", token="wrong")).status

    over_http(scenario)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": "x" * 5000}, 413),
        ({"json": {"token": READER}}, 415),
        ({"data": b"\xff\xfe", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 401),
        ({"data": "&".join(f"a{n}=1" for n in range(50))}, 401),
    ],
)
def test_hostile_forms_are_refused(sent, status):
    async def scenario(server):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        more = sent if "json" in sent else {"headers": headers, **sent}
        assert status == (await server.post("/login", host=PUBLIC, **more)).status
        assert 200 == (await server.get("/", token=READER)).status

    over_http(scenario)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1@evil", "[::1"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/api/status", "/api/openapi.json"])
def test_another_host_is_answered_by_nobody(host, path):
    """A page elsewhere that renames itself to our address reads nothing."""

    async def scenario(server):
        response = await server.get(path, headers={"Host": host}, token=READER)
        if host == "[::1":
            assert response.status in (200, 400, 421)
        else:
            assert response.status in (400, 421)
            assert "dt_main" not in await response.text()

    over_http(scenario)


@pytest.mark.parametrize(
    ("header", "query", "lang"),
    [
        ("", "", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh-CN"),
        ("en-US,en;q=0.9,zh;q=0.8", "", "en"),
        ("fr, zh;q=0.2", "", "zh-CN"),
        ("en;q=0, zh;q=0.1", "", "zh-CN"),
        ("zh;q=nan, en;q=x", "", "en"),
        ("zh" + ",zh" * 9000, "", None),
        ("zh-CN", "?lang=en", "en"),
        ("en", "?lang=zh-Hans", "zh-CN"),
        ("en", "?lang=klingon", "en"),
    ],
)
def test_the_page_speaks_the_readers_language(header, query, lang):
    """What the address asks for, else what the browser likes best."""

    async def scenario(server):
        headers = {"Accept-Language": header} if header else {}
        response = await server.get(f"/{query}", headers=headers)
        if lang is None:
            assert response.status in (200, 400, 431)
        else:
            assert f'<html lang="{lang}">' in await response.text()

    over_http(scenario)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("5", 5), ("4", 0), ("0", 0), ("-5", 0), ("x", 0), ("٩", 0), ("86400", 86_400), ("99999999", 0)],
)
def test_the_page_renews_itself_no_faster_than_every_five_seconds(asked, seconds):
    async def scenario(server):
        text = await (await server.get("/", params={"refresh": asked})).text()
        assert [str(seconds)] * bool(seconds) == re.findall(r'http-equiv="refresh" content="(\d+)"', text)

    over_http(scenario)


def test_nothing_may_run_and_nothing_may_be_fetched():
    """The policy allows the very style sheets that stand in the page: its own, and the picture's."""

    async def scenario(server):
        for response in (await server.get("/"), await server.get("/", host=PUBLIC)):
            policy = response.headers["Content-Security-Policy"]
            for style in re.findall("<style>(.*?)</style>", await response.text(), re.DOTALL):
                digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
                assert f"'sha256-{digest}'" in policy
            assert policy.startswith("default-src 'none';")
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert "no-store" == response.headers["Cache-Control"]
            assert "nosniff" == response.headers["X-Content-Type-Options"]
            assert "no-referrer" == response.headers["Referrer-Policy"]

    over_http(scenario, picture=routes_picture(scenes.rules_of_the_house))


def test_monitors_get_their_pages_as_ever():
    """/healthz as long as it lives, /readyz with the reason, /metrics; no token for any."""

    async def scenario(server):
        assert "ok\n" == await (await server.get("/healthz", host=PUBLIC)).text()
        assert "ready\n" == await (await server.get("/readyz")).text()
        server.not_ready = "stopping"
        response = await server.get("/readyz")
        assert (503, "stopping\n") == (response.status, await response.text())
        assert "msgbridge_info 1\n" == await (await server.get("/metrics")).text()
        assert 404 == (await server.get("/nothing")).status
        assert 405 == (await server.post("/healthz")).status
        assert 405 == (await server.post("/")).status

    over_http(scenario)


def test_a_head_request_gets_the_head():
    async def scenario(server):
        response = await server.ask("HEAD", "/", token=READER)
        assert 200 == response.status
        assert "" == await response.text()

    over_http(scenario)


def test_a_journal_that_cannot_be_read_is_said_on_the_page():
    """503 and why, not a traceback."""
    desk = MemoryDesk()
    desk.fails_with = JournalBroken("EIO")

    async def scenario(server):
        response = await server.get("/", token=READER)
        assert (503, "the journal cannot be read: EIO\n") == (response.status, await response.text())

    over_http(scenario, desk=desk)


def test_a_daemon_without_a_desk_serves_monitors_only():
    """As a dry run does."""
    from bridge.listening import listen
    from bridge.status import StatusPages

    async def scenario():
        import aiohttp

        async def metrics():
            return b""

        pages = StatusPages(not_ready=str, metrics=metrics, hosts=())
        async with listen(pages.answer, "127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
            for path, status in (("/", 404), ("/api/status", 404), ("/healthz", 200)):
                async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                    assert status == response.status

    asyncio.run(scenario())


def test_refusals_write_one_line_a_second_and_no_token(capsys):
    """Ten thousand strangers do not fill the disk with our log."""
    import io

    from bridge.log import Redaction, set_up

    written = io.StringIO()
    set_up("info", "json", Redaction(), written)

    async def scenario(server):
        for _ in range(20):
            await server.get("/api/status", token="a-wrong-token-0123456789")
        server.clock.advance(2)
        await server.get("/", host="evil.example")

    over_http(scenario)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]

    assert ["request.refused", "request.refused"] == [line["event"] for line in lines]
    assert [401, 421] == [line["status"] for line in lines]
    assert 19 == lines[1]["before_unsaid"]
    assert "a-wrong-token" not in written.getvalue()
