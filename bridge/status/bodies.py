"""Reading a request's body within limits; what a body may be is somebody else's question."""

from __future__ import annotations

import asyncio

from aiohttp import web


class Unread(Exception):  # not an error of ours: an HTTP answer on its way out
    """``status`` is the answer, the text why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


async def read_body(request: web.BaseRequest, media_type: str, *, limit: int, within: float) -> bytes:
    """
    The body, of ``media_type`` and at most ``limit`` bytes, arrived ``within`` seconds.

    Raises `Unread` with 400, 408, 413 or 415.
    """
    if request.content_type != media_type:
        raise Unread(415, f"the body must be {media_type}")
    if "Content-Encoding" in request.headers:
        raise Unread(415, "a compressed body is not taken")
    if (request.content_length or 0) > limit:
        raise Unread(413, f"the body is larger than {limit} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(within):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > limit:
                    raise Unread(413, f"the body is larger than {limit} bytes")
    except TimeoutError:
        raise Unread(408, "the body did not come in time") from None
    except web.RequestPayloadError:
        raise Unread(400, "the body is broken") from None
    return bytes(body)
