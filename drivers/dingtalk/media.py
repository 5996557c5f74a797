"""Attachments of what an app robot posts: uploaded where DingTalk takes them, else links."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.errors import Refused
from bridge.model import AttachmentKind

from . import media_rules, posts
from .picture import plain_picture

if TYPE_CHECKING:
    from bridge.driver import Opened, Toolbox
    from bridge.model import Attachment

    from .api import Api
    from .posts import Post


class Uploads:
    """One app's uploads, one at a time: each may be 20 MB, and is in memory meanwhile."""

    def __init__(self, api: Api, toolbox: Toolbox, app_key: str) -> None:
        self._api = api
        self._toolbox = toolbox
        self._app_key = app_key
        self._turn = asyncio.Lock()
        self._cover = ""

    async def post_of(self, attachment: Attachment) -> Post:
        """
        The post that shows it. Raises a `DeliveryError` where there is none; nothing was posted then.

        A picture that DingTalk's upload does not take is shown by its URL.
        """
        sort = media_rules.SORTS[attachment.kind]
        ending = media_rules.ending_of(attachment.filename, attachment.media_type)
        if ending and ending not in sort.endings:
            return self._without_upload(attachment, f"DingTalk takes no .{ending} as {sort.word}")
        if (attachment.size or 0) > sort.most:
            return self._without_upload(attachment, "it is too large for DingTalk")
        async with self._turn, self._toolbox.fetch(attachment.url) as opened:
            ending = ending or media_rules.ending_of(opened.filename, opened.media_type)
            if ending not in sort.endings:
                return self._without_upload(attachment, f"DingTalk takes it not as {sort.word}")
            content = await _read(opened, sort.most)
            if content is None:
                return self._without_upload(attachment, "it is too large for DingTalk")
            return await self._uploaded(attachment, ending, content)

    async def _uploaded(self, attachment: Attachment, ending: str, content: bytes) -> Post:
        word = media_rules.SORTS[attachment.kind].word
        match attachment.kind:
            case AttachmentKind.IMAGE:
                return posts.picture_post(await self._upload(word, ending, content))
            case AttachmentKind.AUDIO:
                length = _known(media_rules.amr_duration(content))
                return posts.audio_post(await self._upload(word, ending, content), length)
            case AttachmentKind.VIDEO:
                length = _known(media_rules.mp4_duration(content))
                cover = await self._cover_id()
                return posts.video_post(await self._upload(word, ending, content), cover, length)
            case AttachmentKind.FILE:
                media_id = await self._upload(word, ending, content)
                return posts.file_post(media_id, attachment.filename or f"file.{ending}", ending)

    @staticmethod
    def _without_upload(attachment: Attachment, why: str) -> Post:
        if attachment.kind is AttachmentKind.IMAGE:
            return posts.picture_post(attachment.url)
        raise Refused(why, reason="unsupported_file")

    async def _cover_id(self) -> str:
        """A video needs a cover, which those of other platforms have not: the same grey one for all."""
        if not self._cover:
            self._cover = await self._upload("image", "png", plain_picture(160, 90))
        return self._cover

    async def _upload(self, word: str, ending: str, content: bytes) -> str:
        boundary = f"{self._toolbox.random.getrandbits(128):032x}"
        headers, body = media_rules.form(word, ending, content, boundary)
        answer = await self._api.call_old(media_rules.UPLOAD_PATH, body, headers=headers)
        return media_rules.decode_upload(
            answer.status, answer.headers, answer.body, now=self._api.now, app_key=self._app_key
        )


async def _read(opened: Opened, most: int) -> bytes | None:
    """The whole file; None if it is larger than ``most`` bytes."""
    if (opened.size or 0) > most:
        return None
    content = bytearray()
    async for chunk in opened.chunks:
        content += chunk
        if len(content) > most:
            return None
    return bytes(content)


def _known(length: int | None) -> int:
    if length is None:
        raise Refused("its length cannot be told", reason="unsupported_file")
    return length
