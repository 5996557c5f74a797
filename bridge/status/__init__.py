"""The status server: ``/healthz``, ``/readyz`` and ``/metrics``, for monitors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from aiohttp import web

_TEXT = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
_METRICS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


class StatusPages:
    """
    ``not_ready`` gives the reason why the daemon should get no traffic, or nothing; it never waits
    for a platform. ``metrics`` makes the page that Prometheus reads. A request whose Host header is
    not among ``hosts`` is refused: a web page elsewhere must not read us through a browser.
    """

    def __init__(
        self,
        *,
        not_ready: Callable[[], str],
        metrics: Callable[[], Awaitable[bytes]],
        hosts: Collection[str],
    ) -> None:
        self._not_ready = not_ready
        self._metrics = metrics
        self._hosts = {"localhost", "127.0.0.1", "::1", *hosts}

    async def answer(self, request: web.BaseRequest) -> web.Response:
        if _host(request.headers.get("Host", "")) not in self._hosts:
            return web.Response(status=421, text="this Host is not served here\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        match request.path:
            case "/healthz":
                return web.Response(text="ok\n", headers=_TEXT)
            case "/readyz":
                reason = self._not_ready()
                status = 503 if reason else 200
                return web.Response(status=status, text=f"{reason or 'ready'}\n", headers=_TEXT)
            case "/metrics":
                return web.Response(body=await self._metrics(), headers=_METRICS)
        return web.Response(status=404, text="there is /healthz, /readyz and /metrics\n")


def _host(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
