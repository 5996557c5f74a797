"""What when and unless ask of a message: each condition, its yes, its no, and the reason."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
import re2

from bridge.conditions import (
    Direct,
    HasAttachments,
    Hours,
    Kinds,
    MentionsBot,
    Senders,
    TextContains,
    TextMatches,
)
from bridge.conditions import (
    Test as Question,
)
from bridge.model import Attachment, AttachmentKind, Envelope, EventKind
from tests.builders import a_message, a_sender, an_envelope

PICTURE = an_envelope(message=a_message(attachments=(Attachment(AttachmentKind.IMAGE),)))
BOT = an_envelope(sender=a_sender("Bot", username="ci"))


@pytest.mark.parametrize(
    ("test", "yes", "no", "because"),
    [
        (Kinds(frozenset({EventKind.EDIT})), an_envelope(kind=EventKind.EDIT), an_envelope(), "it takes edit, this is message"),
        (TextMatches(re2.compile("失败|failed")), an_envelope("构建失败"), an_envelope("ok"), "the text does not match /失败|failed/"),
        (TextContains(("FAIL", "坏")), an_envelope("failed"), an_envelope("ok"), "the text contains none of: FAIL, 坏"),
        (TextContains(("坏",)), an_envelope("坏了"), an_envelope("ok"), "the text contains none of: 坏"),
        (Senders(frozenset({"ada"})), an_envelope(), BOT, "sender ci is not included"),
        (Senders(frozenset({"ci"})), BOT, an_envelope(), "sender ada is not included"),
        (Senders(exclude=frozenset({"ci"})), an_envelope(), BOT, "sender ci is excluded"),
        (Senders(frozenset()), None, an_envelope(), "sender ada is not included"),
        (Direct(True), an_envelope(direct=True), an_envelope(), "it is not a direct chat"),
        (Direct(False), an_envelope(), an_envelope(direct=True), "it is a direct chat"),
        (MentionsBot(True), an_envelope(mentions_bot=True), an_envelope(), "it does not mention the bot"),
        (MentionsBot(False), an_envelope(), an_envelope(mentions_bot=True), "it mentions the bot"),
        (HasAttachments(True), PICTURE, an_envelope(), "it has no attachments"),
        (HasAttachments(False), an_envelope(), PICTURE, "it has attachments"),
    ],
)  # fmt: skip
def test_a_condition_holds_or_says_why_not(
    test: Question, yes: Envelope | None, no: Envelope, because: str
) -> None:
    """Deciding and explaining never disagree."""
    assert yes is None or test.holds(yes)
    assert not test.holds(no)
    assert because == str(test.why_not(no))


def test_a_display_name_is_nobody() -> None:
    """Everybody chooses his own, so it opens no door."""
    assert not Senders(frozenset({"Ada"})).holds(an_envelope())


def test_an_empty_user_name_matches_nothing() -> None:
    """Most senders have none."""
    assert not Senders(frozenset({""})).holds(an_envelope())


SHANGHAI = ZoneInfo("Asia/Shanghai")
WORK = Hours(time(9), time(18), SHANGHAI, frozenset(range(5)))
NIGHT = Hours(time(22), time(6), UTC, frozenset({4}))


@pytest.mark.parametrize(
    ("hours", "at", "holds"),
    [
        (WORK, "2026-01-05T01:00:00Z", True),  # Monday, 09:00 in Shanghai
        (WORK, "2026-01-05T00:59:59Z", False),
        (WORK, "2026-01-05T09:59:59Z", True),
        (WORK, "2026-01-05T10:00:00Z", False),  # 18:00 does not belong to it
        (WORK, "2026-01-09T16:30:00Z", False),  # Friday in UTC, half past midnight on Saturday there
        (NIGHT, "2026-01-09T23:00:00Z", True),  # Friday night
        (NIGHT, "2026-01-10T05:59:00Z", True),  # and its end, on Saturday
        (NIGHT, "2026-01-10T06:00:00Z", False),
        (NIGHT, "2026-01-09T05:00:00Z", False),  # the end of Thursday's night
        (Hours(time(18), time(0), UTC), "2026-01-05T23:59:00Z", True),  # until midnight
        (Hours(time(18), time(0), UTC), "2026-01-05T00:00:00Z", False),
    ],
)
def test_hours_are_the_zones_and_a_night_belongs_to_its_beginning(
    hours: Hours, at: str, holds: bool
) -> None:
    """By the time at which we received it."""
    received = datetime.fromisoformat(at)

    assert holds == hours.holds(an_envelope(received_at=received))


def test_hours_say_what_time_it_was() -> None:
    """In the zone of the rule, where the operator thinks."""
    late = an_envelope(received_at=datetime(2026, 1, 5, 12, 30, tzinfo=UTC))

    assert "mon 20:30 is outside 09:00-18:00 (Asia/Shanghai)" == str(WORK.why_not(late))
