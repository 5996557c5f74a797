"""Calls of the Bot API: https://core.telegram.org/bots/api#making-requests"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from bridge.driver import Opened
from bridge.errors import Indeterminate, Malformed, Refused, Transient
from bridge.exchange import Answer

from . import failures, files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bridge.driver import Toolbox
    from bridge.wild import Wild

    from .files import File
    from .settings import Bot

_JSON = {"Content-Type": "application/json"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_MOST_UPDATES = 16 << 20
"""Bytes of an answer to getUpdates: a hundred of the longest messages have a tenth of it."""
_FILE_WITHIN = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=30)
_PIECE = 1 << 16


class Api:
    """
    The calls of one bot. The token stands in every URL, so no URL is ever in an error, and none leaves
    this module.
    """

    def __init__(self, bot: Bot, toolbox: Toolbox) -> None:
        self._base = f"{bot.base_url}/bot{bot.token}/"
        self._files = f"{bot.base_url}/file/bot{bot.token}/"
        self._secrets = bot.secrets
        self._toolbox = toolbox

    async def call(self, method: str, params: Mapping[str, Any]) -> Wild:
        """What the method returns. Raises a `DeliveryError`."""
        body = _encode(params).encode("utf-8", "replace")
        answer = await self._toolbox.request("POST", self._base + method, body=body, headers=_JSON)
        return self._result(answer)

    async def ask(self, method: str, params: Mapping[str, Any]) -> Wild:
        """As `call`, for what may be said twice: a lost answer is no more than a failure."""
        try:
            return await self.call(method, params)
        except Indeterminate as e:
            raise Transient(str(e), reason=e.reason) from None

    async def upload(self, method: str, params: Mapping[str, Any], field: str, file: File) -> Wild:
        """As `call`, with a file as the parameter ``field``."""
        written = {
            name: value if isinstance(value, str) else _encode(value) for name, value in params.items()
        }
        boundary = f"{self._toolbox.random.getrandbits(128):032x}"
        headers, body = files.form(written, field, file, boundary)
        answer = await self._toolbox.request("POST", self._base + method, body=body, headers=headers)
        return self._result(answer)

    async def updates(self, offset: int, allowed: tuple[str, ...], timeout_: int) -> Wild:
        """
        What happened since; waits up to ``timeout_`` seconds for it, and that long again for an answer.
        ``offset`` 0: from the oldest that is not confirmed. Raises a `DeliveryError`.
        """
        params: dict[str, Any] = {"timeout": timeout_, "limit": 100, "allowed_updates": list(allowed)}
        if offset:
            params["offset"] = offset
        patience = aiohttp.ClientTimeout(total=2 * timeout_ + 10, sock_connect=10)
        try:
            async with self._toolbox.http.post(
                self._base + "getUpdates",
                data=_encode(params).encode(),
                headers=_JSON,
                timeout=patience,
                allow_redirects=False,
            ) as response:
                body = await _read(response.content)
                return self._result(Answer(response.status, response.headers, body))
        except (aiohttp.ClientError, TimeoutError) as e:
            raise Transient(f"no answer: {type(e).__name__}", reason="no_answer") from None
        except Indeterminate as e:
            raise Transient(str(e), reason=e.reason) from None

    @asynccontextmanager
    async def file(self, file_id: str) -> AsyncIterator[Opened]:
        """The file itself, of at most 20 MB. Raises a `DeliveryError`, also while it is read."""
        found = await self.ask("getFile", {"file_id": file_id})
        try:
            path, size = found["file_path"].identifier(), found["file_size"].number(0)
        except Malformed:
            raise Refused("Telegram says no path for this file", reason="no_file_path") from None
        if path.startswith("/") or ".." in path.split("/"):
            raise Refused("the Bot API server keeps its files to itself (--local)", reason="local_server")
        try:
            async with self._toolbox.http.get(
                self._files + quote(path), timeout=_FILE_WITHIN, allow_redirects=False
            ) as response:
                if response.status != 200:  # noqa: PLR2004 (HTTP's OK)
                    raise self._no_file(response.status)
                name = path.rpartition("/")[2]
                yield Opened(
                    _pieces(response), filename=name, size=response.content_length or size or None
                )
        except (aiohttp.ClientError, TimeoutError) as e:
            raise Transient(f"the file did not come: {type(e).__name__}", reason="no_answer") from None

    @staticmethod
    def _no_file(status: int) -> Refused | Transient:
        words = f"Telegram answered {status} for the file"
        if status in (429, 500, 502, 503, 504):
            return Transient(words, reason="no_file")
        return Refused(words, reason="no_file")

    def _result(self, answer: Answer) -> Wild:
        return failures.result(answer, now=self._toolbox.clock.now(), secrets=self._secrets)


async def _pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in response.content.iter_chunked(_PIECE):
            yield piece
    except (aiohttp.ClientError, TimeoutError) as e:
        raise Transient(f"the file broke off: {type(e).__name__}", reason="no_answer") from None


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    while len(body) < _MOST_UPDATES and (piece := await content.readany()):
        body += piece
        if len(body) > _PIECE:
            await asyncio.sleep(0)
    return bytes(body)
