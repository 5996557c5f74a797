"""The bot against the simulator, over real sockets: what it posts, changes and takes back."""

from datetime import timedelta

import pytest

from bridge.driver import Editor, Listener, Reactor, Recaller, Webhook
from bridge.errors import Broken, Indeterminate, Refused, Scope, Throttled, Transient
from bridge.model import MessageId, Reaction, TextFormat
from drivers.telegram.simulator import Fault, refusal
from tests.clock import FakeClock
from tests.drivers.telegram.pair import FORUM, GROUP, SECRET, an_outgoing, connected, failing, run

FILE_URL = "https://files.example/a"


def test_a_text_reaches_a_group_a_topic_and_a_person() -> None:
    """
    The receipt names the chat and the message.
    """

    async def scenario() -> None:
        async with connected() as pair:
            receipts = [
                await pair.driver.send(an_outgoing("**你好** 😀", to=to, format=TextFormat.MARKDOWN))
                for to in (str(GROUP), f"{FORUM}/7", "1001")
            ]
            posted = [pair.telegram.chats.posted(chat)[0] for chat in (GROUP, FORUM, 1001)]
        assert [f"{GROUP}:1", f"{FORUM}:1", "1001:1"] == [one.message_id for one in receipts]
        assert ["你好 😀"] * 3 == [one["text"] for one in posted]
        assert [None, 7, None] == [one.get("message_thread_id") for one in posted]
        assert {"type": "bold", "offset": 0, "length": 2} == posted[0]["entities"][0]

    run(scenario)


def test_a_reply_answers_what_is_there_and_is_posted_where_nothing_is() -> None:
    """
    Nobody's answer is lost because the question was deleted.
    """

    async def scenario() -> None:
        async with connected() as pair:
            asked = pair.telegram.chats.say(GROUP, "shall we?")
            await pair.driver.send(
                an_outgoing("yes", reply_to=MessageId(f"{GROUP}:{asked['message_id']}"))
            )
            await pair.driver.send(an_outgoing("no", reply_to=MessageId(f"{GROUP}:999")))
            yes, no = pair.telegram.chats.posted(GROUP)
        assert "shall we?" == yes["reply_to_message"]["text"]
        assert "reply_to_message" not in no

    run(scenario)


def test_an_edit_changes_the_message_and_takes_back_what_is_too_much() -> None:
    """
    A long text that became a short one has no second part any more.
    """

    async def scenario() -> None:
        async with connected() as pair:
            assert isinstance(pair.driver, Editor)
            ids = [(await pair.driver.send(an_outgoing(text))).message_id for text in ("one", "two")]
            receipt = await pair.driver.edit(ids, an_outgoing("three"))
            again = await pair.driver.edit(ids, an_outgoing("three"))
            posted = pair.telegram.chats.posted(GROUP)
        assert ["three"] == [one["text"] for one in posted]
        assert ids[0] == receipt.message_id == again.message_id

    run(scenario)


def test_what_cannot_be_edited_is_posted_anew() -> None:
    """
    Deleted by hand, or an id of another release: the news arrive all the same, with a mark.
    """

    async def scenario() -> None:
        async with connected() as pair:
            for gone in (f"{GROUP}:77", "of another release"):
                news = an_outgoing("**news**", format=TextFormat.MARKDOWN)
                receipt = await pair.driver.edit([MessageId(gone)], news)
                assert receipt.notes
                assert receipt.message_id not in (None, gone)
            posted = pair.telegram.chats.posted(GROUP)
        assert ["[edited] news"] * 2 == [one["text"] for one in posted]
        assert {"type": "bold", "offset": 9, "length": 4} == posted[0]["entities"][0]

    run(scenario)


def test_a_recall_takes_everything_back_and_what_is_gone_is_no_error() -> None:
    """
    Within two days; then Telegram refuses, and the operator is told.
    """
    clock = FakeClock()

    async def scenario() -> None:
        async with connected(clock=clock) as pair:
            assert isinstance(pair.driver, Recaller)
            ids = [(await pair.driver.send(an_outgoing(f"{n}"))).message_id for n in range(3)]
            there = ids[0].partition(":")[0]
            await pair.driver.recall(there, ids[:2])
            await pair.driver.recall(there, ids[:2])
            pair.telegram.fail_next(
                refusal(400, "Bad Request: message to delete not found"), method="deleteMessages"
            )
            await pair.driver.recall(there, ids[:2])
            assert ["2"] == [one["text"] for one in pair.telegram.chats.posted(GROUP)]
            clock.advance(timedelta(days=3).total_seconds())
            error = await failing(pair.driver.recall(there, ids[2:]))
        assert isinstance(error, Refused)
        assert "too_old" == error.reason

    run(scenario)


def test_the_newest_reaction_that_still_stands_is_shown() -> None:
    """
    A bot has one on a message; taking one back shows the one before it, and never takes another's away.
    """

    async def scenario() -> None:
        async with connected() as pair:
            assert isinstance(pair.driver, Reactor)
            number = pair.telegram.chats.say(GROUP, "done")["message_id"]
            target, there = MessageId(f"{GROUP}:{number}"), str(GROUP)
            shown = pair.telegram.chats.by_id[GROUP].reactions
            seen = []
            for step in ("+❤️", "+👍🏽", "+👍", "+👀", "-👀", "-👍", "-👍", "-🔥", "-❤", "-❤"):
                reaction = Reaction(step[1:], removed=step[0] == "-")
                await pair.driver.react(there, target, reaction)
                seen.append("".join(shown[number]))
            unknown = await failing(pair.driver.react(there, target, Reaction("🫠")))
            gone = await failing(pair.driver.react(there, MessageId(f"{GROUP}:99"), Reaction("👍")))
        assert ["❤", "👍", "👍", "👀", "👍", "👍", "❤", "❤", "", ""] == seen
        assert (Refused, "unknown_emoji") == (type(unknown), unknown.reason)
        assert isinstance(gone, Refused)

    run(scenario)


def test_a_group_that_moved_is_found_again() -> None:
    """
    Once more to the new id, remembered, and told with the line to write; nothing waits for an operator.
    """

    async def scenario() -> None:
        async with connected() as pair:
            old, new = -4321, -1007777777777
            pair.telegram.chats.open(old, "Old", type_="group")
            first = await pair.driver.send(an_outgoing("before", to=str(old)))
            pair.telegram.chats.migrate(old, new)
            receipts = [await pair.driver.send(an_outgoing(text, to=str(old))) for text in ("a", "b")]
            changed = await pair.driver.edit([first.message_id], an_outgoing("c", to=str(old)))
            findings = await pair.driver.probe()
            texts = [one["text"] for one in pair.telegram.chats.posted(new)]
            refused = sum(call.params.get("chat_id") == old for call in pair.telegram.calls)
        assert ["a", "b", "[edited] c"] == texts
        assert all(f'"chat_id": "{new}"' in " ".join(one.notes) for one in (*receipts, changed))
        assert all(one.message_id.startswith(f"{new}:") for one in (*receipts, changed))
        assert 3 == refused, "before, the first after it, and the edit"
        assert ["telegram_group_migrated"] == pair.events
        assert [one for one in findings if f'"chat_id": "{new}"' in one.hint and not one.ok]

    run(scenario)


@pytest.mark.parametrize(
    ("fault", "error", "reason", "scope"),
    [
        (refusal(401, "Unauthorized"), Broken, "bad_token", Scope.INSTANCE),
        (refusal(404, "Not Found"), Broken, "bad_token", Scope.INSTANCE),
        (Fault(404, b"<html>blocked</html>"), Broken, "not_telegram", Scope.INSTANCE),
        (Fault(302, b""), Broken, "not_telegram", Scope.INSTANCE),
        (refusal(403, "Forbidden: bot was blocked by the user"), Broken, "forbidden", Scope.CONVERSATION),
        (refusal(400, "Bad Request: chat not found"), Broken, "unknown_chat", Scope.CONVERSATION),
        (refusal(400, "Bad Request: not enough rights to send text messages to the chat"), Broken, "muted", Scope.CONVERSATION),
        (refusal(400, "Bad Request: have no rights to send a message"), Broken, "muted", Scope.CONVERSATION),
        (refusal(400, "Bad Request: message thread not found"), Broken, "topic_gone", Scope.CONVERSATION),
        (refusal(400, "Bad Request: message is too long"), Refused, "too_long", Scope.CONVERSATION),
        (refusal(400, "Bad Request: something new"), Refused, "bad_request", Scope.CONVERSATION),
        (refusal(413, "Request Entity Too Large"), Refused, "too_large", Scope.CONVERSATION),
        (refusal(429, "Too Many Requests: retry after 7", retry_after=7), Throttled, "flood", Scope.CONVERSATION),
        (refusal(500, "Internal Server Error"), Transient, "server_error", Scope.CONVERSATION),
        (Fault(502, b"<html>Bad Gateway</html>"), Indeterminate, "gateway_timeout", Scope.CONVERSATION),
        (Fault(200, {"ok": True}), None, "", Scope.CONVERSATION),
        (Fault(200, {"ok": "maybe"}), Indeterminate, "unknown_result", Scope.CONVERSATION),
        (Fault(200, []), Indeterminate, "unknown_result", Scope.CONVERSATION),
    ],
)  # fmt: skip
def test_every_refusal_has_its_meaning(fault, error, reason, scope) -> None:
    """
    The account, the chat, this message, patience, or trouble of Telegram's own; a good answer without
    a message is a message without a name.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.telegram.fail_next(fault)
            if error is None:
                assert (await pair.driver.send(an_outgoing())).message_id is None
                return
            caught = await failing(pair.driver.send(an_outgoing()))
            assert (error, reason, scope) == (type(caught), caught.reason, caught.scope)

    run(scenario)


def test_the_other_chats_go_on_while_one_is_flooded() -> None:
    """
    Telegram counts by chat; only that one waits for as long as it says.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.telegram.fail_next(refusal(429, "Too Many Requests: retry after 31", retry_after=31))
            caught = await failing(pair.driver.send(an_outgoing()))
            await pair.driver.send(an_outgoing(to="1001"))
        assert (31.0, Scope.CONVERSATION) == (caught.retry_after, caught.scope)

    run(scenario)


def test_words_whose_formatting_is_refused_go_out_bare() -> None:
    """
    A rule of Telegram's that we do not know costs the stress and not the message; never a third try.
    """
    no = refusal(400, "Bad Request: can't parse entities: something new")
    bold = an_outgoing("**news**", format=TextFormat.MARKDOWN)

    async def scenario() -> None:
        async with connected() as pair:
            pair.telegram.fail_next(no)
            receipt = await pair.driver.send(bold)
            pair.telegram.fail_next(no, method="editMessageText")
            changed = await pair.driver.edit(
                [receipt.message_id], an_outgoing("**more**", format=TextFormat.MARKDOWN)
            )
            (posted,) = pair.telegram.chats.posted(GROUP)
            assert ("more", []) == (posted["text"], posted["entities"])
            assert "without formatting" in receipt.notes[0]
            assert "without formatting" in changed.notes[0]
            pair.telegram.fail_next(no, no)
            error = await failing(pair.driver.send(bold))
        assert "bad_entities" == error.reason

    run(scenario)


@pytest.mark.parametrize("text", ["", " \n", "\u2060"])
def test_a_message_without_words_is_refused_here(text: str) -> None:
    """
    Telegram would refuse it, and say less.
    """

    async def scenario() -> None:
        async with connected() as pair:
            error = await failing(pair.driver.send(an_outgoing(text)))
            assert "empty" == error.reason
            assert not pair.telegram.calls

    run(scenario)


def test_each_way_in_has_its_abilities() -> None:
    """
    Asked, asking, or deaf.
    """

    async def scenario() -> None:
        found = {}
        for receive in ("poll", "webhook", "none"):
            async with connected(receive=receive, webhook_secret=SECRET) as pair:
                found[receive] = (isinstance(pair.driver, Listener), isinstance(pair.driver, Webhook))
        assert {"poll": (True, False), "webhook": (False, True), "none": (False, False)} == found

    run(scenario)
