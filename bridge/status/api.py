"""
The door of the HTTP API: path, token, scope, pace, body; then the verb, and its answer as JSON.

Whatever is refused is answered with a problem (https://www.rfc-editor.org/rfc/rfc9457) that repeats
nothing of what was sent but the names of fields.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web

from bridge import __version__
from bridge.config import Config
from bridge.desk import Desk, DeskError
from bridge.errors import JournalError, JournalFull
from bridge.status.access import GUESS, Caller, Keys, Pace
from bridge.status.api_document import DOCUMENT_PATH, openapi
from bridge.status.api_operations import OPERATIONS, Operation
from bridge.status.api_requests import Refusal, asked, idempotency_key, parsed
from bridge.status.api_verbs import Call
from bridge.status.bodies import Unread, read_body

_DETAIL = 500
_BROKEN_FOR = 60.0
_OF_THE_DESK = {"unknown": 404, "unclear": 422, "conflict": 409, "unable": 422}
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ApiDoor:
    """
    ``config`` is the one that runs now; ``guesses`` the pace of wrong tokens, for the whole server;
    ``refused`` is told the status and the reason of what was refused at the door.
    """

    def __init__(
        self,
        desk: Desk,
        config: Callable[[], Config],
        keys: Keys,
        *,
        pace: Pace,
        guesses: Pace,
        refused: Callable[[web.BaseRequest, int, str], None],
    ) -> None:
        self._desk = desk
        self._config = config
        self._keys = keys
        self._pace = pace
        self._guesses = guesses
        self._refused = refused
        self._document = json.dumps(openapi(__version__), ensure_ascii=False).encode()

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Never raises for anything that a stranger sends."""
        try:
            return await self._answer(request)
        except Refusal as e:
            if e.status in (401, 403, 429):
                self._refused(request, e.status, str(e))
            return problem(e)
        except Unread as e:
            response = problem(Refusal(e.status, "unread", str(e)))
            response.force_close()  # the rest of the body is not worth reading
            return response
        except DeskError as e:
            return problem(Refusal(_OF_THE_DESK.get(e.code, 422), e.code, str(e)))
        except JournalFull as e:
            return problem(Refusal(503, "journal", str(e), retry_after=e.retry_after))
        except JournalError as e:
            return problem(Refusal(503, "journal", str(e), retry_after=_BROKEN_FOR))
        except TimeoutError:
            return problem(Refusal(504, "timeout", "the platform did not answer in time"))

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if not self._keys.any:
            raise Refusal(404, "off", "the API is off: set global.api.tokens in config.json")
        if request.path == DOCUMENT_PATH and request.method in ("GET", "HEAD"):
            return web.Response(body=self._document, content_type="application/json", headers=_HEADERS)
        caller = self._caller(request)
        operation, path = _operation(request)
        if not caller.scopes & set(operation.scopes):
            wanted = " or ".join(operation.scopes)
            raise Refusal(403, "scope", f"this token lacks the scope {wanted}")
        if wait := self._pace.take(caller.name):
            raise Refusal(429, "rate", "too many requests with this token", retry_after=wait)
        query = asked(request.query, operation.query)
        key = idempotency_key(request.headers.get("Idempotency-Key")) if operation.keyed else ""
        config = self._config()
        given: Mapping[str, Any] = {}
        if operation.body:
            http = config.global_.http
            body = await read_body(
                request, "application/json", limit=http.max_body, within=http.body_timeout
            )
            given = parsed(body, operation.body)
        call = Call(
            desk=self._desk,
            config=config,
            caller=caller.name,
            path=path,
            query=query,
            body=given,
            idempotency_key=key,
        )
        return _response(operation, await operation.verb(call))

    def _caller(self, request: web.BaseRequest) -> Caller:
        caller = self._keys.bearer(request)
        if caller is not None:
            return caller
        if "Authorization" not in request.headers:
            raise Refusal(401, "token", "show a token: Authorization: Bearer …")
        if wait := self._guesses.take(GUESS):
            raise Refusal(429, "rate", "too many wrong tokens", retry_after=wait)
        raise Refusal(401, "token", "this token is not known here")


def problem(refusal: Refusal) -> web.Response:
    """A refusal as an answer."""
    value = {
        "type": f"urn:msgbridge:problem:{refusal.code}",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": str(refusal)[:_DETAIL],
        **refusal.more,
    }
    response = web.Response(
        status=refusal.status,
        body=json.dumps(value, ensure_ascii=True).encode(),
        content_type="application/problem+json",
        headers=_HEADERS,
    )
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="msgbridge"'
    return response


def _response(operation: Operation, value: Mapping[str, Any]) -> web.Response:
    if not operation.gives:
        return web.Response(status=operation.status, headers=_HEADERS)
    response = web.Response(
        status=operation.status,
        # Escaped beyond ASCII: what a stranger wrote may not be encodable.
        body=json.dumps(value).encode(),
        content_type="application/json",
        headers=_HEADERS,
    )
    if operation.gives == "Taken":
        response.headers["Location"] = f"/api/deliveries/{quote(value['delivery_id'], safe='')}"
    return response


def _operation(request: web.BaseRequest) -> tuple[Operation, Mapping[str, str]]:
    """What is asked for, and what its path names. Raises `Refusal`."""
    steps = request.rel_url.raw_path.split("/")
    methods: list[str] = []
    for operation in OPERATIONS:
        named = _named(operation.path.split("/"), steps)
        if named is None:
            continue
        if operation.method == request.method:
            return operation, named
        methods.append(operation.method)
    if methods:
        raise Refusal(405, "method", f"the methods here are {', '.join(methods)}")
    raise Refusal(404, "path", f"there is no such path; see {DOCUMENT_PATH}")


def _named(template: list[str], steps: list[str]) -> dict[str, str] | None:
    """The values of the ``{names}`` of a path's template; None where the path is another."""
    if len(template) != len(steps):
        return None
    named = {}
    for wanted, step in zip(template, steps, strict=True):
        if wanted.startswith("{"):
            value = unquote(step, errors="replace")
            if not value or not value.isprintable():
                return None
            named[wanted[1:-1]] = value
        elif wanted != step:
            return None
    return named
