"""What the simulated Telegram makes of a text and its entities. https://core.telegram.org/api/entities"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bridge.text.spans import units

from .simulated_calls import Refusal, nested, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TYPES = frozenset(
    {"bold", "italic", "underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote"}
    | {"code", "pre", "text_link", "text_mention", "custom_emoji"}
)
_MOST = 100
# Without a scheme only where the end of the host is well known.
_URL = re.compile(
    r"(?:https?://(?:[\w-]+\.)+[a-z]{2,}|(?:[\w-]+\.)+(?:com|org|net|cn|me))(?::\d+)?(?:/\S*)?",
    re.IGNORECASE,
)
_MENTION = re.compile(r"(?<!\w)@([A-Za-z0-9_]{2,32})\b")
_COMMAND = re.compile(r"(?<![\w/<>])/([A-Za-z0-9_]{1,64})(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])")


def checked(params: Mapping[str, Any], key: str, most: int) -> tuple[str, list[dict[str, Any]]]:
    """The text under ``key`` as it is shown, and its entities with those that Telegram finds."""
    text = words(params, key)
    given = nested(params, "entities" if key == "text" else "caption_entities", [])
    if units(text.strip()) > most:
        what = "message" if key == "text" else "message caption"
        raise Refusal(f"Bad Request: {what} is too long")
    for entity in given:
        _check(entity, text)
    kept = sorted(given[:_MOST], key=lambda one: (one["offset"], -one["length"]))
    return _trimmed(text, [*kept, *_found(text, kept)])


def _check(entity: Mapping[str, Any], text: str) -> None:
    if entity.get("type") not in _TYPES:
        raise Refusal("Bad Request: can't parse entities: unsupported type")
    start, length = entity.get("offset"), entity.get("length")
    if not isinstance(start, int) or not isinstance(length, int) or start < 0 or length <= 0:
        raise Refusal("Bad Request: can't parse entities: wrong place")
    raw = text.encode("utf-16-le", "surrogatepass")
    if 2 * (start + length) > len(raw):
        raise Refusal("Bad Request: can't parse entities: beyond the end of the text")
    try:
        raw[2 * start : 2 * (start + length)].decode("utf-16-le")
    except UnicodeDecodeError:
        raise Refusal("Bad Request: can't parse entities: in the middle of a character") from None
    if entity["type"] == "text_link" and "." not in str(entity.get("url", "")):
        raise Refusal("Bad Request: can't parse entities: wrong URL")


def _trimmed(text: str, entities: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Without the blanks around it, which nobody gets to see."""
    bare = text.strip()
    ahead = units(text[: len(text) - len(text.lstrip())])
    shown = units(bare)
    moved = []
    for entity in entities:
        start = max(entity["offset"] - ahead, 0)
        stop = min(entity["offset"] + entity["length"] - ahead, shown)
        if start < stop:
            moved.append({**entity, "offset": start, "length": stop - start})
    return bare, moved


def _found(text: str, given: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Mentions and commands, outside of code and of URLs."""
    closed = [
        (one["offset"], one["offset"] + one["length"])
        for one in given
        if one["type"] in ("code", "pre", "text_mention")
    ]
    urls = [found.span() for found in _URL.finditer(text)]
    for kind, pattern in (("mention", _MENTION), ("bot_command", _COMMAND)):
        for found in pattern.finditer(text):
            if any(start <= found.start() < stop for start, stop in urls):
                continue
            offset = units(text[: found.start()])
            if not any(start <= offset < stop for start, stop in closed):
                yield {"type": kind, "offset": offset, "length": units(found[0])}
