"""
From an envelope and a plan to what is posted. Pure, and repeatable: a message of several parts that
was interrupted is cut again at the same places, whatever the time and the links are by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bridge.model import (
    Attachment,
    AttachmentKind,
    AttachmentMode,
    Button,
    Capabilities,
    Delivery,
    Envelope,
    EventKind,
    Mention,
    MessageId,
    Outgoing,
    Plan,
    Support,
    TextFormat,
)
from bridge.template import compile_template
from bridge.text import split
from bridge.transform import compile_step

_QUOTED = 60

_WORDS = {
    "en": {
        "late": "[written {time}] ",
        "edited": "[edited] ",
        "more": "…",
        AttachmentKind.IMAGE: "[image not available: {why}]",
        AttachmentKind.AUDIO: "[audio not available: {why}]",
        AttachmentKind.VIDEO: "[video not available: {why}]",
        AttachmentKind.FILE: "[file {name} not available: {why}]",
    },
    "zh": {
        "late": "[写于 {time}] ",
        "edited": "[已编辑] ",
        "more": "…",
        AttachmentKind.IMAGE: "[图片无法获取：{why}]",
        AttachmentKind.AUDIO: "[音频无法获取：{why}]",
        AttachmentKind.VIDEO: "[视频无法获取：{why}]",
        AttachmentKind.FILE: "[文件 {name} 无法获取：{why}]",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What the operator chose: the language of the bridge's own words, the zone of times."""

    language: str = "en"
    zone: tzinfo | None = None
    late_after: float = 120.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """An attachment, and the note that stands for it if nobody can open it."""

    attachment: Attachment
    why_not: str = ""


def text_of(envelope: Envelope, plan: Plan, *, platform: str, style: Style) -> str:
    """The text of a message as the plan's template and transforms make it, without attachments."""
    message = envelope.message
    said = message.text
    for step in plan.transform:
        said = compile_step(step.pattern, step.replacement)(said)
    template = compile_template(plan.template)
    sender = envelope.sender
    quote = message.quote
    return template.fill(
        {
            "user": sender.display_name or sender.username or sender.id,
            "nickname": sender.display_name,
            "username": sender.username,
            "user_id": sender.id,
            "user_avatar": sender.avatar_url,
            "platform": platform,
            "instance_id": envelope.source.instance,
            "from": envelope.conversation_title or envelope.source.conversation,
            "title": envelope.conversation_title,
            "msg": said,
            "time": _clock_time(envelope.occurred_at, style) if "time" in template.fields else "",
            "reply_to": _shortened(f"{quote.sender}: {quote.text}", style) if quote else "",
        }
    )


def render(
    delivery: Delivery,
    capabilities: Capabilities,
    *,
    platform: str,
    style: Style,
    now: datetime,
    resolved: Sequence[Resolved] = (),
    reply_to: MessageId | None = None,
    in_place: bool = False,
) -> tuple[Outgoing, ...]:
    """
    All parts of a delivery, in order; those that the platform already took are still among them.

    ``platform`` is the source's. An edit is marked as one unless it is made ``in_place``. An
    attachment becomes its URL on a line of its own, or a part of its own where it is uploaded. The
    late mark has its room reserved in every part, and links share a part with the text only where
    the whole is one part: so neither can move a cut once ``delivery.parts`` are out.
    """
    envelope, plan = delivery.envelope, delivery.route.plan
    if envelope.message.raw is not None and capabilities.raw:
        said, key = envelope.message.text, f"{delivery.id}:1"
        return (Outgoing(delivery.route.destination, said, key, raw=envelope.message.raw),)
    text = text_of(envelope, plan, platform=platform, style=style)
    if reply_to is None and envelope.message.quote and "{reply_to}" not in plan.template:
        text = _quoted(envelope, style) + text
    if envelope.kind is EventKind.EDIT and not in_place:
        text = _WORDS[style.language]["edited"] + text
    text += _spoken_buttons(envelope, capabilities)
    mark = ""
    if (now - envelope.received_at).total_seconds() > style.late_after:
        mark = _late_mark(envelope.occurred_at, style)
    asked = plan.format or envelope.message.format
    format_ = asked if asked in capabilities.formats else TextFormat.PLAIN

    if plan.attachments is AttachmentMode.DROP:
        resolved = ()
    links = [] if _uploads(plan, capabilities) else [_line(one, style) for one in resolved]
    whole = mark + ("\n".join([text.rstrip(), *links]) if links else text)
    parts: list[tuple[str, tuple[Attachment, ...]]]
    if _is_one_part(delivery, whole, capabilities) and len(links) == len(resolved):
        parts = [(whole, ())]
    else:
        room = capabilities.measure(_late_mark(envelope.occurred_at, style))
        texts = split(text, capabilities.max_text - room, capabilities.measure, format_)
        texts = (mark + texts[0], *texts[1:]) if texts else (mark.rstrip(),) if mark else ()
        texts += split("\n".join(links), capabilities.max_text, capabilities.measure, format_)
        parts = [(part, ()) for part in texts]
        if len(links) < len(resolved):
            parts += [_upload(one, style) for one in resolved]
    last = len(parts)
    return tuple(
        Outgoing(
            delivery.route.destination,
            part,
            f"{delivery.id}:{number}",
            format_,
            title=envelope.message.title or envelope.conversation_title,
            buttons=_native_buttons(envelope, capabilities) if number == last else (),
            reply_to=reply_to if number == 1 else None,
            attachments=files,
            mentions=tuple(map(Mention, plan.mention)) if number == 1 else (),
            sender=envelope.sender,
        )
        for number, (part, files) in enumerate(parts, 1)
    )


def _is_one_part(delivery: Delivery, whole: str, capabilities: Capabilities) -> bool:
    """A delivery of which a part is out was not one part, whatever it would be now."""
    return not delivery.parts and capabilities.measure(whole) <= capabilities.max_text


def _uploads(plan: Plan, capabilities: Capabilities) -> bool:
    return plan.attachments is AttachmentMode.UPLOAD and capabilities.attachments is Support.NATIVE


def _upload(one: Resolved, style: Style) -> tuple[str, tuple[Attachment, ...]]:
    """A part of its own, so that what is out is known; in words where there is nothing to upload."""
    return (_line(one, style), ()) if one.why_not else ("", (one.attachment,))


def _line(one: Resolved, style: Style) -> str:
    """What stands for an attachment in a text."""
    if not one.why_not:
        return one.attachment.url
    note = _WORDS[style.language][one.attachment.kind]
    return note.format(why=one.why_not, name=one.attachment.filename)


def _native_buttons(envelope: Envelope, capabilities: Capabilities) -> tuple[Button, ...]:
    return envelope.message.buttons if capabilities.buttons is Support.NATIVE else ()


def _spoken_buttons(envelope: Envelope, capabilities: Capabilities) -> str:
    """Buttons as lines of text, where the platform has none but would rather say them."""
    if capabilities.buttons is not Support.FALLBACK:
        return ""
    return "".join(f"\n{button.label}: {button.url}" for button in envelope.message.buttons)


def _quoted(envelope: Envelope, style: Style) -> str:
    quote = envelope.message.quote
    if quote is None or not quote.text:
        return ""
    who = f"{quote.sender}: " if quote.sender else ""
    return f"> {_shortened(who + quote.text, style)}\n"


def _shortened(text: str, style: Style) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED else line[:_QUOTED] + _WORDS[style.language]["more"]


def _late_mark(at: datetime, style: Style) -> str:
    return _WORDS[style.language]["late"].format(time=_clock_time(at, style))


def _clock_time(at: datetime, style: Style) -> str:
    return f"{at.astimezone(style.zone):%m-%d %H:%M}"
