"""What an app robot posts: text, links, cards with buttons, and files, over real sockets."""

import asyncio
import json
import struct
from typing import Any

import pytest

from bridge.errors import Transient
from bridge.model import Attachment, AttachmentKind, Button, Mention, RawForm, Receipt, TextFormat, UserId
from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.media_rules import amr_duration, ending_of, mp4_duration
from drivers.dingtalk.message_templates import MAX_PARAM, complaint_about
from drivers.dingtalk.picture import small_picture
from drivers.dingtalk.posts import compose
from drivers.dingtalk.robot_send import Wording
from tests.drivers.dingtalk.pair import GROUP, NEVER_COMES, PERSON, Pair, an_outgoing, connected

URL = "https://files.example.com/"
AMR = b"#!AMR\n" + (b"\x3c" + b"\x00" * 31) * 100
IMAGE, AUDIO, VIDEO, FILE = AttachmentKind


def an_mp4(milliseconds: int, *, long: bool = False) -> bytes:
    body = (
        b"\x01\x00\x00\x00" + struct.pack(">QQIQ", 0, 0, 1000, milliseconds)
        if long
        else b"\x00\x00\x00\x00" + struct.pack(">IIII", 0, 0, 1000, milliseconds)
    )
    header = struct.pack(">I", 8 + len(body)) + b"mvhd" + body
    movie = struct.pack(">I", 8 + len(header)) + b"moov" + header
    return struct.pack(">I", 16) + b"ftypisomABCD" + movie


WEB = {
    f"{URL}a.png": small_picture(),
    f"{URL}voice.amr": AMR,
    f"{URL}film.mp4": an_mp4(2600),
    f"{URL}broken.mp4": b"\x00\x00\x00\x08moov",
    f"{URL}report.pdf": b"%PDF-1.7",
    f"{URL}long.amr": AMR * 800,
    f"{URL}huge.png": b"\x89PNG" + b"x" * (20 << 20),
}


def attached(kind: AttachmentKind, name: str, **more: Any) -> Attachment:
    return Attachment(kind=kind, url=URL + name, filename=name, **more)


def buttons(count: int) -> tuple[Button, ...]:
    return tuple(Button(f"B{n}", f"https://example.com/{n}") for n in range(1, count + 1))


def sent(text: str = "hello", *, to: str = GROUP, **more: Any) -> tuple[Pair, Receipt]:
    """What became of one message."""

    async def scenario() -> tuple[Pair, Receipt]:
        async with connected(web=WEB) as pair:
            return pair, await pair.driver.send(an_outgoing(text, to=to, **more))

    return asyncio.run(scenario())


def keys_of(pair: Pair) -> list[str]:
    return [one.msg_key for one in pair.dingtalk.received]


@pytest.mark.parametrize("to", [GROUP, PERSON])
@pytest.mark.parametrize(
    ("count", "key"),
    [
        (1, "sampleActionCard"),
        (2, "sampleActionCard2"),
        (3, "sampleActionCard3"),
        (4, "sampleActionCard4"),
        (5, "sampleActionCard5"),
        (7, "sampleActionCard5"),
    ],
)
def test_buttons_make_a_card(count: int, key: str, to: str) -> None:
    """
    One to five stand on it, the rest as links in its text; nothing is lost.
    """
    pair, receipt = sent("**choose**", to=to, format=TextFormat.MARKDOWN, buttons=buttons(count))

    (received,) = pair.dingtalk.received
    assert received.msg_key == key
    assert receipt.notes == ()
    everything = json.dumps(received.params)
    assert all(button.label in everything and button.url in everything for button in buttons(count))
    assert received.text.startswith("**choose**")


def test_a_button_without_a_url_is_left_out_and_said() -> None:
    """
    The receipt's notes say so.
    """
    pair, receipt = sent("x", buttons=(Button("dead"), *buttons(1), Button("js", "javascript:x")))

    assert keys_of(pair) == ["sampleActionCard"]
    assert receipt.notes == ("2 buttons left out: DingTalk can open no URL of theirs",)
    pair, receipt = sent("x", buttons=(Button("dead"),))
    assert keys_of(pair) == ["sampleText"]


def test_the_bridges_own_words_are_in_the_chosen_language() -> None:
    """
    The label of a button that has none, the title of a message that has none.
    """

    async def scenario() -> None:
        async with connected(language="zh") as pair:
            await pair.driver.send(an_outgoing("", buttons=(Button("", "https://e.org"),)))
            (received,) = pair.dingtalk.received
            assert (received.params["singleTitle"], received.params["title"]) == ("打开", "消息")

    asyncio.run(scenario())


def test_a_button_without_a_label_beside_a_picture_is_a_link() -> None:
    """
    The whole card opens its URL; without a picture it is a card whose button says "Open".
    """
    pair, _ = sent(
        "news", buttons=(Button("", "https://e.org"),), attachments=(attached(IMAGE, "a.png"),)
    )
    link = pair.dingtalk.received[0]
    assert (link.msg_key, link.params["picUrl"]) == ("sampleLink", f"{URL}a.png")

    pair, _ = sent("news", buttons=(Button("", "https://e.org"),))
    assert pair.dingtalk.received[0].params["singleTitle"] == "Open"


@pytest.mark.parametrize("count", range(8))
@pytest.mark.parametrize("text", ["", "x", "字" * 4800, '"' * 7200])
@pytest.mark.parametrize("format_", TextFormat)
def test_whatever_it_is_made_of_it_fits_its_template(count: int, text: str, format_: TextFormat) -> None:
    """
    15,000 bytes for all of it, every key of the template said; what does not fit is in the notes.
    """
    asked = an_outgoing(text or "x", format=format_, buttons=buttons(count))

    post, notes = compose(asked, Wording())

    message = {"msgKey": post.msg_key, "msgParam": post.param}
    assert complaint_about(message) == ""
    assert len(post.param.encode()) <= MAX_PARAM
    assert notes or count == 0 or "Card" in post.msg_key


@pytest.mark.parametrize(
    ("kind", "name", "key", "params"),
    [
        (IMAGE, "a.png", "sampleImageMsg", {"photoURL": "@lALSim0"}),
        (AUDIO, "voice.amr", "sampleAudio", {"mediaId": "@lALSim0", "duration": "2000"}),
        (
            VIDEO,
            "film.mp4",
            "sampleVideo",
            {"videoMediaId": "$lALSim1", "picMediaId": "@lALSim0", "videoType": "mp4", "duration": "3"},
        ),
        (FILE, "report.pdf", "sampleFile", {"mediaId": "@lALSim0", "fileName": "report.pdf", "fileType": "pdf"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("to", [GROUP, PERSON])
def test_a_file_is_uploaded_and_shown_as_what_it_is(
    kind: AttachmentKind, name: str, key: str, params: dict[str, str], to: str
) -> None:
    """
    To groups and to persons; without a text it is the only post.
    """
    pair, receipt = sent("", to=to, attachments=(attached(kind, name),))

    (received,) = pair.dingtalk.received
    assert (received.msg_key, received.params) == (key, params)
    assert receipt == Receipt(receipt.message_id)
    assert WEB[URL + name] in [one.content for one in pair.dingtalk.media.uploaded.values()]


@pytest.mark.parametrize(
    ("attachment", "why"),
    [
        (attached(FILE, "a.exe"), "takes no .exe"),
        (attached(AUDIO, "a.mp3"), "takes no .mp3"),
        (attached(FILE, "report.pdf", size=30 << 20), "too large"),
        (attached(VIDEO, "broken.mp4"), "length cannot be told"),
        (attached(AUDIO, "long.amr"), "too large"),
        (attached(FILE, "gone.pdf"), "there is nothing"),
        (Attachment(kind=FILE, url=f"{URL}report.pdf"), "takes it not as file"),
    ],
)
def test_what_cannot_be_uploaded_is_a_link(attachment: Attachment, why: str) -> None:
    """
    In the text, where somebody can open it, with a note of why.
    """
    pair, receipt = sent("look", attachments=(attachment,))

    (received,) = pair.dingtalk.received
    assert received.text == f"look\n{attachment.url}"
    (note,) = receipt.notes
    assert why in note


@pytest.mark.parametrize("name", ["huge.png", "a.webp"])
def test_a_picture_that_is_not_taken_as_a_file_is_shown_by_its_url(name: str) -> None:
    """
    DingTalk's clients can open more than its upload takes.
    """
    pair, receipt = sent("", attachments=(attached(IMAGE, name),))

    assert pair.dingtalk.received[0].params == {"photoURL": URL + name}
    assert receipt.notes == ()


def test_a_missing_permission_to_upload_costs_no_message() -> None:
    """
    The link stands in its place, and the note names the permission.
    """

    async def scenario() -> None:
        async with connected(web=WEB) as pair:
            denied = {"errcode": 88, "errmsg": "ding talk error[subcode=60011,submsg=应用尚未开通所需的权限,"
                      " {requiredScopes=[qyapi_base]}]"}  # fmt: skip
            pair.dingtalk.fail_next(Fault(200, denied), path="/media/upload")
            receipt = await pair.driver.send(
                an_outgoing("look", attachments=(attached(FILE, "report.pdf"),))
            )
            assert pair.dingtalk.received[0].text == f"look\n{URL}report.pdf"
            assert "qyapi_base" in receipt.notes[0]

    asyncio.run(scenario())


def test_a_file_that_does_not_come_does_not_hold_the_message() -> None:
    """
    All files of a message together get as long as one exchange; the rest goes out as links.
    """
    slow = Attachment(kind=FILE, url=NEVER_COMES, filename="never.pdf")

    async def scenario() -> None:
        async with connected(timeout=0.3, web=WEB) as pair:
            receipt = await pair.driver.send(
                an_outgoing("look", attachments=(attached(IMAGE, "a.png"), slow, slow))
            )
            assert keys_of(pair) == ["sampleText", "sampleImageMsg"]
            assert pair.dingtalk.received[0].text == f"look\n{NEVER_COMES}\n{NEVER_COMES}"
            assert "took too long" in receipt.notes[0]

    asyncio.run(scenario())


def test_a_large_file_is_uploaded_whole() -> None:
    """
    Up to DingTalk's limit, byte for byte.
    """
    content = b"%PDF" + bytes(range(256)) * (20 << 12)

    async def scenario() -> None:
        async with connected(web={f"{URL}big.pdf": content[: 20 << 20]}) as pair:
            receipt = await pair.driver.send(an_outgoing("", attachments=(attached(FILE, "big.pdf"),)))
            assert receipt.notes == ()
            (uploaded,) = pair.dingtalk.media.uploaded.values()
            assert uploaded.content == content[: 20 << 20]

    asyncio.run(scenario())


def test_text_and_files_are_posts_of_their_own_and_none_comes_twice() -> None:
    """
    After a failure in the middle the next attempt goes on where it was; uploads are not repeated.
    """

    async def scenario() -> None:
        async with connected(web=WEB) as pair:
            asked = an_outgoing(
                "look", attachments=(attached(IMAGE, "a.png"), attached(FILE, "report.pdf"))
            )
            pair.dingtalk.fail_next(*[Fault(200, {"processQueryKey": "k1"})], path="/v1.0/robot/group")
            pair.dingtalk.fail_next(refusal(500, "system.error"), path="/v1.0/robot/group")
            with pytest.raises(Transient):
                await pair.driver.send(asked)
            receipt = await pair.driver.send(asked)

            assert keys_of(pair) == ["sampleImageMsg", "sampleFile"]
            assert receipt.message_id == "k1"
            assert len(pair.dingtalk.media.uploaded) == 2

    asyncio.run(scenario())


def test_a_long_text_and_its_links_are_two_posts() -> None:
    """
    The text has its full length, and the links follow.
    """
    text = "x" * 14_500
    pair, _ = sent(text, attachments=tuple(attached(FILE, f"{n:0200}.exe") for n in range(3)))

    first, second = pair.dingtalk.received
    assert first.text == text
    assert second.text.count(URL) == 3


def test_a_wanted_mention_that_cannot_ping_is_said() -> None:
    """
    The OpenAPI cannot mention anybody, and there is no session.
    """
    _, receipt = sent("hi", mentions=(Mention(UserId("manager1001")),))

    assert "nobody was pinged" in receipt.notes[0]


@pytest.mark.parametrize(
    ("content", "milliseconds"),
    [(AMR, 2000), (b"#!AMR\n", None), (b"", None), (b"ID3", None), (b"#!AMR\n\xff\xff\xff", 60)],
)
def test_the_length_of_a_recording_is_read_from_its_frames(
    content: bytes, milliseconds: int | None
) -> None:
    """
    DingTalk wants it, and no platform tells it.
    """
    assert amr_duration(content) == milliseconds


@pytest.mark.parametrize(
    ("content", "milliseconds"),
    [
        (an_mp4(2600), 2600),
        (an_mp4(2600, long=True), 2600),
        (an_mp4(0), None),
        (an_mp4(2600)[:16] + b"\x00\x00\x00\x00" + an_mp4(2600)[20:], 2600),
        (b"", None),
        (b"\x00" * 100, None),
        (b"\x00\x00\x00\x01moov" + b"\xff" * 8, None),
        (an_mp4(2600)[:40], None),
    ],
)
def test_the_length_of_a_film_is_read_from_its_header(content: bytes, milliseconds: int | None) -> None:
    """
    Any bytes are a length or none.
    """
    assert mp4_duration(content) == milliseconds


@pytest.mark.parametrize(
    ("filename", "media_type", "ending"),
    [
        ("a.PDF", "", "pdf"),
        ("a.tar.gz", "application/pdf", "gz"),
        ("noname", "application/pdf; charset=x", "pdf"),
        ("../..", "image/png", "png"),
        ("a.p\r\nd", "", ""),
        ("", "", ""),
    ],
)
def test_a_files_ending_is_all_that_its_name_says(filename: str, media_type: str, ending: str) -> None:
    """
    The name is a stranger's text.
    """
    assert ending_of(filename, media_type) == ending


def test_a_message_in_dingtalks_own_form_goes_out_as_it_is() -> None:
    """
    Its template and its parameters, byte for byte, and DingTalk takes it.
    """
    values = {
        "title": "t",
        "text": "x",
        "picUrl": "https://a.example/p",
        "messageUrl": "https://a.example",
    }

    pair, _ = sent("seen by operators", raw=RawForm("sampleLink", json.dumps(values)))

    post = pair.dingtalk.received[0]
    assert (post.msg_key, post.params) == ("sampleLink", values)
