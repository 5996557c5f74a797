"""The whole bridge between two rooms of one homeserver, with a restart in the middle."""

import asyncio
import json

from tests.drivers.matrix.homeserver import BOT, Homeserver
from tests.running_app import a_daemon

TEAM, OTHER = "!team:hs.test", "!other:hs.test"
RULES = {
    "rules": [
        {"id": "both", "type": "connect", "channels": {"hs": [{"room_id": TEAM}, {"room_id": OTHER}]}}
    ]
}


def files(folder, url):
    config = {
        "global": {
            "data_dir": str(folder / "data"),
            "status": {"enabled": False},
            "log": {"level": "error"},
        },
        "matrix": {"hs": {"homeserver_url": url, "access_token": "token"}},
    }
    return json.dumps(config), json.dumps(RULES)


def last(server, room_id, kind="m.room.message"):
    """The bot's newest event of that kind there; None without one."""
    return next((one for one in reversed(server.said(room_id)) if one["type"] == kind), None)


def answers(event):
    return event["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")


def test_everything_that_both_rooms_have_crosses_also_over_a_restart(tmp_path):
    """
    Text, a reply to the copy, an edit, a reaction put and taken back, a redaction: each finds its
    message on the other side; what the bridge itself says is never heard.
    """

    async def scenario():
        async with Homeserver().running() as server:
            for room_id in (TEAM, OTHER):
                server.room(room_id).members = {"@ada:hs.test": "Ada", "@eve:hs.test": "Eve"}
            made = files(tmp_path, server.url)
            async with a_daemon(tmp_path, *made) as daemon:
                await daemon.until(lambda: server.account_data)
                first = server.say(TEAM, "first", "@ada:hs.test")
                await daemon.until(lambda: last(server, OTHER))
                copy = last(server, OTHER)["event_id"]
                await daemon.settled()
            async with a_daemon(tmp_path, *made) as daemon:
                reply = {"m.relates_to": {"m.in_reply_to": {"event_id": copy}}}
                answer = server.say(OTHER, "second", "@eve:hs.test", **reply)
                await daemon.until(lambda: last(server, TEAM))
                said = last(server, TEAM)
                assert ("Eve: second", first) == (said["content"]["body"], answers(said))

                better = {"msgtype": "m.text", "body": "first, better"}
                relation = {"rel_type": "m.replace", "event_id": first}
                more = {"m.new_content": better, "m.relates_to": relation}
                server.say(TEAM, "* first, better", "@ada:hs.test", **more)
                await daemon.until(lambda: "m.new_content" in last(server, OTHER)["content"])
                edit = last(server, OTHER)["content"]
                assert "Ada: first, better" == edit["m.new_content"]["body"]
                assert copy == edit["m.relates_to"]["event_id"]

                key = {"rel_type": "m.annotation", "event_id": said["event_id"], "key": "👍"}
                thumb = server.happen(TEAM, "m.reaction", {"m.relates_to": key})
                await daemon.until(lambda: last(server, OTHER, "m.reaction"))
                put = last(server, OTHER, "m.reaction")
                assert answer == put["content"]["m.relates_to"]["event_id"]
                server.happen(TEAM, "m.room.redaction", {"redacts": thumb})
                await daemon.until(lambda: not put["content"])

                server.happen(TEAM, "m.room.redaction", {"redacts": first})
                copied = next(one for one in server.said(OTHER) if one["event_id"] == copy)
                await daemon.until(lambda: not copied["content"])
                await daemon.settled()
                kinds = [one["type"] for one in server.said(OTHER)]
                status = await daemon.status()

            redaction, message = "m.room.redaction", "m.room.message"
            assert [message, message, "m.reaction", redaction, redaction] == kinds
            assert [message] == [one["type"] for one in server.said(TEAM)]
            assert 6 == status["journal"]["ledger"]["by_status"]["sent"]
            assert not [one for one in server.asked if BOT in one and "account_data" not in one]

    asyncio.run(scenario())
