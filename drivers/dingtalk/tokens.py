"""The access token of one instance: fetched when needed, once for all that wait for it."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.clock import Clock

    from .openapi import Grant

REFRESH_BEFORE = 300.0
"""Seconds before its end that a token is no longer used."""


@dataclass(frozen=True, slots=True)
class Token:
    """``headers`` go with every request that it pays for; ``until`` is monotonic time."""

    headers: dict[str, str]
    until: float


class Tokens:
    """
    ``fetch`` gets a new grant, or raises a `DeliveryError`; ``headers_for`` puts it into headers.

    While one task fetches, the others wait for it, and share its failure. When it is cancelled the
    next in line fetches: nobody waits for somebody who has gone.
    """

    def __init__(
        self,
        clock: Clock,
        fetch: Callable[[], Awaitable[Grant]],
        headers_for: Callable[[str], dict[str, str]],
    ) -> None:
        self._clock = clock
        self._fetch = fetch
        self._headers_for = headers_for
        self._turn = asyncio.Lock()
        self._token: Token | None = None
        self._failures = 0
        self._failure: DeliveryError | None = None

    async def current(self) -> Token:
        """A token that is good for minutes. Raises what ``fetch`` raises."""
        if (token := self._usable()) is not None:
            return token
        failures = self._failures
        async with self._turn:
            if (token := self._usable()) is not None:
                return token
            if self._failure is not None and self._failures != failures:
                raise copy.copy(self._failure)  # an exception is one task's: it grows a traceback
            return await self._renew()

    def drop(self, token: Token) -> None:
        """The platform refuses it. One that came since then stays."""
        if self._token is token:
            self._token = None

    def _usable(self) -> Token | None:
        token = self._token
        return token if token is not None and self._clock.monotonic() < token.until else None

    async def _renew(self) -> Token:
        asked_at = self._clock.monotonic()
        try:
            grant = await self._fetch()
        except DeliveryError as e:
            self._failures += 1
            self._failure = e
            raise
        # Half of a short life, or a token shorter than the margin would be fetched for every send.
        margin = min(REFRESH_BEFORE, grant.lifetime / 2)
        token = Token(self._headers_for(grant.token), asked_at + grant.lifetime - margin)
        self._token = token
        return token
