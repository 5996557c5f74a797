"""
One exchange with a platform: a request over HTTP, and its answer as a value.

Nearly every request goes where another one went a moment ago, and there aiohttp's client costs more
than all that the bridge itself does for a message. So a small request is written straight onto the
connection that aiohttp kept, and aiohttp's parser reads the answer. Everything else (a connection that
has to be made, proxies, large bodies) is aiohttp's own business, from one end to the other.
"""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.tracing import Trace
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bridge.errors import Indeterminate, Transient

MAX_ANSWER = 1 << 20
"""Bytes of an answer that are read; a platform's answer is far smaller."""

_SMALL_BODY = 32 << 10
"""Bytes that any connection takes at once, so that nobody has to wait for room."""

_LARGE_BODY = 1 << 20

_METHODS = {"DELETE", "PATCH", "POST", "PUT"}

_LEFT_TO_AIOHTTP = {"connection", "content-length", "cookie", "expect", "transfer-encoding", "upgrade"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform's API answered, as a value."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class _Protocol(ResponseHandler):
    """aiohttp resumes after every read, and has its parser run; only what was held back must go on."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)


class _Under:
    """An exchange that is under way, until ``ends_by`` in the loop's time."""

    __slots__ = ("content", "ends_by", "protocol")

    def __init__(self, protocol: ResponseHandler, ends_by: float) -> None:
        self.protocol = protocol
        self.ends_by = ends_by
        self.content: aiohttp.StreamReader | None = None

    def cut_off(self) -> None:
        """Whoever waits for the rest gets a `TimeoutError`."""
        self.protocol.set_exception(TimeoutError())
        if self.content is not None:
            self.content.set_exception(TimeoutError())


class _Watch:
    """One look at all exchanges now and then, in place of a timer for each: it is up to a tenth late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: set[_Under] = set()
        self._next: asyncio.TimerHandle | None = None

    def begin(self, protocol: ResponseHandler, seconds: float) -> _Under:
        one = _Under(protocol, self._loop.time() + seconds)
        self._under_way.add(one)
        if self._next is None:
            self._next = self._loop.call_later(seconds / 10, self._look, seconds / 10)
        return one

    def end(self, one: _Under) -> None:
        self._under_way.discard(one)

    def _look(self, again: float) -> None:
        self._next = self._loop.call_later(again, self._look, again) if self._under_way else None
        now = self._loop.time()
        for one in [one for one in self._under_way if one.ends_by <= now]:
            self.end(one)
            one.cut_off()


class Connector(aiohttp.TCPConnector):
    """
    Takes no connection from its pool on which something has arrived that nobody asked for: it would
    be read as the answer to the next message. Gateways say 408 before they close an idle connection.
    """

    def __init__(self, *, ttl_dns_cache: int = 60, **options: Any) -> None:  # noqa: ANN401  # aiohttp's own
        super().__init__(ttl_dns_cache=ttl_dns_cache, **options)
        self.watch = _Watch(self._loop)
        self._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=self._loop))

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (found := await super()._get(key, traces)) is not None:
            protocol = found.protocol
            if protocol is None or not protocol.should_close:
                break
            found.close()
        return found


async def exchange(
    session: aiohttp.ClientSession, method: str, url: str, *, body: bytes, headers: Mapping[str, str]
) -> Answer:
    """What `bridge.driver.Toolbox.request` promises, in ``session`` and within its time limit."""
    try:
        if 0 < len(body) <= _SMALL_BODY and isinstance(session.connector, Connector):
            head = _head(method, url, (*session.headers.items(), *headers.items()))
            if head is not None:
                kept = await session.connector._get(head.key, [])  # noqa: SLF001  # see the module's text
                if kept is not None:
                    request = b"%b%d\r\n\r\n%b" % (head.lines, len(body), body)
                    seconds = session.timeout.total or math.inf
                    return await _over(kept, request, session.connector.watch, seconds)
        async with session.request(
            method, url, data=_payload(body), headers=headers, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await _read(response.content))
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as e:
        reason = getattr(e, "os_error", None) or "timed out"
        raise Transient(f"could not connect: {reason}", reason="connect_failed") from None
    except UnicodeError:  # a label of the host's name that DNS cannot say; nothing was sent
        raise Transient(
            "could not connect: the host's name is no name", reason="connect_failed"
        ) from None
    except (aiohttp.ClientError, HttpProcessingError, TimeoutError) as e:
        raise Indeterminate(f"no answer: {type(e).__name__}", reason="no_answer") from None


async def _over(kept: Connection, request: bytes, watch: _Watch, seconds: float) -> Answer:
    """
    Write ``request``, read its answer, and leave the connection for the next one if it is fit. Raises
    `TimeoutError` after ``seconds``.
    """
    protocol = kept.protocol
    assert protocol is not None
    assert protocol.transport is not None, "the pool gives away no other"
    under = watch.begin(protocol, seconds)
    try:
        protocol.set_response_params(read_until_eof=True)
        protocol.transport.write(request)
        status, headers, under.content = await _answer_on(protocol)
        answer = Answer(status, headers, await _read(under.content))
    except BaseException:
        kept.close()  # or the rest of this answer would be taken for the next one's
        raise
    finally:
        watch.end(under)
    kept.release()
    return answer


async def _answer_on(
    protocol: ResponseHandler,
) -> tuple[int, CIMultiDictProxy[str], aiohttp.StreamReader]:
    """The first that is final: 100 to 199 only say that there will be one."""
    while True:
        message, content = await protocol.read()
        if not 100 <= message.code < 200 or message.code == 101:  # noqa: PLR2004  (as HTTP numbers them)
            return message.code, message.headers, content


class _Head(NamedTuple):
    """Where a request goes, and its lines up to the number of ``Content-Length``."""

    key: ConnectionKey
    lines: bytes


@lru_cache(maxsize=512)
def _head(method: str, url: str, headers: tuple[tuple[str, str], ...]) -> _Head | None:
    """
    None for what is left to aiohttp: methods that are unusual with a body, names and passwords in URLs,
    headers of more than plain text, and URLs that are none. The lines are those that aiohttp writes.
    """
    if method not in _METHODS:
        return None
    if not all(part.isascii() and part.isprintable() for header in headers for part in header):
        return None
    try:
        where = URL(url)
        authority, key = where.host_port_subcomponent, _key(where)
    except ValueError:
        return None
    if not authority or where.scheme not in ("http", "https") or where.raw_user or where.raw_password:
        return None
    lines = CIMultiDict([("Host", authority), *aiohttp.ClientRequest.DEFAULT_HEADERS.items()])
    for name, value in headers:
        lines[name] = value
    if not _LEFT_TO_AIOHTTP.isdisjoint(map(str.lower, lines)):
        return None
    if "Content-Type" not in lines:
        lines["Content-Type"] = "application/octet-stream"
    written = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return _Head(
        key, f"{method} {where.raw_path_qs} HTTP/1.1\r\n{written}Content-Length: ".encode("ascii")
    )


def _key(where: URL) -> ConnectionKey:
    """That of aiohttp's pool for a request with nothing special about it."""
    plain = (where.raw_host or "", where.port, where.scheme == "https", True)
    return ConnectionKey(*plain, *[None] * (len(ConnectionKey._fields) - len(plain)))


def _payload(body: bytes) -> bytes | io.BytesIO | None:
    """A large body is sent in pieces, so that the loop is not held, which aiohttp would warn of."""
    return io.BytesIO(body) if len(body) > _LARGE_BODY else body or None


async def _read(content: aiohttp.StreamReader) -> bytes:
    if content.is_eof():  # all of it came at once, as nearly always
        return content.read_nowait(MAX_ANSWER)
    read = await content.read(MAX_ANSWER)
    while not content.at_eof() and len(read) < MAX_ANSWER:
        read += await content.read(MAX_ANSWER - len(read))
    return read
