"""Envelopes and plans survive the journal exactly."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.journal.codec import (
    Unreadable,
    checksum,
    decode,
    decode_plan,
    delivery_id,
    encode,
    encode_plan,
)
from bridge.model import (
    Attachment,
    AttachmentKind,
    AttachmentMode,
    Button,
    ConversationRef,
    Envelope,
    EventKind,
    InstanceId,
    Mention,
    Message,
    MessageId,
    Plan,
    Quote,
    RawForm,
    Reaction,
    Replacement,
    Sender,
    TextFormat,
)
from tests.builders import a_message, a_place, a_sender, an_envelope
from tests.clock import NOON

texts: st.SearchStrategy[Any] = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0))


def tuples(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(of, max_size=3).map(tuple)


messages = st.builds(
    Message,
    texts,
    texts,
    st.sampled_from(TextFormat),
    tuples(
        st.builds(
            Attachment,
            st.sampled_from(AttachmentKind),
            texts,
            texts,
            texts,
            texts,
            st.none() | st.integers(0, 1 << 62),
        )
    ),
    tuples(st.builds(Mention, texts, texts)),
    st.none() | st.builds(Quote, st.none() | texts, texts, texts),
    texts,
    tuples(st.builds(Button, texts, texts)),
)
envelopes = st.builds(
    Envelope,
    id=texts,
    kind=st.sampled_from(EventKind),
    source=st.builds(ConversationRef, texts, texts),
    sender=st.builds(Sender, texts, texts, texts, texts, st.booleans()),
    message=messages,
    occurred_at=times,
    received_at=times,
    target=st.none() | texts,
    reaction=st.none() | st.builds(Reaction, texts, st.booleans()),
    conversation_title=texts,
    direct=st.booleans(),
    mentions_bot=st.booleans(),
)
plans = st.builds(
    Plan,
    rule=texts,
    template=texts,
    attachments=st.sampled_from(AttachmentMode),
    format=st.none() | st.sampled_from(TextFormat),
    transform=tuples(st.builds(Replacement, texts, texts)),
)


@given(envelopes)
def test_any_envelope_comes_back_as_it_was(envelope: Envelope) -> None:
    """
    Every field, to the microsecond, and of the same types.
    """
    back = decode(encode(envelope).body)

    assert envelope == back
    assert repr(envelope) == repr(back)


@given(plans)
def test_any_plan_comes_back_as_it_was(plan: Plan) -> None:
    """
    A message is rendered by the rules that planned it, so none of them may change on the way.
    """
    assert plan == decode_plan(encode_plan(plan))


def test_text_is_stored_as_it_reads() -> None:
    """
    Chinese text takes three bytes a character, not six, and can be found in the file.
    """
    assert "失败".encode() in encode(an_envelope("失败")).body


@pytest.mark.parametrize(
    "around",
    [
        {"received_at": NOON + timedelta(seconds=1)},
        {"occurred_at": NOON + timedelta(seconds=1)},
        {"conversation_title": "renamed"},
        {"direct": True},
        {"sender": a_sender("Ada", avatar_url="https://example.com/new.png")},
    ],
)
def test_a_redelivery_has_the_same_fingerprint(around: dict[str, Any]) -> None:
    """
    What may differ between two deliveries of one message does not make it another.
    """
    envelope = an_envelope()

    assert encode(envelope).fingerprint == encode(replace(envelope, **around)).fingerprint


@pytest.mark.parametrize(
    "said",
    [
        {"kind": EventKind.EDIT},
        {"source": a_place("here/other")},
        {"sender": a_sender("Bob")},
        {"target": MessageId("m0")},
        {"reaction": Reaction("+1")},
        {"message": a_message("bye")},
        {"message": a_message(id="m2")},
        {"message": a_message(title="news")},
        {"message": a_message(quote=Quote(text="before"))},
        {"message": a_message(attachments=(Attachment(AttachmentKind.FILE, ref="x"),))},
        {"message": a_message(buttons=(Button("yes"),))},
    ],
)
def test_other_content_has_another_fingerprint(said: dict[str, Any]) -> None:
    """
    The same id with something else to say is a conflict.
    """
    envelope = an_envelope()

    assert encode(envelope).fingerprint != encode(replace(envelope, **said)).fingerprint


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"3",
        b"null",
        b"[2,[],[]]",
        b"[1,[],[]]",
        b"[1,3,4]",
        b"[" * 100_000,
        encode(an_envelope()).body[:-1],
        encode(an_envelope()).body.replace(b'"message"', b'"nonsense"'),
        encode(an_envelope()).body.replace(b"000000,", b"9" * 30 + b","),
    ],
)
def test_what_is_no_envelope_is_refused(body: bytes) -> None:
    """
    Bytes that were not written by this version are told apart by one exception; none gets through.
    """
    with pytest.raises(Unreadable):
        decode(body)
    with pytest.raises(Unreadable):
        decode_plan(body)


def test_a_body_fits_its_own_row_only() -> None:
    """
    The checksum covers where it stands, so two rows that were swapped do not pass.
    """
    assert checksum(b"body", 1) != checksum(b"body", 2)
    assert checksum(b"body", 1) != checksum(b"bodY", 1)


def test_a_delivery_id_follows_from_the_event_and_the_destination() -> None:
    """
    It is written down by platforms as an idempotency key: it must never change between versions.
    """
    source, event = InstanceId("here"), an_envelope().id

    assert "329094364b9015c4" == delivery_id(source, event, a_place("there/room"))
    assert delivery_id(source, event, a_place("there/room")) != delivery_id(
        source, event, a_place("there/other")
    )


def test_the_layout_of_version_1_can_be_read() -> None:
    """
    A file of an older release holds bytes like these.
    """
    body = (
        b'[1,["m1","message","here","room","ada",null,null,"m1","hello","plain","",[],[],null,[]],'
        b'["Ada","","",false,"",false,false,%d,%d]]'
    ) % ((int(datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp()) * 1_000_000,) * 2)

    assert an_envelope() == decode(body)
    assert body == encode(an_envelope()).body


def test_a_message_in_the_platforms_own_form_comes_back():
    """And one without is written as ever."""
    raw = an_envelope(message=a_message(raw=RawForm("sampleLink", "{}")))

    assert raw == decode(encode(raw).body)
    assert b"sampleLink" not in encode(an_envelope()).body
