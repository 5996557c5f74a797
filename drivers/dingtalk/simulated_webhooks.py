"""
Group robots and session webhooks, for the simulator: as strict as DingTalk where a client could go
wrong, security settings and the ten minutes of silence included.

https://open.dingtalk.com/document/robots/customize-robot-security-settings
"""

from __future__ import annotations

import hmac
import json
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .robot_send import MAX_BODY
from .signature import sign

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bridge.clock import Clock

_HOUR = timedelta(hours=1)
_NO_KEYWORD = (
    "description:关键词不匹配;solution:请联系群管理员查看此机器人的关键词，并在发送的信息中包含此关键词;"
)
_WANTED = {
    "text": ("content",),
    "markdown": ("title", "text"),
    "link": ("title", "text", "messageUrl"),
    "actionCard": ("title", "text"),
    "feedCard": (),
}


class Gate:
    """At most ``count`` messages in any ``window`` seconds, or none for ``blocked_for`` seconds."""

    def __init__(self, count: int = 20, window: float = 60.0, blocked_for: float = 600.0) -> None:
        self.blocked = 0
        """How often it has fallen shut."""
        self._count = count
        self._window = window
        self._blocked_for = blocked_for
        self._taken: deque[float] = deque()
        self._shut_until = float("-inf")

    def admits(self, now: float) -> bool:
        """Whether a message that arrives at ``now``, in seconds that only grow, is taken."""
        if now < self._shut_until:
            return False
        while self._taken and now - self._taken[0] >= self._window:
            self._taken.popleft()
        if len(self._taken) >= self._count:
            self._shut_until = now + self._blocked_for
            self.blocked += 1
            return False
        self._taken.append(now)
        return True


@dataclass
class WebhookRobot:
    """
    A robot of one group. ``secret``, ``keywords`` and ``addresses`` are its security settings;
    ``trouble`` is the errcode that it answers everything with, 0 for none.
    """

    secret: str = ""
    keywords: tuple[str, ...] = ()
    addresses: frozenset[str] | None = None
    trouble: int = 0
    gate: Gate = field(default_factory=Gate)
    received: list[dict[str, Any]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [text_of(body) for body in self.received]


@dataclass
class Session:
    """A conversation that can be answered until a moment."""

    conversation: str
    until: datetime
    received: list[dict[str, Any]] = field(default_factory=list)


class Webhooks:
    """``/robot/send`` and ``/robot/sendBySession``."""

    def __init__(self, clock: Clock) -> None:
        self.robots: dict[str, WebhookRobot] = {}
        self.sessions: dict[str, Session] = {}
        self._clock = clock

    def add(
        self,
        token: str,
        *,
        secret: str = "",
        keywords: Iterable[str] = (),
        addresses: Iterable[str] | None = None,
    ) -> WebhookRobot:
        """A new robot; at least one of the three settings is on at the real one."""
        allowed = None if addresses is None else frozenset(addresses)
        self.robots[token] = WebhookRobot(secret, tuple(keywords), allowed)
        return self.robots[token]

    def open_session(self, name: str, conversation: str, until: datetime) -> Session:
        """A session webhook: ``<base URL>/robot/sendBySession?session=<name>``."""
        self.sessions[name] = Session(conversation, until)
        return self.sessions[name]

    @property
    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/robot/send", self._take_for_robot),
            web.post("/robot/sendBySession", self._take_for_session),
        ]

    async def _take_for_robot(self, request: web.Request) -> web.Response:
        body = await request.read()
        robot = self.robots.get(request.query.get("access_token", ""))
        if robot is None:
            return _answer(400101, "access_token 不存在")
        if robot.trouble:
            return _answer(robot.trouble, "trouble")
        if not robot.gate.admits(self._clock.monotonic()):
            return _answer(130101, "send too fast, exceed 20 times per minute")
        wrong = _body_trouble(request, body) or self._insecure(robot, request, body)
        if wrong is not None:
            return wrong
        _keep(json.loads(body), robot.received)
        return _answer(0, "ok")

    async def _take_for_session(self, request: web.Request) -> web.Response:
        body = await request.read()
        session = self.sessions.get(request.query.get("session", ""))
        if session is None or session.until <= self._clock.now():
            return _answer(300001, "session 不存在")
        wrong = _body_trouble(request, body)
        if wrong is not None:
            return wrong
        _keep(json.loads(body), session.received)
        return _answer(0, "ok")

    def _insecure(self, robot: WebhookRobot, request: web.Request, body: bytes) -> web.Response | None:
        if robot.addresses is not None and request.remote not in robot.addresses:
            return _answer(310000, f"ip {request.remote} not in whitelist")
        if robot.secret and (wrong := self._unsigned(robot, request)):
            return _answer(310000, wrong)
        said = text_of(json.loads(body))
        if robot.keywords and not any(keyword in said for keyword in robot.keywords):
            return _answer(310000, _NO_KEYWORD)
        return None

    def _unsigned(self, robot: WebhookRobot, request: web.Request) -> str:
        timestamp = request.query.get("timestamp", "")
        given = request.query.get("sign", "")
        if not hmac.compare_digest(
            sign(timestamp, robot.secret).encode(), given.encode("utf-8", "replace")
        ):
            return (
                "description:机器人发送签名不匹配;solution:请确认签名和生成签名的时间戳必须都放在"
                "调用的网址中，请确认机器人的密钥加密和填写正确;"
            )
        if abs(self._clock.now().timestamp() - int(timestamp) / 1000) >= _HOUR.total_seconds():
            return "invalid timestamp"
        return ""


def text_of(body: dict[str, Any]) -> str:
    """What a reader sees of a body, without its title and buttons."""
    inner = body[body["msgtype"]]
    return str(inner.get("content", inner.get("text", "")))


def _body_trouble(request: web.Request, body: bytes) -> web.Response | None:
    if request.content_type != "application/json":
        return _answer(43004, "无效的HTTP HEADER Content-Type")
    if len(body) > MAX_BODY:
        return _answer(460101, "message too long, exceed 20000 bytes")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return _answer(40035, "缺少参数 json")
    kind = message.get("msgtype") if isinstance(message, dict) else None
    if not isinstance(kind, str):
        return _answer(40035, "缺少参数 json")
    if kind not in _WANTED:
        return _answer(400105, "unsupported msgtype")
    inner = message.get(kind)
    if not isinstance(inner, dict) or not all(_is_said(inner.get(key)) for key in _WANTED[kind]):
        return _answer(40035, "缺少参数 json")
    if kind == "actionCard" and not _has_actions(inner):
        return _answer(40035, "缺少参数 json")
    return None


def _has_actions(card: dict[str, Any]) -> bool:
    if _is_said(card.get("singleTitle")) and _is_said(card.get("singleURL")):
        return True
    buttons = card.get("btns")
    return (
        isinstance(buttons, list)
        and bool(buttons)
        and all(
            isinstance(one, dict) and _is_said(one.get("title")) and _is_said(one.get("actionURL"))
            for one in buttons
        )
    )


def _is_said(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _keep(message: dict[str, Any], received: list[dict[str, Any]]) -> None:
    """Once for each ``msgUuid``, which is DingTalk's idempotency key."""
    uuid = message.get("msgUuid")
    if uuid is None or all(one.get("msgUuid") != uuid for one in received):
        received.append(message)


def _answer(code: int, words: str) -> web.Response:
    return web.json_response({"errcode": code, "errmsg": words})
