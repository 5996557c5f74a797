"""
What we say, as a text with entities, counted in UTF-16 units. Pure.

No ``parse_mode``: nothing that somebody typed is markup. https://core.telegram.org/bots/api#messageentity
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bridge.model import TextFormat
from bridge.text import Span, SpanKind, flatten, read_markdown
from bridge.text.spans import units
from bridge.wild import clean_name, clean_text

from .insertions import inserted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.model import Mention, Outgoing

LONGEST = 4096
"""UTF-16 units of a message. https://core.telegram.org/bots/api#sendmessage"""
LONGEST_CAPTION = 1024
MAX_TEXT = 4000
"""What is planned with: the rest is for people whom a rule calls, and for numbers of lists."""
_MOST_ENTITIES = 100

UNSEEN = "\u2060"
"""A joiner without width: behind ``@`` or ``/`` no client takes a word for a name or a command."""

_TYPES = {
    SpanKind.STRONG: "bold",
    SpanKind.EMPHASIS: "italic",
    SpanKind.STRIKE: "strikethrough",
    SpanKind.CODE: "code",
    SpanKind.CODE_BLOCK: "pre",
    SpanKind.LINK: "text_link",
    SpanKind.QUOTE: "blockquote",
}
_LITERAL = (SpanKind.CODE, SpanKind.CODE_BLOCK)
# What Telegram makes a mention or a command of, and URLs, in which it looks for neither. It takes
# something for a URL only where the host has a dot: "https://x/@ada" would be a mention.
_HOST = r"https?://(?:[A-Za-z0-9-]{1,63}\.){1,10}[A-Za-z]{2,63}"
_ACTIVE = re.compile(
    rf"(?P<url>(?<![A-Za-z0-9_]){_HOST}(?::[0-9]{{1,5}})?(?:/[^\s<>]*)?)"
    r"|(?<![A-Za-z0-9_])@(?=[A-Za-z0-9_])"
    r"|(?<![\w/<>])/(?=[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{1,32})?(?![A-Za-z0-9_/<>]))"
)
_OPENS = re.compile(r"https?://[^\s/?#@]+\.[^\s/?#@.]+(?:[/?#]\S*)?", re.IGNORECASE).fullmatch
_USERNAME = re.compile(r"@?([A-Za-z][A-Za-z0-9_]{3,31})").fullmatch
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Said:
    """``entities`` as the Bot API takes them."""

    text: str
    entities: tuple[dict[str, Any], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Telegram takes no message of blanks."""
        return not self.text.replace(UNSEEN, "").strip()


def measure(text: str) -> int:
    """UTF-16 units that ``text`` has at most when nothing in it is a mention or a command."""
    return units(text) + text.count("@") + text.count("/")


def said(outgoing: Outgoing) -> Said:
    """The text of ``outgoing``: it pings nobody but whom ``outgoing.mentions`` names."""
    spans: tuple[Span, ...] = ()
    text = clean_text(outgoing.text)
    if outgoing.format is TextFormat.MARKDOWN:
        text, spans = flatten(read_markdown(text))
    text, spans = _with_bare_urls(text, spans)
    text, spans = inserted(text, spans, list(_harmless(text, spans)))
    called, entities = _called(outgoing.mentions)
    ahead = units(called)
    found = [_entity(replace(span, offset=span.offset + ahead)) for span in spans]
    return Said(called + text, (*entities, *found)[:_MOST_ENTITIES])


def with_links(spoken: Said, urls: Sequence[str]) -> Said:
    """``spoken`` above URLs that others chose, which ping nobody either."""
    if not urls:
        return spoken
    lines = [inserted(url, (), list(_harmless(url, ())))[0] for url in map(clean_name, urls)]
    if spoken.is_empty:
        return Said("\n".join(lines))
    return Said("\n".join([spoken.text, *lines]), spoken.entities)


def marked(spoken: Said, mark: str) -> Said:
    """``spoken`` behind a mark of ours, where there is room."""
    if units(mark + spoken.text) > LONGEST:
        return spoken
    moved = ({**one, "offset": one["offset"] + units(mark)} for one in spoken.entities)
    return Said(mark + spoken.text, tuple(moved))


def _with_bare_urls(text: str, spans: Sequence[Span]) -> tuple[str, tuple[Span, ...]]:
    """
    Links that Telegram would refuse, or that would be more than links (``tg://user?id=`` is a mention),
    in words; none where the URL itself is what is seen, for that becomes a link by itself.
    """
    raw = text.encode("utf-16-le", "surrogatepass")
    kept, words = [], []
    for span in spans:
        stop = span.offset + span.length
        label = raw[2 * span.offset : 2 * stop].decode("utf-16-le", "replace").strip()
        if span.kind is not SpanKind.LINK:
            kept.append(span)
        elif label in (span.url, span.url.removeprefix("mailto:")):
            continue
        elif _OPENS(span.url):
            kept.append(span)
        else:
            words.append((stop, f" ({clean_name(span.url)})"))
    return inserted(text, kept, words)


def _harmless(text: str, spans: Sequence[Span]) -> Iterator[tuple[int, str]]:
    """Where `UNSEEN` is put, in UTF-16 units. In code Telegram looks for nothing."""
    literal = [(span.offset, span.offset + span.length) for span in spans if span.kind in _LITERAL]
    at = done = 0
    for found in _ACTIVE.finditer(text):
        at += units(text[done : found.start()])
        done = found.start()
        if found["url"] is None and not any(start <= at < stop for start, stop in literal):
            yield at + 1, UNSEEN


def _called(mentions: Sequence[Mention]) -> tuple[str, list[dict[str, Any]]]:
    """Whom a rule wants to ping, by ``@username``, or by a number that Telegram knows."""
    text, entities = "", []
    for mention in mentions:
        if name := _USERNAME(mention.user_id):
            text += f"@{name[1]} "
        elif mention.user_id.isascii() and mention.user_id.isdecimal():
            label = clean_name(mention.display_name) or mention.user_id
            user = {"id": int(mention.user_id), "is_bot": False, "first_name": label}
            entities.append(
                {
                    "type": "text_mention",
                    "offset": units(text),
                    "length": units(label),
                    "user": user,
                }
            )
            text += f"{label} "
    return text, entities


def _entity(span: Span) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "type": _TYPES[span.kind],
        "offset": span.offset,
        "length": span.length,
    }
    if span.kind is SpanKind.LINK:
        entity["url"] = span.url
    if span.kind is SpanKind.CODE_BLOCK and _LANGUAGE(span.language):
        entity["language"] = span.language
    return entity
