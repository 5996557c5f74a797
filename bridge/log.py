"""The event log: structlog, one event a line, secrets masked by key and by value."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import structlog

MASK = "…"
_KEYS = re.compile(
    "secret|token|password|passwd|authorization|cookie|api_?key|aes_?key|^sign$|signature|session_?webhook",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 6
"""Values shorter than this are not looked for: they would mask ordinary words."""


class Redaction:
    """Hides secrets in anything that is about to be written for people."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True)
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


def set_up(level: str, form: str, redaction: Redaction, stream: TextIO | None = None) -> None:
    """
    Send all events of ``level`` and above to ``stream`` (stderr), as ``form``: json, console or auto.

    Auto is coloured lines on a terminal and JSON elsewhere. Events below ``level`` cost nothing: their
    methods are empty. The standard library's loggers (aiohttp, asyncio) come through the same way.
    """
    stream = stream or sys.stderr
    console = form == "console" or (form == "auto" and stream.isatty())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redaction,
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
