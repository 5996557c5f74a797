"""
The client-server API, by mautrix: its paths, its queries, its bodies.

Only that layer is used. Its answers are read here, within the toolbox's limits, since its errors forget
how long to wait; nothing is logged, and nothing is tried again. Its sync loop is not used: it goes on
to the next token before anybody has kept what the last one brought.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from mautrix.api import HTTPAPI, MediaPath, Method, Path, PathBuilder

from bridge.errors import Indeterminate, Transient
from bridge.exchange import MAX_ANSWER, Answer

from . import failures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from yarl import URL

    from bridge.driver import Toolbox
    from bridge.wild import Wild

    from .settings import Account

__all__ = ["Api", "MediaPath", "Method", "Path", "PathBuilder"]

MOST_AT_ONCE = 32 << 20
"""Bytes of a long answer, like what happened since the last look; what is more is an error."""


@dataclass(frozen=True, slots=True)
class Long:
    """A long answer, an object of JSON; ``size`` in bytes."""

    said: Mapping[str, Any]
    size: int


class Api(HTTPAPI):
    """What is asked of the homeserver. ``token`` may be empty, before the login."""

    def __init__(self, account: Account, toolbox: Toolbox) -> None:
        super().__init__(
            account.homeserver_url or "/",
            account.access_token,
            client_session=toolbox.http,
            default_retry_count=0,
        )
        self._toolbox = toolbox
        self.patience = toolbox.http.timeout.total or 15.0
        self.most_at_once = MOST_AT_ONCE

    def __repr__(self) -> str:
        return "Api()"

    def _log_request(self, *_: object, **__: object) -> None: ...

    def _log_request_done(self, *_: object, **__: object) -> None: ...

    async def _send(  # type: ignore[override]  # of an answer only the request's caller sees anything
        self,
        method: Method,
        url: URL,
        content: Any,  # noqa: ANN401 (mautrix's own)
        query_params: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> tuple[Wild, Answer]:
        body = content.encode() if isinstance(content, str) else bytes(content or b"")
        url = url.with_query(query_params)
        if method is Method.PUT:
            answer = await self._put_once(url, body, headers)
        else:
            answer = await self._toolbox.request(str(method), str(url), body=body, headers=headers)
        return failures.decode(answer, self._toolbox.clock.now()), answer

    async def _put_once(self, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        """
        As the toolbox does, but for this: what is not all there at once, aiohttp cannot put a second time
        by itself where the connection ends.
        """

        async def pieces() -> AsyncIterator[bytes]:
            yield body

        sized = {**headers, "Content-Length": str(len(body))}
        try:
            async with self.session.put(
                url, data=pieces(), headers=sized, allow_redirects=False
            ) as response:
                return await _read(response, MAX_ANSWER)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as e:
            reason = getattr(e, "os_error", None) or "timed out"
            raise Transient(f"could not connect: {reason}", reason="connect_failed") from None
        except (aiohttp.ClientError, TimeoutError) as e:
            raise Indeterminate(f"no answer: {type(e).__name__}", reason="no_answer") from None

    async def put(self, path: PathBuilder, content: Mapping[str, Any]) -> Wild:
        """Post it once. Raises a `DeliveryError`; after `Indeterminate` it may be there."""
        return await self._asked(Method.PUT, path, dict(content))

    async def ask(
        self,
        method: Method,
        path: PathBuilder,
        content: Mapping[str, Any] | bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        media_type: str = "",
    ) -> Wild:
        """What does no harm when it is done twice. Raises a `DeliveryError`, never `Indeterminate`."""
        given = content if isinstance(content, bytes) else dict(content or {})
        try:
            return await self._asked(method, path, given, query=query, media_type=media_type)
        except Indeterminate as e:
            raise Transient(str(e), reason=e.reason) from None

    async def _asked(
        self,
        method: Method,
        path: PathBuilder,
        content: dict[str, Any] | bytes,
        *,
        query: Mapping[str, str] | None = None,
        media_type: str = "",
    ) -> Wild:
        headers = {"Content-Type": media_type} if media_type else {}
        said: Wild = await self.request(
            method, path, content=content, query_params=dict(query or {}), headers=headers
        )
        return said

    async def read(self, path: PathBuilder, query: Mapping[str, str], wait: float = 0.0) -> Long:
        """
        An answer that may be long, and that the homeserver may put off for ``wait`` seconds. Raises a
        `DeliveryError`.
        """
        url = self.base_url.with_path(self._full_path(path), encoded=True).with_query(query)
        timeout = aiohttp.ClientTimeout(total=wait + self.patience, sock_connect=self.patience)
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            async with self.session.get(
                url, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                answer = await _read(response, self.most_at_once)
            failures.decode(answer, self._toolbox.clock.now())
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise Transient(f"no answer: {type(e).__name__}", reason="no_answer") from None
        except Indeterminate as e:
            raise Transient(str(e), reason=e.reason) from None
        found: dict[str, Any] = json.loads(answer.body)  # an object, or it were not decoded
        return Long(found, len(answer.body))


async def _read(response: aiohttp.ClientResponse, most: int) -> Answer:
    """Raises `Indeterminate` for an answer of more than ``most`` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise Indeterminate("the answer is too large", reason="huge_answer")
    return Answer(response.status, response.headers, bytes(body))
