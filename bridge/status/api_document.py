"""The OpenAPI 3.1 document of the HTTP API, made from the table that routes its requests."""

from __future__ import annotations

import re
from typing import Any

from bridge.status.api_operations import OPERATIONS, ROOT, SCOPES, Operation
from bridge.status.api_schemas import COMPONENTS, TEXT, Schema, ref

DOCUMENT_PATH = f"{ROOT}openapi.json"

_WORDS = {
    200: "Here it is.",
    202: "It is in the journal; what becomes of it can be asked for.",
    204: "Done.",
    400: "The request is not what the operation takes.",
    401: "There is no token, or a wrong one.",
    403: "The token has not the scope.",
    404: "There is no such thing.",
    405: "Another method is wanted.",
    408: "The body did not come in time.",
    409: "The same Idempotency-Key came with another message.",
    413: "The body is too large.",
    415: "The body is not JSON, or compressed.",
    421: "The Host is not served here.",
    422: "Understood, but it cannot be done; the detail says what to do instead.",
    429: "Too many requests with this token.",
    503: "The journal takes nothing now.",
    504: "The platform did not answer in time.",
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
_LATER = (429, 503)
_AT_THE_DOOR = (400, 401, 403, 421, 429)
_WITH_A_BODY = (408, 413, 415)
_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key again sends nothing and gets the same answer. It is the caller's own.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


def openapi(version: str) -> dict[str, Any]:
    """``version`` is the daemon's."""
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    paths[DOCUMENT_PATH] = {
        "get": {
            "operationId": "document",
            "summary": "This document. It needs no token.",
            "security": [],
            "responses": {
                "200": {
                    "description": "OpenAPI 3.1",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                "421": _problem(421),
            },
        }
    }
    scopes = "\n".join(f"- `{name}`: {meaning}" for name, meaning in SCOPES.items())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "msgbridge",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "For programs that notify, and for monitors. Tokens stand in config.json, in "
            f"`global.api.tokens`; each has scopes:\n\n{scopes}",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": dict(COMPONENTS),
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"Scope: {' or '.join(f'`{scope}`' for scope in one.scopes)}.",
        # OpenAPI 3.1 lets a bearer scheme name the roles that it wants.
        "security": [{"token": [scope]} for scope in one.scopes],
        "responses": {str(one.status): _answer(one)},
    }
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": TEXT}
        for name in re.findall(r"\{(\w+)\}", one.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in one.query.items()]
    if one.keyed:
        parameters.append(_KEY)
    if parameters:
        described["parameters"] = parameters
    if one.body:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": ref(one.body)}},
        }
    statuses = {*_AT_THE_DOOR, *one.fails, *(_WITH_A_BODY if one.body else ())}
    described["responses"].update({str(status): _problem(status) for status in sorted(statuses)})
    return described


def _answer(one: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _WORDS[one.status]}
    if one.gives:
        answer["content"] = {"application/json": {"schema": ref(one.gives)}}
    if one.gives == "Taken":
        answer["headers"] = {
            "Location": {"description": "Where its outcome can be asked for.", "schema": TEXT}
        }
    return answer


def _problem(status: int) -> dict[str, Any]:
    problem: dict[str, Any] = {
        "description": _WORDS[status],
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }
    if status in _LATER:
        problem["headers"] = _RETRY_AFTER
    return problem
