"""What a file says it is, and how far we repeat that to a browser. Pure."""

from __future__ import annotations

import re

BINARY = "application/octet-stream"
"""https://www.rfc-editor.org/rfc/rfc2046#section-4.5.1: just bytes."""

_TYPE = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,63}/[a-z0-9][a-z0-9.+_-]{0,63}")
_SAYS_NOTHING = frozenset({"", BINARY, "binary/octet-stream", "application/x-download"})
_PLAYABLE = re.compile("(image|audio|video)/[a-z0-9.+_-]+")

_BY_EXTENSION = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif",
    "webp": "image/webp", "bmp": "image/bmp", "heic": "image/heic", "avif": "image/avif",
    "mp3": "audio/mpeg", "m4a": "audio/mp4", "wav": "audio/wav", "ogg": "audio/ogg",
    "opus": "audio/ogg", "flac": "audio/flac", "aac": "audio/aac", "amr": "audio/amr",
    "mp4": "video/mp4", "m4v": "video/mp4", "webm": "video/webm", "mov": "video/quicktime",
    "pdf": "application/pdf", "txt": "text/plain", "log": "text/plain",
}  # fmt: skip
_BY_START = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"#!AMR"), "audio/amr"),
    (re.compile(rb"OggS"), "audio/ogg"),
    (re.compile(rb"ID3"), "audio/mpeg"),
    (re.compile(rb"....ftyp", re.DOTALL), "video/mp4"),
    (re.compile(rb"%PDF-"), "application/pdf"),
)
_EXTENSIONS = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp",
    "image/bmp": ".bmp", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/ogg": ".ogg",
    "audio/amr": ".amr", "audio/wav": ".wav", "video/mp4": ".mp4", "video/webm": ".webm",
    "application/pdf": ".pdf", "text/plain": ".txt",
}  # fmt: skip


def safe_type(claim: str) -> str:
    """``type/subtype`` in small letters out of a ``Content-Type``; empty for anything else."""
    bare = claim[:200].partition(";")[0].strip().lower()
    return bare if _TYPE.fullmatch(bare) else ""


def media_type(*claims: str, filename: str, start: bytes) -> str:
    """The first claim that says something, else by the file's first bytes, else by its name."""
    for claim in claims:
        if (found := safe_type(claim)) not in _SAYS_NOTHING:
            return found
    for pattern, seen in _BY_START:
        if pattern.match(start):
            return seen
    return _BY_EXTENSION.get(filename.rpartition(".")[2].lower(), BINARY)


def extension(of_type: str) -> str:
    """What a file of this type is called at the end, with its dot; empty where nobody knows."""
    return _EXTENSIONS.get(of_type, "")


def shown_as(claimed: str) -> tuple[str, bool]:
    """
    The ``Content-Type`` that we say, and whether a browser may show it in place.

    A file from a chat may be a page with a script in it, and an SVG is one: these are only ever
    downloads. So is a PDF, because browsers refuse to show one within the sandbox that we ask for.
    """
    if _PLAYABLE.fullmatch(claimed) and "svg" not in claimed and "xml" not in claimed:
        return claimed, True
    if claimed == "text/plain":
        return "text/plain; charset=utf-8", True
    if claimed == "application/pdf":
        return claimed, False
    return BINARY, False
