"""One instance's settings: what they are, and what the schema cannot say about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.driver import Complaint, Listen
from bridge.loopback import is_loopback

from . import group_settings
from .event_settings import check_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.driver import Settings

LONGEST_WINDOW = 3600.0
"""Seconds; DingTalk itself calls a difference of an hour illegal."""
EVERYBODY = "*"
_BASE_URLS = ("api_base_url", "oapi_base_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRobot:
    """
    An app robot. ``receive`` is ``http``, ``stream`` or ``none``. ``signature_window`` in seconds;
    ``signing_secret`` empty: callbacks are not verified; ``allowed_users`` None: everybody.
    ``callback_token`` and ``callback_aes_key`` belong to encrypted events, ``outgoing_token`` to a legacy
    outgoing robot; empty: there is none.
    ``send_via`` is ``auto``, ``openapi`` or ``session``; ``card_template_id`` empty: buttons go out as
    action cards.
    """

    app_key: str
    app_secret: str
    robot_code: str
    receive: str
    signing_secret: str
    signature_window: float
    corp_id: str
    allowed_users: frozenset[str] | None
    api_base_url: str
    oapi_base_url: str
    language: str
    send_via: str
    card_template_id: str
    callback_token: str
    callback_aes_key: str
    outgoing_token: str


def read(settings: Settings) -> AppRobot:
    """``settings`` are valid by the schema and by `check`."""
    app_key = settings["app_key"]
    return AppRobot(
        app_key=app_key,
        app_secret=settings["app_secret"],
        robot_code=settings.get("robot_code") or app_key,
        receive=settings.get("receive", "http"),
        signing_secret=settings.get("signing_secret") or "",
        signature_window=settings.get("signature_window", 300.0),
        corp_id=settings.get("corp_id") or "",
        allowed_users=_allowed(settings.get("allowed_users")),
        api_base_url=settings.get("api_base_url", "https://api.dingtalk.com").rstrip("/"),
        oapi_base_url=settings.get("oapi_base_url", "https://oapi.dingtalk.com").rstrip("/"),
        language=settings.get("language", "en"),
        send_via=settings.get("send_via", "auto"),
        card_template_id=settings.get("card_template_id") or "",
        callback_token=settings.get("callback_token") or "",
        callback_aes_key=settings.get("callback_aes_key") or "",
        outgoing_token=settings.get("outgoing_token") or "",
    )


def listen(settings: Settings) -> Listen | None:
    """Where DingTalk calls this instance; None with ``"receive": "stream"`` or ``"none"``."""
    if not _receives(settings):
        return None
    return Listen(settings.get("listen_port", 8082), settings.get("listen_path", "/dingtalk/event"))


def check(settings: Settings) -> Iterator[Complaint]:
    """What one key cannot know of another, or a pattern of an address."""
    for key in _BASE_URLS:
        if key in settings:
            yield from _check_url(key, settings[key])
    if group_settings.is_group_robot(settings):
        yield from group_settings.check(settings)
        return
    yield from group_settings.check_absence(settings)
    window = settings.get("signature_window", 300.0)
    if not isinstance(window, float | int) or not 0 < window <= LONGEST_WINDOW:
        yield Complaint(
            path=("signature_window",),
            code="signature-window",
            message="signature_window must be more than 0 and at most 1h",
            hint="DingTalk itself calls a timestamp illegal that is an hour old; 5m is the default",
        )
    if _receives(settings):
        yield from check_events(settings)
        if not settings.get("signing_secret") and not settings.get("outgoing_token"):
            yield Complaint(
                path=(),
                code="callbacks-unverified",
                message="signing_secret is not set: anybody who finds the address can send messages",
                hint='set "signing_secret" to the robot\'s AppSecret',
                warning=True,
            )
    if settings.get("receive", "http") != "none" and settings.get("allowed_users") is None:
        yield Complaint(
            path=(),
            code="everybody-allowed",
            message="allowed_users is not set: everybody who can reach the robot is relayed",
            hint='list staff ids, or say "allowed_users": "*" if that is meant',
            warning=True,
        )


def _receives(settings: Settings) -> bool:
    if group_settings.is_group_robot(settings):
        return False
    return bool(settings.get("receive", "http") == "http")


def _allowed(users: str | list[str] | None) -> frozenset[str] | None:
    if users is None:
        return None
    named = frozenset((users,) if isinstance(users, str) else users)
    return None if EVERYBODY in named else named


def _check_url(key: str, url: str) -> Iterator[Complaint]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        yield Complaint(
            path=(key,),
            code="bad-url",
            message="{key} is not an http or https URL",
            hint="the default is right for everybody in mainland China's DingTalk",
            args={"key": key},
        )
    elif parts.username is not None or parts.query or parts.fragment:
        yield Complaint(
            path=(key,),
            code="bad-url",
            message="{key} may have a scheme, a host, a port and a path, and nothing else",
            args={"key": key},
        )
    elif parts.scheme == "http" and not is_loopback(host):
        yield Complaint(
            path=(key,),
            code="insecure-url",
            message="{key} sends secrets, so http:// is for this machine only",
            hint="write https://",
            args={"key": key},
        )
