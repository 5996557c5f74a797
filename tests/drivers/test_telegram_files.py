"""Files up to Telegram and down from it, over real sockets."""

import pytest

from bridge.driver import MediaSource
from bridge.errors import Indeterminate, Refused, Transient
from bridge.model import Attachment, AttachmentKind, TextFormat
from drivers.telegram.simulator import Fault, refusal
from tests.drivers.telegram.pair import GROUP, PNG, an_outgoing, connected, failing, run

FILE_URL = "https://files.example/a"


def a_file(kind: AttachmentKind, filename: str, **more) -> tuple[Attachment, ...]:
    return (Attachment(kind, url=FILE_URL, filename=filename, **more),)


def test_an_edit_of_a_picture_changes_its_caption() -> None:
    """
    It has no text to edit.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.files.at[FILE_URL] = PNG
            picture = an_outgoing("old", attachments=a_file(AttachmentKind.IMAGE, "a.png"))
            sent = await pair.driver.send(picture)
            await pair.driver.edit([sent.message_id], an_outgoing("new"))
            posted = pair.telegram.chats.posted(GROUP)
        assert ["new"] == [one["caption"] for one in posted]

    run(scenario)


def test_an_edit_with_a_file_takes_the_old_one_back() -> None:
    """
    A file cannot be changed, and should not be there twice.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.files.at[FILE_URL] = PNG
            picture = an_outgoing("", attachments=a_file(AttachmentKind.IMAGE, "a.png"))
            sent = await pair.driver.send(picture)
            again = await pair.driver.edit([sent.message_id], picture)
            posted = pair.telegram.chats.posted(GROUP)
        assert [again.message_id] == [f"{GROUP}:{one['message_id']}" for one in posted]
        assert again.message_id != sent.message_id

    run(scenario)


@pytest.mark.parametrize(
    ("kind", "filename", "content", "field"),
    [
        (AttachmentKind.IMAGE, "a.png", PNG, "photo"),
        (AttachmentKind.IMAGE, "broken.png", b"no picture", "document"),
        (AttachmentKind.IMAGE, "large.png", PNG + bytes(11 << 20), "document"),
        (AttachmentKind.VIDEO, "a.mp4", b"video", "video"),
        (AttachmentKind.AUDIO, "a.ogg", b"voice", "voice"),
        (AttachmentKind.FILE, "Bericht – 报告.pdf", b"%PDF", "document"),
    ],
)
def test_files_are_uploaded_as_what_they_are(kind, filename, content, field) -> None:
    """
    What is no photo to Telegram it takes as a document; every byte and the name arrive.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.files.at[FILE_URL] = content
            outgoing = an_outgoing(
                "**look**", attachments=a_file(kind, filename), format=TextFormat.MARKDOWN
            )
            receipt = await pair.driver.send(outgoing)
            (posted,) = pair.telegram.chats.posted(GROUP)
            sent = pair.telegram.chats.by_id[GROUP].uploads[posted["message_id"]]
        assert field in posted
        assert ("look", [{"type": "bold", "offset": 0, "length": 4}]) == (
            posted["caption"],
            posted["caption_entities"],
        )
        assert (filename, content) == (sent.filename, sent.content)
        assert not receipt.notes

    run(scenario)


@pytest.mark.parametrize(
    ("content", "size"),
    [(bytes((50 << 20) + 1), None), (PNG, 51 << 20), (b"", None), (Refused("gone", reason="gone"), None)],
    ids=["too large", "said to be too large", "empty", "not there"],
)
def test_a_file_that_cannot_be_uploaded_is_a_link(content, size) -> None:
    """
    With a note that says why.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.files.at[FILE_URL] = content
            files = a_file(AttachmentKind.FILE, "a.bin", size=size)
            receipt = await pair.driver.send(an_outgoing("", attachments=files))
            (posted,) = pair.telegram.chats.posted(GROUP)
        assert FILE_URL == posted["text"]
        assert "linked, not uploaded" in receipt.notes[0]

    run(scenario)


def test_where_a_bot_may_send_no_files_it_sends_links() -> None:
    """
    The chat is not suspended for that: words may still be said there.
    """
    no = "Bad Request: not enough rights to send {} to the chat"

    async def scenario() -> None:
        async with connected() as pair:
            pair.files.at[FILE_URL] = PNG
            pair.telegram.fail_next(
                refusal(400, no.format("photos")), refusal(400, no.format("documents"))
            )
            files = a_file(AttachmentKind.IMAGE, "a.png")
            await pair.driver.send(an_outgoing("", attachments=files))
            assert [FILE_URL] == [one["text"] for one in pair.telegram.chats.posted(GROUP)]

    run(scenario)


def test_a_file_that_is_late_is_tried_again() -> None:
    """
    A source that is only busy makes no link of a picture.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.files.at[FILE_URL] = Transient("busy", reason="busy")
            files = a_file(AttachmentKind.IMAGE, "a.png")
            error = await failing(pair.driver.send(an_outgoing("", attachments=files)))
            assert not pair.telegram.calls
        assert isinstance(error, Transient)

    run(scenario)


def test_a_lost_answer_to_an_upload_is_not_answered_by_a_document() -> None:
    """
    Only a refusal is: else the picture might be there twice.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.files.at[FILE_URL] = PNG
            pair.telegram.fail_next(Fault(reset=True, took=True))
            files = a_file(AttachmentKind.IMAGE, "a.png")
            error = await failing(pair.driver.send(an_outgoing("", attachments=files)))
            assert 1 == len(pair.telegram.chats.posted(GROUP))
        assert isinstance(error, Indeterminate)

    run(scenario)


def test_files_of_telegram_are_opened_without_a_url_for_others() -> None:
    """
    The URL has the token in it: nobody is given it, and no error names it.
    """

    async def scenario() -> None:
        async with connected() as pair:
            assert isinstance(pair.driver, MediaSource)
            stored = pair.telegram.files
            small = stored.store("documents/Bericht – 1.pdf", b"%PDF" * 99)
            large = stored.store("videos/a.mp4", b"x", size=21 << 20)
            local = stored.store("/var/lib/telegram-bot-api/a", b"x")
            escaping = stored.store("a/../../x", b"x")
            assert await pair.driver.public_url(small) is None
            async with pair.driver.open(small) as opened:
                content = b"".join([piece async for piece in opened.chunks])
                assert ("Bericht – 1.pdf", 396) == (opened.filename, opened.size)
            assert b"%PDF" * 99 == content
            for ref, reason in (
                (large, "too_large"),
                ("never", "unknown_file"),
                (local, "local_server"),
                (escaping, "local_server"),
            ):
                error = await failing(pair.driver.open(ref).__aenter__())
                assert (Refused, reason) == (type(error), error.reason)
            stored._stored.clear()
            known = stored.store("gone", b"x")
            pair.telegram.fail_next(
                Fault(
                    200,
                    {"ok": True, "result": {"file_id": known, "file_unique_id": "u", "file_path": "no"}},
                ),
                method="getFile",
            )
            error = await failing(pair.driver.open(known).__aenter__())
            assert "no_file" == error.reason

    run(scenario)
