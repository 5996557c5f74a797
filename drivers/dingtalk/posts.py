"""
One message of an app robot as ``msgKey`` and ``msgParam``. Pure.

https://open.dingtalk.com/document/orgapp/types-of-messages-sent-by-robots
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.model import AttachmentKind, TextFormat

from .markdown import in_markdown
from .message_templates import MAX_PARAM
from .openapi import title_of
from .robot_send import opens

if TYPE_CHECKING:
    from bridge.model import Button, Outgoing

    from .robot_send import Wording

MOST_BUTTONS = 5
"""Of one card; the templates for six have two, side by side."""

_quoted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Post:
    """A template's name and its parameters, which are JSON in a text."""

    msg_key: str
    param: str

    @property
    def fits(self) -> bool:
        return len(self.param.encode("utf-8", "replace")) <= MAX_PARAM


def compose(outgoing: Outgoing, wording: Wording) -> tuple[Post, tuple[str, ...]]:
    """
    Text, Markdown, a link or a card, and notes of what was left out of it.

    One button is a card that opens it, two to five are a card with buttons; what is more stands as
    links in the text. A single button without a label is a link card, where there is a picture. A
    message in DingTalk's own form goes out as it is.
    """
    if outgoing.raw is not None:
        return Post(outgoing.raw.name, outgoing.raw.parameters), ()
    buttons = [button for button in outgoing.buttons if opens(button)]
    notes = []
    if dropped := len(outgoing.buttons) - len(buttons):
        notes.append(f"{dropped} buttons left out: DingTalk can open no URL of theirs")
    for count in range(len(buttons), 0, -1):
        post = _with_buttons(outgoing, buttons[:count], wording)
        if post.fits:
            if left := len(buttons) - count:
                notes.append(f"{left} buttons left out: there is no room for them")
            return post, tuple(notes)
    if buttons:
        notes.append(f"{len(buttons)} buttons left out: there is no room for them")
    return text_post(outgoing, wording), tuple(notes)


def text_post(outgoing: Outgoing, wording: Wording) -> Post:
    """Without buttons: plain text goes out byte for byte."""
    if outgoing.format is TextFormat.MARKDOWN:
        params = {"title": title_of(outgoing, wording.title), "text": outgoing.text}
        return Post("sampleMarkdown", _quoted(params))
    return Post("sampleText", f'{{"content":{_quoted(outgoing.text)}}}')


def picture_post(photo: str) -> Post:
    """``photo`` is a URL, or a ``mediaId``."""
    return Post("sampleImageMsg", _quoted({"photoURL": photo}))


def audio_post(media_id: str, milliseconds: int) -> Post:
    return Post("sampleAudio", _quoted({"mediaId": media_id, "duration": str(milliseconds)}))


def video_post(media_id: str, cover_id: str, milliseconds: int) -> Post:
    """Of an ``mp4``; here DingTalk counts in seconds."""
    params = {
        "duration": str(max(1, round(milliseconds / 1000))),
        "videoMediaId": media_id,
        "videoType": "mp4",
        "picMediaId": cover_id,
    }
    return Post("sampleVideo", _quoted(params))


def file_post(media_id: str, filename: str, extension: str) -> Post:
    params = {"mediaId": media_id, "fileName": filename, "fileType": extension}
    return Post("sampleFile", _quoted(params))


def _with_buttons(outgoing: Outgoing, buttons: Sequence[Button], wording: Wording) -> Post:
    said = outgoing.text if outgoing.text.strip() else title_of(outgoing, wording.title)
    text = in_markdown(said) if outgoing.format is TextFormat.PLAIN else said
    links = [f"[{_label(button, wording)}]({button.url})" for button in buttons[MOST_BUTTONS:]]
    card = {"title": title_of(outgoing, wording.title), "text": "\n\n".join([text, *links])}
    buttons = buttons[:MOST_BUTTONS]
    if len(buttons) > 1:
        for number, button in enumerate(buttons, 1):
            card[f"actionTitle{number}"] = _label(button, wording)
            card[f"actionURL{number}"] = button.url
        return Post(f"sampleActionCard{len(buttons)}", _quoted(card))
    button = buttons[0]
    if not button.label.strip() and (picture := picture_of(outgoing)):
        link = {**card, "text": said, "picUrl": picture, "messageUrl": button.url}
        return Post("sampleLink", _quoted(link))
    single = {"singleTitle": _label(button, wording), "singleURL": button.url}
    return Post("sampleActionCard", _quoted({**card, **single}))


def picture_of(outgoing: Outgoing) -> str:
    """The URL of the first picture; empty if there is none."""
    pictures = (one.url for one in outgoing.attachments if one.kind is AttachmentKind.IMAGE)
    return next(pictures, "")


def _label(button: Button, wording: Wording) -> str:
    return button.label.strip() or wording.open
