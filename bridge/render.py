"""
From an envelope and a plan to what is posted. Pure, and repeatable: a message of several parts that
was interrupted is cut again at the same places, whatever the time and the links are by then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import dropwhile

from bridge import composing
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
from bridge.text import split

_QUOTED = 60
_ALL_FORMATS = frozenset(TextFormat)

_WORDS = {
    "en": {
        "late": "[written {time}] ",
        "edited": "[edited] ",
        "reacted": "reacted with {emoji}",
        "more": "…",
        AttachmentKind.IMAGE: "[image not available: {why}]",
        AttachmentKind.AUDIO: "[audio not available: {why}]",
        AttachmentKind.VIDEO: "[video not available: {why}]",
        AttachmentKind.FILE: "[file {name} not available: {why}]",
    },
    "zh": {
        "late": "[写于 {time}] ",
        "edited": "[已编辑] ",
        "reacted": "回应了 {emoji}",
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


def text_of(
    envelope: Envelope,
    plan: Plan,
    *,
    platform: str,
    style: Style,
    formats: AbstractSet[TextFormat] = _ALL_FORMATS,
) -> str:
    """The text of a message as the plan's template and transforms make it, without attachments."""
    if envelope.kind is EventKind.REACTION:
        envelope = _in_words(envelope, style)
    sender = envelope.sender
    quote = envelope.message.quote
    return composing.compose(
        envelope,
        plan,
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
            "time": _clock_time(envelope.occurred_at, style) if "{time}" in plan.template else "",
            "reply_to": _shortened(f"{quote.sender}: {quote.text}", style) if quote else "",
        },
        formats,
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
    format_ = composing.format_of(envelope, plan, capabilities.formats)
    text = text_of(envelope, plan, platform=platform, style=style, formats=capabilities.formats)
    if reply_to is None and envelope.message.quote and "{reply_to}" not in plan.template:
        text = _quoted(envelope, style, text, format_)
    if envelope.kind is EventKind.EDIT and not in_place:
        text = composing.marked(_WORDS[style.language]["edited"], text, format_)
    if envelope.message.buttons and capabilities.buttons is Support.FALLBACK:
        text = composing.with_buttons(text, envelope.message.buttons, format_)
    late = (now - envelope.received_at).total_seconds() > style.late_after
    draft = _Draft(delivery, capabilities, style, format_, late=late)
    parts = draft.parts(text, () if plan.attachments is AttachmentMode.DROP else resolved)
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


@dataclass(slots=True)
class _Draft:
    """Cuts one delivery into parts. Not frozen: one is made for every message."""

    delivery: Delivery
    capabilities: Capabilities
    style: Style
    format: TextFormat
    late: bool

    def parts(self, text: str, resolved: Sequence[Resolved]) -> list[tuple[str, tuple[Attachment, ...]]]:
        """Texts, and files that go by themselves."""
        uploads = bool(resolved) and self._uploads()
        if uploads and not self.delivery.envelope.message.text.strip():
            text = text.rstrip()
        links = [] if uploads else [self._line(one) for one in resolved]
        whole = self._with(links, text) if links else text
        if self.late:
            whole = self._marked(whole)
        if not uploads and self._is_one_part(whole):
            return [(whole, ())]
        texts = self._cut(text, self._late_room())
        if self.late:
            texts = (self._marked(texts[0] if texts else ""), *texts[1:])
        texts += self._cut(composing.listed(links, self.format))
        files = [self._upload(one) for one in resolved] if uploads else []
        return [*((part, ()) for part in texts), *files]

    def _with(self, links: Sequence[str], text: str) -> str:
        """Where a post is a line and nothing was said, a link stands on the line of who sent it."""
        said = self.delivery.envelope.message.text.strip()
        alone = self.capabilities.one_line and not said
        return (composing.beside if alone else composing.below)(text, links, self.format)

    def _is_one_part(self, whole: str) -> bool:
        """A delivery of which a part is out was not one part, whatever it would be now."""
        if self.delivery.parts or (self.capabilities.one_line and "\n" in whole):
            return False
        return self._measure(whole) <= self.capabilities.max_text

    def _cut(self, text: str, room: int = 0) -> tuple[str, ...]:
        """Parts that leave ``room``; where a post is a line, every line is one."""
        lines = composing.single_lines(text, self.format) if self.capabilities.one_line else (text,)
        limit = self.capabilities.max_text - room
        return tuple(part for line in lines for part in split(line, limit, self._measure, self.format))

    @property
    def _measure(self) -> Callable[[str], int]:
        if self.format is TextFormat.MARKDOWN and self.capabilities.measure_markdown:
            return self.capabilities.measure_markdown
        return self.capabilities.measure

    # --- the late mark ---

    def _marked(self, text: str) -> str:
        mark = _late_mark(self.delivery.envelope.occurred_at, self.style)
        return composing.marked(mark if text else mark.rstrip(), text, self.format)

    def _late_room(self) -> int:
        """What the mark takes at most, in front of whatever."""
        gap = "\n\n" if self.format is TextFormat.MARKDOWN else " "
        return self._measure(self._marked("") + gap)

    # --- attachments ---

    def _uploads(self) -> bool:
        plan, able = self.delivery.route.plan, self.capabilities.attachments
        return plan.attachments is AttachmentMode.UPLOAD and able is Support.NATIVE

    def _upload(self, one: Resolved) -> tuple[str, tuple[Attachment, ...]]:
        """A part of its own, so that what is out is known; in words where there is nothing to upload."""
        return (self._line(one), ()) if one.why_not else ("", (one.attachment,))

    def _line(self, one: Resolved) -> str:
        """What stands for an attachment in a text."""
        if not one.why_not:
            return composing.link_line(one.attachment.url, self.format)
        note = _WORDS[self.style.language][one.attachment.kind]
        said = note.format(why=one.why_not, name=one.attachment.filename)
        return composing.link_line(said, self.format)


def _in_words(envelope: Envelope, style: Style) -> Envelope:
    """A reaction as a short line."""
    emoji = envelope.reaction.emoji if envelope.reaction is not None else ""
    text = _WORDS[style.language]["reacted"].format(emoji=emoji)
    return replace(envelope, message=replace(envelope.message, text=text, format=TextFormat.PLAIN))


def _native_buttons(envelope: Envelope, capabilities: Capabilities) -> tuple[Button, ...]:
    return envelope.message.buttons if capabilities.buttons is Support.NATIVE else ()


def _quoted(envelope: Envelope, style: Style, text: str, format_: TextFormat) -> str:
    quote = envelope.message.quote
    if quote is None or not quote.text:
        return text
    who = f"{quote.sender}: " if quote.sender else ""
    return composing.quoted(_shortened(who + _itself(quote.text), style), text, format_)


def _itself(quoted: str) -> str:
    """What was said, without the lines that it quoted at its head in turn."""
    lines = quoted.split("\n")
    said = dropwhile(lambda line: not line.strip() or line.lstrip().startswith(">"), lines)
    return "\n".join(said) or quoted


def _shortened(text: str, style: Style) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED else line[:_QUOTED] + _WORDS[style.language]["more"]


def _late_mark(at: datetime, style: Style) -> str:
    return _WORDS[style.language]["late"].format(time=_clock_time(at, style))


def _clock_time(at: datetime, style: Style) -> str:
    return f"{at.astimezone(style.zone):%m-%d %H:%M}"
