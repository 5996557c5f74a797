"""
A Telegram that runs on loopback: the Bot API of one bot, and people in chats.

A real server for real clients: the tests talk to it, and so does aiogram. It is as strict as Telegram
where a client could go wrong, and can be told to fail. https://core.telegram.org/bots/api
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

from bridge.clock import SystemClock

from .simulated_calls import Refusal, Sent, answer, params_of, refuse
from .simulated_chats import Chats
from .simulated_files import Files
from .simulated_queue import Queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from bridge.clock import Clock

    _Method = Callable[[Mapping[str, Any], Mapping[str, Sent]], Awaitable[Any]]

_MAX_BODY = 64 << 20
_ENOUGH = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One answer instead of the right one. ``hang`` never answers, ``reset`` cuts the connection; with
    ``took`` the call is done all the same. ``body`` is sent as it is, or as JSON.
    """

    status: int = 500
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    reset: bool = False
    took: bool = False


def refusal(status: int, description: str, **parameters: int) -> Fault:
    """A fault in the shape of Telegram's errors."""
    return Fault(status, refuse(status, description, **parameters))


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came in, whatever became of it: its parameters as they were written."""

    method: str
    params: Mapping[str, Any]
    files: Mapping[str, Sent]
    in_json: bool


class Simulator:
    """
    Use as ``async with Simulator() as telegram``; then it listens at ``base_url``. ``chats`` are those
    that it knows, and what people say there; ``files`` what a ``file_id`` opens.
    """

    def __init__(
        self,
        *,
        token: str = "123456789:sim-token-sim-token-sim-token",  # noqa: S107 (everybody may know it)
        username: str = "bridge_bot",
        host: str = "127.0.0.1",
        clock: Clock | None = None,
    ) -> None:
        self.token = token
        self.me: dict[str, Any] = {
            "id": int(token.partition(":")[0]),
            "is_bot": True,
            "first_name": "Bridge",
            "username": username,
            "can_join_groups": True,
            "can_read_all_group_messages": True,
            "supports_inline_queries": False,
        }
        self.queue = Queue()
        self.files = Files()
        self.chats = Chats(self.me, self.queue, self.files, clock or SystemClock())
        self.calls: list[Call] = []
        self.base_url = ""
        self._host = host
        self._faults: dict[str, deque[Fault]] = {}
        self._closing = asyncio.Event()
        chats, queue = self.chats, self.queue
        self._methods: dict[str, _Method] = {
            "getMe": self._get_me,
            "getUpdates": queue.get_updates,
            "setWebhook": queue.set_webhook,
            "deleteWebhook": queue.delete_webhook,
            "getWebhookInfo": queue.get_webhook_info,
            "getFile": self.files.get_file,
            **chats.methods,
        }

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/bot{token}/{method}", self._take)
        app.router.add_get("/file/bot{token}/{path:.+}", self._serve)
        self._session = aiohttp.ClientSession(timeout=_ENOUGH)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, 0).start()
        self.base_url = f"http://{self._host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self.queue.close()
        await self._session.close()
        await self._runner.cleanup()

    def fail_next(self, *faults: Fault, method: str = "send") -> None:
        """The next calls of methods that begin with ``method`` get these answers, one each."""
        self._faults.setdefault(method, deque()).extend(faults)

    async def deliver(self, url: str = "") -> list[int]:
        """
        Call the webhook (or ``url``) with what has happened, in order; the statuses. What was refused
        stays, and ends it.
        """
        statuses = []
        while update := self.queue.oldest:
            headers = {"X-Telegram-Bot-Api-Secret-Token": self.queue.secret} if self.queue.secret else {}
            async with self._session.post(
                url or self.queue.webhook, json=update, headers=headers
            ) as response:
                statuses.append(response.status)
                if response.status != 200:  # noqa: PLR2004 (HTTP's OK)
                    break
            self.queue.confirm(update["update_id"])
        return statuses

    # --- the server ---

    async def _take(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        params, files, in_json = await params_of(request)
        self.calls.append(Call(method, params, files, in_json))
        fault = self._next_fault(method)
        if fault is None:
            return await self._answered(request, method, params, files)
        if fault.took:
            await self._answered(request, method, params, files)
        if fault.hang:
            await self._closing.wait()
        if (fault.reset or fault.hang) and request.transport is not None:
            request.transport.abort()
        if isinstance(fault.body, bytes):
            return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
        return answer(fault.body, fault.status, fault.headers)

    async def _answered(
        self,
        request: web.Request,
        method: str,
        params: Mapping[str, Any],
        files: Mapping[str, Sent],
    ) -> web.Response:
        if not self._knows(request.match_info["token"]):
            return answer(refuse(401, "Unauthorized"), 401)
        found = self._methods.get(method)
        if found is None:
            return answer(refuse(404, "Not Found"), 404)
        try:
            result = await found(params, files)
        except Refusal as e:
            return answer(refuse(e.status, e.description, **e.parameters), e.status)
        return answer({"ok": True, "result": result})

    async def _serve(self, request: web.Request) -> web.Response:
        content = self.files.at(request.match_info["path"])
        if content is None or not self._knows(request.match_info["token"]):
            return answer(refuse(404, "Not Found"), 404)
        return web.Response(body=content, content_type="application/octet-stream")

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    def _next_fault(self, method: str) -> Fault | None:
        for beginning, faults in self._faults.items():
            if faults and method.startswith(beginning):
                return faults.popleft()
        return None

    async def _get_me(self, _params: Mapping[str, Any], _files: Mapping[str, Sent]) -> dict[str, Any]:
        return self.me
