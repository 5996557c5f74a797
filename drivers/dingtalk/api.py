"""Calls in the name of one app: to the OpenAPI, and to the older API beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from bridge.errors import Indeterminate, Transient

from . import oapi, openapi
from .tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bridge.driver import Toolbox
    from bridge.exchange import Answer

    from .openapi import Grant
    from .settings import AppRobot
    from .tokens import Token


class Api:
    """
    One app's access to both APIs. Their tokens are the same: the OpenAPI takes it as a header, the
    older one in the query: https://open.dingtalk.com/document/orgapp/obtain-orgapp-token.
    """

    def __init__(self, robot: AppRobot, toolbox: Toolbox) -> None:
        self._robot = robot
        self._toolbox = toolbox
        self.date = ""
        """The ``Date`` of the answer that brought the last access token, as it was written."""
        self._tokens = Tokens(toolbox.clock, self.grant, _with_token)

    @property
    def now(self) -> datetime:
        return self._toolbox.clock.now()

    async def call(self, path: str, body: bytes, *, method: str = "POST") -> Answer:
        """An answer of the OpenAPI, of whatever kind; a token that is refused is replaced once."""
        url = self._robot.api_base_url + path
        token = await self._tokens.current()
        answer = await self._toolbox.request(method, url, body=body, headers=token.headers)
        if not openapi.token_is_refused(answer.status, answer.body):
            return answer
        token = await self._another(token)
        return await self._toolbox.request(method, url, body=body, headers=token.headers)

    async def call_old(
        self, path: str, body: bytes, *, headers: Mapping[str, str] = openapi.HEADERS
    ) -> Answer:
        """As `call`, of the older API."""
        token = await self._tokens.current()
        answer = await self._toolbox.request("POST", self._old(path, token), body=body, headers=headers)
        if not oapi.token_is_refused(answer.body):
            return answer
        token = await self._another(token)
        return await self._toolbox.request("POST", self._old(path, token), body=body, headers=headers)

    async def grant(self) -> Grant:
        """A token, asked for whether or not there is one. Raises `Broken`, `Throttled`, `Transient`."""
        try:
            answer = await self._toolbox.request(
                "POST",
                self._robot.api_base_url + openapi.TOKEN_PATH,
                body=openapi.encode_token_request(self._robot.app_key, self._robot.app_secret),
                headers=openapi.HEADERS,
            )
        except Indeterminate as e:  # the message itself has not left yet
            raise Transient(f"access token: {e}", reason=e.reason) from e
        self.date = answer.headers.get("Date", "")
        return openapi.decode_token(answer.status, answer.headers, answer.body, now=self.now)

    async def _another(self, refused: Token) -> Token:
        self._tokens.drop(refused)
        self._toolbox.report("token_refused")
        return await self._tokens.current()

    def _old(self, path: str, token: Token) -> str:
        secret = token.headers[openapi.TOKEN_HEADER]
        return f"{self._robot.oapi_base_url}{path}?access_token={quote(secret, safe='')}"


def _with_token(token: str) -> dict[str, str]:
    return {**openapi.HEADERS, openapi.TOKEN_HEADER: token}
