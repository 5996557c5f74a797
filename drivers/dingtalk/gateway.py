"""
The Stream gateway of the simulator: tickets, WebSockets, frames, and what goes wrong with them.

https://opensource.dingtalk.com/developerpedia/docs/learn/stream/protocol
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from .faults import request_id
from .stream_frames import CARD_TOPIC, OPEN_PATH, ROBOT_TOPIC

if TYPE_CHECKING:
    from bridge.clock import Clock

CONNECT_PATH = "/connect"
TICKET_LIFETIME = 90.0
MAX_OPENS_PER_SECOND = 20
"""https://open.dingtalk.com/document/orgapp/invocation-frequency-limit"""
_TYPES = ("EVENT", "CALLBACK", "SYSTEM")
_CLOSE_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Ack:
    """What a client said of a frame; ``data`` is a JSON text."""

    connection: str
    message_id: str
    code: int
    message: str
    data: str
    at: float


@dataclass(slots=True, eq=False)
class Connection:
    """
    ``leaving``: told to go, nothing new is sent there. ``deaf``: a black hole, both ways. ``pongs``:
    answers to pings of the WebSocket itself.
    """

    id: str
    socket: web.WebSocketResponse
    request: web.Request
    subscriptions: frozenset[tuple[str, str]]
    leaving: bool = False
    deaf: bool = False
    pongs: int = 0

    def takes(self, kind: str, topic: str) -> bool:
        return (kind, topic) in self.subscriptions or (kind, "*") in self.subscriptions

    async def send(self, frame: Mapping[str, Any] | str | bytes) -> None:
        """Any frame, also what is none; into a black hole it goes without a sound."""
        if self.deaf:
            return
        if isinstance(frame, bytes):
            await self.socket.send_bytes(frame)
        else:
            await self.socket.send_str(frame if isinstance(frame, str) else _json(frame))

    async def close(self, code: int = WSCloseCode.OK) -> None:
        """As WebSockets are closed."""
        await self.socket.close(code=code)

    def drop(self) -> None:
        """As networks are cut."""
        if self.request.transport is not None:
            self.request.transport.abort()


@dataclass(slots=True, eq=False)
class Gateway:
    """
    Everything may be read and changed while it runs. ``close_at_once``: each new connection is closed
    cleanly before it says anything. Times are the clock's monotonic ones.
    """

    app_key: str
    app_secret: str
    clock: Clock
    close_at_once: bool = False
    max_opens_per_second: int = MAX_OPENS_PER_SECOND
    endpoint: str = ""
    opens: list[float] = field(default_factory=list)
    """When a ticket was asked for, whatever became of it."""
    connections: list[Connection] = field(default_factory=list)
    accepted: int = 0
    """Connections so far."""
    acks: list[Ack] = field(default_factory=list)
    unacked: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Frames that want an answer, by message id, until there is one that says yes."""
    nonsense: list[str] = field(default_factory=list)
    """What clients sent that is no acknowledgement."""
    _tickets: dict[str, tuple[float, frozenset[tuple[str, str]]]] = field(default_factory=dict)
    _recent: deque[float] = field(default_factory=deque)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 (a choice)
    _serial: int = 0

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post(OPEN_PATH, self._open)
        app.router.add_get(CONNECT_PATH, self._connect)

    async def stop(self) -> None:
        self._over.set()
        for connection in self.connections:
            connection.drop()

    # --- what a test says ---

    async def until(self, true: Callable[[Gateway], bool], *, within: float = 10.0) -> None:
        """Wait for something about the gateway to become so. Raises TimeoutError."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: true(self))

    async def connection(self, kind: str = "CALLBACK", topic: str = ROBOT_TOPIC) -> Connection:
        """One of those that frames of this kind may go to; waits until there is one."""

        def fit(gateway: Gateway) -> list[Connection]:
            return [one for one in gateway.connections if not one.leaving and one.takes(kind, topic)]

        await self.until(lambda gateway: bool(fit(gateway)), within=120.0)
        return self._random.choice(fit(self))

    def frame(self, kind: str, topic: str, data: object, **headers: str) -> dict[str, Any]:
        """``data`` becomes a JSON text, unless it is a text already."""
        self._serial += 1
        return {
            "specVersion": "1.0",
            "type": kind,
            "headers": {
                "appId": "00000000-0000-4000-8000-000000000001",
                "contentType": "application/json",
                "messageId": f"sim_{self._serial:x}",
                "time": str(int(self.clock.now().timestamp() * 1000)),
                "topic": topic,
                **headers,
            },
            "data": data if isinstance(data, str) else _json(data),
        }

    async def push(self, frame: Mapping[str, Any], *, to: Connection | None = None) -> str:
        """Send a frame that wants an answer, to one connection that subscribed; its message id."""
        kind, topic = frame["type"], frame["headers"]["topic"]
        message_id: str = frame["headers"]["messageId"]
        connection = to or await self.connection(kind, topic)
        self.unacked[message_id] = frame
        with suppress(ConnectionError):  # it stays unacknowledged
            await connection.send(
                {**frame, "headers": {**frame["headers"], "connectionId": connection.id}}
            )
        return message_id

    async def say(self, body: Mapping[str, Any], *, to: Connection | None = None) -> str:
        """Somebody wrote to the robot; ``body`` as over HTTP."""
        return await self.push(self.frame("CALLBACK", ROBOT_TOPIC, body), to=to)

    async def press(self, body: Mapping[str, Any]) -> str:
        """Somebody pressed a button of a card."""
        return await self.push(self.frame("CALLBACK", CARD_TOPIC, body))

    async def happen(self, event_type: str, data: Mapping[str, Any], **headers: str) -> str:
        """An event of the organization."""
        more = {"eventType": event_type, "eventId": uuid.uuid4().hex, **headers}
        return await self.push(self.frame("EVENT", "*", data, **more))

    async def ping(self, opaque: str) -> str:
        frame = self.frame("SYSTEM", "ping", {"opaque": opaque})
        await (await self.connection()).send(frame)
        return str(frame["headers"]["messageId"])

    async def disconnect(self, connection: Connection) -> None:
        """Ask the client to go; nothing new is sent to it on this connection."""
        connection.leaving = True
        reason = {"reason": "persistent connection is timeout"}
        await connection.send(self.frame("SYSTEM", "disconnect", reason))

    async def redeliver(self, message_ids: Iterable[str] | None = None) -> None:
        """Send again what is not acknowledged: all of it, or those of ``message_ids``."""
        wanted = list(self.unacked) if message_ids is None else message_ids
        for frame in [self.unacked[one] for one in wanted if one in self.unacked]:
            await self.push(frame)

    async def acked(self, message_id: str, *, within: float = 10.0) -> Ack:
        """Wait for the answer to a frame. Raises TimeoutError."""

        def found(gateway: Gateway) -> list[Ack]:
            return [ack for ack in gateway.acks if ack.message_id == message_id]

        await self.until(lambda gateway: bool(found(gateway)), within=within)
        return found(self)[-1]

    # --- what a client meets ---

    async def _open(self, request: web.Request) -> web.Response:
        now = self.clock.monotonic()
        self.opens.append(now)
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if len(self._recent) >= self.max_opens_per_second:
            return _refuse(403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "请求太快")
        self._recent.append(now)
        if "json" not in request.headers.get("Accept", ""):
            return web.Response(text="<?xml version='1.0'?><error/>", content_type="application/xml")
        asked = _object(await request.read())
        if (asked.get("clientId"), asked.get("clientSecret")) != (self.app_key, self.app_secret):
            return _refuse(401, "authFailed", "鉴权失败")
        subscriptions = asked.get("subscriptions")
        if not isinstance(subscriptions, list) or not subscriptions:
            return _refuse(400, "invalidParameter.subscriptions", "subscriptions")
        wanted = set()
        for one in subscriptions:
            if not isinstance(one, dict) or one.get("type") not in _TYPES or not one.get("topic"):
                return _refuse(400, "invalidParameter.subscriptions", "subscriptions")
            wanted.add((str(one["type"]), str(one["topic"])))
        ticket = str(uuid.uuid4())
        self._tickets[ticket] = (now + TICKET_LIFETIME, frozenset(wanted))
        return web.json_response({"endpoint": self.endpoint, "ticket": ticket})

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        until, subscriptions = self._tickets.pop(request.query.get("ticket", ""), (0.0, frozenset()))
        if until <= self.clock.monotonic():
            return web.Response(status=401)
        socket = web.WebSocketResponse(
            timeout=_CLOSE_WITHIN, autoping=False, autoclose=False, compress=False
        )
        await socket.prepare(request)
        async with self._changed:
            self.accepted += 1
            self._changed.notify_all()
        if self.close_at_once:
            await socket.close()
            return socket
        connection = Connection(f"sim{self.accepted}", socket, request, subscriptions)
        async with self._changed:
            self.connections.append(connection)
            self._changed.notify_all()
        try:
            await self._hear(connection)
        finally:
            async with self._changed:
                self.connections.remove(connection)
                self._changed.notify_all()
        return socket

    async def _hear(self, connection: Connection) -> None:
        while True:
            message = await connection.socket.receive()
            if connection.deaf:
                if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING):
                    await self._over.wait()
                    return
                continue
            match message.type:
                case WSMsgType.PING:
                    await connection.socket.pong(message.data)
                case WSMsgType.PONG:
                    connection.pongs += 1
                case WSMsgType.TEXT:
                    await self._answered(connection, message.data)
                case WSMsgType.CLOSE:
                    await connection.socket.close()
                    return
                case WSMsgType.CLOSED | WSMsgType.CLOSING | WSMsgType.ERROR:
                    return

    async def _answered(self, connection: Connection, text: str) -> None:
        said = _object(text.encode())
        headers = said.get("headers")
        message_id = headers.get("messageId") if isinstance(headers, dict) else None
        code, data = said.get("code"), said.get("data")
        if not isinstance(message_id, str) or type(code) is not int or not isinstance(data, str):
            self.nonsense.append(text)
            return
        ack = Ack(connection.id, message_id, code, str(said.get("message")), data, self.clock.monotonic())
        if code == HTTPStatus.OK and _object(data.encode()).get("status") != "LATER":
            self.unacked.pop(message_id, None)
        async with self._changed:
            self.acks.append(ack)
            self._changed.notify_all()


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refuse(status: int, code: str, message: str) -> web.Response:
    body = {"code": code, "requestid": request_id(), "message": message}
    return web.json_response(body, status=status)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
