"""
Files: down with our token, for nobody else may open them; up before the message that shows them.

https://spec.matrix.org/v1.16/client-server-api/#content-repository
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from bridge.driver import Opened
from bridge.errors import DeliveryError, Malformed, Refused, Scope, Throttled, Transient
from bridge.exchange import Answer
from bridge.wild import clean_name

from . import failures
from .api import MediaPath, Method, Path
from .inbound import MXC

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.driver import Toolbox
    from bridge.model import Attachment

    from .api import Api, PathBuilder

MOST = 100 << 20
"""Bytes of a file that we upload, where the homeserver does not say less."""
_LONGEST = 300.0
_MOST_OF_AN_ERROR = 4096
_UNKNOWN = "application/octet-stream"


class Media:
    """One account's files; uploads go one at a time, for each is in memory meanwhile."""

    def __init__(self, api: Api, toolbox: Toolbox) -> None:
        self._api = api
        self._toolbox = toolbox
        self._turn = asyncio.Lock()
        self._most: int | None = None

    # --- down ---

    @asynccontextmanager
    async def open(self, mxc: str) -> AsyncIterator[Opened]:
        """The file behind an ``mxc://`` URI. Raises a `DeliveryError`, when it is entered or read."""
        found = MXC(mxc)
        if found is None:
            raise Refused("that is no file of Matrix", reason="bad_reference")
        path = Path.v1.media.download[found[1]][found[2]]
        url = self._api.base_url.with_path(
            f"{self._api.base_url.raw_path.rstrip('/')}/{path}", encoded=True
        )
        timeout = aiohttp.ClientTimeout(
            total=_LONGEST, sock_connect=self._api.patience, sock_read=self._api.patience
        )
        headers = {"Authorization": f"Bearer {self._api.token}"}
        try:
            async with self._toolbox.http.get(
                url, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != 200:  # noqa: PLR2004 (the status has this name)
                    said = await response.content.read(_MOST_OF_AN_ERROR)
                    raise self._not_there(Answer(response.status, response.headers, said))
                yield Opened(
                    _chunks(response.content),
                    media_type=response.content_type,
                    size=response.content_length,
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise Transient(f"no answer: {type(e).__name__}", reason="no_answer") from None

    def _not_there(self, answer: Answer) -> DeliveryError:
        try:
            failures.decode(answer, self._toolbox.clock.now())
        except DeliveryError as e:
            if isinstance(e, Transient | Throttled):
                return e
            if e.scope is Scope.INSTANCE:
                return Transient(str(e), reason=e.reason)
            return Refused(f"the file cannot be opened: {e}", reason=e.reason)
        return Refused("the file cannot be opened", reason="bad_answer")

    # --- up ---

    async def upload(self, attachment: Attachment) -> tuple[str, int, str]:
        """Its ``mxc://`` URI, its size in bytes and its media type. Raises a `DeliveryError`."""
        async with self._turn:
            most = await self._largest()
            if (attachment.size or 0) > most:
                raise Refused("the file is larger than the homeserver takes", reason="too_large")
            async with self._toolbox.fetch(attachment.url) as opened:
                content = bytearray()
                async for chunk in opened.chunks:
                    content += chunk
                    if len(content) > most:
                        raise Refused("the file is larger than the homeserver takes", reason="too_large")
                media_type = attachment.media_type or opened.media_type or _UNKNOWN
            query = {"filename": clean_name(attachment.filename)} if attachment.filename else {}
            path: PathBuilder = MediaPath.v3.upload
            said = await self._api.ask(
                Method.POST, path, bytes(content), query=query, media_type=media_type
            )
            return failures.identifier(said, "content_uri"), len(content), media_type

    async def _largest(self) -> int:
        if self._most is None:
            said = await self._api.ask(Method.GET, Path.v1.media.config)
            try:
                self._most = min(said["m.upload.size"].number(MOST), MOST)
            except Malformed:
                self._most = MOST
        return self._most


async def _chunks(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    try:
        async for chunk in content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError) as e:
        raise Transient(f"the file broke off: {type(e).__name__}", reason="no_answer") from None
