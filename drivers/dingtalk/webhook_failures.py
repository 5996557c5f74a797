"""
What each refusal of a webhook (a group robot's, or a session's) means to the bridge: the table. Pure.

They answer HTTP 200 whatever happened, with an ``errcode`` that is a number or the same as text:
https://open.dingtalk.com/document/orgapp/custom-robot-access and
https://open.dingtalk.com/document/robots/customize-robot-security-settings. A code that is not in
the table refuses the message: never a success, and never a reason to post it again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.errors import Broken, DeliveryError, Refused, Scope, Throttled, Transient

from .failures import Meaning, code_of, explained, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

BLOCKED_FOR = 600.0
"""Seconds that DingTalk blocks a group robot after more than 20 messages in a minute."""

_HERE, _ALL = Scope.CONVERSATION, Scope.INSTANCE
_TOKEN = "check webhook_url: copy it anew from the robot's settings"  # noqa: S105 (advice, no token)

MEANINGS: Mapping[str, Meaning] = {
    # the account: nothing goes out until somebody acts
    "400101": Meaning(Broken, _ALL, "unknown_token", _TOKEN),
    "300001": Meaning(Broken, _ALL, "unknown_token", _TOKEN),
    "300005": Meaning(Broken, _ALL, "unknown_token", _TOKEN),
    "400102": Meaning(Broken, _ALL, "robot_stopped", "enable the robot in the group's settings"),
    # the group
    "400013": Meaning(Broken, _HERE, "group_dissolved", "the group is gone: remove it from the rules"),
    "400106": Meaning(Broken, _HERE, "robot_not_found", "add the robot to the group again"),
    # patience
    "410100": Meaning(Throttled, _ALL, "send_too_fast", "more than 20 messages in a minute", BLOCKED_FOR),
    "130101": Meaning(Throttled, _ALL, "send_too_fast", "more than 20 messages in a minute", BLOCKED_FOR),
    # this message never
    "40035": Meaning(Refused, _HERE, "bad_request", "DingTalk sees no JSON in it"),
    "43004": Meaning(Refused, _HERE, "bad_request", "DingTalk does not like its Content-Type"),
    "400105": Meaning(Refused, _HERE, "bad_request", "DingTalk does not know this type of message"),
    "430101": Meaning(Refused, _HERE, "unsafe_content", "a link in it is unsafe to DingTalk"),
    "430102": Meaning(Refused, _HERE, "unsafe_content", "its text is unsafe to DingTalk"),
    "430103": Meaning(Refused, _HERE, "unsafe_content", "a picture in it is unsafe to DingTalk"),
    "430104": Meaning(Refused, _HERE, "unsafe_content", "its content is unsafe to DingTalk"),
    "460101": Meaning(Refused, _HERE, "too_long", "it is longer than 20000 bytes"),
    "101002": Meaning(Refused, _HERE, "send_failed", "DingTalk does not say why"),
    "660026": Meaning(Refused, _HERE, "send_failed", "DingTalk does not say why"),
    # DingTalk's own trouble
    "-1": Meaning(Transient, _HERE, "server_error", "DingTalk is busy"),
}

_INSECURE = "310000"
# One code for all that the robot's security settings can be against; the words tell which. What
# follows ";solution:" names other settings too, so only what stands before is looked at.
_SECURITY: tuple[tuple[tuple[str, ...], Meaning], ...] = (
    (
        ("sign not match", "签名"),
        Meaning(
            Broken,
            _ALL,
            "signature_mismatch",
            "set sign_secret to the SEC… secret of the robot's settings",
        ),
    ),
    (
        ("timestamp", "时间戳"),
        Meaning(Broken, _ALL, "clock_skew", "set this machine's clock: it is an hour or more off"),
    ),
    (
        ("keyword", "关键词"),
        Meaning(Broken, _ALL, "keyword_mismatch", "set keyword to one of those in the robot's settings"),
    ),
    (
        ("whitelist", "白名单", "ip "),
        Meaning(Broken, _ALL, "address_not_allowed", "add this server's address to the robot's settings"),
    ),
)
_OTHER_SECURITY = Meaning(
    Broken, _ALL, "security_check", "compare sign_secret and keyword with the robot's settings"
)
_UNKNOWN = Meaning(Refused, _HERE, "unknown_code")

SESSION_ENDED = frozenset({"300001", "300005", "session.expired", "session.notExisted"})
"""What a session webhook answers once it is no longer one."""


def success(status: int, body: bytes) -> bool:
    """Whether the answer says so: HTTP 200 and an ``errcode`` that is 0 or ``"0"``."""
    answer = read(body) if status == 200 else None  # noqa: PLR2004 (HTTP's OK)
    if answer is None or code_of(answer):
        return False
    code = answer.get("errcode")
    return code == "0" or (type(code) is int and code == 0)  # False is no zero


def failure(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> DeliveryError:
    """The error in an answer that is no success; DingTalk's own words are not repeated."""
    answer = read(body) or {}
    return explained(_meaning(status, answer), status, headers, body, now=now)


def session_is_over(body: bytes) -> bool:
    """Whether a session webhook says that it cannot be used any more."""
    return code_of(read(body) or {}) in SESSION_ENDED


def _meaning(status: int, answer: Mapping[str, Any]) -> Meaning | None:
    code = code_of(answer)
    if code == _INSECURE:
        return _security(answer.get("errmsg"))
    if status == 200 and code and "punish" not in answer:  # noqa: PLR2004 (HTTP's OK)
        return MEANINGS.get(code, _UNKNOWN)
    return MEANINGS.get(code)


def _security(words: object) -> Meaning:
    said = words.partition(";solution")[0].lower() if isinstance(words, str) else ""
    for hints, meaning in _SECURITY:
        if any(hint in said for hint in hints):
            return meaning
    return _OTHER_SECURITY
