"""
Who sent a message of the legacy *outgoing* robot: the header ``token``, as it was typed into the
robot's settings. It covers nothing but itself, and its messages have neither ``robotCode`` nor
``senderStaffId``.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from bridge.errors import Unverified

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_outgoing(headers: Mapping[str, str]) -> bool:
    """A ``token``, and no ``sign``: robots made later sign, as app robots do."""
    return "token" in headers and "sign" not in headers


def check(headers: Mapping[str, str], token: str) -> None:
    """Raises `Unverified`; takes the same time whatever is wrong."""
    given = headers.get("token", "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, token.encode("utf-8", "replace")):
        raise Unverified("header 'token' is missing or not the outgoing_token")
