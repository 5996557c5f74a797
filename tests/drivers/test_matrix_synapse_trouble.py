"""The Matrix driver against a real Synapse that dies, throttles and throws it out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import Broken, DeliveryError, Throttled
from tests.drivers.matrix.bridge import Bridge, bridge
from tests.drivers.matrix.house import House, Scene, run
from tests.drivers.matrix.people import person
from tests.matrix_server import Synapse, running

pytestmark = [pytest.mark.full, pytest.mark.real_time]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("synapse")) as server:
        yield House(server)


def test_a_room_is_lost_and_found_again(house: House) -> None:
    """
    Kicked: the conversation is broken, nothing else; invited again: it goes on, and what was said
    meanwhile is not relayed.
    """

    async def scenario() -> None:
        async with Scene(house) as scene:
            it, ada, room = scene.it, scene.ada, scene.room
            await it.send("before", room, key="k:1")
            await ada.client.kick_user(room, "@bridge:hs.test")
            await it.until(lambda: "matrix_put_out" in it.reported)
            with pytest.raises(Broken) as caught:
                await it.send("lost", room, key="k:2")
            assert "conversation" == caught.value.scope
            await ada.say(room, "not for the bridge")
            await ada.client.invite_user(room, "@bridge:hs.test")
            await it.until(lambda: room in it.driver._rooms.joined)
            await it.send("lost", room, key="k:2")
            await ada.say(room, "back again")
            (heard,) = await scene.heard(1)
            await ada.until(lambda: "lost" in ada.texts())

            assert "back again" == heard.message.text
            assert ["before", "lost"] == ada.texts()

    run(scenario())


def test_strangers_do_not_take_the_bot_into_their_rooms(house: House) -> None:
    """
    Without ``invites_from`` nobody does; by it, who is named there, in person too.
    """

    async def scenario() -> None:
        async with (
            Scene(house, invites_from=["@ada:hs.test"]) as scene,
            person(house.url, "eve", house.eve) as eve,
        ):
            it = scene.it
            trap = await eve.room("bridge")
            await it.until(lambda: "matrix_invitation_ignored" in it.reported)
            private = await scene.ada.room("bridge", is_direct=True)
            await it.until(lambda: private in it.driver._rooms.joined)
            await scene.ada.say(private, "psst")
            await it.until(lambda: "psst" in it.texts)

            assert trap not in it.driver._rooms.joined
            (heard,) = [one for one in it.envelopes if one.message.text == "psst"]
            assert heard.direct

    run(scenario())


def test_an_encrypted_room_is_said_to_be_one(house: House) -> None:
    """
    Nothing is sent in the clear into a room where people rely on encryption.
    """

    async def scenario() -> None:
        async with Scene(house) as scene:
            it, ada, room = scene.it, scene.ada, scene.room
            state = {"algorithm": "m.megolm.v1.aes-sha2"}
            await ada.client.api.request(
                *_put(f"_matrix/client/v3/rooms/{room}/state/m.room.encryption/"), content=state
            )
            sealed = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "s"}
            await ada.post(room, sealed, "m.room.encrypted")
            await it.until(lambda: "matrix_encrypted" in it.reported)
            with pytest.raises(Broken) as caught:
                await it.send("secret", room)
            async with bridge(house.url, listens=False, access_token=house.bot) as another:
                with pytest.raises(Broken):
                    await another.send("secret", room)

            assert "encrypted" == caught.value.reason
            assert any(one.ignored == "encrypted" for one in it.heard)

    run(scenario())


def _put(path: str) -> tuple[Any, str]:
    from mautrix.api import Method

    return Method.PUT, path


def test_nothing_is_lost_or_doubled_over_restarts_of_the_bridge(house: House) -> None:
    """
    What is said while it is away is heard when it is back, also more than comes at once; what was said
    before its first start is not.
    """

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            ada = await stack.enter_async_context(person(house.url, "ada", house.ada))
            bot = house.server.register("restarted")
            room = await ada.room("restarted")
            it = Bridge()
            async with person(house.url, "restarted", bot) as body:
                await body.client.join_room(room)
            await ada.say(room, "history")
            said = [f"line {number:03}" for number in range(260)]
            async with bridge(house.url, it=it, access_token=bot):
                for text in said[:10]:
                    await ada.say(room, text)
                await it.until(lambda: len(it.texts) == 10)
            for text in said[10:250]:
                await ada.say(room, text)
            it.shown.clear()
            async with bridge(house.url, it=it, access_token=bot):
                for text in said[250:]:
                    await ada.say(room, text)
                await it.until(lambda: len(it.texts) >= len(said))

            assert said == it.texts
            assert "matrix_gap_not_read" not in it.reported

    run(scenario())


def test_a_login_by_password_is_renewed_when_its_token_ends(house: House) -> None:
    """
    The device stays the same; a probe beside it is a device that goes again.
    """

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            ada = await stack.enter_async_context(person(house.url, "ada", house.ada))
            house.server.register("walker")
            room = ada.here = await ada.room("walker")
            login = {"user_id": "@walker:hs.test", "password": "walker-password", "rooms": [room]}
            it = await stack.enter_async_context(bridge(house.url, **login))
            await it.send("one", room, key="p:1")
            async with bridge(house.url, listens=False, **login) as visitor:
                findings = await visitor.driver.probe()
                people = await visitor.driver.users()
                rooms = await visitor.driver.conversations()
            async with person(house.url, "walker", it.driver._api.token) as other:
                devices = await other.client.api.request(*_get("_matrix/client/v3/devices"))
                await other.client.logout()
            again = await it.send("one", room, key="p:1")
            await it.send("two", room, key="p:2")
            await ada.say(room, "still there?")
            await it.until(lambda: "still there?" in it.texts)
            await ada.until(lambda: "two" in ada.texts("walker"))

            assert all(one.ok for one in findings), findings
            assert ["@ada:hs.test"] == [one.address["user_id"] for one in people]
            assert [{"room_id": room}] == [dict(one.address) for one in rooms]
            assert again.message_id
            assert 2 == len(devices["devices"])  # of the registration, and ours

    run(scenario())


def _get(path: str) -> tuple[Any, str]:
    from mautrix.api import Method

    return Method.GET, path


def test_a_room_goes_by_its_alias_where_the_settings_say_so(house: House) -> None:
    """
    Both ways under one name; under the other it is refused with the way out.
    """

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            ada = await stack.enter_async_context(person(house.url, "ada", house.ada))
            room = await ada.room(alias_localpart="square", preset=_public())
            alias = "#square:hs.test"
            it = await stack.enter_async_context(bridge(house.url, access_token=house.bot, rooms=[alias]))
            await it.send("here", alias, key="al:1")
            await ada.say(room, "there")
            await it.until(lambda: "there" in it.texts)
            (heard,) = [one for one in it.envelopes if one.message.text == "there"]
            wrong: list[DeliveryError] = []
            for name in (room, "#other:hs.test"):
                with pytest.raises(Broken) as caught:
                    await it.send("x", name)
                wrong.append(caught.value)

            assert alias == heard.source.conversation
            assert alias == heard.conversation_title
            assert ["has_alias", "unknown_alias"] == [one.reason for one in wrong]

    run(scenario())


def _public() -> Any:
    from mautrix.types import RoomCreatePreset

    return RoomCreatePreset.PUBLIC


def test_a_homeserver_that_dies_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """
    Killed and started again, while both sides speak: each message arrives once, in order.
    """

    async def scenario(server: Synapse) -> None:
        ada_token, bot = server.register("ada"), server.register("bridge")
        async with AsyncExitStack() as stack:
            ada = await stack.enter_async_context(person(server.url, "ada", ada_token))
            room = await ada.room("bridge")
            it = await stack.enter_async_context(
                bridge(server.url, access_token=bot, rooms=[room], patience=3.0)
            )
            out = [f"out {number:02}" for number in range(40)]
            into = [f"in {number:02}" for number in range(40)]
            killed = asyncio.Event()

            async def speak() -> None:
                for number, text in enumerate(out):
                    while True:
                        try:
                            await it.send(text, room, key=f"out{number}:1")
                            break
                        except DeliveryError:
                            await asyncio.sleep(0.2)
                    if number == 20:
                        killed.set()

            async def kill() -> None:
                await killed.wait()
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)

            for text in into[:20]:
                await ada.say(room, text)
            await asyncio.gather(speak(), kill())
            for text in into[20:]:
                await ada.say(room, text)
            await it.until(lambda: len(it.texts) >= 40)
            await ada.until(lambda: len(ada.texts()) >= 40)

            assert into == it.texts
            assert out == ada.texts()

    with running(tmp_path / "synapse") as server:
        run(scenario(server))


def test_a_homeserver_that_asks_for_patience_gets_it(tmp_path: Path) -> None:
    """
    Too fast: Throttled, for as long as it says; and after that the same part goes through, once.
    """

    async def scenario(server: Synapse) -> None:
        ada_token, bot = server.register("ada"), server.register("bridge")
        async with AsyncExitStack() as stack:
            ada = await stack.enter_async_context(person(server.url, "ada", ada_token))
            room = await ada.room("bridge")
            it = await stack.enter_async_context(bridge(server.url, access_token=bot, rooms=[room]))
            asked: list[Throttled] = []
            for number in range(6):
                while True:
                    try:
                        await it.send(f"line {number}", room, key=f"t{number}:1")
                        break
                    except Throttled as e:
                        asked.append(e)
                        await asyncio.sleep(e.retry_after or 0.0)
            await ada.until(lambda: len(ada.texts()) >= 6)

            assert [f"line {number}" for number in range(6)] == ada.texts()
            assert {"instance"} == {one.scope for one in asked}
            assert all(one.retry_after is not None and 0 < one.retry_after < 10 for one in asked)
            assert len(asked) <= 8, "the waits were not enough"

    with running(tmp_path / "synapse", rc_message={"per_second": 1, "burst_count": 2}) as server:
        run(scenario(server))
