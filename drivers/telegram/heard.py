"""The text of somebody's message, with its entities, in the bridge's own form. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from bridge.errors import Malformed
from bridge.model import Mention, TextFormat, UserId
from bridge.text import Span, SpanKind, from_spans, write_markdown
from bridge.wild import clean_name

from .insertions import inserted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.wild import Wild

_KINDS = {
    "bold": SpanKind.STRONG,
    "italic": SpanKind.EMPHASIS,
    "strikethrough": SpanKind.STRIKE,
    "code": SpanKind.CODE,
    "pre": SpanKind.CODE_BLOCK,
    "text_link": SpanKind.LINK,
    "blockquote": SpanKind.QUOTE,
    "expandable_blockquote": SpanKind.QUOTE,
}
_MOST_ENTITIES = 200
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said, and who is called in it: by ``@username``, or by the number of a user."""

    text: str
    format: TextFormat
    mentions: tuple[Mention, ...]

    def calls(self, *names: str) -> bool:
        """Whether one of these (``@name``, or a number) is mentioned."""
        called = {mention.user_id.lower() for mention in self.mentions}
        return any(name.lower() in called for name in names if name)


@dataclass(frozen=True, slots=True)
class _Entity:
    type: str
    offset: int
    length: int
    wild: Wild

    @property
    def stop(self) -> int:
        return self.offset + self.length


def heard(text: str, entities: Wild) -> Heard:
    """
    Markdown where something is stressed, plain text elsewhere. Of people without a username Telegram
    writes the bare name: they get their ``@`` here. An entity without sense is left out.
    """
    found = list(_entities(entities))
    spans = [span for entity in found if (span := _span(entity))]
    mentions = tuple(mention for entity in found if (mention := _mention(entity, text)))
    size = len(text.encode("utf-16-le", "surrogatepass")) // 2
    ats = [(one.offset, "@") for one in found if one.type == "text_mention" and one.offset < size]
    text, placed = inserted(text, spans, ats)
    if not placed:
        return Heard(text, TextFormat.PLAIN, mentions)
    return Heard(write_markdown(from_spans(text, placed)), TextFormat.MARKDOWN, mentions)


def _entities(entities: Wild) -> Iterator[_Entity]:
    for wild in islice(entities, _MOST_ENTITIES):
        offset, length = _whole(wild["offset"]), _whole(wild["length"])
        if 0 < length <= _LARGEST and offset <= _LARGEST:
            yield _Entity(_words(wild["type"]), offset, length, wild)


def _whole(wild: Wild) -> int:
    """A number that is not below zero; 0 for what is none."""
    try:
        return max(wild.number(), 0)
    except Malformed:
        return 0


def _words(wild: Wild) -> str:
    return wild.text() if wild.is_text else ""


def _span(entity: _Entity) -> Span | None:
    kind = _KINDS.get(entity.type)
    if kind is None:
        return None
    url = _words(entity.wild["url"])
    if kind is SpanKind.LINK and not url:
        return None
    return Span(entity.offset, entity.length, kind, url, _words(entity.wild["language"]))


def _mention(entity: _Entity, text: str) -> Mention | None:
    raw = text.encode("utf-16-le", "surrogatepass")[2 * entity.offset : 2 * entity.stop]
    word = clean_name(raw.decode("utf-16-le", "replace"))
    match entity.type:
        case "mention" | "bot_command" if name := word.partition("@")[2]:
            return Mention(UserId(f"@{name}"), name)
        case "text_mention" if number := _whole(entity.wild["user"]["id"]):
            return Mention(UserId(str(number)), word)
    return None
