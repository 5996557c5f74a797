"""
How a file is posted: by which method, up to which size, as which form. Pure.

https://core.telegram.org/bots/api#sending-files
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.model import AttachmentKind
from bridge.wild import clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_MB = 1 << 20
MOST = 50 * _MB
_MOST_PHOTO = 10 * _MB
_LONGEST_NAME = 120

_BY_MEDIA_TYPE = {
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp",
    "video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov",
    "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/ogg": "ogg", "audio/opus": "ogg", "audio/amr": "amr",
    "application/pdf": "pdf", "application/zip": "zip", "text/plain": "txt",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """A method, the parameter that takes the file, and its largest size in bytes."""

    method: str
    field: str
    most: int = MOST


DOCUMENT = Way("sendDocument", "document")
_PHOTO = Way("sendPhoto", "photo", _MOST_PHOTO)
_ANIMATION = Way("sendAnimation", "animation")
_VIDEO = Way("sendVideo", "video")
_AUDIO = Way("sendAudio", "audio")
_VOICE = Way("sendVoice", "voice")
_WAYS: Mapping[AttachmentKind, Mapping[str, Way]] = {
    AttachmentKind.IMAGE: {
        "jpg": _PHOTO,
        "jpeg": _PHOTO,
        "png": _PHOTO,
        "webp": _PHOTO,
        "gif": _ANIMATION,
    },
    AttachmentKind.VIDEO: {"mp4": _VIDEO},
    AttachmentKind.AUDIO: {"mp3": _AUDIO, "m4a": _AUDIO, "ogg": _VOICE, "oga": _VOICE, "opus": _VOICE},
    AttachmentKind.FILE: {},
}


@dataclass(frozen=True, slots=True)
class File:
    """What is uploaded. ``kind`` says as what it shall be shown."""

    kind: AttachmentKind
    name: str
    media_type: str
    content: bytes

    @property
    def way(self) -> Way:
        """As what it is, where Telegram shows such; else as a document."""
        way = _WAYS[self.kind].get(_ending(self.name), DOCUMENT)
        return way if len(self.content) <= way.most else DOCUMENT


def name_of(kind: AttachmentKind, filename: str, media_type: str) -> str:
    """A name with an ending, on one line: people see it, and clients go by its ending."""
    name = clean_name(filename.replace("/", "_").replace("\\", "_"))[-_LONGEST_NAME:]
    known = _BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip().lower(), "")
    if _ending(name) or not known:
        return name or kind.value
    return f"{name or kind.value}.{known}"


def _ending(name: str) -> str:
    _, dot, ending = name.rpartition(".")
    return ending.lower() if dot and ending.isascii() and ending.isalnum() else ""


def form(
    params: Mapping[str, str], field: str, file: File, boundary: str
) -> tuple[dict[str, str], bytes]:
    """
    The headers and the body of an upload, as multipart/form-data.

    https://www.rfc-editor.org/rfc/rfc7578; a quotation mark in a name is written as browsers write it.
    """
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in params.items()
    )
    name = file.name.replace('"', "%22")
    media_type = file.media_type if _is_media_type(file.media_type) else "application/octet-stream"
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    body = (head.encode("utf-8", "replace"), file.content, f"\r\n--{boundary}--\r\n".encode())
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, b"".join(body)


def _is_media_type(media_type: str) -> bool:
    kind, slash, rest = media_type.partition("/")
    return bool(slash) and all(
        part and part.isascii() and part.replace("-", "").replace(".", "").replace("+", "").isalnum()
        for part in (kind, rest)
    )
