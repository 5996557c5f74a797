"""
What each refusal of DingTalk's API means to the bridge: the error table, as data. Pure.

Codes: https://open.dingtalk.com/document/orgapp/error-code and the pages of the single calls.
Unknown codes are never success: below 500 the message is refused, from 500 on it is tried again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_decode = json.JSONDecoder().decode

MINUTE = 60.0
HOUR = 3600.0
BANNED_FOR = 300.0
"""Seconds that DingTalk locks out an address after 10,000 requests in 20 s."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """How one code is answered; ``wait`` in seconds, where DingTalk sends no ``Retry-After``."""

    error: type[DeliveryError]
    scope: Scope
    reason: str
    advice: str = ""
    wait: float | None = None


_HERE, _ALL = Scope.CONVERSATION, Scope.INSTANCE

# A code that ends in "*" stands for all that begin so; the longest match wins.
MEANINGS: Mapping[str, Meaning] = {
    # the account: nothing goes out until somebody acts
    "InvalidAuthentication": Meaning(Broken, _ALL, "invalid_token", "even a fresh token is refused"),
    "invalidClientIdOrSecret": Meaning(Broken, _ALL, "bad_credentials", "check app_key and app_secret"),
    "authFailed": Meaning(Broken, _ALL, "bad_credentials", "check app_key and app_secret"),
    "auth.error": Meaning(Broken, _ALL, "bad_credentials", "check app_key and app_secret"),
    "unauthorized": Meaning(Broken, _ALL, "unauthorized", "does the robot belong to this app?"),
    "token.notExisted": Meaning(Broken, _ALL, "unauthorized", "does the robot still exist?"),
    "bot.stopped": Meaning(Broken, _ALL, "robot_stopped", "enable the robot in the console"),
    "sign.not.match": Meaning(Broken, _ALL, "signature_mismatch", "check the robot's secret"),
    "ip.not.match": Meaning(Broken, _ALL, "address_not_allowed", "allow this server's address"),
    "not.allowed.robotCode": Meaning(Broken, _ALL, "bad_robot_code", "check robot_code"),
    "invalidParameter.robotCode*": Meaning(Broken, _ALL, "bad_robot_code", "check robot_code"),
    "Forbidden.AccessDenied.AccessTokenPermissionDenied": Meaning(
        Broken, _ALL, "permission_missing", "grant the app's permission in the console"
    ),
    "Forbidden.AccessDenied.IpNotInWhiteList": Meaning(
        Broken, _ALL, "address_not_allowed", "allow this server's address in the console"
    ),
    # one conversation: the others go on
    "group.disbanded": Meaning(
        Broken, _HERE, "group_dissolved", "the group is gone: remove it from the rules"
    ),
    "invalid.openConversationId": Meaning(
        Broken, _HERE, "unknown_conversation", "check the id, and that the robot is in the group"
    ),
    "robot.oto.notExist": Meaning(Broken, _HERE, "no_direct_chats", "the robot cannot write to persons"),
    "chatbotId.notAllow.sendOTO": Meaning(
        Broken, _HERE, "no_direct_chats", "the robot cannot write to persons"
    ),
    "resource.not.found": Meaning(
        Broken, _HERE, "robot_not_found", "check robot_code, and that the robot is in the group"
    ),
    "resource.unavailable": Meaning(Broken, _HERE, "robot_not_found", "is the robot enabled?"),
    "conversation.org.notMatch": Meaning(
        Broken, _HERE, "other_organization", "the group belongs to another organization"
    ),
    "template.stopped": Meaning(
        Broken, _HERE, "template_unavailable", "enable the message template in the console"
    ),
    "template.not.existed": Meaning(
        Broken, _HERE, "template_unavailable", "this edition of DingTalk lacks the message template"
    ),
    "keywords.not.match": Meaning(
        Broken, _HERE, "keyword_mismatch", "put one of the robot's keywords into msg_format"
    ),
    "bot.forbidden.sendMessage": Meaning(
        Broken, _HERE, "robot_muted", "the robot may not speak in this group"
    ),
    # patience
    "send.too.fast": Meaning(Throttled, _HERE, "send_too_fast", wait=30.0),
    "too.many.people": Meaning(Throttled, _HERE, "send_too_fast", wait=30.0),
    "send.byToken.tooFast": Meaning(Throttled, _ALL, "send_too_fast", wait=30.0),
    "too.many.group": Meaning(Throttled, _ALL, "send_too_fast", wait=30.0),
    "toomuch.msg": Meaning(Throttled, _ALL, "robot_rate_limit", wait=MINUTE),
    "Forbidden.AccessDenied.QpsLimit*": Meaning(Throttled, _ALL, "qps_limit", wait=2.0),
    "Forbidden.AccessDenied.QpmLimit*": Meaning(Throttled, _ALL, "qpm_limit", wait=MINUTE),
    "Forbidden.AccessDenied.ApiCountLimitForOrg": Meaning(
        Throttled, _ALL, "monthly_quota", "the organization's API calls are used up", HOUR
    ),
    # this message never
    "contain.unsafe.url": Meaning(Refused, _HERE, "unsafe_content"),
    "contain.notAllowed.*": Meaning(Refused, _HERE, "unsafe_content"),
    "Missingbody": Meaning(Refused, _HERE, "bad_request"),
    "miss.*": Meaning(Refused, _HERE, "bad_request"),
    "invalidParameter.*": Meaning(Refused, _HERE, "bad_request"),
    "invalid.param.*": Meaning(Refused, _HERE, "bad_request"),
    "sendMessage.model.notMatch": Meaning(Refused, _HERE, "bad_request"),
    "robot.processQueryKey.expired": Meaning(Refused, _HERE, "too_old", "it is older than 24 hours"),
    "processQueryKey.expireTime": Meaning(Refused, _HERE, "too_old", "it is older than 24 hours"),
    "invalid.processQueryKey": Meaning(Refused, _HERE, "unknown_message"),
    "notRevoke.all.messages": Meaning(Refused, _HERE, "not_recalled"),
    "session.*": Meaning(Refused, _HERE, "session_ended"),
    # may have arrived
    "unknown.send.result": Meaning(Indeterminate, _HERE, "unknown_result"),
    # DingTalk's own trouble
    "system.error": Meaning(Transient, _HERE, "server_error"),
    "send.ding.exception": Meaning(Transient, _HERE, "server_error"),
}

_EXACT = {code: meaning for code, meaning in MEANINGS.items() if not code.endswith("*")}
_PREFIXES = sorted(
    ((code[:-1], meaning) for code, meaning in MEANINGS.items() if code.endswith("*")),
    key=lambda row: -len(row[0]),
)

_BANNED = Meaning(Throttled, _ALL, "address_banned", "too many requests, or a proxy", BANNED_FOR)
_TOO_MANY_REQUESTS = Meaning(Throttled, _ALL, "too_many_requests", wait=MINUTE)
_NO_ANSWER_BEHIND = Meaning(Indeterminate, _HERE, "gateway_timeout")
_SERVER_ERROR = Meaning(Transient, _HERE, "server_error")
_UNKNOWN_CODE = Meaning(Refused, _HERE, "unknown_code")
_UNKNOWN_RESULT = Meaning(Indeterminate, _HERE, "unknown_result")
_NOT_DINGTALK = Meaning(
    Broken, _ALL, "not_dingtalk", "is the URL in config.json right, is there a proxy in between?"
)

# An answer can hold what we sent, secrets included. What has these shapes is repeated to people, and
# neither a token nor an AppSecret has them.
_CODE = re.compile(r"-?[0-9]{1,8}|(?=.{1,80}$)[A-Za-z]+(\.[A-Za-z]+)*").fullmatch
_REQUEST_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch
_PERMISSION = re.compile(r"[A-Za-z_.]{1,80}").fullmatch
_SHOWN_SCOPES = 10


def read(body: bytes) -> dict[str, Any] | None:
    """The JSON object in an answer; None for anything else."""
    try:
        # json.loads would first guess the encoding, of which such a beginning leaves only one.
        usual = body.startswith(b'{"')
        answer = _decode(body.decode("utf-8", "surrogatepass")) if usual else json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def code_of(answer: Mapping[str, Any]) -> str:
    """The error code in an answer, empty if there is none. The key's case varies between gateways."""
    for key in ("code", "Code", "errcode"):
        code = answer.get(key)
        if code not in (None, "", 0, "0"):
            return str(code) if isinstance(code, (str, int)) else "?"
    return ""


def success(status: int, body: bytes) -> dict[str, Any] | None:
    """The JSON object of an answer that says nothing of an error; None for every other answer."""
    answer = read(body) if status == 200 else None  # noqa: PLR2004 (HTTP's OK)
    if answer is None or code_of(answer) or _is_ban(answer):
        return None
    return answer


def failure(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> DeliveryError:
    """
    The error that an answer stands for, which is no success. Its message holds nothing of the
    request, and of the answer only what looks like a code, a request id or the name of a permission.
    """
    return explained(None, status, headers, body, now=now)


def explained(
    meaning: Meaning | None,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    code: str = "",
    more: str = "",
) -> DeliveryError:
    """
    As `failure`, for an API with a table of its own: ``meaning`` is what that says, None where it
    says nothing, ``code`` the code that counts, ``more`` what stands behind the answer's own details.
    """
    answer = read(body)
    code = code or (code_of(answer) if answer is not None else "")
    meaning = meaning or _meaning(status, headers, body, answer, code)
    said = [f"DingTalk answered {status}"]
    if _CODE(code):
        said.append(code)
    if answer is not None:
        said += _details(answer)
    if more:
        said.append(more)
    message = " ".join(said) + (f": {meaning.advice}" if meaning.advice else "")
    wait = retry_after(headers, now) if meaning.error in (Throttled, Transient) else None
    return meaning.error(
        message,
        reason=meaning.reason,
        scope=meaning.scope,
        retry_after=meaning.wait if wait is None else wait,
    )


def _meaning(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    answer: Mapping[str, Any] | None,
    code: str,
) -> Meaning:
    if answer is not None and _is_ban(answer):
        return _BANNED
    if status in (502, 504):  # the gateway gave up waiting for what stands behind it
        return _NO_ANSWER_BEHIND
    if known := _known(code):
        return known
    if answer is None and _is_html(headers, body):
        return _BANNED
    if status == 429:  # noqa: PLR2004 (HTTP's own word for it)
        return _TOO_MANY_REQUESTS
    if status >= 500:  # noqa: PLR2004 (the border between HTTP's two kinds of error)
        return _SERVER_ERROR
    if 200 <= status < 300:  # noqa: PLR2004 (HTTP's word for success, which this is not)
        return _UNKNOWN_RESULT
    if not code:  # DingTalk names a code with every refusal
        return _NOT_DINGTALK
    return _UNKNOWN_CODE


def _known(code: str) -> Meaning | None:
    if meaning := _EXACT.get(code):
        return meaning
    return next((meaning for prefix, meaning in _PREFIXES if code.startswith(prefix)), None)


def _is_ban(answer: Mapping[str, Any]) -> bool:
    return "punish" in answer


def _is_html(headers: Mapping[str, str], body: bytes) -> bool:
    return "html" in headers.get("Content-Type", "") or body.lstrip()[:1] == b"<"


def _details(answer: Mapping[str, Any]) -> list[str]:
    """The request id, which DingTalk's support asks for, and the permissions that are missing."""
    said = []
    for key in ("requestid", "requestId", "RequestId"):
        request_id = answer.get(key)
        if isinstance(request_id, str) and _REQUEST_ID(request_id):
            said.append(f"(request {request_id})")
            break
    denied = answer.get("accessdenieddetail")
    scopes = denied.get("requiredScopes") if isinstance(denied, dict) else None
    if isinstance(scopes, list):
        named = [s for s in scopes[:_SHOWN_SCOPES] if isinstance(s, str) and _PERMISSION(s)]
        said.append(f"(required scopes: {', '.join(named)})")
    return said
