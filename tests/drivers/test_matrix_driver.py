"""The Matrix driver in front of a small homeserver that errs when it is told to."""

from __future__ import annotations

import subprocess
import sys

import aiohttp
import pytest
from mautrix.client import ClientAPI
from mautrix.types import MessageType, TextMessageEventContent

from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.model import (
    Attachment,
    AttachmentKind,
    ConversationId,
    MessageId,
    Reaction,
)
from tests.builders import an_outgoing
from tests.drivers.matrix.bridge import bridge
from tests.drivers.matrix.homeserver import BOT, Homeserver, refusal
from tests.drivers.matrix.scene import TEAM, run, scene

ROOM = ConversationId(TEAM)


def test_mautrix_itself_works_against_the_small_homeserver() -> None:
    """
    Another library's client finds there what it finds at a real one.
    """

    async def scenario() -> None:
        async with Homeserver(password="pass").running() as server, aiohttp.ClientSession() as http:
            server.room(TEAM, bot=False)
            client = ClientAPI(BOT, base_url=server.url, client_session=http)
            await client.login(identifier=BOT, password="pass")
            assert BOT == (await client.whoami()).user_id
            assert TEAM == await client.join_room(TEAM)
            content = TextMessageEventContent(msgtype=MessageType.TEXT, body="hello")
            event_id = await client.send_message(TEAM, content)
            event = await client.get_event(TEAM, event_id)
            thumb = await client.react(TEAM, event_id, "👍")
            await client.redact(TEAM, thumb)
            looked = await client.sync(since="0", timeout=0)
            mxc = await client.upload_media(b"content", mime_type="text/plain")
            await client.logout()

            assert "hello" == event.content.body
            timeline = looked["rooms"]["join"][TEAM]["timeline"]["events"]
            types = ["m.room.member", "m.room.message", "m.reaction", "m.room.redaction"]
            assert types == [one["type"] for one in timeline]
            assert mxc.startswith("mxc://")

    run(scenario())


def test_a_daemon_without_matrix_does_not_load_its_library() -> None:
    """
    The front door, its settings and its checks cost nothing.
    """
    code = (
        "import sys, drivers.matrix as m; list(m.DRIVER.check({'homeserver_url': 'https://x'}));"
        "print([n for n in sys.modules if n.partition('.')[0] in ('mautrix', 'markdown_it')])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert "[]" == found.stdout.strip()


# --- sending ----------------------------------------------------------------------------------------


def test_a_lost_answer_is_repeated_under_the_same_transaction() -> None:
    """
    The homeserver posted it and hung up: the second attempt is the same event.
    """

    async def scenario() -> None:
        async with scene(listens=False) as (server, it):
            server.faults.append(("/send/", None))
            with pytest.raises(Indeterminate):
                await it.send("hello", TEAM, key="d:1")
            first = await it.send("hello", TEAM, key="d:1")
            second = await it.send("hello", TEAM, key="d:1")
            paths = {one for one in server.asked if "/send/" in one}

            assert 1 == len(paths)
            assert first == second
            assert 1 == len(server.said())

    run(scenario())


def test_a_refused_token_is_renewed_once_where_there_is_a_password() -> None:
    """
    And where there is none, or the password is refused too, somebody must look.
    """

    async def scenario() -> None:
        login = {"user_id": BOT, "password": "pass"}
        async with scene(listens=False, **login) as (server, it):
            await it.send("one", TEAM, key="d:1")
            server.tokens.clear()
            await it.send("two", TEAM, key="d:2")
            server.tokens.clear()
            server.password = "another"
            with pytest.raises(Broken) as caught:
                await it.send("three", TEAM, key="d:3")

            assert ("login_refused", Scope.INSTANCE) == (caught.value.reason, caught.value.scope)
            assert ["one", "two"] == [one["content"]["body"] for one in server.said()]
            devices = {
                body["device_id"]
                for body in server.bodies
                if isinstance(body, dict) and "password" in body
            }
            assert {"MSGBRIDGE"} == devices
        async with scene(listens=False) as (server, it):
            server.tokens.clear()
            with pytest.raises(Broken) as caught:
                await it.send("one", TEAM)
            assert ("unknown_token", Scope.INSTANCE) == (caught.value.reason, caught.value.scope)

    run(scenario())


def test_a_probe_by_password_leaves_no_device_and_disturbs_none() -> None:
    """
    The bridge that may be running stays logged in.
    """

    async def scenario() -> None:
        async with Homeserver(token="", password="pass").running() as server:
            server.room(TEAM)
            login = {"user_id": BOT, "password": "pass"}
            async with bridge(server.url, listens=False, **login) as it:
                assert all(one.ok for one in await it.driver.probe())
                assert [{"room_id": TEAM}] == [
                    dict(one.address) for one in await it.driver.conversations()
                ]
                assert server.tokens

            assert not server.tokens
            assert not any("device_id" in body for body in server.bodies if isinstance(body, dict))

    run(scenario())


def test_a_room_that_we_are_not_in_is_joined_where_it_lets_us() -> None:
    """
    Else it is the room that is broken, and nothing was posted.
    """

    async def scenario() -> None:
        async with scene(listens=False) as (server, it):
            server.room("!open:hs.test", bot=False)
            await it.send("hello", "!open:hs.test", key="d:1")
            with pytest.raises(Broken) as caught:
                await it.send("hello", "!closed:hs.test", key="d:2")
            server.faults.append(("/send/", refusal(403, "M_FORBIDDEN")))
            with pytest.raises(Broken):
                await it.send("hello", TEAM, key="d:3")
            await it.send("hello", TEAM, key="d:3")

            assert ("forbidden", Scope.CONVERSATION) == (caught.value.reason, caught.value.scope)
            assert 3 == server.posts

    run(scenario())


def test_an_encrypted_room_gets_nothing_in_the_clear() -> None:
    """
    Not one byte of it leaves.
    """

    async def scenario() -> None:
        async with scene(listens=False) as (server, it):
            server.rooms[TEAM].state["m.room.encryption"] = {"algorithm": "m.megolm.v1.aes-sha2"}
            for call in (
                it.send("secret", TEAM),
                it.driver.edit((MessageId("$x"),), an_outgoing("secret", to=f"hs/{TEAM}")),
                it.driver.react(ROOM, MessageId("$x"), Reaction("👍")),
            ):
                with pytest.raises(Broken) as caught:
                    await call
                assert "encrypted" == caught.value.reason
            assert 0 == server.posts

    run(scenario())


def test_reactions_are_put_once_and_taken_back_also_after_a_restart() -> None:
    """
    Put, taken back and put again is there; what we never put is no error.
    """

    async def scenario() -> None:
        async with scene(listens=False) as (server, it):
            target = MessageId(server.say(TEAM, "question"))
            for removed in (False, False, True, True, False):
                await it.driver.react(ROOM, target, Reaction("👍", removed=removed))
            async with bridge(server.url, listens=False, access_token="token") as another:
                await another.driver.react(ROOM, target, Reaction("👍", removed=True))
            kinds = [one["type"] for one in server.said()]

            assert ["m.reaction", "m.room.redaction"] * 2 == kinds

    run(scenario())


def test_what_is_gone_already_is_no_error() -> None:
    """
    A recall of parts, of which one is not there any more.
    """

    async def scenario() -> None:
        async with scene(listens=False) as (server, it):
            receipt = await it.send("hello", TEAM)
            server.faults.append(("/redact/", refusal(404, "M_NOT_FOUND")))
            await it.driver.recall(ROOM, (MessageId("$gone"), receipt.message_id))

            assert {} == server.said()[0]["content"]

    run(scenario())


def test_a_file_that_does_not_arrive_posts_nothing() -> None:
    """
    Too large, an upload that breaks off, a source that is gone: told apart, and no message without its file.
    """

    async def scenario() -> None:
        async with scene(listens=False) as (server, it):
            it.files = {
                "http://x/large": ("text/plain", b"x" * (1 << 21)),
                "http://x/a": ("text/plain", b"a"),
            }

            async def upload(name: str, size: int | None = None) -> DeliveryError | None:
                file = Attachment(AttachmentKind.FILE, url=f"http://x/{name}", filename=name, size=size)
                try:
                    await it.send("", TEAM, key=name, attachments=(file,))
                except DeliveryError as e:
                    return e
                return None

            assert isinstance(await upload("large"), Refused)
            assert isinstance(await upload("a", 1 << 21), Refused)
            server.faults.append(("upload", None))
            assert isinstance(await upload("a"), Transient)
            server.faults.append(("upload", refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=500)))
            assert isinstance(await upload("a"), Throttled)
            assert 0 == server.posts
            assert await upload("a") is None

    run(scenario())


def test_a_file_that_cannot_be_opened_is_refused_or_tried_again() -> None:
    """
    Gone for good, or a homeserver in trouble; a reference is never a path.
    """

    async def scenario() -> None:
        async with scene(listens=False) as (server, it):

            async def failure(ref: str) -> DeliveryError:
                with pytest.raises(DeliveryError) as caught:
                    async with it.driver.open(ref):
                        pass
                return caught.value

            for ref in (
                "mxc://hs.test/gone",
                "mxc://hs.test/../../etc/passwd",
                "https://x/y",
                "mxc://a/b/c",
                "",
            ):
                assert isinstance(await failure(ref), Refused), ref
            server.faults.append(("download", refusal(502, "M_UNKNOWN")))
            assert isinstance(await failure("mxc://hs.test/x"), Transient)
            server.faults.append(("download", refusal(401, "M_UNKNOWN_TOKEN")))
            assert isinstance(await failure("mxc://hs.test/x"), Transient)
            server.faults.append(("download", None))
            server.faults.append(("download", None))
            assert isinstance(await failure("mxc://hs.test/x"), Transient)

    run(scenario())


def test_the_rooms_of_the_settings_are_joined_and_a_closed_one_is_a_finding() -> None:
    """
    By id and by alias; the others go on.
    """

    async def scenario() -> None:
        async with Homeserver().running() as server:
            server.room(TEAM, bot=False)
            server.room("!square:hs.test", bot=False)
            server.aliases["#square:hs.test"] = "!square:hs.test"
            rooms = [TEAM, "#square:hs.test", "#nowhere:hs.test", "!closed:hs.test"]
            async with bridge(server.url, access_token="token", rooms=rooms) as it:
                findings = await it.driver.probe()
                server.say("!square:hs.test", "hello")
                await it.until(lambda: it.texts == ["hello"])

                assert {TEAM, "!square:hs.test"} == server.joined
                assert [True, True, True, False, False] == [one.ok for one in findings]
                assert "#square:hs.test" == it.envelopes[0].source.conversation
                assert "matrix_not_joined_forbidden" in it.reported

    run(scenario())
