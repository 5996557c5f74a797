"""From an envelope and a plan to what is posted."""

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import (
    Attachment,
    AttachmentKind,
    AttachmentMode,
    Button,
    Capabilities,
    EventKind,
    Mention,
    MessageId,
    Quote,
    RawForm,
    Replacement,
    Support,
    TextFormat,
    UserId,
)
from bridge.render import Resolved, Style, render
from tests.builders import a_delivery, a_message, a_route, an_envelope
from tests.clock import NOON

ROOMY = Capabilities(max_text=1000, formats=frozenset({TextFormat.PLAIN, TextFormat.MARKDOWN}))
PICTURE = Attachment(AttachmentKind.IMAGE, url="https://files.example/a.png")
ENGLISH = Style(zone=UTC)


def rendered(delivery, capabilities=ROOMY, *, style=ENGLISH, now=NOON, **more):
    return render(delivery, capabilities, platform="dingtalk", style=style, now=now, **more)


def text(delivery, **more):
    (outgoing,) = rendered(delivery, **more)
    return outgoing.text


def planned(message_text="build failed", envelope=None, **plan):
    return a_delivery(message_text, envelope=envelope, route=a_route(**plan))


def test_without_a_template_a_message_says_who_wrote_it():
    assert "Ada: build failed" == text(planned())


def test_every_field_of_a_template_is_filled():
    """One template with all names; braces doubled are braces."""
    envelope = an_envelope(conversation_title="Team", id="m9")
    template = (
        "{{x}} {user}|{nickname}|{username}|{user_id}|{user_avatar}|{platform}|"
        "{instance_id}|{from}|{title}|{msg}|{time}"
    )

    said = text(planned(envelope=envelope, template=template))

    assert "{x} Ada|Ada||ada||dingtalk|here|Team|Team|hello|11-20 12:00" == said


def test_what_a_user_types_is_never_a_template():
    """Braces in a message, and in a name, stay what they are."""
    envelope = an_envelope("{user} {0.__class__} {{", user="{msg}")

    assert "{msg}: {user} {0.__class__} {{" == text(planned(envelope=envelope))


def test_transforms_change_what_was_said_in_their_order():
    steps = (Replacement(r"token=\S+", "token=…"), Replacement("failed", "is broken"))

    said = text(planned("failed token=abc", transform=steps))

    assert "Ada: is broken token=…" == said


def test_links_stand_one_on_a_line_below_the_text():
    resolved = (Resolved(PICTURE), Resolved(replace(PICTURE, url="https://files.example/b")))

    said = text(planned("see"), resolved=resolved)

    assert "Ada: see\nhttps://files.example/a.png\nhttps://files.example/b" == said


def test_a_picture_alone_leaves_no_blank_behind_the_name():
    assert "Ada:\nhttps://files.example/a.png" == text(planned(""), resolved=(Resolved(PICTURE),))


def test_where_a_post_is_a_line_a_picture_alone_stands_behind_the_name():
    """A line with nothing but a name would say nothing."""
    (line,) = rendered(planned(""), replace(ROOMY, one_line=True), resolved=(Resolved(PICTURE),))

    assert "Ada: https://files.example/a.png" == line.text


def test_an_uploaded_picture_alone_leaves_no_blank_behind_the_name():
    native = replace(ROOMY, attachments=Support.NATIVE)
    upload = planned("", attachments=AttachmentMode.UPLOAD)

    name, picture = rendered(upload, native, resolved=(Resolved(PICTURE),))

    assert ("Ada:", ()) == (name.text, name.attachments)
    assert (PICTURE,) == picture.attachments


def test_what_cannot_be_opened_becomes_a_note():
    """The lane goes on, and the reader knows that something was there."""
    failed = (Resolved(PICTURE, "the code has expired"),)

    assert "Ada: x\n[image not available: the code has expired]" == text(planned("x"), resolved=failed)
    assert "Ada: x\n[图片无法获取：the code has expired]" == text(
        planned("x"), resolved=failed, style=Style(language="zh", zone=UTC)
    )


def test_a_rule_can_drop_attachments():
    dropped = planned("x", attachments=AttachmentMode.DROP)

    assert "Ada: x" == text(dropped, resolved=(Resolved(PICTURE),))


def test_upload_is_native_where_the_platform_can_and_a_link_elsewhere():
    """Each file is a part of its own, so that a restart knows which are out."""
    upload = planned("x", attachments=AttachmentMode.UPLOAD)
    native = replace(ROOMY, attachments=Support.NATIVE)
    lost = Resolved(PICTURE, "it is gone")

    text_part, first, second = rendered(upload, native, resolved=(Resolved(PICTURE), lost))
    (as_link,) = rendered(upload, ROOMY, resolved=(Resolved(PICTURE),))

    assert ("Ada: x", ()) == (text_part.text, text_part.attachments)
    assert ("", (PICTURE,)) == (first.text, first.attachments)
    assert ("[image not available: it is gone]", ()) == (second.text, second.attachments)
    assert ("Ada: x\nhttps://files.example/a.png", ()) == (as_link.text, as_link.attachments)


def test_only_a_rule_pings_and_only_once():
    """What users write is never a mention; of a long message only the first part pings."""
    first, *others = rendered(
        planned("@all " * 300, mention=(UserId("manager1"),)), Capabilities(max_text=200)
    )

    assert (Mention(UserId("manager1")),) == first.mentions
    assert others
    assert all(part.mentions == () for part in others)


@pytest.mark.parametrize(
    ("support", "text", "kept"),
    [
        (Support.NATIVE, "Ada: x", 1),
        (Support.FALLBACK, "Ada: x\nOpen: https://example.com/", 0),
        (Support.DROPPED, "Ada: x", 0),
    ],
)
def test_buttons_are_said_where_they_cannot_be_pressed(support, text, kept):
    button = Button("Open", "https://example.com/")
    envelope = an_envelope(message=a_message("x", buttons=(button,)))

    (outgoing,) = rendered(planned(envelope=envelope), replace(ROOMY, buttons=support))

    assert text == outgoing.text
    assert (button,) * kept == outgoing.buttons


def test_a_late_message_says_when_it_was_written():
    """Late is by our receipt, what is said is when it was written."""
    envelope = an_envelope(occurred_at=NOON - timedelta(minutes=1))
    late = NOON + timedelta(minutes=3)

    assert "[written 11-20 11:59] Ada: hello" == text(planned(envelope=envelope), now=late)
    assert "Ada: hello" == text(planned(envelope=envelope), now=NOON + timedelta(minutes=1))


def test_an_edit_is_marked():
    edit = an_envelope("fixed", kind=EventKind.EDIT)

    assert "[edited] Ada: fixed" == text(planned(envelope=edit))


@pytest.mark.parametrize(
    ("answered", "shown"),
    [
        ("> Ada: all green?\nLi: yes", "Li: yes"),
        ("> Ada: all green?\n> > Eve: red\n\nLi: yes\n> no", "Li: yes > no"),
        ("> nothing but this", "> nothing but this"),
    ],
)
def test_a_quote_does_not_quote_what_that_message_quoted(answered, shown):
    """Of an answer to an answer people want to see the answer."""
    envelope = an_envelope(message=a_message("this", quote=Quote(MessageId("m0"), "", answered)))

    assert f"> {shown}\nAda: this" == text(planned(envelope=envelope))


def test_a_quote_is_a_short_line_above_where_the_reply_cannot_be_native():
    quote = Quote(MessageId("m0"), "Li", "what\nis " + "so " * 40)
    envelope = an_envelope(message=a_message("this", quote=quote))

    quoted = text(planned(envelope=envelope))
    native = text(planned(envelope=envelope), reply_to=MessageId("there-7"))

    first, second = quoted.split("\n")
    assert first.startswith("> Li: what is so so")
    assert len(first) < 70
    assert "Ada: this" == second == native


@pytest.mark.parametrize(
    ("asked", "content", "known", "sent"),
    [
        (None, TextFormat.PLAIN, {"plain", "markdown"}, "plain"),
        (None, TextFormat.MARKDOWN, {"plain", "markdown"}, "markdown"),
        (TextFormat.MARKDOWN, TextFormat.PLAIN, {"plain", "markdown"}, "markdown"),
        (TextFormat.MARKDOWN, TextFormat.MARKDOWN, {"plain"}, "plain"),
        (TextFormat.PLAIN, TextFormat.MARKDOWN, {"plain", "markdown"}, "plain"),
    ],
)
def test_plain_stays_plain_unless_the_rule_or_the_content_asks(asked, content, known, sent):
    envelope = an_envelope(message=a_message("x", format=content))
    capable = replace(ROOMY, formats=frozenset(map(TextFormat, known)))

    (outgoing,) = rendered(planned(envelope=envelope, format=asked), capable)

    assert sent == outgoing.format


def test_a_long_message_is_parts_with_a_key_each():
    """The key names delivery and part, so it is the same on every attempt."""
    delivery = planned("word " * 100)
    parts = rendered(delivery, Capabilities(max_text=100))

    assert len(parts) > 5
    assert all(len(part.text) <= 100 for part in parts)
    assert [f"{delivery.id}:{n}" for n in range(1, len(parts) + 1)] == [
        part.idempotency_key for part in parts
    ]


def test_a_late_mark_finds_its_room_in_a_part_that_is_full():
    """The first part is as long as it may be, mark and all."""
    late = NOON + timedelta(hours=1)

    parts = rendered(planned("x" * 500), Capabilities(max_text=100), now=late)

    assert parts[0].text.startswith("[written 11-20 12:00] ")
    assert all(len(part.text) <= 100 for part in parts)
    assert 500 == sum(part.text.count("x") for part in parts)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=900),
    st.integers(120, 200),
    st.lists(st.integers(1, 90), max_size=3),
    st.lists(st.integers(1, 90), min_size=3, max_size=3),
)
def test_an_interrupted_message_goes_on_where_it_stopped(said, limit, before, after):
    """
    Late or not, with whatever links: once a part of a long text is out, every later rendering cuts
    the text at the same places, and says every link after it.
    """
    first_links = [f"https://f.example/{'a' * n}" for n in before]
    later_links = [f"https://f.example/{'b' * n}" for n in after[: len(before)]]
    delivery = planned(said)
    capable = Capabilities(max_text=limit)
    first = rendered(delivery, capable, resolved=_resolved(first_links))
    if len(first) == 1:
        return
    later = rendered(
        replace(delivery, parts=1),
        capable,
        now=NOON + timedelta(hours=5),
        resolved=_resolved(later_links),
    )

    assert all(len(part.text) <= limit for part in first + later)
    texts_first = [part.text for part in first if "https://f.example/a" not in part.text]
    texts_later = [part.text for part in later if "https://f.example/b" not in part.text]
    mark = "[written 11-20 12:00] "
    assert texts_first == [texts_later[0].removeprefix(mark), *texts_later[1:]]
    rest = "\n".join(part.text for part in later[1:])
    assert all(link[:limit] in rest for link in later_links)


def _resolved(links):
    return tuple(Resolved(replace(PICTURE, url=link)) for link in links)


def test_a_message_in_the_platforms_own_form_goes_out_as_it_is():
    """One part, whatever the template says; where the platform takes no such, its text is said."""
    raw = RawForm("sampleLink", "{}")
    delivery = a_delivery(envelope=an_envelope(message=a_message("a link", raw=raw)))
    native, plain = (
        render(delivery, Capabilities(max_text=100, raw=able), platform="x", style=Style(), now=NOON)
        for able in (True, False)
    )

    assert [raw] == [one.raw for one in native]
    assert [(None, "Ada: a link")] == [(one.raw, one.text) for one in plain]
