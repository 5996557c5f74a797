"""The Matrix driver against a real Synapse; people there use mautrix's client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.errors import Refused
from bridge.model import (
    Attachment,
    AttachmentKind,
    ConversationId,
    EventKind,
    MessageId,
    Reaction,
    TextFormat,
)
from bridge.text import split
from tests.builders import an_outgoing
from tests.drivers.matrix.bridge import bridge
from tests.drivers.matrix.house import House, Scene, run
from tests.drivers.matrix.people import person
from tests.matrix_server import running

pytestmark = [pytest.mark.full, pytest.mark.real_time]

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("synapse")) as server:
        yield House(server)


def test_what_people_write_is_heard_as_they_wrote_it(house: House) -> None:
    """
    Chinese, emoji, code, quotes, lists, pills; plain where nothing is stressed; under the room's name.
    """

    async def scenario() -> None:
        async with Scene(house) as scene:
            await scene.ada.say(scene.room, "你好 👩‍💻 <b> *x*")
            await scene.ada.say(
                scene.room,
                "x",
                "<p><strong>粗体</strong> and <code>a&lt;b</code></p><blockquote><p>said</p></blockquote>"
                '<pre><code class="language-py">x = 1\n</code></pre><ul><li>one</li><li>two</li></ul>'
                '<p><a href="https://matrix.to/#/@eve:hs.test">Eve</a>: hi</p>',
            )
            await scene.ada.post(scene.room, {"msgtype": "m.emote", "body": "waves"})
            await scene.ada.post(scene.room, {"msgtype": "m.notice", "body": "beep"})
            plain, marked, emote, notice = await scene.heard(4)

            assert "你好 👩‍💻 <b> *x*" == plain.message.text
            assert TextFormat.PLAIN is plain.message.format
            assert "The team" == plain.conversation_title
            assert ("@ada:hs.test", "Ada 爱达") == (plain.sender.id, plain.sender.display_name)
            assert TextFormat.MARKDOWN is marked.message.format
            assert (
                "**粗体** and `a<b`\n\n> said\n\n```py\nx = 1\n```\n\n- one\n- two\n\n@Eve: hi"
                == marked.message.text
            )
            assert "*waves*" == emote.message.text
            assert EventKind.NOTICE is notice.kind

    run(scenario())


def test_what_we_write_is_seen_as_it_was_meant(house: House) -> None:
    """
    In words and in HTML; nobody is called, and nothing that people type becomes markup.
    """

    async def scenario() -> None:
        async with Scene(house, listens=False) as scene:
            to = scene.room
            await scene.it.send("你好 👩‍💻 <b>&amp; *x* @room @ada:hs.test", to, key="1:1")
            text = "**粗** <i>raw</i>\n\n```py\na < b\n```\n\n> quoted @room"
            await scene.it.send(text, to, key="1:2", format=TextFormat.MARKDOWN)
            await scene.ada.until(lambda: len(scene.ada.seen("bridge")) == 2)
            plain, marked = (one["content"] for one in scene.ada.seen("bridge"))

            body = "你好 👩‍💻 <b>&amp; *x* @\u200broom @\u200bada:hs.test"
            assert {"msgtype": "m.text", "body": body, "m.mentions": {}} == plain
            assert "粗 <i>raw</i>\na < b\n\n> quoted @\u200broom" == marked["body"]
            assert (
                "<p><strong>粗</strong> &lt;i&gt;raw&lt;/i&gt;</p>"
                '<pre><code class="language-py">a &lt; b</code></pre>'
                "<blockquote><p>quoted @\u200broom</p></blockquote>" == marked["formatted_body"]
            )
            assert {} == marked["m.mentions"]

    run(scenario())


def test_the_same_part_is_posted_once_whatever_happens(house: House) -> None:
    """
    An attempt that is repeated, also by another process, is the same event.
    """

    async def scenario() -> None:
        async with Scene(house, listens=False) as scene:
            first = await scene.it.send("once", scene.room, key="d9:1")
            async with bridge(house.url, listens=False, access_token=house.bot) as another:
                second = await another.send("once", scene.room, key="d9:1")
            await scene.it.send("twice", scene.room, key="d9:2")
            await scene.ada.until(lambda: "twice" in scene.ada.texts())

            assert first.message_id == second.message_id
            assert ["once", "twice"] == scene.ada.texts()

    run(scenario())


def test_replies_edits_recalls_and_reactions_come_in(house: House) -> None:
    """
    Each about the message that it is about; another person's edit of it is no edit.
    """

    async def scenario() -> None:
        async with Scene(house) as scene, person(house.url, "eve", house.eve) as eve:
            ada, room = scene.ada, scene.room
            await ada.client.invite_user(room, eve.user_id)
            await eve.client.join_room(room)
            first = await ada.say(room, "first")
            reply = {"m.relates_to": {"m.in_reply_to": {"event_id": first}}}
            old = f"> <{ada.user_id}> first\n\nsecond"
            await eve.say(room, old, **reply)
            thread = {"rel_type": "m.thread", "event_id": first, "is_falling_back": True}
            await eve.say(room, "third", **{"m.relates_to": {**thread, **reply["m.relates_to"]}})
            await eve.edit(room, first, "what Eve wants")
            await ada.edit(room, first, "first, better")
            thumb = await eve.react(room, first, "👍️")
            await eve.client.redact(room, thumb)
            await ada.client.redact(room, first)
            said, second, third, edit, up, down, recall = await scene.heard(7)

            assert first == said.message.id == said.id
            assert ("second", first, "first") == (
                second.message.text,
                second.message.quote.id,
                second.message.quote.text,
            )
            assert ("third", first) == (third.message.text, third.message.quote.id)
            assert (EventKind.EDIT, first, first, "first, better") == (
                edit.kind,
                edit.target,
                edit.message.id,
                edit.message.text,
            )
            assert (first, Reaction("👍")) == (up.target, up.reaction)
            assert (first, Reaction("👍", removed=True)) == (down.target, down.reaction)
            assert (EventKind.RECALL, first) == (recall.kind, recall.target)
            assert ["edit_of_others"] == [one.ignored for one in scene.it.heard if one.ignored]

    run(scenario())


def test_replies_edits_recalls_and_reactions_go_out(house: House) -> None:
    """
    As Matrix has them, and as mautrix's client reads them.
    """

    async def scenario() -> None:
        async with Scene(house, listens=False) as scene:
            it, ada, room = scene.it, scene.ada, ConversationId(scene.room)
            question = MessageId(await ada.say(scene.room, "question"))
            one = (await it.send("one", room, key="a:1", reply_to=question)).message_id
            two = (await it.send("two", room, key="a:2")).message_id
            await ada.until(lambda: "two" in ada.texts())
            better = an_outgoing(
                "one, **better**", to=f"hs/{room}", key="b:1", format=TextFormat.MARKDOWN
            )
            for _ in "twice":
                assert one == (await it.driver.edit((one, two), better)).message_id
            await it.driver.react(room, question, Reaction("👍"))
            await it.driver.react(room, question, Reaction("👍"))
            async with bridge(house.url, listens=False, access_token=house.bot) as another:
                await another.driver.react(room, question, Reaction("👍", removed=True))
            await it.driver.react(room, question, Reaction("👍"))
            await it.driver.react(room, question, Reaction("🎉", removed=True))
            await it.driver.recall(room, (one,))
            await it.driver.recall(room, (one, MessageId("$gone")))
            end = (await it.send("end", room, key="c:1")).message_id
            await ada.until(lambda: "end" in ada.texts())
            by_id = {event["event_id"]: event for event in ada.events}
            (edit,) = [e for e in ada.seen("bridge") if "m.new_content" in e["content"]]
            redactions = [
                e["content"].get("redacts", e.get("redacts"))
                for e in ada.seen("bridge", "m.room.redaction")
            ]
            reactions = ada.seen("bridge", "m.reaction")

            assert {"m.in_reply_to": {"event_id": question}} == by_id[one]["content"]["m.relates_to"]
            assert {"rel_type": "m.replace", "event_id": one} == edit["content"]["m.relates_to"]
            assert (
                "<p>one, <strong>better</strong></p>"
                == edit["content"]["m.new_content"]["formatted_body"]
            )
            assert [two, reactions[0]["event_id"], one] == redactions[:3]
            assert 2 == len(reactions)
            assert end in by_id

    run(scenario())


def test_files_go_up_and_come_down(house: House) -> None:
    """
    Pictures and files byte for byte, with captions; what is larger than the server takes is refused.
    """

    async def scenario() -> None:
        async with Scene(house) as scene:
            it, ada, room = scene.it, scene.ada, scene.room
            it.files = {
                "http://x/cat": ("image/png", PICTURE),
                "http://x/doc": ("text/plain", "内容".encode()),
                "http://x/large": ("text/plain", b"x" * (3 << 20)),
            }
            cat = Attachment(AttachmentKind.IMAGE, url="http://x/cat", filename="猫.png")
            doc = Attachment(AttachmentKind.FILE, url="http://x/doc", filename="a b.txt")
            await it.send("", room, key="f:1", attachments=(cat,))
            await it.send(
                "look **here**", room, key="f:2", attachments=(doc,), format=TextFormat.MARKDOWN
            )
            large = Attachment(AttachmentKind.FILE, url="http://x/large", filename="x")
            with pytest.raises(Refused):
                await it.send("", room, key="f:3", attachments=(large,))
            await ada.until(lambda: len(ada.seen("bridge")) == 2)
            picture, file = (one["content"] for one in ada.seen("bridge"))
            down = await ada.client.download_media(picture["url"])

            assert ("m.image", "猫.png", "image/png") == (
                picture["msgtype"],
                picture["body"],
                picture["info"]["mimetype"],
            )
            assert PICTURE == down
            assert ("m.file", "look here", "a b.txt") == (file["msgtype"], file["body"], file["filename"])

            mxc = await ada.client.upload_media(PICTURE, mime_type="image/png")
            info = {"mimetype": "image/png", "size": len(PICTURE)}
            bare = {"msgtype": "m.image", "body": "dog.png", "url": mxc, "info": info}
            await ada.post(room, bare)
            await ada.post(room, {**bare, "body": "my dog", "filename": "dog.png"})
            await ada.post(room, {"body": "Waving", "url": mxc, "info": info}, "m.sticker")
            one, two, three = await scene.heard(3)
            (attachment,) = one.message.attachments
            assert ("", "dog.png") == (one.message.text, attachment.filename)
            assert "my dog" == two.message.text
            assert AttachmentKind.IMAGE is three.message.attachments[0].kind
            assert await it.driver.public_url(attachment.ref) is None
            async with it.driver.open(attachment.ref) as opened:
                content = b"".join([chunk async for chunk in opened.chunks])
            assert (PICTURE, "image/png", len(PICTURE)) == (content, opened.media_type, opened.size)
            with pytest.raises(Refused):
                async with it.driver.open("mxc://hs.test/nothinghere"):
                    pass

    run(scenario())


def test_the_longest_text_fits_into_an_event_and_its_edit(house: House) -> None:
    """
    As much as is claimed, of the worst kinds; 12,000 Chinese characters go in one piece.
    """

    async def scenario() -> None:
        async with Scene(house, listens=False) as scene:
            it, room = scene.it, scene.room
            able = it.driver.capabilities
            assert able.measure("汉" * 12_000) <= able.max_text
            texts = {
                "汉" * (able.max_text // 3): TextFormat.PLAIN,
                '"\\' * (able.max_text // 4): TextFormat.PLAIN,
            }
            for piece in ("汉字", "*a* ", "<&>", "- x\n", "a\n\n", "`c` ", "> q\n\n"):
                text = piece * (able.max_text // able.measure_markdown(piece))
                texts[text] = TextFormat.MARKDOWN
            for number, (text, format_) in enumerate(texts.items()):
                key = f"l{number}"
                receipt = await it.send(text, room, key=f"{key}:1", format=format_)
                again = an_outgoing(text, to=f"hs/{room}", key=f"{key}e:1", format=format_)
                await it.driver.edit((receipt.message_id,), again)

    run(scenario())


def test_twelve_thousand_characters_go_both_ways(house: House) -> None:
    """
    Plain in one piece, in Markdown in parts that together say the same; nothing is lost of either.
    """
    text = "".join(chr(0x4E00 + number % 20_000) for number in range(12_000))

    async def scenario() -> None:
        async with Scene(house) as scene:
            it, ada, room = scene.it, scene.ada, scene.room
            able = it.driver.capabilities
            await ada.say(room, text)
            (heard,) = await scene.heard(1)
            parts = split(
                f"**{text[:10]}**{text[10:]}", able.max_text, able.measure_markdown, TextFormat.MARKDOWN
            )
            await it.send(text, room, key="x:1")
            for number, part in enumerate(parts):
                await it.send(part, room, key=f"y:{number}", format=TextFormat.MARKDOWN)
            await ada.until(lambda: len(ada.texts()) == 1 + len(parts))

            assert text == heard.message.text
            assert text == ada.texts()[0]
            assert len(parts) > 1
            assert text == "".join(ada.texts()[1:])

    run(scenario())
