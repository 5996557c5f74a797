"""The bodies, both ways, and what an answer means. Pure. README.md documents them for scripts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from bridge.errors import Broken, DeliveryError, Malformed, Refused, Scope, Throttled, Transient
from bridge.model import (
    Attachment,
    AttachmentKind,
    ConversationId,
    ConversationRef,
    Envelope,
    EventId,
    EventKind,
    Inbound,
    InboundRequest,
    InstanceId,
    Message,
    MessageId,
    Outgoing,
    Quote,
    Receipt,
    Sender,
    TextFormat,
    UserId,
)
from bridge.retry_after import retry_after
from bridge.wild import Wild

from .settings import DEFAULT_CONVERSATION
from .signature import id_of, identity

_SUCCESS, _MOVED, _REFUSED = range(200, 300), range(300, 400), range(400, 500)
_MAX_ID = 256
_TOO_BIG = 1 << 63

# --- out --------------------------------------------------------------------------------------------


def encode(outgoing: Outgoing) -> bytes:
    """The body of one post."""
    sender = outgoing.sender
    body: dict[str, Any] = {
        "id": id_of(outgoing.idempotency_key),
        "conversation": outgoing.destination.conversation,
        "text": outgoing.text,
        "format": outgoing.format,
        "title": outgoing.title,
        "sender": sender
        and {
            "id": sender.id,
            "name": sender.display_name,
            "avatar_url": sender.avatar_url,
            "is_bot": sender.is_bot,
        },
        "attachments": [
            {
                "kind": attachment.kind,
                "url": attachment.url,
                "filename": attachment.filename,
                "media_type": attachment.media_type,
                "size": attachment.size,
            }
            for attachment in outgoing.attachments
        ],
        "buttons": [{"label": button.label, "url": button.url} for button in outgoing.buttons],
        "mentions": [
            {"user_id": mention.user_id, "name": mention.display_name} for mention in outgoing.mentions
        ],
        "reply_to": outgoing.reply_to,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decode(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Receipt:
    """The receipt in a good answer; raises a `DeliveryError` for any other."""
    if status in _SUCCESS:
        return Receipt(_id_in(body))
    raise _error(status, retry_after(headers, now))


def _error(status: int, wait: float | None) -> DeliveryError:
    said = f"the receiver answered {status}"
    match status:
        case 401 | 403 | 407:
            advice = "check secret and headers"
            return Broken(f"{said}: {advice}", reason="unauthorized", scope=Scope.INSTANCE)
        case 404 | 405 | 410:
            return Broken(f"{said}: check url and method", reason="not_found", scope=Scope.INSTANCE)
        case 429:
            return Throttled(said, reason="rate_limited", retry_after=wait, scope=Scope.INSTANCE)
        case 408 | 425:
            return Transient(said, reason="not_now", retry_after=wait)
    if status in _MOVED:
        return Broken(f"{said}: it has moved, change url", reason="moved", scope=Scope.INSTANCE)
    if status in _REFUSED:
        return Refused(said, reason="client_error")
    return Transient(said, reason="server_error", retry_after=wait)


def _id_in(body: bytes) -> MessageId | None:
    """The ``id`` of a JSON answer; receivers are free to answer anything else."""
    try:
        given = Wild.parse(body)["id"]
        found = given.identifier() if given.is_text else str(given.number())
    except Malformed:
        return None
    return MessageId(found) if len(found) <= _MAX_ID else None


# --- in ---------------------------------------------------------------------------------------------


def normalize(request: InboundRequest, instance: InstanceId) -> Inbound:
    """
    The envelope in a verified request. Raises `Malformed`.

    Without an ``id`` the request's ``webhook-id`` is the message's; without either, every request
    is a message of its own.
    """
    body = Wild.parse(request.body)
    message_id = _short(body["id"]) or identity(request) or _anonymous(request)
    text = body["text"].text(default="")
    attachments = tuple(_attachment(item) for item in _items(body["attachments"]))
    if not text.strip() and not attachments:
        raise Malformed("$.text: wanted text, or attachments beside it")
    title = body["title"].name(default="")
    envelope = Envelope(
        id=EventId(message_id),
        kind=EventKind.MESSAGE,
        source=ConversationRef(instance, _conversation(body["conversation"])),
        sender=_sender(body["sender"], instance),
        message=Message(
            id=MessageId(message_id),
            text=text,
            format=_format(body["format"]),
            attachments=attachments,
            quote=_quote(body["quote"]),
            title=title,
        ),
        occurred_at=request.received_at if body["time"].missing else body["time"].time(),
        received_at=request.received_at,
        conversation_title=title,
    )
    return Inbound((envelope,))


def acknowledgement(inbound: Inbound) -> bytes:
    """The answer to a message that is durable now."""
    ids = [envelope.message.id for envelope in inbound.envelopes]
    return json.dumps({"accepted": True, "id": ids[0] if ids else None}).encode()


def _anonymous(request: InboundRequest) -> str:
    moment = request.received_at.isoformat().encode()
    return "sha256-" + hashlib.sha256(moment + request.body).hexdigest()


def _conversation(given: Wild) -> ConversationId:
    conversation = _short(given)
    if conversation == "*":
        raise Malformed(f'{given.path}: "*" is every conversation, so it cannot be one')
    return ConversationId(conversation) if conversation else DEFAULT_CONVERSATION


def _sender(given: Wild, instance: InstanceId) -> Sender:
    """Without a sender it was the webhook itself, by the name that the operator gave it."""
    _must_be_object(given)
    name = given["name"].name(default="") or instance
    avatar = given["avatar_url"]
    return Sender(
        id=UserId(_short(given["id"]) or name),
        display_name=name,
        avatar_url=_url(avatar) if avatar.text(default="") else "",
        is_bot=given["is_bot"].flag(),
    )


def _quote(given: Wild) -> Quote | None:
    if given.missing:
        return None
    _must_be_object(given)
    quoted = _short(given["id"])
    return Quote(
        id=MessageId(quoted) if quoted else None,
        sender=given["sender"].name(default=""),
        text=given["text"].text(default=""),
    )


def _attachment(given: Wild) -> Attachment:
    media_type = given["media_type"].name(default="")
    return Attachment(
        kind=_kind(given["kind"], media_type),
        url=_url(given["url"]),
        filename=given["filename"].name(default=""),
        media_type=media_type,
        size=None if given["size"].missing else _size(given["size"]),
    )


def _size(given: Wild) -> int:
    size = given.number()
    if not 0 <= size < _TOO_BIG:
        raise Malformed(f"{given.path}: wanted a number of bytes")
    return size


def _kind(given: Wild, media_type: str) -> AttachmentKind:
    kind = given.text(default="")
    if not kind:
        kind = media_type.partition("/")[0]
        return AttachmentKind(kind) if kind in ("image", "audio", "video") else AttachmentKind.FILE
    try:
        return AttachmentKind(kind)
    except ValueError:
        raise Malformed(f"{given.path}: wanted image, audio, video or file") from None


def _format(given: Wild) -> TextFormat:
    try:
        return TextFormat(given.text(default=TextFormat.PLAIN))
    except ValueError:
        raise Malformed(f"{given.path}: wanted plain or markdown") from None


def _url(given: Wild) -> str:
    url = given.identifier()
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and " " not in url
    except ValueError:
        fine = False
    if not fine:
        raise Malformed(f"{given.path}: wanted an http or https URL")
    return url


def _short(given: Wild) -> str:
    """An identifier of a sane length; empty where there is none."""
    if given.missing:
        return ""
    identifier = given.identifier()
    if len(identifier) > _MAX_ID:
        raise Malformed(f"{given.path}: longer than {_MAX_ID} characters")
    return identifier


def _items(given: Wild) -> tuple[Wild, ...]:
    items = tuple(given)
    if not items and (given.is_text or given.is_object):
        raise Malformed(f"{given.path}: wanted a list")
    return items


def _must_be_object(given: Wild) -> None:
    if not given.missing and not given.is_object:
        raise Malformed(f"{given.path}: wanted an object")
