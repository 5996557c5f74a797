"""The bot against the simulator: how it hears."""

import asyncio

import pytest

from bridge.errors import JournalBroken, JournalFull
from bridge.model import EventKind, Inbound
from drivers.telegram.simulator import Fault, refusal
from drivers.telegram.updates import ALLOWED
from tests.clock import FakeClock
from tests.drivers.telegram.pair import GROUP, SECRET, an_outgoing, connected, run
from tests.drivers.telegram.wire_files import wire


def texts(heard) -> list[str]:
    return [envelope.message.text for inbound in heard for envelope in inbound.envelopes]


class Journal:
    """Keeps what it is given, unless it is told to raise."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.kept: list[Inbound] = []
        self.changed = asyncio.Event()

    async def emit(self, inbound: Inbound) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.kept.append(inbound)
        self.changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.kept) < count:
                self.changed.clear()
                await self.changed.wait()


async def until(holds) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)


def test_what_people_say_is_heard_in_order() -> None:
    """
    Messages, edits and reactions, in groups, topics, channels and direct chats.
    """

    async def scenario() -> None:
        async with connected() as pair:
            chats = pair.telegram.chats
            chats.open(-1005, "News", type_="channel")
            pair.telegram.queue.allowed = frozenset(ALLOWED)
            first = chats.say(GROUP, "hello")
            chats.say(-1009876543210, "in a topic", topic=7)
            chats.say(1001, "hi")
            chats.say(-1005, "news")
            chats.say_again(first, "hello!")
            chats.react(GROUP, first["message_id"], "", "👍", who="Bob")
            heard = [one for inbound in await pair.heard(6) for one in inbound.envelopes]
        assert ["hello", "in a topic", "hi", "news", "hello!", "👍"] == [
            one.message.text for one in heard
        ]
        assert ["-1001234567890", "-1009876543210/7", "1001", "-1005"] == [
            one.source.conversation for one in heard[:4]
        ]
        assert [EventKind.EDIT, EventKind.REACTION] == [one.kind for one in heard[4:]]
        assert {heard[0].message.id} == {one.target for one in heard[4:]}
        assert "News" == heard[3].sender.display_name

    run(scenario)


def test_nothing_is_confirmed_before_it_is_durable() -> None:
    """
    A full journal makes the rest wait at Telegram, and it comes again from there, in order.
    """
    clock = FakeClock()

    async def scenario() -> None:
        async with connected(clock=clock) as pair:
            journal = Journal(JournalFull("full", retry_after=3.0))
            for number in range(5):
                pair.telegram.chats.say(GROUP, f"{number}")
            listening = asyncio.ensure_future(pair.driver.listen(journal.emit))
            await journal.until(5)
            await until(lambda: not len(pair.telegram.queue))
            listening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listening
            offsets = [
                call.params.get("offset", 0)
                for call in pair.telegram.calls
                if call.method == "getUpdates"
            ]
        assert [str(number) for number in range(5)] == texts(journal.kept)
        assert 3.0 in clock.slept
        assert [0, 0] == offsets[:2], "what was not taken must not be confirmed"
        assert "telegram_journal_full" in pair.events

    run(scenario)


def test_what_was_taken_before_the_journal_was_full_is_confirmed() -> None:
    """
    The next question begins behind it.
    """

    async def scenario() -> None:
        async with connected(clock=FakeClock()) as pair:
            for number in range(3):
                pair.telegram.chats.say(GROUP, f"{number}")
            kept: list[Inbound] = []

            async def emit(inbound: Inbound) -> None:
                if len(kept) == 1 and "telegram_journal_full" not in pair.events:
                    raise JournalFull("full")
                kept.append(inbound)

            listening = asyncio.ensure_future(pair.driver.listen(emit))
            await until(lambda: len(kept) == 3)
            listening.cancel()
            await asyncio.wait([listening])
        assert ["0", "1", "2"] == texts(kept)

    run(scenario)


def test_a_broken_journal_ends_it() -> None:
    """
    The daemon must know at once.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.telegram.chats.say(GROUP, "x")
            with pytest.raises(JournalBroken):
                await asyncio.wait_for(pair.driver.listen(Journal(JournalBroken("EIO")).emit), 5)
            assert 1 == len(pair.telegram.queue)

    run(scenario)


def test_after_a_restart_what_was_not_confirmed_comes_again_with_the_same_id() -> None:
    """
    By it the journal knows that it is the same.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.telegram.chats.say(GROUP, "x")
            first, second = [(await pair.heard(1))[0].envelopes[0].id for _ in range(2)]
        assert first == second

    run(scenario)


def test_an_old_number_is_not_kept_through_silence() -> None:
    """
    After a week without updates Telegram numbers anew, from anywhere: also below the last.
    """

    async def scenario() -> None:
        async with connected() as pair:
            old = {**wire("inbound/text.json"), "update_id": 900_000_000}
            pair.telegram.fail_next(
                Fault(200, {"ok": True, "result": [old]}),
                Fault(200, {"ok": True, "result": []}),
                method="getUpdates",
            )
            pair.telegram.chats.say(GROUP, "after")
            heard = await pair.heard(2)
            offsets = [
                call.params.get("offset", 0)
                for call in pair.telegram.calls
                if call.method == "getUpdates"
            ]
        assert "after" == texts(heard)[1]
        assert [0, 900_000_001, 0] == offsets

    run(scenario)


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        (refusal(409, "Conflict: terminated by other getUpdates request"), "telegram_conflict"),
        (refusal(401, "Unauthorized"), "telegram_refused"),
        (refusal(502, "Bad Gateway"), "telegram_unreachable"),
        (Fault(reset=True), "telegram_unreachable"),
        (Fault(200, b"<html>"), "telegram_unreachable"),
        (Fault(200, b"x" * (17 << 20)), "telegram_unreachable"),
        (Fault(200, {"ok": True, "result": [{"message": {}}, 7, None]}), "telegram_bad_update"),
        (Fault(200, {"ok": True, "result": [{"update_id": 5, "message": {"x": 1}}]}), "telegram_bad_update"),
    ],
)  # fmt: skip
def test_everything_that_telegram_does_is_survived_and_counted(fault, event) -> None:
    """
    It waits a moment, asks again, and hears what came meanwhile.
    """
    clock = FakeClock()

    async def scenario() -> None:
        async with connected(clock=clock) as pair:
            pair.telegram.fail_next(fault, method="getUpdates")
            pair.telegram.chats.say(GROUP, "x")
            journal = Journal()
            listening = asyncio.ensure_future(pair.driver.listen(journal.emit))
            await until(lambda: "x" in texts(journal.kept))
            listening.cancel()
            await asyncio.wait([listening])
        assert event in pair.events
        assert SECRET not in repr(pair.events)

    run(scenario)


def test_a_flood_of_questions_waits_as_long_as_telegram_says() -> None:
    """
    Up to five minutes.
    """
    clock = FakeClock()

    async def scenario() -> None:
        async with connected(clock=clock) as pair:
            pair.telegram.fail_next(
                refusal(429, "Too Many Requests: retry after 44", retry_after=44), method="getUpdates"
            )
            pair.telegram.chats.say(GROUP, "x")
            await pair.heard(1)
        assert [44.0] == clock.slept

    run(scenario)


def test_two_programs_with_one_token_are_told() -> None:
    """
    Each takes the updates from the other; the probe says so, and what to do.
    """

    async def scenario() -> None:
        async with connected() as pair:
            listening = asyncio.ensure_future(pair.driver.listen(Journal().emit))
            await until(lambda: pair.telegram.queue.polls == 1)
            await pair.driver._api.updates(0, ALLOWED, 0)
            await until(lambda: "telegram_conflict" in pair.events)
            findings = await pair.driver.probe()
            listening.cancel()
            await asyncio.wait([listening])
        said = [one for one in findings if not one.ok]
        assert "somebody else takes this bot's updates" in said[0].what
        assert said[0].hint

    run(scenario)


def test_a_bug_that_one_update_meets_does_not_end_the_others() -> None:
    """
    It is reported with its traceback, counted, and confirmed: else it would come again for ever.
    """

    async def scenario() -> None:
        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        async with connected() as pair:
            pair.telegram.chats.say(GROUP, "x")
            pair.telegram.chats.say(GROUP, "y")
            pair.driver._updates.topics = None
            pair.telegram.chats.say(-1009876543210, "z", topic=7)
            heard = await pair.heard(3)
        assert ["x", "y"] == texts(heard)
        assert "bug" == heard[2].ignored
        assert "telegram_failed" in pair.events
        assert reported[0]["exception"]

    run(scenario)


def test_a_bot_that_is_called_by_name_knows_it() -> None:
    """
    By its username, by an answer to it, or in a direct chat.
    """

    async def scenario() -> None:
        async with connected() as pair:
            chats = pair.telegram.chats
            called = [{"type": "mention", "offset": 0, "length": 11}]
            chats.say(GROUP, "@Bridge_bot status", entities=called)
            chats.say(GROUP, "nothing")
            ours = await pair.driver.send(an_outgoing())
            number = int(ours.message_id.partition(":")[2])
            answered = chats.by_id[GROUP].messages[number]
            chats.say(GROUP, "thanks", reply_to_message=answered)
            heard = [one.envelopes[0] for one in await pair.heard(3)]
        assert [True, False, True] == [one.mentions_bot for one in heard]
        assert (ours.message_id, "", "hello") == (
            heard[2].message.quote.id,
            heard[2].message.quote.sender,
            heard[2].message.quote.text,
        )

    run(scenario)
