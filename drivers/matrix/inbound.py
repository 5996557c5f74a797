"""
What happened in a room, as envelopes. Pure.

https://spec.matrix.org/v1.16/client-server-api/#instant-messaging and the sections beside it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from bridge.errors import Malformed
from bridge.model import (
    Attachment,
    AttachmentKind,
    ConversationRef,
    Envelope,
    EventId,
    EventKind,
    Inbound,
    Mention,
    Message,
    MessageId,
    Quote,
    Reaction,
    Sender,
    TextFormat,
    UserId,
)
from bridge.wild import Wild, clean_name

from .outbound import HTML
from .texts import read_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_KINDS = {
    "m.image": AttachmentKind.IMAGE,
    "m.audio": AttachmentKind.AUDIO,
    "m.video": AttachmentKind.VIDEO,
    "m.file": AttachmentKind.FILE,
}
MXC = re.compile(r"mxc://([A-Za-z0-9.:\[\]-]{1,255})/([A-Za-z0-9_-]{1,255})").fullmatch
"""https://spec.matrix.org/v1.16/client-server-api/#matrix-content-mxc-uris"""
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,64}").fullmatch
_MOST_MENTIONS = 50
_MOST_EMOJI = 40
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Said:
    """What is remembered of an event: who said what; of a reaction, what it stands on."""

    sender: str
    name: str = ""
    text: str = ""
    target: str = ""
    emoji: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """
    Where something happened, and who we are. ``names`` are display names by user id, ``known`` what is
    remembered of events by event id. ``now`` is in UTC.
    """

    source: ConversationRef
    user_id: str
    now: datetime
    names: Mapping[str, str]
    known: Mapping[str, Said]
    title: str = ""
    direct: bool = False


def about(event: Wild) -> str:
    """The event that one must know to understand ``event``: what it edits or answers; else empty."""
    relation = event["content"]["m.relates_to"]
    try:
        if relation["rel_type"].text("") == "m.replace":
            return relation["event_id"].identifier()
        return _answered(relation)
    except Malformed:
        return ""


def redacted(event: Wild) -> str:
    """The event that is taken back; else empty. It stands beside the content before room version 11."""
    if not event["type"].is_text or event["type"].text() != "m.room.redaction":
        return ""
    redacts = event["redacts"] if event.has("redacts") else event["content"]["redacts"]
    return redacts.text() if redacts.is_text else ""


def remembered(event: Wild, names: Mapping[str, str]) -> Said | None:
    """What to remember of it; None where there is nothing. Raises `Malformed`."""
    content, sender = event["content"], event["sender"].identifier()
    relation = content["m.relates_to"]
    match event["type"].text(""):
        case "m.reaction" if relation["rel_type"].text("") == "m.annotation":
            target, emoji = relation["event_id"].identifier(), relation["key"].text("")
            return Said(sender, target=target, emoji=emoji[:_MOST_EMOJI])
        case "m.room.message" | "m.sticker":
            text, _ = _text(content)
            return Said(sender, name_of(sender, names), " ".join(text[: 4 * _SHOWN].split())[:_SHOWN])
    return None


def name_of(user_id: str, names: Mapping[str, str]) -> str:
    """How people call them: the display name, or what stands before the homeserver's name."""
    return names.get(user_id) or clean_name(user_id).removeprefix("@").partition(":")[0] or "?"


def normalize(event: Wild, here: Here) -> Inbound:
    """An event of somebody else; an ignored reason for what is not for a bridge. Raises `Malformed`."""
    if event["sender"].identifier() == here.user_id:
        return Inbound(ignored="our_own")
    if event.has("state_key"):
        return Inbound(ignored="state")
    if event["unsigned"].has("redacted_because"):
        return Inbound(ignored="redacted")
    match event["type"].text(""):
        case "m.room.message" | "m.sticker":
            return _message(event, here)
        case "m.room.redaction":
            return _redaction(event, here)
        case "m.reaction":
            return _reaction(event, here)
        case "m.room.encrypted":
            return Inbound(ignored="encrypted")
    return Inbound(ignored="unknown_type")


# --- what people write ------------------------------------------------------------------------------


def _message(event: Wild, here: Here) -> Inbound:
    content, relation = event["content"], event["content"]["m.relates_to"]
    event_id = event["event_id"].identifier()
    target = None
    if relation["rel_type"].text("") == "m.replace":
        target = relation["event_id"].identifier()
        was = here.known.get(target)
        # The homeserver lets anybody replace anybody's words; clients are to look, and so do we.
        if was is None or was.sender != event["sender"].text():
            return Inbound(ignored="edit_of_others")
        content = content["m.new_content"]
    notice = content["msgtype"].text("") == "m.notice"
    text, format_ = _text(content, reply=bool(target is None and _answered(relation)))
    attachments = tuple(_attachments(content, sticker=event["type"].text("") == "m.sticker"))
    if not text.strip() and not attachments:
        return Inbound(ignored="empty")
    kind = EventKind.EDIT if target else EventKind.NOTICE if notice else EventKind.MESSAGE
    message = Message(
        id=MessageId(target or event_id),
        text=text,
        format=format_,
        attachments=attachments,
        mentions=tuple(_mentions(content, here)),
        quote=None if target else _quote(relation, here),
    )
    return _enveloped(event, here, kind, message, target=target, named=_names_us(content, here))


def _text(content: Wild, *, reply: bool = False) -> tuple[str, TextFormat]:
    msgtype, body = content["msgtype"].text(""), content["body"].text("")
    if msgtype in _KINDS and not (content.has("filename") and content["filename"].text("") != body):
        return "", TextFormat.PLAIN  # the body is the file's name
    if not msgtype:
        return "", TextFormat.PLAIN  # a sticker: its body describes it
    html = content["formatted_body"].text("") if content["format"].text("") == HTML else ""
    return read_body(body, html, reply=reply, emote=msgtype == "m.emote")


def _attachments(content: Wild, *, sticker: bool) -> Iterator[Attachment]:
    """A picture, a file …, as a reference that only we can open."""
    kind = AttachmentKind.IMAGE if sticker else _KINDS.get(content["msgtype"].text(""))
    url, info = content["url"].text(""), content["info"]
    if kind is None or not MXC(url):
        return
    media_type = info["mimetype"].text("")
    filename = content["filename"].name("") or ("" if sticker else content["body"].name(""))
    yield Attachment(
        kind,
        ref=url,
        filename=filename,
        media_type=media_type if _MEDIA_TYPE(media_type) else "",
        size=_size(info["size"]),
    )


def _size(given: Wild) -> int | None:
    try:
        return max(given.number(), 0)
    except Malformed:
        return None


def _mentions(content: Wild, here: Here) -> Iterator[Mention]:
    for one in islice(content["m.mentions"]["user_ids"], _MOST_MENTIONS):
        user_id = one.identifier()
        yield Mention(UserId(user_id), name_of(user_id, here.names))


def _names_us(content: Wild, here: Here) -> bool:
    if content.has("m.mentions"):
        called = islice(content["m.mentions"]["user_ids"], _MOST_MENTIONS)
        return any(one.text("") == here.user_id for one in called)
    return here.user_id in content["body"].text("")


def _answered(relation: Wild) -> str:
    """
    The event that it answers; in a thread, where that is only for those who know no threads, the first.

    https://spec.matrix.org/v1.16/client-server-api/#fallback-for-unthreaded-clients
    """
    threaded = relation["rel_type"].text("") == "m.thread"
    answer = relation["m.in_reply_to"]["event_id"]
    if threaded and (answer.missing or relation["is_falling_back"].flag()):
        return relation["event_id"].identifier()
    return "" if answer.missing else answer.identifier()


def _quote(relation: Wild, here: Here) -> Quote | None:
    answered = _answered(relation)
    if not answered:
        return None
    was = here.known.get(answered)
    if was is None:
        return Quote(MessageId(answered))
    # What we said begins with the name of who said it.
    who = "" if was.sender == here.user_id else was.name
    return Quote(MessageId(answered), who, was.text)


# --- what people do to it ---------------------------------------------------------------------------


def _redaction(event: Wild, here: Here) -> Inbound:
    target = redacted(event)
    if not target or not target.isprintable():
        return Inbound(ignored="malformed")
    was = here.known.get(target)
    if was is not None and was.emoji:
        taken_back = Reaction(bare(was.emoji), removed=True)
        return _enveloped(event, here, EventKind.REACTION, None, target=was.target, reaction=taken_back)
    return _enveloped(event, here, EventKind.RECALL, Message(MessageId(target)), target=target)


def _reaction(event: Wild, here: Here) -> Inbound:
    relation = event["content"]["m.relates_to"]
    emoji = relation["key"].text("")
    if not emoji.strip() or len(emoji) > _MOST_EMOJI or emoji.startswith("mxc:"):
        return Inbound(ignored="bad_reaction")
    target = relation["event_id"].identifier()
    reaction = Reaction(bare(emoji))
    return _enveloped(event, here, EventKind.REACTION, None, target=target, reaction=reaction)


def bare(emoji: str) -> str:
    """Without what only says "in colour": Matrix's clients add it, other platforms know no such emoji."""
    return emoji.replace("\ufe0f", "") or emoji


def _enveloped(
    event: Wild,
    here: Here,
    kind: EventKind,
    message: Message | None,
    *,
    target: str | None = None,
    reaction: Reaction | None = None,
    named: bool = False,
) -> Inbound:
    event_id, sender = event["event_id"].identifier(), event["sender"].identifier()
    envelope = Envelope(
        id=EventId(event_id),
        kind=kind,
        source=here.source,
        sender=Sender(
            id=UserId(sender),
            display_name=name_of(sender, here.names),
            username=clean_name(sender).removeprefix("@").partition(":")[0],
            is_bot=kind is EventKind.NOTICE,
        ),
        message=message or Message(MessageId(event_id)),
        occurred_at=_time(event["origin_server_ts"], here.now),
        received_at=here.now,
        target=MessageId(target) if target else None,
        reaction=reaction,
        conversation_title=here.title,
        direct=here.direct,
        mentions_bot=named or here.direct,
    )
    return Inbound((envelope,))


def _time(given: Wild, now: datetime) -> datetime:
    """Another homeserver's clock may say anything."""
    try:
        return given.time()
    except Malformed:
        return now
