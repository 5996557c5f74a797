"""The app robot over HTTP: it posts as every app robot, and DingTalk calls us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from bridge.model import Finding, InboundResponse

from . import callback, outgoing_token
from .driver import AppRobotDriver
from .signature import Verifier, Vouchers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bridge.driver import Toolbox
    from bridge.model import Inbound, InboundRequest, InstanceId

    from .event_push import EventPush
    from .settings import AppRobot

# The robot stays silent; what there is to say is sent later, by a lane.
_SILENCE = InboundResponse(
    headers=CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json"})),
    body=b'{"msgtype":"empty"}',
)


def _event_push(robot: AppRobot, account: callback.Account) -> EventPush | None:
    """None without ``callback_aes_key``: then the library that decrypts is not needed."""
    if not robot.callback_aes_key:
        return None
    from .event_push import EventPush  # noqa: PLC0415  # imports an extra

    return EventPush(
        robot.callback_token,
        robot.callback_aes_key,
        owners=(robot.app_key, robot.corp_id),
        window=robot.signature_window,
        account=account,
    )


class HttpRobotDriver(AppRobotDriver):
    """A `Driver` that is a `Webhook` too."""

    def __init__(self, instance: InstanceId, robot: AppRobot, toolbox: Toolbox) -> None:
        super().__init__(instance, robot, toolbox)
        self._verifier = (
            Verifier(robot.signing_secret, robot.signature_window) if robot.signing_secret else None
        )
        self._vouchers = Vouchers(robot.signature_window)
        self._events = _event_push(robot, self._account)

    def verify(self, request: InboundRequest) -> None:
        """
        Raises `Unverified`, and `Malformed` for what is no encrypted event. With neither a
        ``signing_secret`` nor an ``outgoing_token`` everybody is believed.
        """
        if self._events is not None and self._events.claims(request):
            self._events.verify(request)
        elif self._is_signed(request):
            assert self._verifier is not None
            self._verifier.check(request.headers, request.received_at)
        elif self._robot.outgoing_token:
            outgoing_token.check(request.headers, self._robot.outgoing_token)

    def normalize(self, request: InboundRequest) -> Inbound:
        """Raises `Malformed`, `Forbidden`, and `Unverified` for a signature that is worn out."""
        if self._events is not None and self._events.claims(request):
            return self._events.normalize(request)

        def vouch(message_id: str) -> None:
            self._vouchers.admit(request.headers["timestamp"], message_id, request.received_at)

        signed = self._is_signed(request)
        # What nobody vouches for must not say where our answers go.
        trusted = signed or self._robot.outgoing_token
        inbound = callback.normalize(
            request,
            self._account,
            vouch if signed else None,
            self._sessions.notice if trusted else None,
        )
        if inbound.ignored == "quota_exhausted":
            self._toolbox.report("quota_exhausted")
        return inbound

    def reply(
        self, request: InboundRequest, inbound: Inbound, *, now: datetime, nonce: str
    ) -> InboundResponse:
        """The same for every callback: https://open.dingtalk.com/document/orgapp/receive-message."""
        if self._events is not None and self._events.claims(request):
            return self._events.reply(request, inbound, now=now, nonce=nonce)
        return _SILENCE

    def _is_signed(self, request: InboundRequest) -> bool:
        """Whether it is held to ``sign``: all but what a legacy outgoing robot sends."""
        if self._verifier is None:
            return False
        return not (self._robot.outgoing_token and outgoing_token.is_outgoing(request.headers))

    async def probe(self) -> Sequence[Finding]:
        """As every app robot, whether callbacks are verified, and what the console must say."""
        return (*await super().probe(), *self._probe_verification(), *self._console())

    def _console(self) -> Sequence[Finding]:
        robot = Finding(
            ok=True,
            what="to be set in the console, page 机器人 (Robot): HTTP mode, the callback address as "
            "消息接收地址; then publish the app",
        )
        events = Finding(
            ok=True,
            what="to be set in the console, page 事件与回调 (Events): HTTP push, the callback address as "
            "请求网址, token and aes_key as callback_token and callback_aes_key",
        )
        return (robot,) if self._events is None else (robot, events)

    def _probe_verification(self) -> Sequence[Finding]:
        if self._verifier is not None or self._robot.outgoing_token:
            return ()
        return (
            Finding(
                ok=False,
                what="callbacks are not verified: anybody who finds the address can send messages",
                hint="set signing_secret to the robot's AppSecret",
            ),
        )
