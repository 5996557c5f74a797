"""What somebody said, as an envelope. Pure."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bridge.model import (
    ConversationId,
    ConversationRef,
    Envelope,
    EventId,
    EventKind,
    Inbound,
    InstanceId,
    Message,
    MessageId,
    Quote,
    Sender,
    TextFormat,
    UserId,
)
from bridge.text.markdown_out import write_markdown
from bridge.text.tree import Document, Emphasis, Paragraph
from bridge.wild import clean_name, clean_text

from . import codes, wire
from .network import lowered
from .settings import conversation_of

if TYPE_CHECKING:
    from irctokens.line import Line

    from .network import Network

_MAX_ID = 256
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


class Ids:
    """Event ids for servers that give none: IRC repeats nothing, so each line is an event of its own."""

    def __init__(self, started: str) -> None:
        """``started`` is different for every start of the bridge."""
        self._started = started
        self._serial = 0

    def next(self, line: Line) -> str:
        self._serial += 1
        said = "\0".join((line.source or "", *line.params)).encode("utf-8", "replace")
        return f"{self._started}-{self._serial:x}-{hashlib.sha256(said).hexdigest()[:16]}"


def normalize(
    line: Line, *, instance: InstanceId, network: Network, nick: str, now: datetime, ids: Ids
) -> Inbound:
    """
    A PRIVMSG or NOTICE of somebody else, when our nick is ``nick``; an ignored reason for what is not
    for a bridge. ``now`` is in UTC.
    """
    tags, (target, said) = line.tags or {}, line.params[-2:]
    source = line.source or ""
    who = source.partition("!")[0]
    name = clean_name(who)
    if not name or "!" not in source:
        return Inbound(ignored="from_server")
    direct = not network.is_channel(target)
    if direct and network.fold(target) != network.fold(nick):
        return Inbound(ignored="not_for_us")  # to some of a channel (@#channel), or to a mask
    if direct and line.command == "NOTICE":
        return Inbound(ignored="direct_notice")
    text, format_ = _text(said)
    if not text.strip():
        return Inbound(ignored="empty")
    message_id = _identifier(tags.get("msgid")) or ids.next(line)
    answered = _identifier(tags.get("+draft/reply") or tags.get("+reply"))
    envelope = Envelope(
        id=EventId(message_id),
        kind=EventKind.NOTICE if line.command == "NOTICE" else EventKind.MESSAGE,
        source=ConversationRef(
            instance, conversation_of(name) if direct else ConversationId(lowered(target))
        ),
        sender=Sender(
            id=UserId(lowered(name)),
            display_name=name,
            username=clean_name(tags.get("account") or ""),
            is_bot="bot" in tags or "draft/bot" in tags,
        ),
        message=Message(
            id=MessageId(message_id),
            text=text,
            format=format_,
            quote=Quote(id=MessageId(answered)) if answered else None,
        ),
        occurred_at=_time(tags.get("time"), now),
        received_at=now,
        conversation_title="" if direct else clean_name(target),
        direct=direct,
        mentions_bot=direct or names(text, (nick,)) is not None,
    )
    return Inbound((envelope,))


def names(text: str, nicks: tuple[str, ...]) -> re.Match[str] | None:
    """Where one of ``nicks`` stands as a word of its own, as clients that highlight see it."""
    return re.search(
        rf"(?<![\w\[\]{{}}\\|^`-])(?:{'|'.join(map(re.escape, nicks))})(?![\w\[\]{{}}\\|^`-])",
        text,
        re.IGNORECASE,
    )


def _text(said: str) -> tuple[str, TextFormat]:
    """The words of a line; in Markdown only where it has codes that mean something."""
    asked = wire.ctcp(said)
    if asked is None and codes.is_plain(said):
        return clean_text(said), TextFormat.PLAIN
    inlines = codes.read(said if asked is None else asked[1])
    if not inlines:
        return "", TextFormat.PLAIN
    if asked is not None:
        inlines = (Emphasis(inlines),)
    return write_markdown(Document((Paragraph(inlines),))), TextFormat.MARKDOWN


def _identifier(given: str | None) -> str:
    return given if given and given.isprintable() and len(given) <= _MAX_ID else ""


def _time(given: str | None, now: datetime) -> datetime:
    """``server-time``, where it is one. https://ircv3.net/specs/extensions/server-time"""
    if given and _TIME.fullmatch(given):
        try:
            return datetime.fromisoformat(given).astimezone(UTC)
        except ValueError:
            return now
    return now
