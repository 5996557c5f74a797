"""The app robot: callbacks in, OpenAPI out. The wire is in the modules beside this one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from bridge.errors import DeliveryError, Indeterminate, Transient
from bridge.model import Capabilities, Finding, InboundResponse, TextFormat

from . import callback, openapi, settings
from .signature import Verifier, Vouchers
from .tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from bridge.driver import Answer, Opened, Settings, Toolbox
    from bridge.model import Inbound, InboundRequest, InstanceId, Outgoing, Receipt

    from .openapi import Grant
    from .settings import AppRobot

# The robot stays silent; what there is to say is sent later, by a lane.
_SILENCE = InboundResponse(
    headers=CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json"})),
    body=b'{"msgtype":"empty"}',
)
_UNTITLED = {"zh": "消息", "en": "Message"}


@asynccontextmanager
async def open_(instance: InstanceId, given: Settings, toolbox: Toolbox) -> AsyncIterator[AppRobotDriver]:
    """``given`` are valid by the schema and by `settings.check`."""
    yield AppRobotDriver(instance, settings.read(given), toolbox)


class AppRobotDriver:
    """A `Driver` that is a `Webhook` and a `MediaSource` too."""

    capabilities = Capabilities(
        max_text=openapi.MAX_TEXT,
        measure=openapi.measure,
        formats=frozenset({TextFormat.PLAIN, TextFormat.MARKDOWN}),
    )

    def __init__(self, instance: InstanceId, robot: AppRobot, toolbox: Toolbox) -> None:
        self.instance = instance
        self._robot = robot
        self._toolbox = toolbox
        self._account = callback.Account(instance, robot.robot_code, robot.corp_id, robot.allowed_users)
        self._verifier = (
            Verifier(robot.signing_secret, robot.signature_window) if robot.signing_secret else None
        )
        self._vouchers = Vouchers(robot.signature_window)
        self._encoder = openapi.Encoder(robot.robot_code, _UNTITLED.get(robot.language, "Message"))
        self._tokens = Tokens(toolbox.clock, self._fetch_token, _with_token)
        self._urls = {
            path: robot.api_base_url + path
            for path in (openapi.GROUP_PATH, openapi.PERSON_PATH, openapi.DOWNLOAD_PATH)
        }

    # --- Webhook ---

    def verify(self, request: InboundRequest) -> None:
        """Raises `Unverified`. Without a ``signing_secret`` everybody is believed."""
        if self._verifier is not None:
            self._verifier.check(request.headers, request.received_at)

    def normalize(self, request: InboundRequest) -> Inbound:
        """Raises `Malformed`, `Forbidden`, and `Unverified` for a signature that is worn out."""

        def vouch(message_id: str) -> None:
            self._vouchers.admit(request.headers["timestamp"], message_id, request.received_at)

        inbound = callback.normalize(
            request, self._account, vouch if self._verifier is not None else None
        )
        if inbound.ignored == "quota_exhausted":
            self._toolbox.report("quota_exhausted")
        return inbound

    def reply(
        self, request: InboundRequest, inbound: Inbound, *, now: datetime, nonce: str
    ) -> InboundResponse:
        """The same for every callback: https://open.dingtalk.com/document/orgapp/receive-message."""
        del request, inbound, now, nonce  # other platforms' answers need them
        return _SILENCE

    # --- Driver ---

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Post once. Raises a `DeliveryError`."""
        path, body = self._encoder.send(outgoing)
        answer = await self._call(path, body)
        return openapi.decode_sent(
            answer.status, answer.headers, answer.body, now=self._toolbox.clock.now()
        )

    async def probe(self) -> Sequence[Finding]:
        """Asks for an access token, whether or not there is one already."""
        return (await self._probe_credentials(), *self._probe_verification())

    # --- MediaSource ---

    async def public_url(self, ref: str) -> str:
        """``ref`` is a ``downloadCode``. The URL is signed for minutes and holds no secret of ours."""
        try:
            answer = await self._call(openapi.DOWNLOAD_PATH, self._encoder.download(ref))
        except Indeterminate as e:  # asking twice does no harm
            raise Transient(str(e), reason=e.reason) from e
        return openapi.decode_download(
            answer.status, answer.headers, answer.body, now=self._toolbox.clock.now()
        )

    @asynccontextmanager
    async def open(self, ref: str) -> AsyncIterator[Opened]:
        """The file behind a ``downloadCode``."""
        async with self._toolbox.fetch(await self.public_url(ref)) as opened:
            yield opened

    async def _call(self, path: str, body: bytes) -> Answer:
        """An answer of whatever kind; a token that is refused is replaced once."""
        url = self._urls[path]
        token = await self._tokens.current()
        answer = await self._toolbox.request("POST", url, body=body, headers=token.headers)
        if not openapi.token_is_refused(answer.status, answer.body):
            return answer
        self._tokens.drop(token)
        self._toolbox.report("token_refused")
        token = await self._tokens.current()
        return await self._toolbox.request("POST", url, body=body, headers=token.headers)

    async def _fetch_token(self) -> Grant:
        try:
            answer = await self._toolbox.request(
                "POST",
                self._robot.api_base_url + openapi.TOKEN_PATH,
                body=openapi.encode_token_request(self._robot.app_key, self._robot.app_secret),
                headers=openapi.HEADERS,
            )
        except Indeterminate as e:  # the message itself has not left yet
            raise Transient(f"access token: {e}", reason=e.reason) from e
        return openapi.decode_token(
            answer.status, answer.headers, answer.body, now=self._toolbox.clock.now()
        )

    async def _probe_credentials(self) -> Finding:
        try:
            await self._fetch_token()
        except DeliveryError as e:
            return Finding(
                ok=False,
                what=f"no access token: {e}",
                hint="compare app_key and app_secret with the app's Credentials page, and see that "
                "api_base_url can be reached",
            )
        return Finding(ok=True, what="DingTalk grants an access token")

    def _probe_verification(self) -> Sequence[Finding]:
        if self._verifier is not None:
            return ()
        return (
            Finding(
                ok=False,
                what="callbacks are not verified: anybody who finds the address can send messages",
                hint="set signing_secret to the robot's AppSecret",
            ),
        )


def _with_token(token: str) -> dict[str, str]:
    return {**openapi.HEADERS, openapi.TOKEN_HEADER: token}
