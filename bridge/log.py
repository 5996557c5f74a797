"""The event log: structlog, one event a line, secrets masked by key and by value."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO, cast

import structlog

from bridge.clock import Clock
from bridge.events import FOLDED, LIVE
from bridge.feed import Event, Feed

FOLD_WINDOW = 10.0
"""Seconds between two lines that say the same."""

MASK = "…"
_KEYS = re.compile(
    "secret|token|password|passwd|authorization|cookie|api_?key|aes_?key|^sign$|signature|session_?webhook",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 6
"""Values shorter than this are not looked for: they would mask ordinary words."""


_ALIKE = ("reason", "to", "instance", "conversation", "status", "library", "who")
"""Two events of one name that agree in these say the same."""
_MOST_KEYS = 10_000
_NOT_FACTS = frozenset({"event", "level", "timestamp"})


class Redaction:
    """Hides secrets in anything that is about to be written for people."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: frozenset[str] = frozenset()
        self._values: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these as well; those of files that no longer run stay hidden."""
        self._known |= {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        values = sorted(self._known, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, values))) if values else None

    def text(self, text: str) -> str:
        """``text`` with every secret value masked."""
        return self._values.sub(MASK, text) if self._values else text

    def value(self, value: object) -> object:
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {key: self._member(str(key), inner) for key, inner in value.items()}
            case list() | tuple():
                return [self.value(inner) for inner in value]
            case int() | float() | None:
                return value
        return self.text(str(value))

    def _member(self, key: str, value: object) -> object:
        return MASK if _KEYS.search(key) and value else self.value(value)

    def __call__(
        self, _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {key: self._member(key, value) for key, value in event.items()}


@dataclass(slots=True)
class _Repeats:
    """A line that was told; ``unsaid`` are those like it since, ``last`` the newest of them."""

    until: float
    unsaid: int = 0
    last: Mapping[str, Any] = field(default_factory=dict)


class Unfailing:
    """
    Writes lines to a file descriptor, and goes on where one cannot be written: on a full disk, or
    when nobody reads any more. The daemon's work must not end with its log. What is missing is
    counted, so that it can be told once a line gets through again.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lost = 0
        self._well = True

    def write(self, text: str) -> int:
        """Unbuffered, so that nothing is left over for the end of the process."""
        line = text.encode(errors="backslashreplace")
        try:
            self._well = os.write(self._descriptor, line) == len(line)
        except OSError:
            self._well = False
        self._lost += not self._well
        return len(text)

    def take_lost(self) -> int:
        """Lines that are missing and were not told of yet; 0 while none gets through."""
        if not self._well:
            return 0
        lost, self._lost = self._lost, 0
        return lost

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


class Folding:
    """
    Tells what repeats once in `FOLD_WINDOW` seconds, with the number of the others: the same event
    with the same reason at the same place. Only events that are listed as folded.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._repeats: dict[tuple[object, ...], _Repeats] = {}
        self._telling = False
        self.stream: Unfailing | None = None
        """Where the lines go, if it may lose some."""

    def __call__(
        self, _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        name = event["event"]
        if name not in FOLDED or self._telling:
            return event
        key = (name, *(event.get(word) for word in _ALIKE))
        now = self._clock.monotonic()
        known = self._repeats.get(key)
        if known is None or now >= known.until:
            if known is not None and known.unsaid:
                event["repeated"] = known.unsaid
            elif len(self._repeats) >= _MOST_KEYS:
                self._repeats.clear()
            self._repeats[key] = _Repeats(now + FOLD_WINDOW)
            return event
        known.unsaid += 1
        known.last = dict(event)
        raise structlog.DropEvent

    def flush(self) -> None:
        """Tell of repeats whose time is over, and of lines that were lost; call it now and then."""
        if self.stream is not None and (lost := self.stream.take_lost()):
            structlog.get_logger().error("log.lines_lost", lines=lost)
        now = self._clock.monotonic()
        for key, known in list(self._repeats.items()):
            if now >= known.until:
                del self._repeats[key]
                if known.unsaid:
                    self._tell(known)

    def _tell(self, known: _Repeats) -> None:
        facts = dict(known.last)
        name, level = facts.pop("event"), facts.pop("level", "warning")
        self._telling = True
        try:
            getattr(structlog.get_logger(), level)(name, repeated=known.unsaid, **facts)
        finally:
            self._telling = False


class Keeping:
    """Hands what a person may want to see to the feed; after the redaction, before the rendering."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock

    def __call__(
        self, _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        name, level = event["event"], event["level"]
        live = name in LIVE
        if live and level == "info":
            return event
        facts = {key: value for key, value in event.items() if key not in _NOT_FACTS}
        seen = Event(self._clock.now(), level, name, facts)
        self._feed.keep(seen)
        if not live:  # those are told where they happen, whatever the log's level
            self._feed.tell(seen)
        return event


def unfailing_stderr() -> TextIO:
    """stderr, for somebody who must go on when it cannot be written."""
    try:
        descriptor = sys.stderr.fileno()
    except OSError:  # something in its place that is no file
        return sys.stderr
    return cast(TextIO, Unfailing(descriptor))  # as much of a text file as a log needs


class Logbook:
    """What the daemon knows of its log: the secrets that it hides, what it folds, who watches."""

    def __init__(self, clock: Clock, secrets: Iterable[str] = ()) -> None:
        self.redaction = Redaction(secrets)
        self.folding = Folding(clock)
        self.feed = Feed()
        self.keeping = Keeping(self.feed, clock)

    def set_up(self, level: str, form: str) -> None:
        """As the function of that name, with all of it."""
        set_up(
            level, form, self.redaction, unfailing_stderr(), folding=self.folding, keeping=self.keeping
        )


def set_up(
    level: str,
    form: str,
    redaction: Redaction,
    stream: TextIO | None = None,
    *,
    folding: Folding | None = None,
    keeping: Keeping | None = None,
) -> None:
    """
    Send all events of ``level`` and above to ``stream`` (stderr), as ``form``: json, console or auto.

    Auto is coloured lines on a terminal and JSON elsewhere. Events below ``level`` cost nothing: their
    methods are empty. The standard library's loggers (aiohttp, asyncio) come through the same way.
    """
    stream = stream or sys.stderr
    console = form == "console" or (form == "auto" and stream.isatty())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        *([folding] if folding else []),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redaction,
        *([keeping] if keeping else []),
    ]
    last: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=_plain)
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = _Forward()
    handler.setLevel(logging.WARNING)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _Forward(logging.Handler):
    """Hands the records of libraries to our log, as event ``library.logged``."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "library.logged",
            library=record.name,
            said=record.getMessage(),
            exc_info=record.exc_info,
        )


def _plain(stream: TextIO, exc_info: object) -> None:
    """Tracebacks are text by now: `format_exc_info` has run, so that secrets in them are masked."""
    stream.write(str(exc_info))
