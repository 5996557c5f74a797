"""What we post, as the contents of events. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from bridge.model import AttachmentKind

from . import texts

if TYPE_CHECKING:
    from bridge.model import Attachment, MessageId, Outgoing

HTML = "org.matrix.custom.html"
_MSGTYPES = {
    AttachmentKind.IMAGE: "m.image",
    AttachmentKind.AUDIO: "m.audio",
    AttachmentKind.VIDEO: "m.video",
    AttachmentKind.FILE: "m.file",
}
_USER_ID = re.compile(r"@[^\s:]{1,250}:[^\s:]+(?::\d{1,5})?").fullmatch
_SHORT = 500
_LONG = 4000
"""Bytes of an edit's words from which on those who know no edits see only the first of them."""

Content = dict[str, Any]


def transaction(*names: str) -> str:
    """
    The same for the same ``names``: the homeserver posts what it gets twice under it once.

    https://spec.matrix.org/v1.16/client-server-api/#transaction-identifiers
    """
    return hashlib.sha256("\0".join(names).encode("utf-8", "replace")).hexdigest()[:40]


def message(outgoing: Outgoing, msgtype: str) -> Content:
    """An ``m.room.message``; nobody is called but whom the rule names."""
    return {**_said(outgoing, msgtype), **_answers(outgoing.reply_to)}


def edit(outgoing: Outgoing, msgtype: str, target: MessageId) -> Content:
    """An ``m.room.message`` that says something else in place of ``target``."""
    said = _said(outgoing, msgtype)
    first = dict(said)
    if texts.measure(first["body"]) + texts.measure(first.get("formatted_body", "")) > _LONG:
        first = {"msgtype": msgtype, "body": first["body"][:_SHORT] + "…", "m.mentions": {}}
    first["body"] = f"* {first['body']}"
    if "formatted_body" in first:
        first["formatted_body"] = f"* {first['formatted_body']}"
    return {
        **first,
        "m.mentions": {},
        "m.new_content": said,
        "m.relates_to": {"rel_type": "m.replace", "event_id": target},
    }


def media(attachment: Attachment, mxc: str, outgoing: Outgoing, size: int, media_type: str) -> Content:
    """An ``m.room.message`` with a file, and the outgoing's text as its caption."""
    filename = attachment.filename or "file"
    said: Content = {"body": filename, "m.mentions": {}}
    if outgoing.text:
        said = _said(outgoing, "")
        del said["msgtype"]
    return {
        **said,
        "msgtype": _MSGTYPES[attachment.kind],
        "filename": filename,
        "url": mxc,
        "info": {"mimetype": media_type, "size": size},
        **_answers(outgoing.reply_to),
    }


def reaction(target: MessageId, emoji: str) -> Content:
    """An ``m.reaction``."""
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": emoji}}


def _said(outgoing: Outgoing, msgtype: str) -> Content:
    called = tuple(dict.fromkeys(one.user_id for one in outgoing.mentions if _USER_ID(one.user_id)))
    body, html = texts.write_body(outgoing.text, outgoing.format, called)
    said: Content = {"msgtype": msgtype, "body": body}
    if html:
        said |= {"format": HTML, "formatted_body": html}
    return said | {"m.mentions": {"user_ids": list(called)} if called else {}}


def _answers(target: MessageId | None) -> Content:
    return {"m.relates_to": {"m.in_reply_to": {"event_id": target}}} if target else {}
