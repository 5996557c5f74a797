"""What the simulator reads and answers: JSON, and refusals in DingTalk's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .faults import request_id


def object_of(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def refuse(code: str, message: str) -> web.Response:
    return answer({"code": code, "requestid": request_id(), "message": message}, 400)


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=as_json(value),
        headers={"Content-Type": "application/json;charset=utf-8", **(headers or {})},
    )


def as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
