"""Requests and answers of the simulated Bot API: https://core.telegram.org/bots/api#making-requests"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Sent:
    """A file in a form."""

    filename: str
    media_type: str
    content: bytes


class Refusal(Exception):
    """Answered with this status and these words."""

    def __init__(self, description: str, status: int = 400, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


def refuse(status: int, description: str, **parameters: int) -> dict[str, Any]:
    said: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    return {**said, "parameters": parameters} if parameters else said


def answer(said: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


async def params_of(request: web.Request) -> tuple[dict[str, Any], dict[str, Sent], bool]:
    """
    The parameters as they were written, the files among them, and whether they came as JSON; from the
    query, JSON, a form, or a form with files.
    """
    params: dict[str, Any] = dict(request.query)
    files: dict[str, Sent] = {}
    if request.content_type == "application/json":
        body = await request.read()
        try:
            given = json.loads(body) if body else {}
        except ValueError:
            given = {}
        return {**params, **(given if isinstance(given, dict) else {})}, files, True
    if request.content_type == "multipart/form-data":
        await _read_parts(request, params, files)
    else:
        params.update({name: str(value) for name, value in (await request.post()).items()})
    return params, files, False


async def _read_parts(request: web.Request, params: dict[str, Any], files: dict[str, Sent]) -> None:
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = Sent(value.filename, value.content_type, value.file.read())
        else:
            params[name] = str(value)


# --- reading ----------------------------------------------------------------------------------------


def whole(params: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A whole number, with quotes or without."""
    given = params.get(name, default)
    if isinstance(given, str) and given.removeprefix("-").isdecimal():
        return int(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    raise Refusal(f"Bad Request: {name} is no number")


def words(params: Mapping[str, Any], name: str) -> str:
    given = params.get(name, "")
    if not isinstance(given, str):
        raise Refusal(f"Bad Request: {name} is no text")
    return given


def nested(params: Mapping[str, Any], name: str, default: object) -> Any:  # noqa: ANN401 (JSON)
    """A list or an object: as it is in JSON, written as JSON in a form."""
    given = params.get(name)
    if given is None:
        return default
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            raise Refusal(f"Bad Request: can't parse {name}") from None
    if not isinstance(given, type(default)):
        raise Refusal(f"Bad Request: {name} is of another kind")
    return given
