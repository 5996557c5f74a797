"""
A DingTalk that runs on loopback: the OpenAPI of one app, and a poster of signed callbacks.

A real server for real clients: ``demo`` relays through it, the tests talk to it, and so can the
official SDK. It is as strict as DingTalk where a client could go wrong, and can be told to fail.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web

from bridge.clock import SystemClock

from .faults import Fault
from .gateway import CONNECT_PATH, Gateway
from .message_templates import MAX_PARAM, complaint_about
from .picture import small_picture
from .signature import sign as signature_of
from .simulated_answers import answer, as_json, object_of, refuse
from .simulated_cards import SimulatedCards
from .simulated_directory import SimulatedDirectory
from .simulated_media import SimulatedMedia
from .simulated_persons import SimulatedPersons
from .simulated_webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from types import TracebackType

    from bridge.clock import Clock

    _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MAX_PERSONS = 20
_POST_TIMEOUT = aiohttp.ClientTimeout(total=15)
_MAX_BODY = 32 << 20
_MAX_RECALLED = 20


@dataclass(frozen=True, slots=True)
class Received:
    """
    A message that the platform took.

    ``group`` is its open conversation id, or empty; ``person`` the staff id, or empty.
    ``params`` are those of the ``msgKey``'s template.
    """

    process_query_key: str
    group: str
    person: str
    msg_key: str
    params: Mapping[str, Any]

    @property
    def text(self) -> str:
        return str(self.params.get("content", self.params.get("text", "")))


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came in, whatever became of it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Simulator:
    """
    Use as ``async with Simulator() as dingtalk``; then it listens at ``base_url``.

    ``groups`` and ``users`` are those that it knows, ``files`` what a ``downloadCode`` opens,
    ``token_lifetime`` is in seconds. All may be changed while it runs.
    """

    def __init__(
        self,
        *,
        app_key: str = "dingsimappkey0000001",
        app_secret: str = "sim-app-secret",  # noqa: S107 (everybody may know the simulator's)
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.app_key = app_key
        self.app_secret = app_secret
        self.robot_code = app_key
        self.groups = {"cidSimGroup0000000001==", "cidSimGroup0000000002=="}
        self.users = {"manager1001", "user1002"}
        self.busy_users: set[str] = set()
        self.files = {"simPicture+/=": small_picture()}
        self.token_lifetime = 7200
        self.received: list[Received] = []
        self.recalled: set[str] = set()
        self.calls: list[Call] = []
        self.base_url = ""
        self._host, self._port = host, port
        self._clock = clock or SystemClock()
        self.gateway = Gateway(app_key, app_secret, self._clock)
        self.webhooks = Webhooks(self._clock)
        self.persons = SimulatedPersons(self.knows_token)
        self.media = SimulatedMedia(self.knows_token)
        self.cards = SimulatedCards(
            self.knows_token, lambda: self.robot_code, lambda: self.groups | self.users
        )
        self._tokens: dict[str, float] = {}
        self.directory = SimulatedDirectory(self.knows_token, app_key)
        self._faults: dict[str, deque[Fault]] = {}
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MAX_BODY, middlewares=[self._record])
        app.router.add_post("/v1.0/oauth2/accessToken", self._grant)
        app.router.add_post("/v1.0/robot/groupMessages/send", self._take_for_group)
        app.router.add_post("/v1.0/robot/oToMessages/batchSend", self._take_for_persons)
        app.router.add_post("/v1.0/robot/messageFiles/download", self._locate_file)
        app.router.add_post("/v1.0/robot/groupMessages/query", self._tell_status)
        app.router.add_get("/files/{name}", self._serve_file)
        app.router.add_routes(self.directory.routes)
        app.router.add_routes(self.webhooks.routes)
        app.router.add_routes(self.media.routes)
        app.router.add_routes(self.persons.routes)
        app.router.add_routes(self.cards.routes)
        app.router.add_post("/v1.0/robot/groupMessages/recall", self._recall)
        app.router.add_post("/v1.0/robot/otoMessages/batchRecall", self._recall)
        self.gateway.add_routes(app)
        self._session = aiohttp.ClientSession(timeout=_POST_TIMEOUT)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://{self._host}:{port}"
        self.gateway.endpoint = f"ws://{self._host}:{port}{CONNECT_PATH}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        await self.gateway.stop()
        await self._session.close()
        await self._runner.cleanup()

    # --- what a test or a demo says ---

    def fail_next(self, *faults: Fault, path: str = "/v1.0/robot/") -> None:
        """The next calls to paths that begin with ``path`` get these answers, one each."""
        self._faults.setdefault(path, deque()).extend(faults)

    def knows_token(self, token: str) -> bool:
        """Whether it was granted, and is neither revoked nor past its time."""
        return self._tokens.get(token, 0.0) > self._clock.monotonic()

    def revoke_tokens(self) -> None:
        """No token that was granted is good any more."""
        self._tokens.clear()

    async def post_event(
        self,
        url: str,
        body: Mapping[str, Any] | bytes,
        *,
        now: datetime,
        secret: str | None = "",
        timestamp: str | None = None,
        sign: str | None = None,
    ) -> tuple[int, str]:
        """
        Call ``url`` as DingTalk calls a robot; returns the status and the body of the answer.

        ``secret`` is the app's unless another is given; with None the call is not signed at all.
        ``timestamp`` and ``sign`` replace the right headers.
        """
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if secret is not None:
            stamped = timestamp or str(int(now.timestamp() * 1000))
            headers["timestamp"] = stamped
            headers["sign"] = sign or signature_of(stamped, secret or self.app_secret)
        payload = body if isinstance(body, bytes) else as_json(body)
        async with self._session.post(
            url, data=payload, headers=headers, allow_redirects=False
        ) as response:
            return response.status, await response.text(errors="replace")

    # --- the OpenAPI ---

    @web.middleware
    async def _record(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        body = await request.read()
        self.calls.append(Call(request.method, request.path, request.headers.copy(), body))
        fault = self._next_fault(request.path)
        if fault is None:
            return await handler(request)
        if fault.took:
            await handler(request)
        if fault.hang:
            await self._closing.wait()
        if (fault.reset or fault.hang) and request.transport is not None:
            request.transport.abort()
        if isinstance(fault.body, bytes):
            return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
        return answer(fault.body, fault.status, fault.headers)

    def _next_fault(self, path: str) -> Fault | None:
        for prefix, faults in self._faults.items():
            if faults and path.startswith(prefix):
                return faults.popleft()
        return None

    async def _grant(self, request: web.Request) -> web.Response:
        asked = object_of(await request.read())
        if asked is None:
            return refuse("Missingbody", "body is empty")
        if (asked.get("appKey"), asked.get("appSecret")) != (self.app_key, self.app_secret):
            return refuse("invalidClientIdOrSecret", "无效的clientId或者clientSecret")
        token = secrets.token_hex(16)
        self._tokens[token] = self._clock.monotonic() + self.token_lifetime
        date = format_datetime(self._clock.now(), usegmt=True)
        return answer({"expireIn": self.token_lifetime, "accessToken": token}, headers={"Date": date})

    async def _take_for_group(self, request: web.Request) -> web.Response:
        asked = self._checked(request, await request.read())
        if isinstance(asked, web.Response):
            return asked
        group = asked.get("openConversationId")
        if not isinstance(group, str) or group not in self.groups:
            return refuse("invalid.openConversationId", "无效的openConversationId")
        key = self._take(asked, group=group)
        return answer({"processQueryKey": key})

    async def _take_for_persons(self, request: web.Request) -> web.Response:
        asked = self._checked(request, await request.read())
        if isinstance(asked, web.Response):
            return asked
        persons = asked.get("userIds")
        if (
            not isinstance(persons, list)
            or not 1 <= len(persons) <= _MAX_PERSONS
            or not all(isinstance(person, str) for person in persons)
        ):
            return refuse("invalidParameter.userIds", "userIds")
        unknown = [person for person in persons if person not in self.users]
        busy = [person for person in persons if person in self.busy_users]
        key = secrets.token_urlsafe(16)
        for person in persons:
            if person not in unknown and person not in busy:
                key = self._take(asked, person=person, key=key)
        return answer(
            {
                "processQueryKey": key,
                "invalidStaffIdList": unknown,
                "flowControlledStaffIdList": busy,
            }
        )

    async def _locate_file(self, request: web.Request) -> web.Response:
        asked = self._authorized(request, await request.read())
        if isinstance(asked, web.Response):
            return asked
        names = [str(name) for name in range(len(self.files))]
        for name, code in zip(names, self.files, strict=True):
            if code == asked.get("downloadCode"):
                query = "Expires=1671377946&OSSAccessKeyId=sim&Signature=sim%3D"
                return answer({"downloadUrl": f"{self.base_url}/files/{name}.png?{query}"})
        return refuse("invalidParameter.downloadCode", "downloadCode 错误或已过期")

    async def _recall(self, request: web.Request) -> web.Response:
        asked = self._authorized(request, await request.read())
        if isinstance(asked, web.Response):
            return asked
        keys = asked.get("processQueryKeys")
        if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
            return refuse("invalid.processQueryKey", "无效的processQueryKey")
        if len(keys) > _MAX_RECALLED:
            return refuse("invalidParameter.processQueryKeys.overMax", "processQueryKeys")
        # In a direct chat the request does not say whose it is; in a group it must.
        group = asked.get("openConversationId", "") if "groupMessages" in request.path else ""
        there = {
            one.process_query_key
            for one in self.received
            if one.group == group and one.process_query_key not in self.recalled
        }
        done = [key for key in keys if key in there]
        self.recalled.update(done)
        left = {key: "robot.processQueryKey.expired" for key in keys if key not in there}
        return answer({"successResult": done, "failedResult": left})

    async def _tell_status(self, request: web.Request) -> web.Response:
        asked = self._authorized(request, await request.read())
        if isinstance(asked, web.Response):
            return asked
        if asked.get("processQueryKey") not in {one.process_query_key for one in self.received}:
            return refuse("invalid.processQueryKey", "无效的processQueryKey")
        return answer({"sendStatus": "SUCCESS", "readUserIds": [], "hasMore": False})

    async def _serve_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"].removesuffix(".png")
        contents = list(self.files.values())
        if not name.isdecimal() or int(name) >= len(contents):
            raise web.HTTPNotFound
        return web.Response(body=contents[int(name)], content_type="image/png")

    def _authorized(self, request: web.Request, body: bytes) -> dict[str, Any] | web.Response:
        """The request's object, or the refusal that it gets: token first, then the robot."""
        token = request.headers.get("x-acs-dingtalk-access-token", "")
        if not self.knows_token(token):
            return refuse("InvalidAuthentication", "不合法的access_token")
        asked = object_of(body)
        if asked is None or request.content_type != "application/json":
            return refuse("Missingbody", "body is empty")
        robot_code = asked.get("robotCode")
        if not robot_code:
            return refuse("invalidParameter.robotCode.empty", "robotCode is empty")
        if robot_code != self.robot_code:
            return refuse("resource.not.found", "robot 不存在")
        return asked

    def _checked(self, request: web.Request, body: bytes) -> dict[str, Any] | web.Response:
        """As `_authorized`, for a message: its template is checked too."""
        asked = self._authorized(request, body)
        if isinstance(asked, dict) and (wrong := complaint_about(asked)):
            return refuse(wrong, f"msgKey, msgParam (at most {MAX_PARAM} bytes)")
        return asked

    def _take(self, asked: Mapping[str, Any], *, group: str = "", person: str = "", key: str = "") -> str:
        key = key or secrets.token_urlsafe(16)
        params = json.loads(asked["msgParam"])
        self.received.append(Received(key, group, person, asked["msgKey"], params))
        return key
