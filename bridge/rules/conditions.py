"""``when`` and ``unless``: what a person wrote → `Condition`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time
from zoneinfo import ZoneInfo

from bridge.conditions import (
    WEEKDAYS,
    Condition,
    Direct,
    HasAttachments,
    Hours,
    Kinds,
    MentionsBot,
    Senders,
    Test,
    TextContains,
    TextMatches,
)
from bridge.model import EventKind
from bridge.phrases import phrase
from bridge.problems import quoted
from bridge.problems.document import Node
from bridge.problems.reader import Reader
from bridge.rules.patterns import pattern

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MIDNIGHT = "24:00"


def read_conditions(node: Node, key: str, reader: Reader) -> tuple[Condition, ...]:
    """Every condition of a ``when`` or ``unless`` that is right, in the order of the file."""
    members = reader.members(node, quoted(key))
    if members is None:
        return ()
    what = phrase("{key}", key=quoted(key))
    right = reader.known(members, tuple(_READERS), what, of=phrase("conditions"))
    conditions = []
    for name, inner in right.items():
        test = _READERS[name](inner, name, reader)
        if test is not None:
            conditions.append(Condition(name, reader.document.line_of(inner.name), test))
    return tuple(conditions)


def _kinds(node: Node, key: str, reader: Reader) -> Test | None:
    known = [kind.value for kind in EventKind]
    chosen = [reader.choice(item, quoted(key), known) for _, item in reader.texts(node, quoted(key))]
    kinds = frozenset(EventKind(kind) for kind in chosen if kind is not None)
    if not kinds:
        _report_empty(node, key, reader)
        return None
    return Kinds(kinds)


def _text_matches(node: Node, key: str, reader: Reader) -> Test | None:
    compiled = pattern(node, key, reader)
    return TextMatches(compiled) if compiled is not None else None


def _text_contains(node: Node, key: str, reader: Reader) -> Test | None:
    words = tuple(word for word, _ in reader.texts(node, quoted(key)))
    if words and all(words):
        return TextContains(words)
    _report_empty(node, key, reader)
    return None


def _senders(node: Node, key: str, reader: Reader) -> Test | None:
    members = reader.members(
        node, quoted(key), phrase('write {{"include": ["…"]}} or {{"exclude": ["…"]}}')
    )
    if members is None:
        return None
    what = phrase("{key}", key=quoted(key))
    right = reader.known(members, ("include", "exclude"), what, of=phrase('fields of "senders"'))
    named = {
        name: frozenset(text for text, _ in reader.texts(inner, quoted(name)))
        for name, inner in right.items()
    }
    return Senders(named.get("include"), named.get("exclude", frozenset()))


def _flag(test: Callable[[bool], Test]) -> Callable[[Node, str, Reader], Test | None]:
    def read(node: Node, key: str, reader: Reader) -> Test | None:
        if isinstance(node.value, bool):
            return test(node.value)
        reader.wrong_kind(node, "flag", quoted(key))
        return None

    return read


def _hours(node: Node, key: str, reader: Reader) -> Test | None:
    members = reader.members(
        node,
        quoted(key),
        phrase('write {{"from": "09:00", "to": "18:00", "time_zone": "Asia/Shanghai"}}'),
    )
    if members is None:
        return None
    what = phrase("{key}", key=quoted(key))
    required = ("from", "to", "time_zone")
    right = reader.known(
        members, (*required, "days"), what, required=required, of=phrase('fields of "hours"')
    )
    for name in required:
        if name not in right:
            reader.missing(node, what, name)
    start = _clock(right["from"], "from", reader) if "from" in right else None
    end = _clock(right["to"], "to", reader) if "to" in right else None
    zone = _zone(right["time_zone"], reader) if "time_zone" in right else None
    days = _days(right["days"], reader) if "days" in right else frozenset(range(7))
    if start is None or end is None or zone is None:
        return None
    if start == end:
        reader.report(
            "E311",
            right["to"],
            phrase('"from" and "to" are the same: that is no time at all'),
            phrase('for the whole day write "00:00" and "24:00", or leave "hours" out'),
        )
        return None
    return Hours(start, end if end != time.max else time(0, 0), zone, days)


def _clock(node: Node, key: str, reader: Reader) -> time | None:
    text = reader.text(node, quoted(key))
    if text is None:
        return None
    if text == _MIDNIGHT:
        return time.max
    if match := _CLOCK.fullmatch(text):
        return time(int(match.group(1)), int(match.group(2)))
    reader.report(
        "E311",
        node,
        phrase("{found} is not a time of the day", found=quoted(text)),
        phrase('write hours and minutes with two digits each, like "09:00"'),
    )
    return None


def _zone(node: Node, reader: Reader) -> ZoneInfo | None:
    text = reader.text(node, quoted("time_zone"))
    if text is None:
        return None
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        # OSError: a folder of the time zone database ("Asia") has a name, too.
        reader.report(
            "E311",
            node,
            phrase("{found} is not a time zone that this machine knows", found=quoted(text)),
            phrase('write it like "Asia/Shanghai" or "UTC"; the package tzdata holds the list'),
        )
        return None


def _days(node: Node, reader: Reader) -> frozenset[int]:
    chosen = [
        reader.choice(item, quoted("days"), WEEKDAYS) for _, item in reader.texts(node, quoted("days"))
    ]
    return frozenset(WEEKDAYS.index(day) for day in chosen if day is not None)


def _report_empty(node: Node, key: str, reader: Reader) -> None:
    """Of a text or a list that holds nothing; anything else was reported by what it is."""
    items = node.value if isinstance(node.value, list) else [node]
    if not items or any(item.value == "" for item in items):
        hint = phrase("remove it, or write a value")
        reader.report("E105", node, phrase("{what} is empty", what=quoted(key)), hint)


_READERS: dict[str, Callable[[Node, str, Reader], Test | None]] = {
    "kinds": _kinds,
    "text_matches": _text_matches,
    "text_contains": _text_contains,
    "senders": _senders,
    "direct": _flag(Direct),
    "mentions_bot": _flag(MentionsBot),
    "has_attachments": _flag(HasAttachments),
    "hours": _hours,
}
