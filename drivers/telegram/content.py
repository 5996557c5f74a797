"""What a message holds: words, files, and the short lines that stand for what is neither. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.errors import Malformed, Unsupported
from bridge.model import Attachment, AttachmentKind, Message, MessageId, TextFormat

from .heard import Heard, heard

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.wild import Wild

_MOST_OPTIONS = 12
_MOST_SHOWN = 300
# By the message's key. What is an "animation" stands under "document" too.
_FILES = {
    "animation": AttachmentKind.VIDEO,
    "video": AttachmentKind.VIDEO,
    "video_note": AttachmentKind.VIDEO,
    "audio": AttachmentKind.AUDIO,
    "voice": AttachmentKind.AUDIO,
    "document": AttachmentKind.FILE,
}


def content(message: Wild, id_: MessageId) -> tuple[Message, Heard]:
    """
    The message without what it answers, and its words. Raises `Malformed`, and `Unsupported` for what
    no other platform could show.
    """
    key = "text" if message.has("text") else "caption"
    said = heard(message[key].text(""), message["entities" if key == "text" else "caption_entities"])
    attachments = _attachments(message)
    if message.has("sticker"):
        said = Heard(message["sticker"]["emoji"].name(""), TextFormat.PLAIN, ())
    if not said.text.strip() and not attachments:
        said = Heard(_line(message), TextFormat.PLAIN, ())
    if not said.text.strip() and not attachments:
        raise Unsupported("nothing that can be carried", reason=_reason(message))
    made = Message(
        id=id_,
        text=said.text,
        format=said.format,
        attachments=attachments,
        mentions=said.mentions,
    )
    return made, said


def glimpse(message: Wild) -> str:
    """A few words of a message that is answered."""
    try:
        made, _ = content(message, MessageId("?"))
    except (Malformed, Unsupported):
        return ""
    words = message["text"].text("") or message["caption"].text("") or made.text
    named = next((one.filename for one in made.attachments if one.filename), "")
    return (words or named)[:_MOST_SHOWN]


# --- files ------------------------------------------------------------------------------------------


def _attachments(message: Wild) -> tuple[Attachment, ...]:
    if message.has("photo"):
        sizes = [one for one in message["photo"] if one.has("file_id")]
        return (_attachment(sizes[-1], AttachmentKind.IMAGE),) if sizes else ()
    if message.has("sticker"):
        return (_sticker(message["sticker"]),)
    for key, kind in _FILES.items():
        if message.has(key):
            return (_attachment(message[key], kind),)
    return ()


def _attachment(file: Wild, kind: AttachmentKind) -> Attachment:
    media_type = file["mime_type"].text("")
    if kind is AttachmentKind.FILE and media_type.startswith("image/"):
        kind = AttachmentKind.IMAGE
    return Attachment(
        kind,
        ref=file["file_id"].identifier(),
        filename=file["file_name"].name(""),
        media_type=media_type,
        size=file["file_size"].number(0) or None,
    )


def _sticker(sticker: Wild) -> Attachment:
    """A still one is a picture (webp); one that moves is a file of Telegram's own, or a video."""
    if sticker["is_video"].flag():
        kind, media_type, name = AttachmentKind.VIDEO, "video/webm", "sticker.webm"
    elif sticker["is_animated"].flag():
        kind, media_type, name = AttachmentKind.FILE, "application/x-tgsticker", "sticker.tgs"
    else:
        kind, media_type, name = AttachmentKind.IMAGE, "image/webp", "sticker.webp"
    return Attachment(
        kind,
        ref=sticker["file_id"].identifier(),
        filename=name,
        media_type=media_type,
        size=sticker["file_size"].number(0) or None,
    )


# --- what is neither words nor a file ---------------------------------------------------------------


def _line(message: Wild) -> str:
    for key, line in _LINES.items():
        if message.has(key):
            return line(message[key])[:_MOST_SHOWN]
    return ""


def _place(location: Wild) -> str:
    """Decimal numbers come as texts: see `updates.read`."""
    return f"{_decimal(location['latitude'])}, {_decimal(location['longitude'])}"


def _decimal(wild: Wild) -> str:
    return wild.name() if wild.is_text else str(wild.number())


def _location(location: Wild) -> str:
    return f"📍 {_place(location)}"


def _venue(venue: Wild) -> str:
    named = f"{venue['title'].name('')}, {venue['address'].name('')}".strip(", ")
    return f"📍 {named} ({_place(venue['location'])})"


def _contact(contact: Wild) -> str:
    name = f"{contact['first_name'].name('')} {contact['last_name'].name('')}".strip()
    return f"👤 {name}, {contact['phone_number'].name()}"


def _poll(poll: Wild) -> str:
    options = [one["text"].name("") for one in poll["options"]][:_MOST_OPTIONS]
    return f"📊 {poll['question'].name()}: {' / '.join(options)}"


def _dice(dice: Wild) -> str:
    return f"{dice['emoji'].name()} {dice['value'].number()}"


# What is a "venue" stands under "location" too.
_LINES: dict[str, Callable[[Wild], str]] = {
    "venue": _venue,
    "location": _location,
    "contact": _contact,
    "poll": _poll,
    "dice": _dice,
}


def _reason(message: Wild) -> str:
    others = ("story", "game", "invoice", "paid_media", "giveaway", "checklist")
    return next((f"message_{key}" for key in others if message.has(key)), "service_message")
