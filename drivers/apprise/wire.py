"""What goes to a service, and what its failure means. Pure: the library itself is behind `services`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.model import Outgoing, TextFormat
from bridge.text import MATRIX, escape, read_markdown, write_html, write_plain
from bridge.text.tree import paragraphs

# --- out --------------------------------------------------------------------------------------------


class Form(StrEnum):
    """What a service reads, in Apprise's words: https://appriseit.com/library/formats/"""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"


_LONGEST_TITLE = 100
_TITLE_ROOM = 2 * _LONGEST_TITLE
"""Characters that a title may take from a text above which it stands, marks and escapes included."""
_SHORT = 1000
_MOST_TEXT = 100_000
_UNSEEN = "\u200b"
_PING = re.compile(
    r"(?<![A-Za-z0-9_.+/-])@(?=\w)"  # but no address, and no URL that holds one
    r"|@(?=everyone|here|channel|all|room|所有人)(?![A-Za-z0-9-]*\.[A-Za-z])"
    r"|(?:<|&lt;)(?=[@!#])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """
    How a service wants its messages. ``limit`` is in characters; ``has_titles``: it has a place for
    them. ``pings``: what looks like a mention may be one there.
    """

    limit: int
    has_titles: bool
    pings: bool = True

    @property
    def titled(self) -> bool:
        """Where there is no place for titles they stand above the text, unless that must be short."""
        return self.has_titles or self.limit >= _SHORT

    @property
    def max_text(self) -> int:
        """Characters of a text that have room, below a title where one may stand above it."""
        above = self.titled and not self.has_titles
        return min(self.limit - _TITLE_ROOM if above else self.limit, _MOST_TEXT)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a service is given."""

    title: str
    body: str


def letter(outgoing: Outgoing, form: Form, manner: Manner) -> Letter:
    """``outgoing`` as the service reads it, so that Apprise has nothing to convert. Pings nobody."""
    title = " ".join(outgoing.title.split())[:_LONGEST_TITLE] if manner.titled else ""
    if not manner.has_titles:  # it becomes a part of the text
        title = _written(title, TextFormat.PLAIN, form, inline=True)
    body = _written(outgoing.text, outgoing.format, form)
    return Letter(_unpinged(title), _unpinged(body)) if manner.pings else Letter(title, body)


def _written(text: str, format_: TextFormat, form: Form, *, inline: bool = False) -> str:
    markdown = format_ is TextFormat.MARKDOWN
    match form:
        case Form.TEXT:
            return write_plain(read_markdown(text)) if markdown else text
        case Form.MARKDOWN:
            return text if markdown else escape(text)
    tags = MATRIX - {"p"} if inline else MATRIX
    return write_html(read_markdown(text) if markdown else paragraphs(text), tags)


def _unpinged(text: str) -> str:
    return _PING.sub(lambda found: found[0] + _UNSEEN, text)


# --- what came of it --------------------------------------------------------------------------------

_STATUS = re.compile(r"\berror=([345][0-9]{2})\b")
_TROUBLE = "Socket Exception: "
"""So Apprise's plugins begin the line that says why there was no answer, or which one from SMTP."""
_NEVER_LEFT = re.compile(
    "Failed to establish a new connection|Connection refused|NameResolutionError|ConnectTimeout"
    "|Name or service not known|Temporary failure in name resolution"
)
_SMTP = re.compile(_TROUBLE + r"(?:\{.*?: )?\(([45][0-9]{2}), b")
"""A reply of the mail server, to us or for the one recipient."""
_LOG_IN = frozenset({530, 534, 535, 538})
"""https://www.rfc-editor.org/rfc/rfc4954#section-6"""


def failure(name: str, said: Iterable[str]) -> DeliveryError:
    """
    Why ``name`` did not take it, by what Apprise ``said`` meanwhile.

    Nearly all of its plugins say ``error=`` and the HTTP status, or why there was no answer. Where they
    say neither, nobody knows whether it arrived. Nothing of the lines is repeated.
    """
    verdicts: list[DeliveryError] = []
    for line in said:
        verdicts += [_of_status(name, int(status)) for status in _STATUS.findall(line)]
        if _TROUBLE in line:
            verdicts.append(_of_trouble(name, line))
    if not verdicts:
        return Indeterminate(f"{name}: it failed, and Apprise cannot tell why", reason="unknown")
    return _worst(verdicts)


def _of_trouble(name: str, line: str) -> DeliveryError:
    if reply := _SMTP.search(line):
        return _of_reply(name, int(reply[1]))
    if _NEVER_LEFT.search(line):
        return Transient(f"{name}: could not connect", reason="connect_failed")
    return Indeterminate(f"{name}: the connection broke before an answer", reason="no_answer")


def _of_reply(name: str, code: int) -> DeliveryError:
    said = f"{name}: the mail server answers {code}"
    if code in _LOG_IN:
        return Broken(
            f"{said}: check user and password in its URL", reason="unauthorized", scope=Scope.INSTANCE
        )
    if code < 500:  # noqa: PLR2004 (the range of what may go better later)
        return Transient(said, reason="server_error")
    return Refused(said, reason="client_error")


def _of_status(name: str, status: int) -> DeliveryError:
    said = f"{name} answers {status}"
    match status:
        case 401 | 403 | 407:
            return Broken(
                f"{said}: check the token or password in its URL",
                reason="unauthorized",
                scope=Scope.INSTANCE,
            )
        case 404 | 405 | 410:
            return Broken(
                f"{said}: check its URL, and whom it names", reason="not_found", scope=Scope.INSTANCE
            )
        case 429:
            return Throttled(said, reason="rate_limited", scope=Scope.INSTANCE)
        case 408 | 425:
            return Transient(said, reason="not_now")
    if status < 400:  # noqa: PLR2004 (the range of redirects)
        return Broken(f"{said}: it has moved, change its URL", reason="moved", scope=Scope.INSTANCE)
    if status < 500:  # noqa: PLR2004 (the range of what is our fault)
        return Refused(said, reason="client_error")
    return Transient(said, reason="server_error")


_BY_URGENCY = (Broken, Throttled, Indeterminate, Transient, Refused)
"""What is said of several failures: first what an operator must mend, last what no retry mends."""


def _worst(failures: Sequence[DeliveryError]) -> DeliveryError:
    return min(failures, key=lambda one: _BY_URGENCY.index(type(one)))


def verdict(failures: Sequence[DeliveryError], services: int) -> DeliveryError:
    """What the failures of some of an instance's ``services`` mean for the message."""
    worst = _worst(failures)
    if services > 1:
        took = f"{services - len(failures)} of {services} services have it; "
        return type(worst)(took + str(worst), reason=worst.reason, scope=worst.scope)
    return worst
