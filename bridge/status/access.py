"""
Who may look and act: the Host header, tokens, and the cookie of a person who showed one.

A program shows its token with every request. A person at a browser shows it once and gets a cookie
that is good for the page alone, never for the API: so a web page elsewhere can act in nobody's name.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from aiohttp import web

from bridge.clock import Clock
from bridge.config import ApiToken
from bridge.model import RateLimit

COOKIE = "msgbridge"
SESSION = 12 * 3600
"""Seconds that a cookie is good for."""

GUESSES = RateLimit(60, 60.0)
"""Wrong tokens that are answered as such; beyond that the answer is to wait."""
GUESS = "guess"
"""The name that all of them share."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
_COOKIE = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who showed a token: its name in config.json, and what it may do."""

    name: str
    scopes: frozenset[str]


class Keys:
    """
    The tokens of config.json as they are now; a reload may change them.

    Every token is compared in full and in constant time, whichever it is that fits.
    """

    def __init__(self, tokens: Callable[[], Mapping[str, ApiToken]], clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._session_key = secrets.token_bytes(32)

    @property
    def any(self) -> bool:
        """Without a token there is no API."""
        return bool(self._tokens())

    def caller(self, given: str) -> Caller | None:
        """Whose token this is."""
        found = None
        digest = _digest(given)
        for name, token in self._tokens().items():
            if hmac.compare_digest(digest, _digest(token.token)):
                found = Caller(name, token.scopes)
        return found

    def bearer(self, request: web.BaseRequest) -> Caller | None:
        """Who shows a token in the Authorization header."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return self.caller(given.strip()) if scheme.lower() == "bearer" else None

    def session(self, given: str) -> str:
        """The cookie for whoever showed the token ``given``. It does not hold the token."""
        expires = int(self._clock.now().timestamp()) + SESSION
        return f"{expires}.{self._seal(expires, given)}"

    def visitor(self, request: web.BaseRequest) -> Caller | None:
        """Who shows a cookie of ours: it ends with its time, its token, or this process."""
        match = _COOKIE.fullmatch(request.cookies.get(COOKIE, ""))
        if match is None or int(match.group(1)) < self._clock.now().timestamp():
            return None
        found = None
        for name, token in self._tokens().items():
            seal = self._seal(int(match.group(1)), token.token)
            if hmac.compare_digest(seal.encode(), match.group(2).encode()):
                found = Caller(name, token.scopes)
        return found

    def _seal(self, expires: int, token: str) -> str:
        said = b"%d:%s" % (expires, _digest(token))
        return hmac.new(self._session_key, said, hashlib.sha256).hexdigest()


class Pace:
    """At most ``count`` in any window of ``per`` seconds, for each name by itself."""

    def __init__(self, limit: Callable[[], RateLimit], clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._taken: dict[str, deque[float]] = {}

    def take(self, name: str) -> float:
        """0 where there was room; else the seconds until there is."""
        limit, now = self._limit(), self._clock.monotonic()
        taken = self._taken.setdefault(name, deque())
        while taken and taken[0] <= now - limit.per:
            taken.popleft()
        if len(taken) >= limit.count:
            return taken[0] + limit.per - now
        taken.append(now)
        return 0.0


def host_of(request: web.BaseRequest) -> str:
    """The host of the Host header, without its port; empty for one that is no host."""
    header = request.headers.get("Host", "")
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def known_hosts(hosts: Collection[str]) -> frozenset[str]:
    """The names under which we may be called: this machine's own, and ``hosts``."""
    return _LOCAL | {host.lower() for host in hosts}


def is_local(request: web.BaseRequest) -> bool:
    """
    Somebody on this machine, who asked for this machine; enough while there is no token to show.

    A reverse proxy on this machine is not, if it gives itself away by the Host or by a header of its
    own. One that does neither is taken for a person here: once there are tokens, this is asked of
    nobody.
    """
    try:
        peer = ipaddress.ip_address((request.remote or "").partition("%")[0])
    except ValueError:
        return False
    forwarded = any(name in request.headers for name in _FORWARDED)
    return peer.is_loopback and host_of(request) in _LOCAL and not forwarded


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
