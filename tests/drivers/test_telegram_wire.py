"""Telegram's updates and messages, both ways, as values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from bridge.errors import DeliveryError, Malformed
from bridge.exchange import Answer
from bridge.model import AttachmentKind, MessageId
from drivers.telegram import emojis, failures, files, updates
from drivers.telegram.conversations import ADDRESSES, address_of, place_of
from drivers.telegram.memory import Moves, Topics
from tests.clock import NOON
from tests.drivers.telegram import wire_files
from tests.drivers.telegram.bot_api import complaints, of_type
from tests.drivers.telegram.wire_files import names, spoken, wire


@pytest.mark.parametrize("name", names("inbound"))
def test_updates_become_what_stands_beside_them(name: str) -> None:
    """
    Words with their stress, files as references, the rest as a short line or with a reason.
    """
    assert wire_files.wire(f"inbound/{name}.expected.json") == wire_files.heard(
        wire(f"inbound/{name}.json")
    )


@pytest.mark.parametrize("name", names("outbound"))
def test_messages_become_the_parameters_that_stand_beside_them(name: str) -> None:
    """
    Markdown becomes entities counted in UTF-16, and what was typed is shown as it was typed.
    """
    described = wire(f"outbound/{name}.json")

    params = spoken(described)

    assert wire(f"outbound/{name}.expected.json") == params
    assert not complaints("sendMessage", params)


@pytest.mark.parametrize(
    "name", sorted(set(names("inbound")) - {"story", "live_location", "other", "joined", "let_in"})
)
def test_the_wire_files_are_as_the_specification_has_them(name: str) -> None:
    """
    Members and types of what we take for Telegram's words; what we never read is left out.
    """
    update = wire(f"inbound/{name}.json")
    known = [one for one in of_type("Update", update) if "is no" in one]
    for key in updates.ALLOWED:
        if key in update:
            kind = "MessageReactionUpdated" if key == "message_reaction" else "Message"
            known = [one for one in of_type(kind, update[key]) if "is missing" in one]

    assert not known


def test_the_same_edit_is_the_same_and_another_in_that_second_is_not() -> None:
    """
    Telegram counts edits in seconds; a redelivery must be known all the same.
    """
    update = wire("inbound/edit.json")
    other = json.loads(json.dumps(update).replace("hello world", "hello earth"))

    first, again, second = (
        wire_files.heard(one)["envelopes"][0]["id"] for one in (update, update, other)
    )

    assert first == again != second


def test_a_reaction_is_told_for_each_emoji() -> None:
    """
    One came, one went: two happenings, each with an id of its own.
    """
    gone, came = wire_files.heard(wire("inbound/reaction.json"))["envelopes"]

    assert {"emoji": "👍", "removed": True} == gone["reaction"]
    assert {"emoji": "❤"} == came["reaction"]
    assert gone["id"] != came["id"]
    assert gone["target"] == came["target"] == "-1001234567890:41"


def test_a_reaction_is_heard_in_the_topic_of_its_message() -> None:
    """
    The update does not say it; it is remembered.
    """
    reader = wire_files.a_reader()
    reaction = wire("inbound/reaction.json")
    reaction["message_reaction"]["chat"] = wire("inbound/topic.json")["message"]["chat"]

    wire_files.heard(wire("inbound/topic.json"), reader)
    found = wire_files.heard(reaction, reader)["envelopes"]

    assert {"-1009876543210/7"} == {one["source"]["conversation"] for one in found}


def test_a_group_that_moved_keeps_its_name_until_rules_have_the_new_one() -> None:
    """
    What is heard there goes on by the old rules; once something is sent to the new id, by that.
    """
    reader = wire_files.a_reader()
    moved = wire("inbound/migrated.json")
    later = wire("inbound/text.json")
    later["message"]["chat"]["id"] = -1007777777777

    wire_files.heard(moved, reader)
    before = wire_files.heard(later, reader)["envelopes"][0]
    reader.moves.target("-1007777777777")
    after = wire_files.heard(later, reader)["envelopes"][0]

    assert ("-4321", "-1007777777777:41") == (before["source"]["conversation"], before["id"])
    assert "-1007777777777" == after["source"]["conversation"]


@pytest.mark.parametrize(
    ("member", "mended"),
    [
        ({"status": "member"}, 1),
        ({"status": "administrator"}, 1),
        ({"status": "restricted", "can_send_messages": True}, 1),
        ({"status": "restricted", "can_send_messages": False}, 0),
        ({"status": "kicked"}, 0),
        ({}, 0),
    ],
)
def test_a_bot_that_may_speak_again_is_tried_at_once(member, mended) -> None:
    """
    What waits for a chat that had put it out need not wait for the next look.
    """
    calls: list[int] = []
    reader = wire_files.a_reader()
    reader.mended = lambda: calls.append(1)
    update = wire("inbound/let_in.json")
    update["my_chat_member"]["new_chat_member"] = member

    wire_files.heard(update, reader)

    assert mended == len(calls)


def test_a_move_is_reported_once() -> None:
    """
    Both groups tell of it, and so does every refusal.
    """
    events: list[str] = []
    moves = Moves(events.append)

    for _ in range(3):
        moves.learn("-1", "-1002")

    assert ["telegram_group_migrated"] == events
    assert (("-1", "-1002"),) == moves.unsettled


@pytest.mark.parametrize(
    ("emoji", "known"),
    [("❤️", "❤"), ("👍🏽", "👍"), ("❤️‍🔥", "❤\u200d🔥"), ("🤷🏻‍♀️", "🤷\u200d♀"), ("🫠", ""), ("x", ""), ("", "")],
)  # fmt: skip
def test_emoji_are_known_however_they_are_drawn(emoji: str, known: str) -> None:
    """
    Skins and variants are other platforms' ways to write the same.
    """
    assert known == emojis.known(emoji)


def test_there_are_as_many_reactions_as_telegram_lists() -> None:
    """
    A blank in the wrong place would make two of one.
    """
    assert 73 == len(emojis.KNOWN)


def test_general_is_the_group_itself() -> None:
    """
    Telegram calls it topic 1 in links, and refuses a message to topic 1.
    """
    conversation = ADDRESSES[0].conversation({"chat_id": "-1001", "topic_id": "1"})

    assert {"chat_id": "-1001"} == address_of(conversation)


@pytest.mark.parametrize("given", ["", "7", "a:b", "-100:x", "1:2:3", "１:2", f"{'9' * 30}:1"])
def test_a_foreign_id_is_no_message_of_telegrams(given: str) -> None:
    """
    Whatever another release or another platform wrote.
    """
    assert place_of(MessageId(given)) is None


@pytest.mark.parametrize(
    ("kind", "filename", "media_type", "way"),
    [
        ("image", "a.jpg", "", "sendPhoto"), ("image", "", "image/png", "sendPhoto"), ("image", "a.gif", "", "sendAnimation"),
        ("image", "a.tiff", "", "sendDocument"), ("video", "a.mp4", "", "sendVideo"), ("video", "a.mov", "", "sendDocument"),
        ("audio", "a.mp3", "", "sendAudio"), ("audio", "", "audio/ogg", "sendVoice"), ("audio", "a.amr", "", "sendDocument"),
        ("file", "a.jpg", "", "sendDocument"), ("file", "", "", "sendDocument"),
    ],
)  # fmt: skip
def test_a_file_is_posted_as_what_it_is(kind: str, filename: str, media_type: str, way: str) -> None:
    """
    What Telegram shows it shows; the rest can be downloaded.
    """
    sort = AttachmentKind(kind)
    file = files.File(sort, files.name_of(sort, filename, media_type), media_type, b"x")

    assert way == file.way.method


def test_a_form_holds_no_strangers_words_but_in_their_place() -> None:
    """
    A file's name and type are a stranger's: no line of the form is theirs.
    """
    name = files.name_of(AttachmentKind.FILE, '../a"\r\nX: y\r\n\r\n--b.pdf', "")
    file = files.File(AttachmentKind.FILE, name, "text/plain\r\nX: y", b"data")

    headers, body = files.form({"chat_id": "1"}, "document", file, "b0undary")

    assert {"Content-Type": "multipart/form-data; boundary=b0undary"} == headers
    head = body.split(b"\r\n\r\ndata")[0].decode()
    assert [line.partition(":")[0] for line in head.split("\r\n") if ":" in line] == [
        "Content-Disposition", "Content-Disposition", "Content-Type",
    ]  # fmt: skip
    assert 'filename=".._a%22' in head
    assert "application/octet-stream" in head


@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    """
    As everywhere, but that decimal numbers stay texts.
    """
    with pytest.raises(Malformed):
        updates.read(body)
    assert "1.50" == updates.read(b"1.50").text()


def test_times_beyond_the_calendar_are_malformed() -> None:
    """
    A number of seconds is not always a day.
    """
    update = wire("inbound/text.json")
    update["message"]["date"] = 10**15

    with pytest.raises(Malformed, match="time"):
        wire_files.a_reader().normalize(updates.read(json.dumps(update).encode()), NOON)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["ok", "result", "error_code", "parameters", "retry_after", "migrate_to_chat_id"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from([200, 201, 302, 400, 401, 403, 404, 409, 413, 429, 500, 502, 503]), _JSON)
def test_any_answer_is_a_result_or_an_error_that_keeps_our_secrets(status: int, said_: object) -> None:
    """
    Whoever answers in Telegram's place.
    """
    body = json.dumps({**said_, "description": "no: s3cret"} if isinstance(said_, dict) else said_)
    answer = Answer(status, CIMultiDictProxy(CIMultiDict()), body.encode())
    error: DeliveryError | None = None
    try:
        failures.result(answer, now=NOON, secrets=("s3cret",))
    except DeliveryError as e:
        error = e

    good = status == 200 and isinstance(said_, dict) and said_.get("ok") in (True, "true")
    assert good == (error is None)
    assert "s3cret" not in str(error)
    assert error is None or error.retry_after is None or 0 <= error.retry_after <= 10**6


def test_what_is_remembered_is_bounded() -> None:
    """
    A bridge runs for months.
    """
    topics, moves = Topics(), Moves()
    for number in range(10_050):
        topics.note(MessageId(f"-1:{number}"), "7")
        moves.learn(f"-{number}", f"-100{number}")

    assert ("", "7") == (topics.of(MessageId("-1:5")), topics.of(MessageId("-1:10049")))
    assert ("-5", "-10010049") == (moves.target("-5"), moves.target("-10049"))
