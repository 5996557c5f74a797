"""
Envelopes and plans as bytes, and back.

Compact JSON, positional, led by the number of the layout: ``[1,[what is said],[what is around]]``.
What is said decides whether a second message with a known id is a redelivery or a conflict; what is
around (names that people choose, times, flags) may differ between two deliveries of one message.
"""

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import (  # type: ignore[attr-defined]  # typeshed leaves out one
    c_make_encoder,
    encode_basestring,
)
from typing import Any

from bridge.model import (
    Attachment,
    AttachmentKind,
    AttachmentMode,
    Button,
    ConversationRef,
    DeliveryId,
    Envelope,
    EventId,
    EventKind,
    InstanceId,
    Mention,
    Message,
    Plan,
    Quote,
    RawForm,
    Reaction,
    ReactionMode,
    Replacement,
    Sender,
    TextFormat,
    UserId,
)

LAYOUT = 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# What `json.JSONEncoder.encode` makes anew on every call.
_chunks = c_make_encoder(None, None, encode_basestring, None, ":", ",", False, False, True)
_read = json.JSONDecoder().decode

# A dict finds a member in a fifth of the time that the call of the class takes.
_KINDS = {str(kind): kind for kind in EventKind}
_FORMATS = {str(format_): format_ for format_ in TextFormat}


class Unreadable(ValueError):
    """Bytes that are not what this module writes."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An envelope's bytes, and a number (64 bits, signed) that stands for what it says."""

    body: bytes
    fingerprint: int


def encode(envelope: Envelope) -> Encoded:
    """Raises `UnicodeEncodeError` for text with lone surrogates, which is cleaned where it enters."""
    source, sender, message = envelope.source, envelope.sender, envelope.message
    quote, reaction = message.quote, envelope.reaction
    said = _json(
        (
            envelope.id,
            envelope.kind,
            source.instance,
            source.conversation,
            sender.id,
            envelope.target,
            reaction and (reaction.emoji, reaction.removed),
            message.id,
            message.text,
            message.format,
            message.title,
            message.attachments
            and [(a.kind, a.url, a.ref, a.filename, a.media_type, a.size) for a in message.attachments],
            message.mentions and [(m.user_id, m.display_name) for m in message.mentions],
            quote and (quote.id, quote.sender, quote.text),
            message.buttons and [(b.label, b.url) for b in message.buttons],
            # Behind the others and only where there is one: rows of before stay what they are.
            *([(message.raw.name, message.raw.parameters)] if message.raw else ()),
        )
    )
    around = _json(
        (
            sender.display_name,
            sender.username,
            sender.avatar_url,
            sender.is_bot,
            envelope.conversation_title,
            envelope.direct,
            envelope.mentions_bot,
            (envelope.occurred_at - _EPOCH) // _MICROSECOND,
            (envelope.received_at - _EPOCH) // _MICROSECOND,
        )
    )
    content = said.encode()
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return Encoded(b"[1,%b,%b]" % (content, around.encode()), int.from_bytes(digest, "big", signed=True))


def decode(body: bytes) -> Envelope:
    """The envelope that `encode` was given. Raises `Unreadable`."""
    said, around = _parts(body, 2)
    try:
        (
            event_id,
            kind,
            instance,
            conversation,
            sender_id,
            target,
            reaction,
            message_id,
            text,
            text_format,
            title,
            attachments,
            mentions,
            quote,
            buttons,
            *raw,
        ) = said
        (
            display_name,
            username,
            avatar_url,
            is_bot,
            conversation_title,
            direct,
            mentions_bot,
            occurred_at,
            received_at,
        ) = around
        return Envelope(
            event_id,
            _KINDS[kind],
            ConversationRef(instance, conversation),
            Sender(sender_id, display_name, username, avatar_url, is_bot),
            Message(
                message_id,
                text,
                _FORMATS[text_format],
                tuple([Attachment(AttachmentKind(kind), *rest) for kind, *rest in attachments]),
                tuple([Mention(*mention) for mention in mentions]),
                Quote(*quote) if quote is not None else None,
                title,
                tuple([Button(*button) for button in buttons]),
                RawForm(*raw[0]) if raw else None,
            ),
            _EPOCH + timedelta(microseconds=occurred_at),
            _EPOCH + timedelta(microseconds=received_at),
            target=target,
            reaction=Reaction(*reaction) if reaction is not None else None,
            conversation_title=conversation_title,
            direct=direct,
            mentions_bot=mentions_bot,
        )
    except (LookupError, TypeError, ValueError, OverflowError) as e:
        raise Unreadable(f"not an envelope: {e}") from e


def encode_plan(plan: Plan) -> bytes:
    """Raises `UnicodeEncodeError` for text with lone surrogates."""
    return _json(
        (
            LAYOUT,
            (
                plan.rule,
                plan.template,
                plan.attachments,
                plan.format,
                [(step.pattern, step.replacement) for step in plan.transform],
                plan.mention,
                # Only where it is said: rows of before stay what they are.
                *([plan.reactions] if plan.reactions is not ReactionMode.NATIVE else ()),
            ),
        )
    ).encode()


@lru_cache(maxsize=1024)
def decode_plan(body: bytes) -> Plan:
    """The plan that `encode_plan` was given; the same few again and again. Raises `Unreadable`."""
    (written,) = _parts(body, 1)
    try:
        rule, template, attachments, text_format, transform, mention, *reactions = written
        return Plan(
            rule=rule,
            template=template,
            attachments=AttachmentMode(attachments),
            format=None if text_format is None else TextFormat(text_format),
            transform=tuple(Replacement(*step) for step in transform),
            mention=tuple(UserId(str(one)) for one in mention),
            reactions=ReactionMode(*reactions) if reactions else ReactionMode.NATIVE,
        )
    except (TypeError, ValueError) as e:
        raise Unreadable(f"not a plan: {e}") from e


def _json(value: object) -> str:
    """Compact, in UTF-8."""
    return "".join(_chunks(value, 0))


def checksum(body: bytes, seq: int) -> int:
    """CRC-32 of ``body`` as it stands in row ``seq``: a body in another's row does not fit."""
    return zlib.crc32(body, seq & 0xFFFFFFFF)


def delivery_id(source: InstanceId, event_id: EventId, destination: ConversationRef) -> DeliveryId:
    """16 hex digits, the same for the same event and destination on every day and machine."""
    name = f"{source}\0{event_id}\0{destination.instance}\0{destination.conversation}"
    return DeliveryId(hashlib.blake2b(name.encode(), digest_size=8).hexdigest())


def _parts(body: bytes, count: int) -> Sequence[Any]:
    try:
        layout, *parts = _read(body.decode())
    except (TypeError, ValueError, RecursionError) as e:
        raise Unreadable(f"not JSON: {e}") from e
    if layout != LAYOUT or len(parts) != count:
        raise Unreadable(f"layout {layout!r} is not known to this version")
    return list(parts)
