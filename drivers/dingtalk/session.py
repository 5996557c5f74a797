"""
Session webhooks: a URL in a callback by which the same conversation can be answered for a while.

The URL is a capability, and stands in a body that no signature covers: it is believed only for
DingTalk's own hosts and in callbacks that were verified, kept in memory until shortly before its
end, and named in no log and no error. https://open.dingtalk.com/document/orgapp/receive-message
"""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

from bridge.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bridge.model import ConversationId
    from bridge.wild import Wild

HOSTS = ("https://oapi.dingtalk.com", "https://api.dingtalk.com")
MARGIN = timedelta(minutes=1)
"""How long before its end a session is no longer used."""
MOST = 4096
"""Sessions that are kept; the one that was heard of first is forgotten first."""

_PORTS = {"https": 443, "http": 80}
_MAX_URL = 2048
# Two URL readers can differ about where a host ends; about what has this shape they cannot.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?][!-\[\]-~]*)?",
    re.IGNORECASE | re.ASCII,
).fullmatch


class Sessions:
    """The session webhooks of one instance, one for each conversation."""

    def __init__(self, base_urls: Iterable[str] = ()) -> None:
        self._origins = {origin(url) for url in (*HOSTS, *base_urls)} - {None}
        self._known = tuple(f"{url}/" for url in HOSTS)
        self._kept: OrderedDict[ConversationId, tuple[str, datetime]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def accepts(self, url: str) -> bool:
        """Whether it leads to DingTalk, or to where the instance says that DingTalk is."""
        return origin(url) in self._origins

    def notice(self, conversation: ConversationId, event: Wild) -> None:
        """Keep what a verified callback says; one without a session, or with an odd one, says nothing."""
        try:
            url = event.identifier_at("sessionWebhook")
            until = event.time_at("sessionWebhookExpiredTime")
        except Malformed:
            return
        # What begins as nearly all do is looked at closely when it is used.
        if not url.startswith(self._known) and not self.accepts(url):
            return
        self._kept[conversation] = url, until
        self._kept.move_to_end(conversation)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def current(self, conversation: ConversationId, now: datetime) -> str:
        """The URL by which it can be answered now; empty if there is none."""
        url, until = self._kept.get(conversation, ("", now))
        if url and (until <= now + MARGIN or not self.accepts(url)):
            self.forget(conversation)
            return ""
        return url

    def forget(self, conversation: ConversationId) -> None:
        """DingTalk says that it is over."""
        self._kept.pop(conversation, None)


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no plain URL."""
    parts = _URL(url) if len(url) <= _MAX_URL else None
    if parts is None:
        return None
    scheme = parts["scheme"].lower()
    return scheme, parts["host"].lower(), int(parts["port"] or _PORTS[scheme])
