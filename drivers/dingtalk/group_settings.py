"""
The settings of a group robot, and how the two kinds of account are told apart.

An instance with ``webhook_url`` is a group robot, every other one an app robot; a key of the one kind
in an instance of the other is an error, for it would do nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.driver import Complaint
from bridge.loopback import is_loopback

from .schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.driver import Settings

_OWN = frozenset({"webhook_url", "sign_secret", "keyword"})
_SHARED = frozenset({"api_base_url", "oapi_base_url"})
_PORTS = range(1, 65536)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRobot:
    """``sign_secret`` empty: requests are not signed; ``keyword`` empty: nothing is added to a text."""

    webhook_url: str
    sign_secret: str
    keyword: str
    language: str


def is_group_robot(settings: Settings) -> bool:
    return "webhook_url" in settings


def read(settings: Settings) -> GroupRobot:
    """``settings`` are valid by the schema and by `check`."""
    return GroupRobot(
        webhook_url=settings["webhook_url"],
        sign_secret=settings.get("sign_secret") or "",
        keyword=settings.get("keyword") or "",
        language=settings.get("language", "en"),
    )


def check(settings: Settings) -> Iterator[Complaint]:
    """What is wrong with a group robot's settings."""
    yield from _check_url(settings["webhook_url"])
    for key in _given(settings):
        if key not in _OWN | _SHARED:
            yield Complaint(
                path=(key,),
                code="mixed-account",
                message="{key} belongs to an app robot, but webhook_url makes this a group robot",
                hint="make two instances of it: one with webhook_url, sign_secret and keyword, "
                "one with all the rest",
                args={"key": key},
            )


def check_absence(settings: Settings) -> Iterator[Complaint]:
    """What a group robot alone may have, in an app robot's settings."""
    for key in _given(settings):
        if key in _OWN:
            yield Complaint(
                path=(key,),
                code="mixed-account",
                message="{key} belongs to a group robot, and there is no webhook_url",
                hint="add webhook_url to an instance of its own, or remove {key}",
                args={"key": key},
            )


def _given(settings: Settings) -> Iterator[str]:
    """Keys that say something: what equals the default may have been filled in by the core."""
    for key, schema in SCHEMA["properties"].items():
        # A value with a unit has become a number by now, so it cannot be compared with its default.
        if key in settings and "format" not in schema and settings[key] != schema.get("default"):
            yield key


def _check_url(url: str) -> Iterator[Complaint]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    good = host and parts.scheme in ("http", "https") and (port is None or port in _PORTS)
    if not good or not url.isprintable() or " " in url or parts.fragment or parts.username is not None:
        yield Complaint(
            path=("webhook_url",),
            code="bad-url",
            message="webhook_url is not an http or https URL",
            hint="copy it from the robot's settings: https://oapi.dingtalk.com/robot/send?access_token=…",
        )
    elif parts.scheme == "http" and not is_loopback(host or ""):
        yield Complaint(
            path=("webhook_url",),
            code="insecure-url",
            message="{key} sends secrets, so http:// is for this machine only",
            hint="write https://",
            args={"key": "webhook_url"},
        )
