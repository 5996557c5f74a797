"""
The bridge's own links to attachments: ``<public_url>/media/<token>/<name>``.

The token is the file; the name is for people and is never looked at.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from urllib.parse import quote
from weakref import WeakValueDictionary

from aiohttp import web

from bridge.clock import Clock
from bridge.driver import Fetch, MediaSource, Opened
from bridge.errors import DeliveryError, Refused, Transient
from bridge.media_store import TOKEN, Kept, MediaStore
from bridge.media_types import shown_as
from bridge.model import Attachment, InstanceId
from bridge.retry import few_times

ROOT = "/media/"
"""Where every ingress port serves the links."""

_PATH = re.compile(f"{ROOT}({TOKEN})/[^/?]{{1,2000}}")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_GRUDGE = 60.0
"""Seconds that a source which could not give a file is not asked for it again."""
_MOST_GRUDGES = 1000
_MOST_READERS = 64
_GUARDED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}


class MediaLinks:
    """Makes the links, serves them, and opens them without the network."""

    def __init__(self, store: MediaStore, public_url: str, clock: Clock, *, stall: float = 30.0) -> None:
        """``stall`` is how many seconds a reader may take for one piece."""
        self._store = store
        self._base = public_url.rstrip("/") + ROOT
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._grudges: dict[str, tuple[float, DeliveryError]] = {}
        self._stall = stall
        self._readers = 0

    async def link(
        self, attachment: Attachment, source: MediaSource, instance: InstanceId
    ) -> tuple[str, Kept]:
        """
        A link to a copy of what ``attachment.ref`` is, and the copy: fetched from ``source`` by
        whoever asks first, while the others wait.

        Raises a `DeliveryError`. How long it may take is the caller's to limit.
        """
        key = hashlib.sha256(f"{instance}\0{attachment.ref}".encode()).hexdigest()
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            try:
                kept = self._store.offer(key)
                if kept is None:
                    self._recall_grudge(key)
                    kept = await self._fetch(key, attachment, source)
            except OSError as e:
                raise self._bear(
                    key, Transient(f"it could not be kept: {e.strerror or e}", reason="disk")
                ) from e
            return self._base + f"{kept.token}/{quote(kept.name, safe='')}", kept

    def shortcut(self, fetch: Fetch) -> Fetch:
        """
        ``fetch``, but our own links lead straight to the file: seen from here, ``public_url`` may be
        a private address.
        """

        def open_(url: str) -> AbstractAsyncContextManager[Opened]:
            return self._open(url) if url.startswith(self._base) else fetch(url)

        return open_

    def sweep(self) -> None:
        """Delete some of what is expired; call it now and then."""
        self._store.sweep()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one link; never raises for anything that a stranger sends."""
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={**_GUARDED, "Allow": "GET, HEAD"})
        kept = self._find(request.rel_url.raw_path)
        if kept is None:
            return web.Response(status=404, headers=_GUARDED)
        if self._readers >= _MOST_READERS:
            return web.Response(status=503, headers={**_GUARDED, "Retry-After": "5"})
        self._readers += 1
        try:
            return await self._serve(request, kept)
        finally:
            self._readers -= 1

    async def _fetch(self, key: str, attachment: Attachment, source: MediaSource) -> Kept:
        """Raises a `DeliveryError`, `OSError`."""

        async def once() -> Kept:
            async with source.open(attachment.ref) as opened:
                return await self._store.keep(
                    key,
                    opened,
                    filename=attachment.filename,
                    claimed_type=attachment.media_type,
                    fallback_name=attachment.kind.value,
                )

        try:
            return await few_times(once, self._clock)
        except DeliveryError as e:
            self._bear(key, e)
            raise
        except asyncio.CancelledError:
            self._bear(key, Transient("its source takes too long", reason="too_slow"))
            raise

    def _bear(self, key: str, error: DeliveryError) -> DeliveryError:
        """Remember it: the message's other destinations need not wait for the same."""
        self._grudges.pop(key, None)
        if len(self._grudges) >= _MOST_GRUDGES:
            del self._grudges[next(iter(self._grudges))]
        self._grudges[key] = (self._clock.monotonic() + _GRUDGE, error)
        return error

    def _recall_grudge(self, key: str) -> None:
        until, error = self._grudges.get(key, (0.0, None))
        if error is None:
            return
        if self._clock.monotonic() < until:
            raise type(error)(str(error), reason=error.reason)
        del self._grudges[key]

    def _find(self, path: str) -> Kept | None:
        match = _PATH.fullmatch(path)
        return self._store.find(match.group(1)) if match else None

    @asynccontextmanager
    async def _open(self, url: str) -> AsyncIterator[Opened]:
        kept = self._find(ROOT + url.removeprefix(self._base))
        if kept is None:
            raise Refused("the file is no longer kept", reason="expired")
        async with AsyncExitStack() as stack:
            try:
                pieces = await stack.enter_async_context(self._store.reading(kept))
            except OSError as e:
                raise Refused("the file is no longer kept", reason="expired") from e
            yield Opened(_told(pieces), kept.media_type, kept.name, kept.size)

    async def _serve(self, request: web.BaseRequest, kept: Kept) -> web.StreamResponse:
        etag = f'"{kept.token[:16]}"'
        kind, in_place = shown_as(kept.media_type)
        shown = "inline" if in_place else "attachment"
        headers = {
            **_GUARDED,
            "Content-Type": kind,
            "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(kept.name, safe='')}",
            "Cache-Control": f"private, max-age={int(self._store.remaining(kept))}",
            "Accept-Ranges": "bytes",
            "ETag": etag,
        }
        asked = request.headers.get("Range", "")
        if request.method == "HEAD" or request.headers.get("If-Range", etag) != etag:
            asked = ""
        first, count, status = _part(asked, kept.size)
        if status == web.HTTPRequestRangeNotSatisfiable.status_code:
            headers = {**_GUARDED, "Content-Range": f"bytes */{kept.size}"}
            return web.Response(status=status, headers=headers)
        if status == web.HTTPPartialContent.status_code:
            headers["Content-Range"] = f"bytes {first}-{first + count - 1}/{kept.size}"
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = count
        try:
            async with self._store.reading(kept, first, count) as pieces:
                await response.prepare(request)
                if request.method == "GET":
                    await _pour(pieces, response, stall=self._stall)
                await response.write_eof()
        except FileNotFoundError:
            return web.Response(status=404, headers=_GUARDED)
        except OSError:  # the reader is gone or asleep, or the disk fails in the middle
            if request.transport is not None:
                request.transport.abort()
        return response


async def _told(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """``pieces``, with the disk's failures as a driver expects them."""
    try:
        async for piece in pieces:
            yield piece
    except OSError as e:
        raise Transient(f"it could not be read: {e.strerror or e}", reason="disk") from e


async def _pour(pieces: AsyncIterator[bytes], response: web.StreamResponse, *, stall: float) -> None:
    """Raises `OSError`, of which TimeoutError is one."""
    async for piece in pieces:
        async with asyncio.timeout(stall):
            await response.write(piece)


def _part(asked: str, size: int) -> tuple[int, int, int]:
    """
    The first byte, the number of bytes and the status for a ``Range`` header.

    One range is served; several, or garbage, are answered with the whole, as
    https://www.rfc-editor.org/rfc/rfc9110#name-range allows.
    """
    whole = (0, size, 200)
    match = _RANGE.fullmatch(asked.strip())
    if match is None:
        return whole
    first, last = match.groups()
    if not first:
        if not last:
            return whole
        count = min(int(last), size)
        return (size - count, count, 206) if count else (0, 0, 416)
    if last and int(last) < int(first):
        return whole
    if int(first) >= size:
        return 0, 0, 416
    end = min(int(last), size - 1) if last else size - 1
    return int(first), end - int(first) + 1, 206
