"""
What Apprise and the libraries below it say in their logs: kept from ours, for URLs and texts are in it.

A call of Apprise ends with True or False. Why it was False only its log tells, so those who call
listen to what it says in their own thread. Loggers belong to the process, hence the module's state.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_QUIET = ("apprise", "urllib3", "requests", "requests_oauthlib", "oauthlib", "charset_normalizer")
_MOST = 200
_LONGEST = 2000
"""Lines of one call that are heard, and characters of one line."""

_here = threading.local()


class _Ear(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        lines = getattr(_here, "lines", None)
        if lines is None or len(lines) >= _MOST:
            return
        try:
            lines.append(record.getMessage()[:_LONGEST])
        except Exception:  # noqa: BLE001 (whatever a plugin logs; logging's own answer prints it)
            return


_ear = _Ear(logging.DEBUG)


def hush() -> None:
    """From now on nothing of these loggers reaches the daemon's log, or stderr."""
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(_ear)
    logging.getLogger("apprise").setLevel(logging.DEBUG)


@contextmanager
def overheard() -> Iterator[list[str]]:
    """What Apprise says in this thread until the end of the context; it may hold secrets."""
    lines: list[str] = []
    _here.lines = lines
    try:
        yield lines
    finally:
        del _here.lines
