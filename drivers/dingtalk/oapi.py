"""
The older API (``oapi.dingtalk.com``): its answers, as values or errors. Pure.

It answers HTTP 200 whatever happened, with an ``errcode``:
https://open.dingtalk.com/document/orgapp/server-api-error-codes-1. 88 wraps another system's code in
its text; so a permission that is missing reads ``88 … subcode=60011``, and names the permission.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bridge.errors import Broken, DeliveryError, Refused, Scope, Throttled, Transient

from .failures import MINUTE, Meaning, code_of, explained, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_HERE, _ALL = Scope.CONVERSATION, Scope.INSTANCE
_APPLY = "https://open-dev.dingtalk.com/appscope/apply?content="

MEANINGS: Mapping[str, Meaning] = {
    "-1": Meaning(Transient, _HERE, "server_error", "DingTalk is busy"),
    "15": Meaning(Transient, _HERE, "server_error", "DingTalk is busy"),
    "504": Meaning(Transient, _HERE, "server_error", "DingTalk is busy"),
    "40014": Meaning(Broken, _ALL, "invalid_token", "even a fresh token is refused"),
    "42001": Meaning(Broken, _ALL, "invalid_token", "even a fresh token is refused"),
    "40001": Meaning(Broken, _ALL, "bad_credentials", "check app_key and app_secret"),
    "60011": Meaning(Broken, _ALL, "permission_missing", "grant the app's permission in the console"),
    "60020": Meaning(Broken, _ALL, "address_not_allowed", "allow this server's address in the console"),
    "90002": Meaning(Throttled, _ALL, "qps_limit", wait=2.0),
    "90018": Meaning(Throttled, _ALL, "qpm_limit", wait=MINUTE),
    "90020": Meaning(Throttled, _ALL, "qpm_limit", wait=MINUTE),
    "33012": Meaning(Broken, _HERE, "unknown_person", "check the id of the person"),
    "60121": Meaning(Broken, _HERE, "unknown_person", "check the id of the person"),
    "50002": Meaning(Broken, _HERE, "out_of_scope", "widen what the app may see in the console"),
    "50004": Meaning(Broken, _HERE, "out_of_scope", "widen what the app may see in the console"),
    "60003": Meaning(Refused, _HERE, "unknown_department"),
    "40068": Meaning(Refused, _HERE, "bad_request"),
    "40069": Meaning(Refused, _HERE, "bad_request"),
}
_UNKNOWN = Meaning(Refused, _HERE, "unknown_code")
_WRAPPER = "88"

_SUBCODE = re.compile(r"subcode=([0-9]{1,8})\b")
_SCOPES = re.compile(r"requiredScopes=\[([A-Za-z0-9_., -]{1,800})\]")
_SCOPE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,79}").fullmatch


def success(status: int, body: bytes) -> dict[str, Any] | None:
    """The object of an answer that says ``errcode`` 0; None for every other."""
    answer = read(body) if status == 200 else None  # noqa: PLR2004 (HTTP's OK)
    if answer is None or code_of(answer):
        return None
    code = answer.get("errcode")
    return answer if code == "0" or (type(code) is int and code == 0) else None


def token_is_refused(body: bytes) -> bool:
    """Whether a new access token could mend it."""
    return _code(read(body) or {}) in ("40014", "42001")


def failure(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, app_key: str = ""
) -> DeliveryError:
    """
    The error in an answer that is no success. A missing permission is named, with the link where it
    is applied for in the name of ``app_key``.
    """
    answer = read(body)
    code = _code(answer or {})
    known = MEANINGS.get(code) or (_UNKNOWN if status == 200 and code else None)  # noqa: PLR2004 (HTTP's OK)
    return explained(
        known, status, headers, body, now=now, code=code, more=_permissions(answer or {}, app_key)
    )


def _code(answer: Mapping[str, Any]) -> str:
    code = code_of(answer)
    if code == _WRAPPER and (inner := _SUBCODE.search(_words(answer))):
        return inner.group(1)
    return code


def _permissions(answer: Mapping[str, Any], app_key: str) -> str:
    found = _SCOPES.search(_words(answer))
    scopes = [one.strip() for one in found.group(1).split(",")] if found else []
    named = [scope for scope in scopes if _SCOPE(scope)]
    if not named:
        return ""
    said = f"(required scopes: {', '.join(named)})"
    if app_key:
        said += f" apply for it: {_APPLY}{quote(f'{app_key}#{named[0]}', safe='')}"
    return said


def _words(answer: Mapping[str, Any]) -> str:
    words = answer.get("errmsg")
    return words if isinstance(words, str) else ""
