"""Attachments of what the bot posts: uploaded, or linked where Telegram does not take them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bridge.errors import Refused

from . import files
from .files import File

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.driver import Toolbox
    from bridge.model import Attachment


class Uploads:
    """One bot's uploads, one at a time: each may be 50 MB, and is in memory meanwhile."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def fetched(self, attachment: Attachment) -> AsyncIterator[File]:
        """The file, while it is uploaded. Raises a `DeliveryError`: `Refused` where it must be a link."""
        if (attachment.size or 0) > files.MOST:
            raise Refused("it is too large for Telegram", reason="too_large")
        async with self._turn:
            async with self._toolbox.fetch(attachment.url) as opened:
                content = bytearray()
                async for piece in opened.chunks:
                    content += piece
                    if len(content) > files.MOST:
                        raise Refused("it is too large for Telegram", reason="too_large")
                media_type = attachment.media_type or opened.media_type
                name = files.name_of(attachment.kind, attachment.filename or opened.filename, media_type)
            if not content:
                raise Refused("it is empty", reason="empty_file")
            yield File(attachment.kind, name, media_type, bytes(content))
