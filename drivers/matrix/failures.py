"""
What an answer of the homeserver means. Pure.

https://spec.matrix.org/v1.16/client-server-api/#standard-error-response
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Malformed,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.retry_after import retry_after
from bridge.wild import Wild

if TYPE_CHECKING:
    from datetime import datetime

    from bridge.exchange import Answer

_CODE = re.compile(r"[A-Z][A-Z0-9_.]{1,60}").fullmatch
_SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)
_SERVER_ERROR = 500
_LONGEST_WAIT = 86_400.0


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an ``errcode`` or a status means for what was sent."""

    error: type[DeliveryError]
    reason: str
    advice: str = ""
    scope: Scope = Scope.CONVERSATION


_LOGIN = 'the token or password is refused: set another in "access_token" or "password"'
_ACCOUNT = "the homeserver has locked the account: ask its administrator"
_URL = 'is "homeserver_url" right?'

BY_CODE = {
    "M_UNKNOWN_TOKEN": Meaning(Broken, "unknown_token", _LOGIN, Scope.INSTANCE),
    "M_MISSING_TOKEN": Meaning(Broken, "unknown_token", _LOGIN, Scope.INSTANCE),
    "M_USER_DEACTIVATED": Meaning(Broken, "account_locked", _ACCOUNT, Scope.INSTANCE),
    "M_USER_LOCKED": Meaning(Broken, "account_locked", _ACCOUNT, Scope.INSTANCE),
    "M_USER_SUSPENDED": Meaning(Broken, "account_locked", _ACCOUNT, Scope.INSTANCE),
    "M_CONSENT_NOT_GIVEN": Meaning(
        Broken, "no_consent", "log in as the bot once, and accept the terms", Scope.INSTANCE
    ),
    "M_RESOURCE_LIMIT_EXCEEDED": Meaning(Broken, "homeserver_full", _ACCOUNT, Scope.INSTANCE),
    "M_FORBIDDEN": Meaning(
        Broken,
        "forbidden",
        "the bot is not in that room or may not speak there: invite it, or give it power",
    ),
    "M_NOT_FOUND": Meaning(Broken, "not_found", "is there such a room, and is the bot in it?"),
    "M_UNRECOGNIZED": Meaning(Broken, "not_matrix", _URL, Scope.INSTANCE),
    "M_LIMIT_EXCEEDED": Meaning(Throttled, "rate_limited", scope=Scope.INSTANCE),
    "M_TOO_LARGE": Meaning(Refused, "too_large"),
    "M_DUPLICATE_ANNOTATION": Meaning(Refused, "duplicate_reaction"),
}
BY_STATUS = {
    401: BY_CODE["M_UNKNOWN_TOKEN"],
    403: BY_CODE["M_FORBIDDEN"],
    404: Meaning(Broken, "not_matrix", _URL, Scope.INSTANCE),
    408: Meaning(Transient, "server_error"),
    413: BY_CODE["M_TOO_LARGE"],
    429: BY_CODE["M_LIMIT_EXCEEDED"],
}


def decode(answer: Answer, now: datetime) -> Wild:
    """
    What a good answer says. Raises a `DeliveryError` for any other, which never repeats the server's
    own words: they may hold what we sent.
    """
    if answer.status not in _SUCCESS:
        raise _failure(answer, now)
    try:
        said = Wild.parse(answer.body)
    except Malformed:
        said = Wild(None)
    if not said.is_object:
        raise Indeterminate("the homeserver's answer is not Matrix", reason="bad_answer")
    return said


def identifier(said: Wild, key: str) -> str:
    """The name that a good answer must hold. Raises `Indeterminate` without it."""
    try:
        return said[key].identifier()
    except Malformed:
        raise Indeterminate(f"the homeserver's answer has no {key}", reason="bad_answer") from None


def _failure(answer: Answer, now: datetime) -> DeliveryError:
    try:
        said = Wild.parse(answer.body)
        code = said["errcode"].text("")
    except Malformed:
        said, code = Wild(None), ""
    code = code if _CODE(code) else ""
    words = f"the homeserver answered {answer.status} {code}".strip()
    meaning = BY_CODE.get(code) or _by_status(answer.status, code)
    wait = None
    if meaning.error is Throttled:
        wait = retry_after(answer.headers, now)
        wait = _milliseconds(said["retry_after_ms"]) if wait is None else wait
    return meaning.error(
        f"{words}: {meaning.advice}" if meaning.advice else words,
        reason=meaning.reason,
        scope=meaning.scope,
        retry_after=wait,
    )


def _by_status(status: int, code: str) -> Meaning:
    if status >= _SERVER_ERROR:
        return Meaning(Transient, "server_error")
    if status in _REDIRECT:
        return Meaning(Broken, "redirected", _URL, Scope.INSTANCE)
    if status in BY_STATUS and not (status == 404 and code):  # noqa: PLR2004 (the status has this name)
        return BY_STATUS[status]
    return Meaning(Refused, "client_error")


def _milliseconds(given: Wild) -> float | None:
    try:
        return min(max(given.number() / 1000, 0.0), _LONGEST_WAIT)
    except Malformed:
        return None
