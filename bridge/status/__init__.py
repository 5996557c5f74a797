"""
The status server: ``/healthz``, ``/readyz`` and ``/metrics`` for monitors, the status page for people,
and the HTTP API for programs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import structlog
from aiohttp import web

from bridge.clock import Clock, SystemClock
from bridge.config import Config
from bridge.desk import Desk
from bridge.status.access import GUESSES, Keys, Pace, host_of, known_hosts
from bridge.status.api import ApiDoor, problem
from bridge.status.api_operations import ROOT
from bridge.status.api_requests import Refusal
from bridge.status.page import Picture
from bridge.status.page_door import PageDoor

log = structlog.get_logger()

_TEXT = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
_METRICS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
_QUIET = 1.0
"""Seconds between two log lines about refused requests; those between are counted."""


class StatusPages:
    """
    ``not_ready`` gives the reason why the daemon should get no traffic, or nothing; it never waits
    for a platform. ``metrics`` makes the page that Prometheus reads. A request whose Host header is
    not among ``hosts`` is refused: a web page elsewhere must not read us through a browser.

    Without ``desk`` and ``config`` (the configuration that runs now) there is no page and no API;
    ``picture`` draws the routes on the page.
    """

    def __init__(
        self,
        *,
        not_ready: Callable[[], str],
        metrics: Callable[[], Awaitable[bytes]],
        hosts: Collection[str],
        desk: Desk | None = None,
        config: Callable[[], Config] | None = None,
        picture: Picture | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._not_ready = not_ready
        self._metrics = metrics
        self._hosts = known_hosts(hosts)
        self._clock = clock or SystemClock()
        self._quiet_until = 0.0
        self._unsaid = 0
        self._page: PageDoor | None = None
        self._api: ApiDoor | None = None
        if desk is not None and config is not None:
            keys = Keys(lambda: config().global_.api.tokens, self._clock)
            guesses = Pace(lambda: GUESSES, self._clock)
            self._page = PageDoor(desk, keys, guesses, picture)
            self._api = ApiDoor(
                desk,
                config,
                keys,
                pace=Pace(lambda: config().global_.api.rate, self._clock),
                guesses=guesses,
                refused=self._say_refused,
            )

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Never raises for anything that a stranger sends."""
        if host_of(request) not in self._hosts:
            self._say_refused(request, 421, "the Host header names somebody else")
            if request.path.startswith(ROOT):
                return problem(Refusal(421, "host", "this Host is not served here"))
            return web.Response(status=421, text="this Host is not served here\n")
        if self._api is not None and request.path.startswith(ROOT):
            return await self._api.answer(request)
        if self._page is not None and request.path == "/login" and request.method == "POST":
            return await self._page.login(request)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        if self._page is not None and request.path == "/":
            return await self._page.page(request)
        return await self._for_monitors(request)

    async def _for_monitors(self, request: web.BaseRequest) -> web.Response:
        match request.path:
            case "/healthz":
                return web.Response(text="ok\n", headers=_TEXT)
            case "/readyz":
                reason = self._not_ready()
                status = 503 if reason else 200
                return web.Response(status=status, text=f"{reason or 'ready'}\n", headers=_TEXT)
            case "/metrics":
                return web.Response(body=await self._metrics(), headers=_METRICS)
        there = "there is /, /api/openapi.json, /healthz, /readyz and /metrics\n"
        return web.Response(status=404, text=there, headers=_TEXT)

    def _say_refused(self, request: web.BaseRequest, status: int, why: str) -> None:
        """At most one line a second, whatever a stranger tries."""
        now = self._clock.monotonic()
        if now < self._quiet_until:
            self._unsaid += 1
            return
        log.warning(
            "request.refused",
            instance="",
            status=status,
            why=why,
            remote=request.remote or "",
            before_unsaid=self._unsaid,
        )
        self._quiet_until = now + _QUIET
        self._unsaid = 0
