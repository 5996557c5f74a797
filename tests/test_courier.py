"""What becomes of one delivery, for every kind of failure; in virtual time."""

import asyncio
from itertools import pairwise

import pytest

from bridge.errors import Broken, Indeterminate, Refused, Scope, Throttled, Transient
from bridge.gates import PROBE_EVERY
from bridge.model import (
    Attachment,
    AttachmentKind,
    Capabilities,
    EventKind,
    MessageId,
    RateLimit,
    Reaction,
    ReactionMode,
    Receipt,
    Status,
    Support,
)
from tests.builders import a_journal, a_message, a_route, an_envelope
from tests.clock import VirtualClock
from tests.far_half import a_bridge, scenario
from tests.loopback import Loopback


@scenario
async def test_failures_are_retried_by_the_schedule():
    """1, 2, 5, 15, 30 s, each with a fifth of jitter."""
    async with a_bridge(*[Transient("down")] * 5) as bridge:
        await bridge.say("patience")
        await bridge.settled()

        times = [at for at, _ in bridge.there.tried]
        waits = [later - before for before, later in pairwise(times)]
        assert [pytest.approx(s, rel=0.21) for s in (1, 2, 5, 15, 30)] == waits
        assert [0] * 5 != [round(w - s, 3) for w, s in zip(waits, (1, 2, 5, 15, 30), strict=True)]


@scenario
async def test_throttling_never_gives_up():
    """Two days of "too many requests" are still not a failure."""
    async with a_bridge(*[Throttled("no", retry_after=3600)] * 48) as bridge:
        delivery = await bridge.say("a")
        await bridge.settled()

        assert Status.SENT == (await bridge.row(delivery)).status


@scenario
async def test_a_refused_message_is_a_dead_letter_and_the_lane_goes_on():
    async with a_bridge(Refused("too rude", reason="forbidden_content")) as bridge:
        bad = await bridge.say("bad")
        await bridge.say("good")
        await bridge.settled()

        row = await bridge.row(bad)
        assert ["good"] == bridge.there.texts
        assert (Status.DEAD, "forbidden_content", "too rude") == (row.status, row.reason, row.detail)


@scenario
async def test_a_bug_in_a_driver_ends_one_delivery_with_its_traceback():
    async with a_bridge(ZeroDivisionError("oops")) as bridge:
        bad = await bridge.say("bad")
        await bridge.say("good")
        await bridge.settled()

        row = await bridge.row(bad)
        assert ["good"] == bridge.there.texts
        assert (Status.DEAD, "bug") == (row.status, row.reason)
        assert "ZeroDivisionError: oops" in row.detail
        assert "loopback.py" in row.detail


@scenario
async def test_a_broken_conversation_waits_for_its_operator():
    """Its oldest message is tried every five minutes; order is kept; others do not notice."""
    broken = Broken("the robot was removed", reason="robot_removed")
    async with a_bridge(broken, 0.0, broken) as bridge:
        await bridge.say("one", to="there/broken")
        await bridge.say("two", to="there/broken")
        await asyncio.sleep(1)
        await bridge.say("elsewhere", to="there/fine")
        await asyncio.sleep(PROBE_EVERY)
        (suspension,) = await bridge.journal.suspensions()
        await bridge.settled()

        assert "broken" == suspension.conversation
        assert suspension.until is None
        assert ["elsewhere", "one", "two"] == bridge.there.texts
        assert pytest.approx(2 * PROBE_EVERY, abs=5) == bridge.there.times[1]
        assert (await bridge.journal.suspensions())[0].until is not None


@scenario
async def test_a_broken_instance_is_tried_by_one_message_only():
    """A revoked token does not make every conversation knock at the door."""
    revoked = Broken("token revoked", scope=Scope.INSTANCE)
    async with a_bridge(revoked, revoked, revoked) as bridge:
        for n in range(10):
            await bridge.say(f"{n}", to=f"there/{n}")
            await asyncio.sleep(0.01)
        await bridge.settled()

        first_three = [outgoing.text for _, outgoing in bridge.there.tried[:3]]
        assert ["0", "0", "0"] == first_three
        assert set(map(str, range(10))) == set(bridge.there.texts)
        assert 3 + 10 == len(bridge.there.tried)


@scenario
async def test_the_clock_of_giving_up_stands_still_while_an_operator_is_needed():
    """Suspended for two days, and still not given up: the 24 h do not run meanwhile."""
    tries = int(2 * 86400 / PROBE_EVERY)
    async with a_bridge(*[Broken("gone")] * tries, Transient("one more")) as bridge:
        delivery = await bridge.say("a")
        await bridge.settled()

        row = await bridge.row(delivery)
        assert Status.SENT == row.status
        assert bridge.there.times[0] > 2 * 86400


@scenario
async def test_after_a_day_of_failures_a_message_is_a_dead_letter():
    async with a_bridge(*[Transient("down")] * 1000) as bridge:
        delivery = await bridge.say("a")
        await bridge.settled()

        row = await bridge.row(delivery)
        last = bridge.there.tried[-1][0]
        assert (Status.DEAD, "gave_up") == (row.status, row.reason)
        assert "down" in row.detail
        assert 86400 <= last <= 86400 + 400


@scenario
async def test_a_lost_answer_is_sent_again_by_default():
    async with a_bridge(Indeterminate("no answer")) as bridge:
        delivery = await bridge.say("a")
        await bridge.settled()

        keys = {outgoing.idempotency_key for _, outgoing in bridge.there.tried}
        assert ["a"] == bridge.there.texts
        assert {f"{delivery.id}:1"} == keys


@scenario
async def test_a_lost_answer_is_held_where_twice_is_worse_than_never():
    async with a_bridge(Indeterminate("no answer"), on_lost_answer="hold") as bridge:
        lost = await bridge.say("a")
        await bridge.say("b")
        await bridge.settled()

        row = await bridge.row(lost)
        assert (Status.HELD, "lost_answer") == (row.status, row.reason)
        assert ["b"] == bridge.there.texts


@scenario
async def test_what_cannot_be_said_is_skipped_and_says_so():
    async with a_bridge() as bridge:
        reaction = await bridge.say("", kind=EventKind.REACTION)
        await bridge.settled()

        row = await bridge.row(reaction)
        assert (Status.SKIPPED, "unsupported_kind") == (row.status, row.reason)


@scenario
async def test_a_restart_keeps_the_count_of_attempts_and_the_due_time():
    """The schedule goes on where it was; a due time in the far future is clamped."""
    clock = VirtualClock()
    journal = a_journal(clock)
    acceptance = await journal.accept(an_envelope("a"), [a_route("there/room")])
    await journal.postpone(
        acceptance.deliveries[0],
        attempts=4,
        due_at=clock.now().timestamp() + 86400 * 365,
        reason="down",
        detail="down",
    )
    async with a_bridge(journal=journal) as bridge:
        await bridge.settled()

        assert [pytest.approx(15, rel=0.21)] == bridge.there.times
        assert 4 == (await bridge.row(acceptance.deliveries[0])).delivery.attempts


@scenario
async def test_a_restart_keeps_the_patience_that_the_platform_asked_for():
    """A group robot that is blocked for ten minutes stays so, however often we start; an hour at most."""
    for asked, kept in ((600, 600), (86400 * 365, 3600)):
        clock = VirtualClock()
        journal = a_journal(clock)
        acceptance = await journal.accept(an_envelope("a"), [a_route("there/room")])
        due_at = clock.now().timestamp() + asked
        await journal.postpone(
            acceptance.deliveries[0], attempts=0, due_at=due_at, reason="throttled", detail=""
        )
        began = asyncio.get_running_loop().time()
        async with a_bridge(journal=journal) as bridge:
            await bridge.settled()

            assert pytest.approx(kept, abs=1) == bridge.there.times[0] - began


@scenario
async def test_parts_that_are_out_are_not_sent_again():
    """A long message goes on with its next part, after a failure and after a restart."""
    words = " ".join(f"word{n}" for n in range(400))
    journal = a_journal(VirtualClock())
    async with a_bridge(0.0, 0.0, Transient("down"), journal=journal) as bridge:
        await bridge.say(words)
        await bridge.settled()
        sent = bridge.there.texts

    assert len(sent) >= 3
    assert words.split() == " ".join(sent).split()

    journal = a_journal(VirtualClock())
    async with a_bridge(0.0, 1e6, journal=journal) as bridge:
        await bridge.say(words)
        await asyncio.sleep(1)
        before = bridge.there.texts
    async with a_bridge(journal=journal) as bridge:
        await bridge.settled()
        after = bridge.there.texts

    assert sent == before + after


@scenario
async def test_an_attachment_that_only_its_source_can_open_becomes_a_note():
    """Its source is not there any more: the text goes out, with a line that says so."""
    picture = Attachment(AttachmentKind.IMAGE, ref="code")
    async with a_bridge() as bridge:
        await bridge.say("", message=a_message("look", attachments=(picture,)))
        await bridge.settled()

        assert ["look\n[image not available: its source cannot be asked]"] == bridge.there.texts


@scenario
async def test_a_send_that_ignores_its_time_limit_is_given_up():
    async with a_bridge(100.0, send_timeout=5.0) as bridge:
        await bridge.say("a")
        await bridge.settled()

        (_first, _), (again, _) = bridge.there.tried
        assert pytest.approx(16.6, abs=0.9) == again  # five, ten beyond, a look of the watch, a wait


@scenario
async def test_the_rate_limit_counts_from_completion():
    """Send i starts no earlier than the completion of send i-20 plus the window."""
    async with a_bridge(*[2.0] * 60, limit=RateLimit(20, 60.0)) as bridge:
        for n in range(60):
            await bridge.say(f"{n}", to=f"there/{n % 7}")
        await bridge.settled()

        starts = [at for at, _ in bridge.there.tried]
        ends = sorted(at for at, _ in bridge.there.posted)
        assert 60 == len(ends)
        assert all(start >= end + 60 - 1e-6 for start, end in zip(starts[20:], ends, strict=False))
        assert max(ends) < 3 * 62 + 5


class Changeable(Loopback):
    """A platform where what was posted can be changed and taken back."""

    async def edit(self, message_ids, outgoing):
        self.changed = [*getattr(self, "changed", []), (tuple(message_ids), outgoing.text)]
        return Receipt(MessageId("new"))

    async def recall(self, conversation, message_ids):
        self.gone = [*getattr(self, "gone", []), (conversation, tuple(message_ids))]
        return Receipt()


def about(target, kind):
    """An event about message ``target``, as drivers make it."""
    return {"kind": kind, "target": MessageId(target), "message": a_message("new text", id=target)}


@scenario
async def test_an_edit_changes_the_copy_where_the_platform_can():
    """And a second edit changes what the first one made."""
    async with a_bridge(there=Changeable()) as bridge:
        await bridge.say("old text")
        await bridge.settled()
        for _ in range(2):
            await bridge.say("new text", **about("m1", EventKind.EDIT))
            await bridge.settled()

        assert ["old text"] == bridge.there.texts
        assert [
            (("at-there-1",), "new text"),
            (("at-there-1", "new"), "new text"),
        ] == bridge.there.changed


@scenario
async def test_an_edit_is_a_marked_new_message_elsewhere():
    async with a_bridge() as bridge:
        await bridge.say("old text")
        await bridge.say("new text", **about("m1", EventKind.EDIT))
        await bridge.settled()

        assert ["old text", "[edited] new text"] == bridge.there.texts


@scenario
async def test_a_recall_takes_every_part_back():
    words = "word " * 500
    async with a_bridge(there=Changeable()) as bridge:
        await bridge.say(words)
        await bridge.settled()
        await bridge.say("", **about("m1", EventKind.RECALL))
        await bridge.settled()

        count = len(bridge.there.texts)
        assert count > 2
        ids = tuple(f"at-there-{n}" for n in range(1, count + 1))
        assert [("room", ids)] == bridge.there.gone


@scenario
async def test_a_recall_of_what_was_never_posted_is_skipped():
    async with a_bridge(there=Changeable()) as bridge:
        recall = await bridge.say("", **about("unknown", EventKind.RECALL))
        await bridge.settled()

        row = await bridge.row(recall)
        assert (Status.SKIPPED, "unknown_target") == (row.status, row.reason)


class Reacting(Loopback):
    """A platform where a bot can put an emoji on a message; it knows thumbs alone."""

    async def react(self, conversation, message_id, reaction):
        if reaction.emoji != "👍":
            raise Refused("no such emoji here", reason="unknown_emoji")
        self.put = [*getattr(self, "put", []), (conversation, message_id, reaction.removed)]
        return Receipt()


def a_reaction(emoji="👍", *, to="m1", removed=False):
    return {**about(to, EventKind.REACTION), "reaction": Reaction(emoji, removed)}


@scenario
async def test_a_reaction_lands_on_the_copy_and_is_taken_back_from_it():
    async with a_bridge(there=Reacting()) as bridge:
        await bridge.say("look")
        await bridge.say("", **a_reaction())
        await bridge.say("", **a_reaction(removed=True))
        await bridge.settled()

        assert [("room", "at-there-1", False), ("room", "at-there-1", True)] == bridge.there.put
        assert ["look"] == bridge.there.texts


@scenario
async def test_a_reaction_to_a_copy_lands_on_the_original():
    """Somebody there reacts to what we posted there; the message was written in ``there/origin``."""
    async with a_bridge(there=Reacting()) as bridge:
        await bridge.say("look", at="there/origin", to="there/room")
        await bridge.settled()
        reacted = {**a_reaction(to="at-there-1"), "at": "there/room"}
        await bridge.say("", to="there/origin", **reacted)
        await bridge.settled()

        assert [("origin", "m1", False)] == bridge.there.put


@scenario
async def test_a_rule_can_have_reactions_said_where_the_platform_has_none():
    """As a reply to the copy, where there are replies; a reaction that is taken back says nothing."""
    native = Loopback(capabilities=Capabilities(max_text=1000, reply=Support.NATIVE))
    async with a_bridge(there=native) as bridge:
        await bridge.say("look")
        for number, removed in enumerate((False, True)):
            put = an_envelope("", id=f"r{number}", user="Bo", **a_reaction(removed=removed))
            route = a_route(template="{user} {msg}", reactions=ReactionMode.SAY)
            bridge.lanes.offer((await bridge.journal.accept(put, [route])).deliveries)
        await bridge.settled()

        assert ["look", "Bo reacted with 👍"] == bridge.there.texts
        assert "at-there-1" == bridge.there.posted[1][1].reply_to


@scenario
async def test_an_emoji_that_the_platform_does_not_know_is_left_out():
    async with a_bridge(there=Reacting()) as bridge:
        await bridge.say("look")
        odd = await bridge.say("", **a_reaction("🦄"))
        await bridge.settled()

        row = await bridge.row(odd)
        assert (Status.SKIPPED, "unknown_emoji") == (row.status, row.reason)


@scenario
async def test_a_reaction_to_what_was_never_posted_is_skipped():
    async with a_bridge(there=Reacting()) as bridge:
        lost = await bridge.say("", **a_reaction(to="unknown"))
        await bridge.settled()

        row = await bridge.row(lost)
        assert (Status.SKIPPED, "unknown_target") == (row.status, row.reason)
