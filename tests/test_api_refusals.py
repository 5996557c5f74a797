"""What the HTTP API refuses, and that it gives nothing away when it does."""

import asyncio
import json
from dataclasses import replace

import pytest

from bridge.errors import JournalBroken, JournalFull
from bridge.model import RateLimit
from bridge.status.api_operations import OPERATIONS
from tests import scenes
from tests.api_client import CHIEF
from tests.memory_desk import MemoryDesk
from tests.status_server import PUBLIC, TOKENS, serving
from tests.test_api_operations import LETTER, ask_the_api

EVERY = [
    (one.method, one.path.replace("{id}", "d1").replace("{instance}", "here"), one) for one in OPERATIONS
]
NAMES = [one.name for one in OPERATIONS]


def body_for(operation):
    bodies = {"Letter": LETTER, "Change": {"text": "x"}, "Choice": {"everything": True}, "": None}
    body = bodies[operation.body]
    return {} if body is None else {"json": body}


@pytest.mark.parametrize(("method", "path", "operation"), EVERY, ids=NAMES)
@pytest.mark.parametrize("token", [None, "wrong", CHIEF[:-1], f"{CHIEF}x", CHIEF.upper(), "", "ключ"])
def test_without_the_right_token_nothing_is_done(method, path, operation, token):
    """401, and it is said which scheme is wanted."""

    async def scenario(api, desk):
        status, headers, _ = await api.ask(method, path, token=token, **body_for(operation))
        assert 401 == status
        assert headers["WWW-Authenticate"].startswith("Bearer")
        assert [] == desk.said

    ask_the_api(scenario)


@pytest.mark.parametrize(("method", "path", "operation"), EVERY, ids=NAMES)
def test_a_token_does_only_what_its_scopes_say(method, path, operation):
    """403 names the scope that is missing; any of those that are wanted is enough."""

    async def scenario(api, desk):
        for scope in ("send", "read", "operate"):
            one = replace(TOKENS["ci"], scopes=frozenset({scope}))
            api.server.set_tokens({"one": one})
            desk.said.clear()
            status, _, value = await api.ask(method, path, token=one.token, **body_for(operation))
            assert (403 == status) == (scope not in operation.scopes)
            if status == 403:
                assert all(wanted in value["detail"] for wanted in operation.scopes)
                assert [] == desk.said

    ask_the_api(scenario)


@pytest.mark.parametrize(("method", "path", "operation"), EVERY, ids=NAMES)
def test_under_a_foreign_name_nothing_is_done(method, path, operation):
    async def scenario(api, desk):
        status, _, _ = await api.ask(method, path, host="evil.example", **body_for(operation))
        assert 421 == status
        assert [] == desk.said

    ask_the_api(scenario)


@pytest.mark.parametrize("scheme", ["Basic", "bearerx", "Token", ""])
def test_another_scheme_is_no_token(scheme):
    async def scenario(api, desk):
        headers = {"Authorization": f"{scheme} {CHIEF}".strip()}
        assert 401 == (await api.ask("GET", "/api/status", token=None, headers=headers))[0]
        headers = {"Authorization": f"bearer  {CHIEF}"}
        assert 200 == (await api.ask("GET", "/api/status", token=None, headers=headers))[0]

    ask_the_api(scenario)


def test_a_token_in_the_address_is_none():
    """Addresses stand in logs."""

    async def scenario(api, desk):
        assert 401 == (await api.ask("GET", f"/api/status?token={CHIEF}", token=None))[0]
        assert 401 == (await api.ask("GET", f"/api/status?access_token={CHIEF}", token=None))[0]

    ask_the_api(scenario)


def test_a_page_of_somebody_else_gets_no_leave_to_read_us():
    """No answer carries a header that would let a browser share it."""

    async def scenario():
        async with serving() as server:
            for path in ("/api/status", "/api/openapi.json", "/"):
                response = await server.get(path, token=CHIEF, headers={"Origin": "https://evil.example"})
                assert not [name for name in response.headers if name.startswith("Access-Control")]
            response = await server.ask(
                "OPTIONS", "/api/messages",
                headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
            )  # fmt: skip
            assert response.status == 401

    asyncio.run(scenario())


def test_without_tokens_there_is_no_api():
    """Not even its document; the answer says where to switch it on."""

    async def scenario():
        async with serving(tokens={}) as server:
            for path in ("/api/status", "/api/openapi.json", "/api/", "/api/anything"):
                response = await server.get(path, token=CHIEF)
                assert 404 == response.status
                assert "global.api.tokens" in json.loads(await response.text())["detail"]

    asyncio.run(scenario())


def test_a_reload_that_takes_a_token_away_shuts_it_out_at_once():
    async def scenario(api, desk):
        assert 200 == (await api.ask("GET", "/api/status"))[0]
        api.server.set_tokens({"ci": TOKENS["ci"]})
        assert 401 == (await api.ask("GET", "/api/status"))[0]

    ask_the_api(scenario)


def test_each_token_has_a_pace_of_its_own():
    """429 and when to come again; the others are not held up."""

    async def scenario(api, desk):
        for _ in range(3):
            assert 200 == (await api.ask("GET", "/api/status"))[0]
        status, headers, _ = await api.ask("GET", "/api/status")
        assert (429, "60") == (status, headers["Retry-After"])
        assert 200 == (await api.ask("GET", "/api/status", token=TOKENS["monitor"].token))[0]
        api.server.clock.advance(59)
        assert 429 == (await api.ask("GET", "/api/status"))[0]
        api.server.clock.advance(1.5)
        assert 200 == (await api.ask("GET", "/api/status"))[0]

    ask_the_api(scenario, rate=RateLimit(3, 60.0))


_HOSTILE = [
    (b"", 400),
    (b"not json", 400),
    (b"\xff\xfe\x00", 400),
    (b"[]", 400),
    (b"null", 400),
    (b"7" * 100_000, 400),
    (b"[" * 100_000, 400),
    (b'{"a":' * 50_000, 400),
    (b'{"to": NaN}', 400),
    (b'{"to":{"here":{"room":"r1"}},"text":"x","text2":"y"}', 400),
    (b'{"to":{"here":{"room":"r1"}}}', 400),
    (b'{"to":{"here":{"room":"r1"}},"text":""}', 400),
    (b'{"to":{"here":{"room":"r1"}},"text":" \\u0000\\ud800 "}', 400),
    (b'{"to":{"here":{"room":"r1"}},"text":7}', 400),
    (b'{"to":{"here":{"room":"r1"}},"text":["x"]}', 400),
    (b'{"to":{"here":{"room":"r1"}},"text":"x","format":"html"}', 400),
    (b'{"to":{},"text":"x"}', 400),
    (b'{"to":{"here":{"room":"r1"},"there":{}},"text":"x"}', 400),
    (b'{"to":{"here":{}},"text":"x"}', 400),
    (b'{"to":{"here":{"rom":"r1"}},"text":"x"}', 400),
    (b'{"to":{"here":{"room":"r1","user_id":"u1"}},"text":"x"}', 400),
    (b'{"to":{"here":{"room":"*"}},"text":"x"}', 400),
    (b'{"to":{"here":{"room":"{conversation}"}},"text":"x"}', 400),
    (b'{"to":{"here":{"room":" r1"}},"text":"x"}', 400),
    (b'{"to":{"here":{"room":"r\\u202e1"}},"text":"x"}', 400),
    (b'{"to":{"here":{"room":true}},"text":"x"}', 400),
    (b'{"to":{"nowhere":{"room":"r1"}},"text":"x"}', 404),
    (b'{"to":{"here":{"room":"r1"}},"text":"x","buttons":[{"label":"a","url":"javascript:alert(1)"}]}', 400),
    (b'{"to":{"here":{"room":"r1"}},"text":"x","attachments":[{"kind":"file","url":"file:///etc/passwd"}]}', 400),
    (b'{"to":{"here":{"room":"r1"}},"text":"' + b"x" * 200_000 + b'"}', 400),
    (b'{"to":{"here":{"room":"r1"}},"text":"' + b"x" * 300_000 + b'"}', 413),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status"), _HOSTILE, ids=range(len(_HOSTILE)))
def test_hostile_bodies_are_refused_and_the_next_good_one_is_taken(body, status):
    """A 4xx without a traceback, which repeats nothing but the names of fields."""

    async def scenario(api, desk):
        headers = {"Content-Type": "application/json"}
        answered, _, problem = await api.ask("POST", "/api/messages", data=body, headers=headers)
        assert status == answered
        assert len(problem["detail"]) <= 500
        assert "xxxxx" not in problem["detail"]
        assert [] == desk.letters
        assert 202 == (await api.ask("POST", "/api/messages", json=LETTER))[0]

    ask_the_api(scenario)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_taken(headers):
    """What a form on somebody else's page can send is not it."""

    async def scenario(api, desk):
        status, _, _ = await api.ask("POST", "/api/messages", data=json.dumps(LETTER), headers=headers)
        assert 415 == status
        assert [] == desk.letters

    ask_the_api(scenario)


def test_a_body_of_unknown_length_has_the_same_limit():
    """Sent in chunks it is cut off when it is too long."""

    async def endless():
        for _ in range(40):
            yield b" " * 10_000

    async def scenario(api, desk):
        headers = {"Content-Type": "application/json"}
        status, _, _ = await api.ask("POST", "/api/messages", data=endless(), headers=headers)
        assert 413 == status
        assert 202 == (await api.ask("POST", "/api/messages", json=LETTER))[0]

    ask_the_api(scenario)


def test_text_is_cleaned_where_it_enters():
    """Lone surrogates, NUL and direction marks in names would break others further on."""
    letter = {
        "to": {"here": {"room": "r1"}}, "text": "a\u0000b\ud800c\r\nd", "title": "T\u202eitle\n!",
        "buttons": [{"label": "\u2066go\u0007", "url": "https://a.example/"}],
    }  # fmt: skip

    async def scenario(api, desk):
        assert 202 == (await api.ask("POST", "/api/messages", json=letter))[0]
        assert "abc\nd" == desk.letters[0].text
        assert "T itle !" == desk.letters[0].title
        assert "go" == desk.letters[0].buttons[0].label

    ask_the_api(scenario)


@pytest.mark.parametrize(
    "path",
    [
        "/api/queue?limit=0", "/api/queue?limit=501", "/api/queue?limit=x", "/api/queue?limit=9999999999999",
        "/api/queue?status=dead", "/api/queue?what=1", "/api/dead?status=held", "/api/status?x=1",
        "/api/queue?limit=%D9%A1",
    ],
)  # fmt: skip
def test_parameters_are_checked(path):
    """A misspelt filter must not list everything."""

    async def scenario(api, desk):
        assert 400 == (await api.ask("GET", path))[0]

    ask_the_api(scenario)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/", 404),
        ("GET", "/api/messages/", 404),
        ("GET", "/api/deliveries/", 404),
        ("GET", "/api/deliveries/a/b", 404),
        ("GET", "/api/deliveries/%00", 404),
        ("GET", "/api/messages", 405),
        ("PUT", "/api/deliveries/d1", 405),
        ("POST", "/api/openapi.json", 404),
    ],
)
def test_other_paths_and_methods_are_not_there(method, path, status):
    async def scenario(api, desk):
        assert status == (await api.ask(method, path))[0]

    ask_the_api(scenario)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(JournalFull("it is full", retry_after=12.2), "13"), (JournalBroken("EIO"), "60")],
)
def test_when_the_journal_takes_nothing_it_is_said_when_to_come_again(error, seconds):
    """Nothing was promised."""
    desk = MemoryDesk(scenes.healthy())
    desk.fails_with = error

    async def scenario(api, desk):
        for method, path, more in (
            ("POST", "/api/messages", {"json": LETTER}), ("GET", "/api/status", {}), ("GET", "/api/queue", {}),
        ):  # fmt: skip
            status, headers, problem = await api.ask(method, path, **more)
            assert (503, seconds, str(error)) == (status, headers["Retry-After"], problem["detail"])

    ask_the_api(scenario, desk=desk)


def test_no_answer_holds_a_token():
    """Whatever is asked, and whatever goes wrong."""
    secrets = [token.token for token in TOKENS.values()] + ["t0p-secret", "s1gn"]

    async def scenario():
        async with serving(MemoryDesk(scenes.suspended())) as server:
            for method, path, operation in EVERY:
                for token in (CHIEF, TOKENS["ci"].token, f"{CHIEF}x", None):
                    response = await server.ask(method, path, token=token, **body_for(operation))
                    answer = await response.text() + str(response.headers)
                    assert not [secret for secret in secrets if secret in answer]
            for path in ("/", "/api/openapi.json", "/api/nothing"):
                response = await server.get(path, host=PUBLIC, token=CHIEF)
                assert not [secret for secret in secrets if secret in await response.text()]

    asyncio.run(scenario())
