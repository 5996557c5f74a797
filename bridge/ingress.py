"""
The near end: HTTP request → verify → normalize → route → accept → answer. One commit, then the
answer; nothing here waits for a destination.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import structlog
from aiohttp import web
from multidict import CIMultiDict

from bridge.acceptor import Acceptor
from bridge.clock import Clock
from bridge.driver import Webhook
from bridge.errors import IngressError, JournalError, JournalFull, Unsupported
from bridge.media_links import ROOT, MediaLinks
from bridge.metrics import Metrics
from bridge.model import Inbound, InboundRequest, InboundResponse, InstanceId
from bridge.prepared import Prepared

log = structlog.get_logger()

_QUIET = 1.0
"""Seconds between two log lines about refused requests; those between are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What one request and all connections may cost; times in seconds, sizes in bytes.

    ``trusted_proxies`` are addresses and networks.
    """

    max_body: int = 262_144
    body_timeout: float = 5.0
    trusted_proxies: Sequence[str] = ()


class _Rejected(Exception):  # not an error of ours: an HTTP answer on its way out
    def __init__(self, status: int, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after


Mounts = Mapping[str, tuple[InstanceId, Webhook]]
"""Path → who is called there."""


class Ingress:
    """All paths of one listening port. Without mounts it asks every caller to come again soon."""

    def __init__(
        self,
        mounts: Mounts | None,
        acceptor: Acceptor,
        clock: Clock,
        metrics: Metrics,
        limits: Limits,
        links: MediaLinks | None = None,
    ) -> None:
        self._mounts = mounts or {}
        self._mounted = mounts is not None
        self._acceptor = acceptor
        self._clock = clock
        self._metrics = metrics
        self._limits = limits
        self._links = links
        # Unpredictable from outside by its beginning, never the same twice by its end.
        self._nonces = map(f"{secrets.token_hex(8)}{{:x}}".format, itertools.count())
        self._proxies = tuple(ip_network(proxy, strict=False) for proxy in limits.trusted_proxies)
        self._quiet_until = 0.0
        self._unsaid = 0
        self._last = self._again = InboundResponse()
        self._prepared = Prepared(self._again, clock)

    def mount(self, mounts: Mounts) -> None:
        """From the next request on; one that is being read stays with whom it was read for."""
        self._mounts = mounts
        self._mounted = True

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Never raises for anything that a stranger sends."""
        mount = self._mounts.get(request.path)
        if mount is None and self._links is not None and request.path.startswith(ROOT):
            return await self._links.answer(request)
        if mount is None and not self._mounted:
            return self._refuse("", request, 503, "the port is only just being opened", 1)
        if mount is None:
            return self._refuse("", request, 404, "no instance listens on this path")
        instance, webhook = mount
        try:
            inbound_request = await self._read(request)
            webhook.verify(inbound_request)
            inbound = _understand(webhook, inbound_request)
            await self._acceptor.take(instance, inbound)
        except IngressError as e:
            return self._refuse(instance, request, e.status, str(e))
        except JournalFull as e:
            return self._refuse(instance, request, 503, str(e), e.retry_after)
        except JournalError as e:
            return self._refuse(instance, request, 503, str(e), 60)
        except _Rejected as e:
            return self._refuse(instance, request, e.status, str(e), e.retry_after)
        return self._reply(
            request,
            webhook.reply(inbound_request, inbound, now=self._clock.now(), nonce=next(self._nonces)),
        )

    def _reply(self, request: web.BaseRequest, reply: InboundResponse) -> web.StreamResponse:
        """A driver's constant, which comes again and again, is put together once."""
        if not Prepared.suits(request):
            return _response(reply)
        if reply is self._again:
            return self._prepared
        if reply is self._last:
            self._again, self._prepared = reply, Prepared(reply, self._clock)
        self._last = reply
        return _response(reply)

    async def _read(self, request: web.BaseRequest) -> InboundRequest:
        if request.method != "POST":
            raise _Rejected(405, "only POST is taken here")
        headers = request.headers
        if "Content-Encoding" in headers:
            raise _Rejected(415, "a compressed body is not taken")
        return InboundRequest(
            request.method,
            request.path,
            request.query if request.query_string else _NO_QUERY,
            headers,
            await self._body(request),
            self._remote(request),
            self._clock.now(),
        )

    async def _body(self, request: web.BaseRequest) -> bytes:
        limit = self._limits.max_body
        too_large = f"the body is larger than {limit} bytes"
        if (request.content_length or 0) > limit:
            raise _Rejected(413, too_large)
        content = request.content
        if content.is_eof():  # all of it came with the headers, as nearly always
            body = content.read_nowait(-1)
            if len(body) > limit:
                raise _Rejected(413, too_large)
            return body
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.body_timeout):
                while chunk := await content.readany():
                    size += len(chunk)
                    if size > limit:
                        raise _Rejected(413, too_large)
                    chunks.append(chunk)
        except TimeoutError:
            raise _Rejected(408, "the body did not come in time") from None
        except web.RequestPayloadError as e:
            raise _Rejected(400, "the body is broken") from e
        return b"".join(chunks)

    def _remote(self, request: web.BaseRequest) -> str:
        """The peer's address; behind a trusted proxy, the last address that no such proxy has."""
        remote = request.remote or ""
        hops = request.headers.get("X-Forwarded-For", "")
        if not hops or not self._is_proxy(remote):
            return remote
        for hop in reversed(hops.split(",")):
            if hop.strip() and not self._is_proxy(hop.strip()):
                return hop.strip()[:64]
        return remote

    def _is_proxy(self, address: str) -> bool:
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self._proxies)

    def _refuse(
        self,
        instance: str,
        request: web.BaseRequest,
        status: int,
        why: str,
        retry_after: float | None = None,
    ) -> web.Response:
        """The peer gets the status alone; why stands in our log, at most one line a second."""
        self._metrics.requests_refused.labels(instance, str(status)).inc()
        now = self._clock.monotonic()
        if now >= self._quiet_until:
            log.warning(
                "request.refused",
                instance=instance,
                status=status,
                why=why,
                remote=self._remote(request),
                before_unsaid=self._unsaid,
            )
            self._quiet_until = now + _QUIET
            self._unsaid = 0
        else:
            self._unsaid += 1
        response = web.Response(status=status)
        if retry_after is not None:
            response.headers["Retry-After"] = str(int(retry_after))
        if status in (408, 413, 415):
            response.force_close()  # the rest of the body is not worth reading
        return response


def _understand(webhook: Webhook, request: InboundRequest) -> Inbound:
    """What is not ours to bridge is acknowledged and counted, never refused."""
    try:
        return webhook.normalize(request)
    except Unsupported as e:
        return Inbound(ignored=e.reason)


_NO_QUERY: CIMultiDict[str] = CIMultiDict()


def _response(answer: InboundResponse) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
