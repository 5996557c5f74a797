"""
Which files DingTalk takes, and how they are uploaded. Pure.

https://open.dingtalk.com/document/orgapp/upload-media-files has the sizes and types of an upload,
https://open.dingtalk.com/document/orgapp/types-of-messages-sent-by-robots those of a message; what
both allow is sent as what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.errors import Refused
from bridge.model import AttachmentKind

from . import oapi

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

UPLOAD_PATH = "/media/upload"
_MB = 1 << 20
_MAX_ID = 512


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of file: DingTalk's word for it, the endings that it may have, its size in bytes."""

    word: str
    endings: frozenset[str]
    most: int


SORTS: Mapping[AttachmentKind, Sort] = {
    AttachmentKind.IMAGE: Sort("image", frozenset({"jpg", "jpeg", "gif", "png", "bmp"}), 20 * _MB),
    AttachmentKind.AUDIO: Sort("voice", frozenset({"amr"}), 2 * _MB),
    AttachmentKind.VIDEO: Sort("video", frozenset({"mp4"}), 20 * _MB),
    AttachmentKind.FILE: Sort("file", frozenset({"doc", "docx", "xlsx", "pdf", "zip", "rar"}), 20 * _MB),
}
_BY_MEDIA_TYPE = {
    "image/jpeg": "jpg", "image/gif": "gif", "image/png": "png", "image/bmp": "bmp",
    "audio/amr": "amr", "video/mp4": "mp4", "application/pdf": "pdf", "application/zip": "zip",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip
_MEDIA_TYPES = {
    **{ending: media_type for media_type, ending in _BY_MEDIA_TYPE.items()},
    "jpeg": "image/jpeg",
}

# Bytes of a frame of AMR, 20 ms each, by the type in its header; the others are empty.
_AMR_HEADER = b"#!AMR\n"
_AMR_FRAMES = (12, 13, 15, 17, 19, 20, 26, 31, 5)
_AMR_MILLISECONDS = 20


def ending_of(filename: str, media_type: str) -> str:
    """What a file is by its name, else by its media type; in small letters, empty if neither tells."""
    _, dot, ending = filename.rpartition(".")
    if dot and ending.isascii() and ending.isalnum():
        return ending.lower()
    return _BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip().lower(), "")


def form(word: str, ending: str, content: bytes, boundary: str) -> tuple[dict[str, str], bytes]:
    """
    The headers and the body of an upload. The file's own name stays out of it: it is a stranger's
    text, and DingTalk wants nothing of it but the ending.
    """
    media_type = _MEDIA_TYPES.get(ending, "application/octet-stream")
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="type"\r\n\r\n{word}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="file.{ending}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    ).encode("ascii")
    headers = {
        "accept": "application/json",
        "content-type": f"multipart/form-data; boundary={boundary}",
    }
    return headers, b"".join((head, content, f"\r\n--{boundary}--\r\n".encode("ascii")))


def decode_upload(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, app_key: str
) -> str:
    """The ``mediaId`` in a good answer; raises a `DeliveryError` for any other."""
    answer = oapi.success(status, body)
    if answer is None:
        raise oapi.failure(status, headers, body, now=now, app_key=app_key)
    media_id = answer.get("media_id")
    if not isinstance(media_id, str) or not 0 < len(media_id) <= _MAX_ID:
        raise Refused("DingTalk gave no media_id for the file", reason="bad_answer")
    return media_id


def amr_duration(content: bytes) -> int | None:
    """Milliseconds of an AMR recording; None for what is none."""
    if not content.startswith(_AMR_HEADER):
        return None
    frames, at = 0, len(_AMR_HEADER)
    while at < len(content):
        kind = content[at] >> 3 & 0x0F
        at += 1 + (_AMR_FRAMES[kind] if kind < len(_AMR_FRAMES) else 0)
        frames += 1
    return frames * _AMR_MILLISECONDS or None


def mp4_duration(content: bytes) -> int | None:
    """Milliseconds of an MP4, from its movie header (ISO 14496-12, 8.2.2); None for what has none."""
    movie = next((box for name, box in _boxes(content) if name == b"moov"), b"")
    header = next((box for name, box in _boxes(movie) if name == b"mvhd"), b"")
    long = header[:1] == b"\x01"
    scale_at, length = (20, 8) if long else (12, 4)
    if len(header) < scale_at + 4 + length:
        return None
    scale = int.from_bytes(header[scale_at : scale_at + 4])
    duration = int.from_bytes(header[scale_at + 4 : scale_at + 4 + length])
    return duration * 1000 // scale or None if scale else None


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, start = int.from_bytes(content[at : at + 4]), 8
        if size == 1:  # the size is too large for four bytes
            size, start = int.from_bytes(content[at + 8 : at + 16]), 16
        elif size == 0:  # it goes on to the end
            size = len(content) - at
        if size < start:
            return
        yield content[at + 4 : at + 8], content[at + start : at + size]
        at += size
