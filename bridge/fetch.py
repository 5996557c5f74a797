"""
Files behind URLs that a stranger chose.

The address is checked where the socket to it is made, so neither a name that resolves to something
else the second time, nor a redirect, nor an odd way to write an address leads inside.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from bridge import __version__
from bridge.driver import Fetch, Opened
from bridge.errors import Refused, Transient
from bridge.filenames import name_in_disposition, name_in_path
from bridge.media_types import safe_type
from bridge.networks import Network, may_be_reached

_MOST_REDIRECTS = 3
_MOST_SOCKETS = 64
_LONGEST_URL = 8000
_LONGEST_HEADER = 8190
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 425, 429})
_VERBATIM = re.compile("[!-~]+")

# No Content-Type: it is part of what Alibaba's OSS has signed, and its URLs were signed without one.
# https://www.alibabacloud.com/help/en/oss/support/0002-00000074
_HEADERS = {
    "User-Agent": f"msgbridge/{__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What one file may cost: ``max_size`` in bytes, times in seconds; ``total`` counts the reading."""

    max_size: int = 20_000_000
    total: float = 60.0
    connect: float = 10.0
    allow_networks: tuple[Network, ...] = ()


class _NotPublic(OSError):
    def __init__(self) -> None:
        super().__init__("not a public address")


@asynccontextmanager
async def open_fetcher(
    limits: FetchLimits, *, proxy: str = "", resolver: AbstractResolver | None = None
) -> AsyncIterator[Fetch]:
    """
    A `Fetch` within ``limits``, for as long as the context lasts.

    Behind a ``proxy`` the connection is the proxy's, and what it can reach is its operator's to say;
    we then refuse what our own ``resolver`` knows not to be public.
    """
    async with AsyncExitStack() as stack:
        if resolver is None:
            resolver = aiohttp.DefaultResolver()
            stack.push_async_callback(resolver.close)
        connector = aiohttp.TCPConnector(
            limit=_MOST_SOCKETS,
            force_close=True,
            use_dns_cache=False,
            resolver=resolver,
            socket_factory=None if proxy else _guarded(limits.allow_networks),
        )
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=limits.connect),
                auto_decompress=False,
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
                proxy=proxy or None,
            )
        )
        yield _Fetcher(session, limits, resolver if proxy else None).fetch


def _guarded(
    allowed: tuple[Network, ...],
) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = address
        if not may_be_reached(str(place[0]), allowed):
            raise _NotPublic
        return socket.socket(family, kind, protocol)

    return make


@dataclass(frozen=True, slots=True)
class _Fetcher:
    """``resolver`` is there when a proxy connects in our place."""

    session: aiohttp.ClientSession
    limits: FetchLimits
    resolver: AbstractResolver | None

    def fetch(self, url: str) -> AbstractAsyncContextManager[Opened]:
        return self._open(url)

    @asynccontextmanager
    async def _open(self, url: str) -> AsyncIterator[Opened]:
        deadline = asyncio.get_running_loop().time() + self.limits.total
        response = await self._follow(url, deadline)
        try:
            yield self._opened(response, deadline)
        finally:
            response.close()

    async def _follow(self, url: str, deadline: float) -> aiohttp.ClientResponse:
        for _ in range(1 + _MOST_REDIRECTS):
            target = _target(url)
            response = await self._get(target, deadline)
            if response.status not in _REDIRECTS:
                return response
            response.close()
            url = _joined(target, response.headers.get("Location", ""))
        raise Refused(f"{_host(target)} redirects too often", reason="too_many_redirects")

    async def _get(self, target: URL, deadline: float) -> aiohttp.ClientResponse:
        host = _host(target)
        try:
            async with asyncio.timeout_at(deadline):
                if self.resolver is not None:
                    await self._look_up(target, self.resolver)
                return await self.session.get(target, headers=_HEADERS, allow_redirects=False)
        except aiohttp.InvalidURL:
            raise Refused("not a web address", reason="bad_url") from None
        except aiohttp.ClientConnectorError as e:
            why = getattr(e, "os_error", None)
            if isinstance(why, _NotPublic):
                raise _no_public_address(host) from None
            said = getattr(why, "strerror", None) or "no connection"
            raise Transient(f"{host}: {said}", reason="connect_failed") from None
        except TimeoutError:
            raise _too_slow(host) from None
        except aiohttp.ClientError as e:
            raise Transient(f"{host}: no answer ({type(e).__name__})", reason="no_answer") from None

    async def _look_up(self, target: URL, resolver: AbstractResolver) -> None:
        """Raises `Refused`. A name that only the proxy knows is left to it."""
        name = target.host or ""
        try:
            found = await resolver.resolve(name, target.port or 0, socket.AF_UNSPEC)
        except OSError:
            return
        if not all(may_be_reached(each["host"], self.limits.allow_networks) for each in found):
            raise _no_public_address(_host(target))

    def _opened(self, response: aiohttp.ClientResponse, deadline: float) -> Opened:
        host = _host(response.url)
        status = response.status
        if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Transient(f"{host} answered {status}", reason="server_error")
        if status != HTTPStatus.OK:
            raise Refused(f"{host} answered {status}", reason="no_file")
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise Refused(f"{host} sends a compressed file that nobody asked for", reason="encoded")
        size = response.content_length
        if size is not None and size > self.limits.max_size:
            raise _too_large(self.limits.max_size)
        return Opened(
            _chunks(response, host, self.limits.max_size, deadline),
            safe_type(response.headers.get("Content-Type", "")),
            name_in_disposition(response.headers.get("Content-Disposition", ""))
            or name_in_path(response.url.raw_path),
            size,
        )


async def _chunks(
    response: aiohttp.ClientResponse, host: str, max_size: int, deadline: float
) -> AsyncIterator[bytes]:
    size = 0
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await response.content.readany()
        except TimeoutError:
            raise _too_slow(host) from None
        except aiohttp.ClientError as e:
            raise Transient(f"{host} broke off ({type(e).__name__})", reason="broke_off") from None
        if not chunk:
            return
        size += len(chunk)
        if size > max_size:
            raise _too_large(max_size)
        yield chunk


def _target(url: str) -> URL:
    """Raises `Refused`. What is a URL already is not quoted again: its signature covers every letter."""
    try:
        target = URL(url, encoded=_VERBATIM.fullmatch(url) is not None)
        host, _ = target.host, target.port
    except ValueError:
        raise Refused("not a web address", reason="bad_url") from None
    if target.scheme not in ("http", "https") or not host or len(url) > _LONGEST_URL:
        raise Refused("not a web address", reason="bad_url")
    if target.raw_user is not None or target.raw_password is not None:
        raise Refused("a web address with a password in it is not opened", reason="bad_url")
    return target


def _joined(target: URL, location: str) -> str:
    """Raises `Refused`."""
    try:
        return urljoin(str(target), location)
    except ValueError:
        raise Refused("not a web address", reason="bad_url") from None


def _host(url: URL) -> str:
    return (url.raw_host or "")[:100]


def _no_public_address(host: str) -> Refused:
    return Refused(
        f"{host} has no public address (see global.media.allow_networks)", reason="private_address"
    )


def _too_large(max_size: int) -> Refused:
    return Refused(f"larger than {max_size / 1e6:g} MB", reason="too_large")


def _too_slow(host: str) -> Transient:
    return Transient(f"{host} takes too long", reason="too_slow")
