"""What the Matrix driver hears, from a small homeserver that errs when it is told to."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from bridge.errors import (
    JournalBroken,
    JournalFull,
)
from bridge.model import (
    EventKind,
    Inbound,
)
from drivers.matrix import happened, reader
from tests.drivers.matrix.bridge import Bridge, bridge
from tests.drivers.matrix.homeserver import Homeserver, refusal
from tests.drivers.matrix.scene import TEAM, run, scene

KEEP = "org.msgbridge.read.hs"


# --- listening --------------------------------------------------------------------------------------


def test_the_first_start_relays_no_history_and_a_restart_goes_on_where_it_was() -> None:
    """
    The place is kept by the homeserver, so nothing of ours need outlive the restart.
    """

    async def scenario() -> None:
        async with Homeserver().running() as server:
            server.room(TEAM)
            server.say(TEAM, "history")
            it = Bridge()
            async with bridge(server.url, it=it, access_token="token"):
                server.say(TEAM, "one")
                await it.until(lambda: it.texts == ["one"])
            for number in range(happened.PER_ROOM + 20):
                server.say(TEAM, f"while away {number}")
            it.shown.clear()
            async with bridge(server.url, it=it, access_token="token"):
                await it.until(lambda: len(it.texts) == happened.PER_ROOM + 21)

            assert ["one", "while away 0"] == it.texts[:2]
            assert sorted(it.texts[1:], key=lambda text: int(text.split()[-1])) == it.texts[1:]

    run(scenario())


def test_a_gap_that_is_too_long_is_said() -> None:
    """
    So many pages are read; that there was more is counted, and the newest are heard.
    """
    most = (1 + reader.MOST_PAGES) * happened.PER_ROOM

    async def scenario() -> None:
        async with Homeserver().running() as server:
            server.room(TEAM)
            server.account_data[KEEP] = {"since": "0"}
            for number in range(most + 1):
                server.say(TEAM, f"{number}")
            async with bridge(server.url, access_token="token") as it:
                await it.until(lambda: len(it.texts) == most)

                assert "matrix_gap_not_read" in it.reported
                assert ["1", str(most)] == [it.texts[0], it.texts[-1]]

    run(scenario())


def test_what_is_not_durable_is_read_again() -> None:
    """
    Ended while the journal was full: the place was not moved on, and the next run begins with it.
    """

    async def scenario() -> None:
        async with Homeserver().running() as server:
            server.room(TEAM)
            server.account_data[KEEP] = {"since": "0"}
            server.say(TEAM, "one")
            server.say(TEAM, "two")
            full = Bridge()

            async def emit(inbound: Inbound) -> None:
                if inbound.envelopes[0].message.text == "two":
                    full.reported.append("asked")
                    raise JournalFull("full", retry_after=60)
                await Bridge.emit(full, inbound)

            full.emit = emit  # type: ignore[method-assign]  # this one's journal is full
            async with bridge(server.url, it=full, access_token="token"):
                await full.until(lambda: "matrix_journal_full" in full.reported)
            kept = server.account_data[KEEP]["since"]
            async with bridge(server.url, access_token="token") as it:
                await it.until(lambda: it.texts == ["one", "two"])

            assert ["one"] == full.texts
            assert "0" == kept

    run(scenario())


def test_a_broken_journal_ends_the_listening() -> None:
    """
    Nobody is to go on when nothing can be kept.
    """

    async def scenario() -> None:
        async with scene(listens=False) as (server, it):
            server.account_data[KEEP] = {"since": "0"}
            server.say(TEAM, "one")

            async def emit(_inbound: Inbound) -> None:
                raise JournalBroken("EIO")

            with pytest.raises(JournalBroken):
                await it.driver.listen(emit)

    run(scenario())


def test_a_place_that_the_homeserver_forgot_is_begun_anew() -> None:
    """
    A homeserver that was put back to an older state knows no later token; that is said.
    """

    async def scenario() -> None:
        async with Homeserver().running() as server:
            server.room(TEAM)
            server.account_data[KEEP] = {"since": "lost"}
            server.say(TEAM, "history")
            it = Bridge()
            async with bridge(server.url, it=it, access_token="token"):
                await it.until(lambda: server.account_data[KEEP]["since"] == "1", within=15)
                server.say(TEAM, "new")
                await it.until(lambda: it.texts == ["new"])

            assert "matrix_trouble_lost_place" in it.reported

    run(scenario())


def test_trouble_is_survived_and_nothing_is_lost_by_it() -> None:
    """
    Errors, garbage, a connection that ends: each is counted, and the next look begins at the same place.
    """

    async def scenario() -> None:
        async with scene() as (server, it):
            server.say(TEAM, "one")
            await it.until(lambda: it.texts == ["one"])
            server.faults += [
                ("sync", refusal(502, "M_UNKNOWN")),
                ("sync", None),
                ("sync", web.Response(body=b"<html>")),
            ]
            server.say(TEAM, "two")
            server.say(TEAM, "three")
            await it.until(lambda: it.texts == ["one", "two", "three"], within=15)
            await it.until(lambda: not server.faults, within=15)

            assert any(one.startswith("matrix_trouble_") for one in it.reported)

    run(scenario())


def test_more_than_can_be_read_at_once_is_read_in_pieces() -> None:
    """
    Of each room less is asked for, and the rest page by page.
    """

    async def scenario() -> None:
        async with Homeserver().running() as server:
            rooms = (TEAM, "!other:hs.test")
            for room_id in rooms:
                server.room(room_id)
            server.account_data[KEEP] = {"since": "0"}
            for number in range(happened.PER_ROOM):
                for room_id in rooms:
                    server.say(room_id, f"{number} {'x' * 1000}")
            async with bridge(server.url, listens=False, access_token="token") as it:
                it.driver._api.most_at_once = 1500 * happened.PER_ROOM
                listening = asyncio.create_task(it.driver.listen(it.emit))
                await it.until(lambda: len(it.texts) == 2 * happened.PER_ROOM)
                listening.cancel()
                await asyncio.wait([listening])

                for room_id in rooms:
                    here = [one for one in it.envelopes if one.source.conversation == room_id]
                    numbers = [int(one.message.text.split()[0]) for one in here]
                    assert list(range(happened.PER_ROOM)) == numbers
                assert "matrix_trouble_huge_answer" in it.reported

    run(scenario())


def test_an_event_that_nobody_understands_holds_up_no_other() -> None:
    """
    Malformed, or asked about in vain: it is counted, and the next is heard.
    """

    async def scenario() -> None:
        async with scene() as (server, it):
            server.happen(TEAM, "m.room.message", None)
            server.happen(TEAM, "m.room.message", {"msgtype": 7, "body": []})
            server.happen(TEAM, "m.room.redaction", {})
            server.say(TEAM, "reply", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$nowhere"}}})
            server.say(TEAM, "fine")
            await it.until(lambda: "fine" in it.texts)

            assert ["reply", "fine"] == it.texts
            assert 3 == sum(one.ignored in ("malformed", "empty") for one in it.heard)

    run(scenario())


def test_names_titles_and_what_is_answered_are_asked_for_once() -> None:
    """
    The display name from the room's state; the quoted words from the event itself, also an old one.
    """

    async def scenario() -> None:
        async with Homeserver().running() as server:
            server.room(TEAM, name={"name": "The\u202e team"}).members = {"@ada:hs.test": "Ada"}
            old = server.say(TEAM, "old words")
            reply = {"m.relates_to": {"m.in_reply_to": {"event_id": old}}}
            async with bridge(server.url, access_token="token") as it:
                for _ in range(3):
                    server.say(TEAM, "yes", **reply)
                await it.until(lambda: len(it.texts) == 3)
                last = it.envelopes[-1]

                assert ("Ada", "The  team") == (last.sender.display_name, last.conversation_title)
                assert last.message.quote is not None
                assert (old, "Ada", "old words") == (
                    last.message.quote.id,
                    last.message.quote.sender,
                    last.message.quote.text,
                )
                for asked in ("event/", "state/m.room.name"):
                    assert 1 == sum(asked in one for one in server.asked), asked

    run(scenario())


def test_only_who_wrote_it_can_edit_it() -> None:
    """
    The homeserver takes anybody's replacement for anybody's words; the bridge looks who wrote them.
    """

    async def scenario() -> None:
        async with Homeserver().running() as server:
            server.room(TEAM)
            old = server.say(TEAM, "I pay")
            edit = {"m.new_content": {"msgtype": "m.text", "body": "I pay nothing"}}
            relation = {"m.relates_to": {"rel_type": "m.replace", "event_id": old}}
            async with bridge(server.url, access_token="token") as it:
                server.say(TEAM, "* x", "@eve:hs.test", **edit, **relation)
                server.say(TEAM, "* x", "@ada:hs.test", **edit, **relation)
                await it.until(lambda: it.envelopes)

                (heard,) = it.envelopes
                assert (EventKind.EDIT, "@ada:hs.test") == (heard.kind, heard.sender.id)
                assert ["edit_of_others"] == [one.ignored for one in it.heard if one.ignored]

    run(scenario())


def test_what_was_said_before_we_came_is_not_for_us() -> None:
    """
    Also when so much was said since that our coming is further back than one look shows.
    """

    async def scenario() -> None:
        async with scene() as (server, it):
            server.room("!new:hs.test", bot=False)
            server.say("!new:hs.test", "before")
            server.come("!new:hs.test")
            for number in range(happened.PER_ROOM + 5):
                server.say("!new:hs.test", f"{number}")
            await it.until(lambda: len(it.texts) >= happened.PER_ROOM + 5)

            assert [str(number) for number in range(happened.PER_ROOM + 5)] == it.texts

    run(scenario())


def test_a_probe_in_the_middle_lets_nothing_of_ours_be_heard() -> None:
    """
    Who we are is known throughout, also while the homeserver is asked again.
    """

    async def scenario() -> None:
        async with scene() as (server, it):
            server.hold = "whoami"
            probing = asyncio.create_task(it.driver.probe())
            await it.until(lambda: server.asked.count("GET account/whoami") == 2)
            await it.send("ours", TEAM)
            server.say(TEAM, "theirs")
            await it.until(lambda: it.texts)
            probing.cancel()
            await asyncio.wait([probing])

            assert ["theirs"] == it.texts

    run(scenario())
