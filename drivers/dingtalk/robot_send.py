"""
Messages for a webhook, a group robot's or a session's, on the wire. Pure.

https://open.dingtalk.com/document/orgapp/custom-bot-send-message-type and
https://open.dingtalk.com/document/robots/customize-robot-security-settings
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from bridge.errors import Refused
from bridge.model import Receipt, TextFormat, UserId

from . import webhook_failures
from .markdown import growth, in_markdown
from .openapi import title_of
from .signature import sign

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bridge.model import Button, Outgoing

HEADERS = {"content-type": "application/json; charset=utf-8"}
EVERYBODY = UserId("@all")
"""The id of a mention of everybody; no staff id begins with ``@``."""

MAX_BODY = 20_000
"""Bytes of a whole body, in UTF-8."""
MAX_MENTIONS = 50
_MAX_UUID = 64
_TITLE_BYTES = 64 * 6
_FRAME = len(
    '{"msgtype":"actionCard","actionCard":{"title":"","text":"","btnOrientation":"0","btns":[]},'
    '"at":{"atUserIds":[],"isAtAll":false},"msgUuid":""}'
)
MAX_TEXT = MAX_BODY - _FRAME - _TITLE_BYTES - _MAX_UUID
"""What is left for a text without a keyword, by `measure`, whatever the title."""

# What pings people where it stands in a text. The full-width sign looks the same to a reader and is
# no mention; an invisible character behind "@" would be stripped by some clients, and ping after all.
_PINGS = re.compile(r"@(?=all|所有人|everyone|\d)", re.IGNORECASE)
_PINGS_IN_CARD = re.compile(r"@(?=\S)")
_HARMLESS_AT = "＠"

_quoted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Posted:
    """A body, and what was left out of it."""

    body: bytes
    notes: tuple[str, ...] = ()

    @property
    def receipt(self) -> Receipt:
        """Of a body that was taken. It has no id: a webhook gives none."""
        return Receipt(notes=self.notes)


@dataclass(frozen=True, slots=True)
class Wording:
    """The bridge's own words in a message: a title where there is none, a label for a link."""

    title: str = "Message"
    open: str = "Open"


WORDINGS = {"en": Wording(), "zh": Wording(title="消息", open="打开")}


def measure_markdown(text: str) -> int:
    """As `measure`, of a text that will be in DingTalk's dialect."""
    return measure(text) + growth(text)


def measure(text: str) -> int:
    """
    Bytes that ``text`` can take in a body: UTF-8, JSON's escapes, and what making it harmless adds.

    Never less than it takes, and the same wherever a text is cut.
    """
    written = len(_quoted(text).encode("utf-8", "replace")) - 2
    return written + 2 * text.count("@") + 2 * text.count("\n")


def max_text(keyword: str = "") -> int:
    """Room for a text, by `measure`, when the keyword has to be added to it."""
    return MAX_TEXT - (measure("\n" + keyword) if keyword else 0)


def harmless(text: str, *, card: bool = False) -> str:
    """
    Relayed text that pings nobody: ``@all``, ``@所有人`` and ``@<digits>`` lose their sign.

    In a card every ``@<word>`` does: there DingTalk looks for mentions in the text alone.
    """
    return (_PINGS_IN_CARD if card else _PINGS).sub(_HARMLESS_AT, text)


def signed(url: str, secret: str, now: datetime) -> str:
    """
    ``url`` with ``timestamp`` and ``sign``, the base64 percent-encoded once; as it is without a secret.

    https://open.dingtalk.com/document/robots/customize-robot-security-settings
    """
    if not secret:
        return url
    timestamp = str(int(now.timestamp() * 1000))
    joint = "&" if urlsplit(url).query else "?"
    return f"{url}{joint}timestamp={timestamp}&sign={quote(sign(timestamp, secret), safe='')}"


def encode(outgoing: Outgoing, wording: Wording, *, keyword: str = "") -> Posted:
    """
    The body of one message: a link for one button without a label, a card for buttons with labels,
    else text or Markdown.

    Only ``outgoing.mentions`` ping. Mentions and buttons that do not fit are left out, with a note.
    Raises `Refused` for a text that is longer than `max_text`.
    """
    buttons = [button for button in outgoing.buttons if opens(button)]
    notes = []
    if dropped := len(outgoing.buttons) - len(buttons):
        notes.append(f"{dropped} buttons left out: DingTalk can open no URL of theirs")
    title = harmless(title_of(outgoing, wording.title))
    content = outgoing.text if outgoing.text.strip() else title
    content = harmless(content, card=bool(buttons))
    kind = _kind(outgoing, buttons)
    if kind == "actionCard" and outgoing.format is TextFormat.PLAIN:
        content = in_markdown(content)
    if keyword and keyword not in content:
        content += f"\n{keyword}"
    message = _Message(kind, title, content, wording, _uuid(outgoing.idempotency_key))
    room = MAX_BODY - len(message.written([], []))
    if room < 0 and not buttons:
        raise Refused("longer than the 20000 bytes that DingTalk takes", reason="too_long")
    fitting, room = _fitting_buttons(buttons, room, wording)
    if buttons and not fitting:
        plain = encode(replace(outgoing, buttons=()), wording, keyword=keyword)
        note = f"{len(buttons)} buttons left out: there is no room for them"
        return Posted(plain.body, (*notes, note, *plain.notes))
    if left := len(buttons) - len(fitting):
        notes.append(f"{left} buttons left out: there is no room for them")
    mentions = _fitting_mentions(outgoing, room) if message.can_mention else []
    if left := len(outgoing.mentions) - len(mentions):
        why = "there is no room for them" if message.can_mention else "a link mentions nobody"
        notes.append(f"{left} mentions left out: {why}")
    return Posted(message.written(fitting, mentions), tuple(notes))


def decode(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
    """Raises a `DeliveryError` for every answer that is not a good one."""
    if not webhook_failures.success(status, body):
        raise webhook_failures.failure(status, headers, body, now=now)


@dataclass(frozen=True, slots=True)
class _Message:
    """One message but for its buttons and mentions, of which there may be too many."""

    kind: str
    title: str
    content: str
    wording: Wording
    uuid: str

    @property
    def can_mention(self) -> bool:
        return self.kind != "link"

    def written(self, buttons: Sequence[Button], mentions: Sequence[UserId]) -> bytes:
        people = [one for one in mentions if one != EVERYBODY]
        said = self.content + "".join(f" @{one}" for one in people)
        body: dict[str, Any] = {"msgtype": self.kind, self.kind: self._inner(said, buttons)}
        if self.kind in ("text", "markdown"):
            body["at"] = {"atUserIds": people, "isAtAll": EVERYBODY in mentions}
        return _written({**body, "msgUuid": self.uuid})

    def _inner(self, said: str, buttons: Sequence[Button]) -> dict[str, Any]:
        match self.kind:
            case "text":
                return {"content": said}
            case "markdown":
                return {"title": self.title, "text": said}
            case "link":
                url = buttons[0].url if buttons else ""
                return {"title": self.title, "text": said, "messageUrl": url}
        card = {"title": self.title, "text": said, "btnOrientation": "0"}
        if len(buttons) == 1:
            button = buttons[0]
            return {**card, "singleTitle": _label(button, self.wording), "singleURL": button.url}
        return {**card, "btns": [_action(button, self.wording) for button in buttons]}


def opens(button: Button) -> bool:
    """Whether DingTalk can open its URL: of the web, or of its own client."""
    return button.url.partition("://")[0].lower() in ("http", "https", "dingtalk")


def _kind(outgoing: Outgoing, buttons: Sequence[Button]) -> str:
    if len(buttons) == 1 and not buttons[0].label.strip():
        return "link"
    if buttons:
        return "actionCard"
    return "markdown" if outgoing.format is TextFormat.MARKDOWN else "text"


def _label(button: Button, wording: Wording) -> str:
    return button.label.strip() or wording.open


def _action(button: Button, wording: Wording) -> dict[str, str]:
    return {"title": _label(button, wording), "actionURL": button.url}


def _fitting_buttons(buttons: Sequence[Button], room: int, wording: Wording) -> tuple[list[Button], int]:
    """As many as fit, in order, and the bytes that are left then."""
    fitting = []
    for button in buttons:
        # One button alone is written in longer words than one of many.
        size = len(_written(_action(button, wording))) + len(',"singleTitle":,"singleURL":')
        if size > room:
            break
        room -= size
        fitting.append(button)
    return fitting, room


def _fitting_mentions(outgoing: Outgoing, room: int) -> list[UserId]:
    fitting: list[UserId] = []
    for user_id in dict.fromkeys(mention.user_id for mention in outgoing.mentions):
        size = 2 * measure(user_id) + len(' @"",')
        if size > room or len(fitting) == MAX_MENTIONS:
            break
        room -= size
        fitting.append(user_id)
    return fitting


def _uuid(idempotency_key: str) -> str:
    if len(idempotency_key.encode("utf-8", "replace")) <= _MAX_UUID:
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode("utf-8", "replace")).hexdigest()


def _written(body: Mapping[str, Any]) -> bytes:
    return _quoted(body).encode("utf-8", "replace")
