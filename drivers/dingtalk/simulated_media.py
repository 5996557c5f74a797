"""
Uploads to the older API, for the simulator: the form, the types and the sizes are checked.

https://open.dingtalk.com/document/orgapp/upload-media-files
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from aiohttp import web

from .simulated_answers import answer

_MB = 1 << 20
_TYPES = {
    "image": ({"jpg", "jpeg", "gif", "png", "bmp"}, 20 * _MB),
    "voice": ({"amr", "mp3", "wav"}, 2 * _MB),
    "video": ({"mp4"}, 20 * _MB),
    "file": ({"doc", "docx", "xls", "xlsx", "ppt", "pptx", "zip", "pdf", "rar"}, 20 * _MB),
}
_NAME = re.compile(rb'form-data;.*\bname="([^"]*)"').search
_FILENAME = re.compile(rb'\bfilename="([^"]*)"').search
_ENDING = re.compile(r"[^/\\\x00-\x1f]*\.([a-z0-9]+)").fullmatch


@dataclass(frozen=True, slots=True)
class Uploaded:
    """``type`` is DingTalk's word for the sort of file."""

    type: str
    filename: str
    content: bytes


@dataclass(slots=True)
class SimulatedMedia:
    """``knows_token`` tells whether a token is good; ``uploaded`` is by ``media_id``."""

    knows_token: Callable[[str], bool]
    uploaded: dict[str, Uploaded] = field(default_factory=dict)

    @property
    def routes(self) -> list[web.RouteDef]:
        return [web.post("/media/upload", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        if not self.knows_token(request.query.get("access_token", "")):
            return _refuse(40014, "不合法的access_token")
        if request.content_type != "multipart/form-data":
            return _refuse(43004, "无效的HTTP HEADER Content-Type")
        parts = dict(_parts(request.headers["Content-Type"], await request.read()))
        kind = parts.get("type", ("", b""))[1].decode(errors="replace")
        filename, content = parts.get("media", ("", b""))
        if kind not in _TYPES:
            return _refuse(40004, "无效的媒体文件类型")
        endings, most = _TYPES[kind]
        ending = _ENDING(filename)
        if ending is None or ending.group(1) not in endings:
            return _refuse(40005, "不合法的文件类型")
        if not content:
            return _refuse(41005, "缺少多媒体文件数据")
        if len(content) > most:
            return _refuse(40006, "不合法的文件大小")
        media_id = f"{'$' if kind == 'video' else '@'}lALSim{len(self.uploaded)}"
        self.uploaded[media_id] = Uploaded(kind, filename, content)
        return answer(
            {
                "errcode": 0,
                "errmsg": "ok",
                "type": kind,
                "media_id": media_id,
                "created_at": 1605863153573,
            }
        )


def _parts(content_type: str, body: bytes) -> Iterator[tuple[str, tuple[str, bytes]]]:
    """Name, filename and content of each; the body was read before anybody knew that it is a form."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name, filename = _NAME(head), _FILENAME(head)
        if name is not None:
            yield name.group(1).decode(), (filename.group(1).decode() if filename else "", content)


def _refuse(errcode: int, errmsg: str) -> web.Response:
    return answer({"errcode": errcode, "errmsg": errmsg, "request_id": "sim"})
