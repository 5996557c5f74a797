"""Every operation of the HTTP API, used from outside; each answer is held against the document."""

import asyncio
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bridge.desk import Reloaded
from bridge.model import AttachmentKind, Button, RawForm, Status, TextFormat
from bridge.status.api_operations import OPERATIONS
from tests import scenes
from tests.api_client import client_of
from tests.builders import a_place
from tests.clock import NOON
from tests.memory_desk import MemoryDesk
from tests.reading import read
from tests.status_server import TOKENS, serving

LETTER = {"to": {"here": {"room": "r1"}}, "text": "build 7 is out"}


def ask_the_api(scenario, *, desk=None, **more):
    """``scenario`` gets a client and the desk behind it."""
    desk = desk or MemoryDesk(scenes.healthy())

    async def run():
        async with serving(desk, **more) as server:
            return await scenario(await client_of(server), desk)

    return asyncio.run(run())


def test_a_letter_is_in_the_journal_when_it_is_answered():
    """202 with the delivery's id; the Location tells what becomes of it."""

    async def scenario(api, desk):
        status, headers, taken = await api.ask("POST", "/api/messages", json=LETTER)
        assert 202 == status
        assert a_place("here/r1") == desk.letters[0].to
        assert "build 7 is out" == desk.letters[0].text
        assert [("send", "api chief")] == desk.said

        status, _, row = await api.ask("GET", headers["Location"])
        assert (200, taken["delivery_id"], "waiting") == (status, row["id"], row["status"])

        desk.settle(taken["delivery_id"], Status.SENT, "", "m9")
        _, _, row = await api.ask("GET", headers["Location"])
        assert ("sent", ["m9"]) == (row["status"], row["message_ids"])
        assert "build 7" not in str(row)

    ask_the_api(scenario)


def test_a_letter_may_be_a_card():
    """Markdown, a title, buttons, and files by their links."""
    card = {
        "to": {"here": {"user_id": "u1", "desk": 7}},
        "text": "**deployed**",
        "format": "markdown",
        "title": "Deploy",
        "buttons": [{"label": "Open", "url": "https://ci.example/7"}],
        "attachments": [{"kind": "image", "url": "https://ci.example/7.png", "filename": "7.png"}],
    }

    async def scenario(api, desk):
        assert 202 == (await api.ask("POST", "/api/messages", json=card))[0]
        letter = desk.letters[0]
        assert a_place("here/user:u1") == letter.to
        assert (TextFormat.MARKDOWN, "Deploy") == (letter.format, letter.title)
        assert (Button("Open", "https://ci.example/7"),) == letter.buttons
        assert AttachmentKind.IMAGE is letter.attachments[0].kind
        assert "https://ci.example/7.png" == letter.attachments[0].url

    ask_the_api(scenario)


def test_a_letter_may_be_in_the_platforms_own_form():
    """Posted as it is; what cannot be encoded is cleaned out of it."""
    raw = {"name": "sampleLink", "parameters": {"title": "Deploy\ud800 7", "text": "x"}}

    async def scenario(api, desk):
        assert 202 == (await api.ask("POST", "/api/messages", json={**LETTER, "raw": raw}))[0]
        assert RawForm("sampleLink", '{"title": "Deploy 7", "text": "x"}') == desk.letters[0].raw
        for bad in ({"name": "x"}, {"name": "x", "parameters": "x"}, {**raw, "more": 1}):
            assert 400 == (await api.ask("POST", "/api/messages", json={**LETTER, "raw": bad}))[0]

    ask_the_api(scenario)


def test_an_account_with_one_conversation_takes_an_empty_address():
    """As in rules.json."""

    async def scenario(api, desk):
        letter = {**LETTER, "to": {"there": {}}}
        assert 202 == (await api.ask("POST", "/api/messages", json=letter))[0]
        assert a_place("there/default") == desk.letters[0].to

    ask_the_api(scenario)


def test_the_same_idempotency_key_sends_once():
    """The second answer is the first one's; another letter under the same key is refused."""

    async def scenario(api, desk):
        key = {"Idempotency-Key": "build-7"}
        first = await api.ask("POST", "/api/messages", json=LETTER, headers=key)
        again = await api.ask(
            "POST", "/api/messages", json=LETTER, headers={"Idempotency-Key": '"build-7"'}
        )
        assert first[2] == again[2]
        assert 1 == len(desk.letters)

        other = {**LETTER, "text": "something else"}
        status, _, problem = await api.ask("POST", "/api/messages", json=other, headers=key)
        assert (409, "urn:msgbridge:problem:conflict") == (status, problem["type"])

    ask_the_api(scenario)


def test_two_programs_may_use_the_same_key():
    """A key is its token's own: nobody can swallow somebody else's message."""

    async def scenario(api, desk):
        for name in ("ci", "chief"):
            status, _, _ = await api.ask(
                "POST",
                "/api/messages",
                json=LETTER,
                headers={"Idempotency-Key": "1"},
                token=TOKENS[name].token,
            )
            assert 202 == status
        assert 2 == len(desk.letters)

    ask_the_api(scenario)


def test_letters_without_a_key_are_all_sent():
    async def scenario(api, desk):
        for _ in range(2):
            await api.ask("POST", "/api/messages", json=LETTER)
        assert 2 == len(desk.letters)
        assert {""} == {letter.key for letter in desk.letters}

    ask_the_api(scenario)


@pytest.mark.parametrize("key", ["", "x" * 201, "two words", "é"])
def test_a_key_that_is_none_is_refused(key):
    """Silently ignored it would send twice."""

    async def scenario(api, desk):
        headers = {"Idempotency-Key": key}
        assert 400 == (await api.ask("POST", "/api/messages", json=LETTER, headers=headers))[0]
        assert [] == desk.letters

    ask_the_api(scenario)


def test_what_was_sent_can_be_changed_and_taken_back():
    """Each is a delivery of its own; an id with a slash in it is one step of the path."""

    async def scenario(api, desk):
        _, headers, taken = await api.ask("POST", "/api/messages", json=LETTER)
        desk.settle(taken["delivery_id"], Status.SENT, "", "m9")
        status, _, changed = await api.ask("PATCH", headers["Location"], json={"text": "build 8"})
        assert (202, f"{taken['delivery_id']}.edit") == (status, changed["delivery_id"])
        status, _, gone = await api.ask("DELETE", headers["Location"])
        assert (202, f"{taken['delivery_id']}.recall") == (status, gone["delivery_id"])
        assert [("send", "api chief"), ("edit", "api chief"), ("recall", "api chief")] == desk.said

        desk.add("x>there/room", Status.WAITING)
        status, _, row = await api.ask("GET", "/api/deliveries/dx%3Ethere%2Froom")
        assert (200, "dx>there/room") == (status, row["id"])

    ask_the_api(scenario)


def test_what_cannot_be_changed_says_why():
    """422 for what is not sent yet or came another way, 404 for what nobody knows."""

    async def scenario(api, desk):
        desk.add(1, Status.SENT)
        for method, more in (("PATCH", {"json": {"text": "x"}}), ("DELETE", {})):
            status, _, problem = await api.ask(method, "/api/deliveries/d1", **more)
            assert (422, "urn:msgbridge:problem:unable") == (status, problem["type"])
            assert 404 == (await api.ask(method, "/api/deliveries/nobody", **more))[0]
        assert 404 == (await api.ask("GET", "/api/deliveries/nobody"))[0]

    ask_the_api(scenario)


def test_people_and_conversations_come_with_the_address_for_a_letter():
    async def scenario(api, desk):
        status, _, users = await api.ask("GET", "/api/instances/here/users")
        assert (200, {"user_id": "u1"}, "Ada") == (
            status, users["entries"][0]["address"], users["entries"][0]["title"],
        )  # fmt: skip
        _, _, rooms = await api.ask("GET", "/api/instances/here/conversations")
        letter = {"to": {"here": rooms["entries"][0]["address"]}, "text": "hello"}
        assert 202 == (await api.ask("POST", "/api/messages", json=letter))[0]
        for path in ("users", "conversations"):
            assert 422 == (await api.ask("GET", f"/api/instances/there/{path}"))[0]
            assert 404 == (await api.ask("GET", f"/api/instances/nowhere/{path}"))[0]

    ask_the_api(scenario)


@pytest.mark.parametrize("scene", [name for name in scenes.ALL if name != "hostile"])
def test_the_state_is_what_the_page_shows(scene):
    """Whatever the state, it is as the document says."""

    async def scenario(api, desk):
        status, _, state = await api.ask("GET", "/api/status")
        assert 200 == status
        assert desk.shown.generation == state["generation"]
        assert dict(desk.shown.dead) == state["dead"]
        assert desk.shown.journal.ledger.balanced == state["journal"]["ledger"]["balanced"]
        assert len(desk.shown.destinations) == len(state["destinations"])

    ask_the_api(scenario, desk=MemoryDesk(scenes.ALL[scene]()))


def full_desk():
    desk = MemoryDesk(scenes.suspended())
    desk.add(1, Status.WAITING, due_at=NOON.timestamp() + 30)
    desk.add(2, Status.WAITING, to="there/default")
    desk.add(3, Status.HELD, reason="by_operator")
    desk.add(4, Status.DEAD, reason="too_large")
    desk.add(5, Status.DEAD, to="there/default", reason="gave_up")
    return desk


def test_queue_and_dead_letters_can_be_listed_in_part():
    """By status, by instance, and no more than wanted."""

    async def scenario(api, desk):
        async def ids(path):
            return [row["id"] for row in (await api.ask("GET", path))[2]["deliveries"]]

        assert ["d1", "d2"] == await ids("/api/queue")
        assert ["d3"] == await ids("/api/queue?status=held")
        assert ["d2"] == await ids("/api/queue?instance=there")
        assert ["d1"] == await ids("/api/queue?limit=1")
        assert ["d4", "d5"] == await ids("/api/dead")
        assert ["d5"] == await ids("/api/dead?instance=there&limit=5")
        first = (await api.ask("GET", "/api/queue"))[2]["deliveries"][0]
        assert "2026-11-20T12:00:30.000Z" == first["next_send"]

    ask_the_api(scenario, desk=full_desk())


@pytest.mark.parametrize(
    ("verb", "choice", "count", "after"),
    [
        ("queue/hold", {"instance": "here"}, 1, {"d1": Status.HELD, "d2": Status.WAITING}),
        ("queue/hold", {"everything": True}, 2, {"d1": Status.HELD, "d2": Status.HELD}),
        ("queue/release", {"ids": ["d3"]}, 1, {"d3": Status.WAITING}),
        ("queue/drop", {"conversation": "r1"}, 2, {"d1": Status.DROPPED, "d3": Status.DROPPED}),
        ("queue/drop", {"since": "2026-11-20T12:00:01Z"}, 0, {"d1": Status.WAITING}),
        ("queue/drop", {"until": "2026-11-20T14:00:01+02:00"}, 3, {"d4": Status.DEAD}),
        ("dead/replay", {"reason": "too_large"}, 1, {"d4": Status.WAITING, "d5": Status.DEAD}),
        ("dead/replay", {"rule": "rule"}, 2, {"d4": Status.WAITING, "d5": Status.WAITING}),
        ("dead/drop", {"ids": ["d5", "d1"]}, 1, {"d5": Status.DROPPED, "d1": Status.WAITING}),
    ],
)
def test_deliveries_are_moved_by_choice(verb, choice, count, after):
    """Only those that fit, only from where the verb takes them; the answer says how many."""

    async def scenario(api, desk):
        status, _, moved = await api.ask("POST", f"/api/{verb}", json=choice)
        assert (200, count) == (status, moved["count"])
        assert after == {key: desk.found[key].status for key in after}
        assert "api chief" == desk.said[-1][1]

    ask_the_api(scenario, desk=full_desk())


@pytest.mark.parametrize(
    "verb", ["queue/hold", "queue/release", "queue/drop", "dead/replay", "dead/drop"]
)
def test_an_empty_choice_moves_nothing(verb):
    """A slip in a script must not drop everything."""

    async def scenario(api, desk):
        before = dict(desk.found)
        status, _, problem = await api.ask("POST", f"/api/{verb}", json={})
        assert (422, "urn:msgbridge:problem:unclear") == (status, problem["type"])
        assert 400 == (await api.ask("POST", f"/api/{verb}", json={"since": "yesterday"}))[0]
        assert 400 == (await api.ask("POST", f"/api/{verb}", json={"since": "2026-11-20T12:00:00"}))[0]
        assert before == desk.found

    ask_the_api(scenario, desk=full_desk())


def test_an_account_is_paused_and_resumed():
    async def scenario(api, desk):
        assert 204 == (await api.ask("POST", "/api/instances/here/pause"))[0]
        assert {"here"} == desk.paused
        assert 204 == (await api.ask("POST", "/api/instances/here/resume"))[0]
        assert set() == desk.paused
        assert 404 == (await api.ask("POST", "/api/instances/nowhere/pause"))[0]
        assert 404 == (await api.ask("POST", "/api/instances/nowhere/resume"))[0]

    ask_the_api(scenario)


def test_files_are_read_again_or_it_is_said_what_is_wrong_with_them():
    """A script that ships rules sees the problems, with file, line and column."""
    with TemporaryDirectory() as folder:
        problems = read(Path(folder), rules={"rules": [{"form": {}}]}).problems

    async def scenario(api, desk):
        status, _, done = await api.ask("POST", "/api/reload?dry=true")
        assert (200, True) == (status, done["ok"])
        assert ("reload, dry", "api chief") == desk.said[-1]
        assert 200 == (await api.ask("POST", "/api/reload"))[0]
        assert ("reload", "api chief") == desk.said[-1]

        desk.next_reload = Reloaded(at=NOON, ok=False, asked_by="", generation=1, problems=problems)
        status, _, problem = await api.ask("POST", "/api/reload")
        assert 422 == status
        assert len(problems) == len(problem["problems"])
        assert 1 == problem["problems"][0]["line"]
        desk.next_reload = replace(desk.next_reload, problems=(), why="port 8082 is taken")
        assert "port 8082 is taken" == (await api.ask("POST", "/api/reload"))[2]["detail"]

    ask_the_api(scenario)


def test_no_operation_is_left_out():
    """Each answers well to the chief's token, as the document says; a new one must be added here."""

    async def scenario(api, desk):
        desk.add(6, Status.WAITING, to="here/r1")
        _, headers, taken = await api.ask("POST", "/api/messages", json=LETTER)
        desk.settle(taken["delivery_id"], Status.SENT, "", "m9")
        for method, path, body in (
            ("GET", headers["Location"], None),
            ("PATCH", headers["Location"], {"text": "x"}),
            ("DELETE", headers["Location"], None),
            ("GET", "/api/instances/here/users", None),
            ("GET", "/api/instances/here/conversations", None),
            ("GET", "/api/status", None),
            ("GET", "/api/queue", None),
            ("GET", "/api/dead", None),
            *(
                ("POST", f"/api/{verb}", {"everything": True})
                for verb in ("queue/hold", "queue/release", "queue/drop", "dead/replay", "dead/drop")
            ),
            ("POST", "/api/instances/here/pause", None),
            ("POST", "/api/instances/here/resume", None),
            ("POST", "/api/reload", None),
        ):
            await api.ask(method, path, **({"json": body} if body is not None else {}))
        assert {(one.name, one.status) for one in OPERATIONS} == api.seen

    ask_the_api(scenario, desk=full_desk())
