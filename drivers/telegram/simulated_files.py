"""Files of the simulated Telegram: https://core.telegram.org/bots/api#getfile"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .simulated_calls import Refusal, Sent, words

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 20 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as the platform keeps it. ``size`` may be said to be another than it is."""

    path: str
    content: bytes
    size: int


class Files:
    """By ``file_id``."""

    def __init__(self) -> None:
        self._stored: dict[str, Stored] = {}

    def store(self, path: str, content: bytes, *, size: int = 0) -> str:
        """The ``file_id`` of what can be downloaded from then on."""
        file_id = f"SimFile-{len(self._stored)}"
        self._stored[file_id] = Stored(path, content, size or len(content))
        return file_id

    def described(self, file_id: str) -> dict[str, Any]:
        size = self._stored[file_id].size
        return {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_size": size}

    def shown(self, field: str, file_id: str, sent: Sent) -> object:
        """As it stands in a message, under its ``field``."""
        described = self.described(file_id)
        match field:
            case "photo":
                return [{**described, "width": 90, "height": 90}]
            case "video" | "animation":
                return {**described, "width": 90, "height": 90, "duration": 1}
            case "audio" | "voice":
                return {**described, "duration": 1}
        return {**described, "file_name": sent.filename, "mime_type": sent.media_type}

    def at(self, path: str) -> bytes | None:
        return next((one.content for one in self._stored.values() if one.path == path), None)

    async def get_file(self, params: Mapping[str, Any], _files: Mapping[str, Sent]) -> dict[str, Any]:
        stored = self._stored.get(words(params, "file_id"))
        if stored is None:
            raise Refusal("Bad Request: wrong file_id or the file is temporarily unavailable")
        if stored.size > _MOST:
            raise Refusal("Bad Request: file is too big")
        return {**self.described(words(params, "file_id")), "file_path": stored.path}
