"""Who we are to the homeserver, and the token that says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from bridge.errors import Broken, DeliveryError, Scope

from . import failures
from .api import Method, Path

if TYPE_CHECKING:
    from .api import Api
    from .settings import Account

T = TypeVar("T")

_REFUSED_LOGIN = frozenset({"forbidden", "unknown_token"})


class Login:
    """
    One login for everybody who asks. By password there is a new one when the token is refused, at most
    once for each call that meets the refusal.
    """

    def __init__(self, account: Account, api: Api) -> None:
        self.user_id = ""
        """Ours, once `known` has returned."""
        self._account = account
        self._api = api
        self._turn = asyncio.Lock()
        self._visiting = False

    async def known(self, *, visiting: bool = False) -> str:
        """
        Our user id, when there is a token. Raises a `DeliveryError`.

        A visitor's login by password is a device of its own, which `leave` ends: the device of the
        bridge that may be running elsewhere stays logged in.
        """
        async with self._turn:
            if not self._api.token:
                await self._by_password(visiting=visiting)
            elif self._visiting and not visiting:
                await self.leave()
                await self._by_password(visiting=False)
            if not self.user_id:
                said = await self._api.ask(Method.GET, Path.v3.account.whoami)
                self.user_id = failures.identifier(said, "user_id")
            return self.user_id

    async def proven(self) -> str:
        """Our user id, as the homeserver says now. Raises a `DeliveryError`."""
        await self.known(visiting=True)
        said = await self._api.ask(Method.GET, Path.v3.account.whoami)
        return failures.identifier(said, "user_id")

    async def again(self, call: Callable[[], Awaitable[T]]) -> T:
        """``call``, once more with a new token if the old one is refused. Raises a `DeliveryError`."""
        await self.known()
        token = self._api.token
        try:
            return await call()
        except Broken as e:
            if e.reason != "unknown_token" or not self._account.password:
                raise
        async with self._turn:
            if self._api.token == token:
                await self._by_password(visiting=False)
        return await call()

    async def leave(self) -> None:
        """The end of a visit; a login that stays is kept."""
        if self._visiting and self._api.token:
            with suppress(DeliveryError):  # at worst the device stays in the account's list
                await self._api.ask(Method.POST, Path.v3.logout)
            self._api.token = ""

    async def _by_password(self, *, visiting: bool) -> None:
        """https://spec.matrix.org/v1.16/client-server-api/#post_matrixclientv3login"""
        wanted: dict[str, object] = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self._account.user_id},
            "password": self._account.password,
            "initial_device_display_name": "msgbridge",
        }
        if not visiting:
            wanted["device_id"] = self._account.device_id
        try:
            said = await self._api.ask(Method.POST, Path.v3.login, wanted)
        except Broken as e:
            if e.reason not in _REFUSED_LOGIN:
                raise
            why = 'the homeserver refuses the login: set another "password"'
            raise Broken(why, reason="login_refused", scope=Scope.INSTANCE) from None
        self.user_id = failures.identifier(said, "user_id")
        self._api.token = failures.identifier(said, "access_token")
        self._visiting = visiting
