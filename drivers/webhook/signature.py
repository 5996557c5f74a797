"""
Standard Webhooks: who sent it, and that nobody changed it. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from standardwebhooks import Webhook

from bridge.errors import Unverified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.model import InboundRequest

TOLERANCE = 300
"""Seconds that a timestamp may be from our clock, as in the specification's own libraries."""

_PREFIX = "whsec_"
_MAX_SIGNATURES = 16
_ID = re.compile("[!-~]{1,255}")
_TIMESTAMP = re.compile("[1-9][0-9]{0,11}")
_SIGNATURE = re.compile("v1,[A-Za-z0-9+/]{43}=")


def key_of(secret: str) -> bytes:
    """
    The bytes that sign: what stands behind ``whsec_`` is base64, any other text is its UTF-8.

    Raises ValueError for a ``whsec_`` that is not followed by base64, or by nothing.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    encoded = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as e:
        raise ValueError(f"what stands behind {_PREFIX} is not base64") from e
    if not key:
        raise ValueError(f"nothing stands behind {_PREFIX}")
    return key


def id_of(idempotency_key: str) -> str:
    """The ``webhook-id``: the key itself, or its hash where no header can hold it."""
    if _ID.fullmatch(idempotency_key):
        return idempotency_key
    return "sha256-" + hashlib.sha256(idempotency_key.encode(errors="replace")).hexdigest()


def identity(request: InboundRequest) -> str:
    """The ``webhook-id`` of ``request``; empty where there is none, or not a proper one."""
    given = request.headers.get("webhook-id", "")
    return given if _ID.fullmatch(given) else ""


class Signer:
    """Signs and verifies with one key."""

    def __init__(self, secret: str) -> None:
        """Raises ValueError as `key_of`."""
        self._webhook = Webhook(key_of(secret))

    def headers(self, webhook_id: str, body: bytes, now: datetime) -> Mapping[str, str]:
        """The three headers that go with ``body``; ``now`` is in UTC."""
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(webhook_id, now, body.decode()),
        }

    def verify(self, request: InboundRequest) -> None:
        """Raises `Unverified`, and says which header is wrong."""
        webhook_id = identity(request)
        if not webhook_id:
            raise Unverified("header 'webhook-id' is missing or not 1 to 255 printable ASCII characters")
        timestamp = request.headers.get("webhook-timestamp", "")
        if not _TIMESTAMP.fullmatch(timestamp):
            raise Unverified("header 'webhook-timestamp' is missing or not in seconds")
        if abs(int(timestamp) - request.received_at.timestamp()) > TOLERANCE:
            raise Unverified(f"header 'webhook-timestamp' is more than {TOLERANCE} s from our clock")
        try:
            body = request.body.decode()
        except UnicodeDecodeError as e:
            raise Unverified("the body is not UTF-8") from e
        sent_at = datetime.fromtimestamp(int(timestamp), tz=UTC)
        expected = self._webhook.sign(webhook_id, sent_at, body).encode()
        given = request.headers.get("webhook-signature", "").split(" ", _MAX_SIGNATURES)
        for signature in given[:_MAX_SIGNATURES]:  # several while a key is being replaced
            if _SIGNATURE.fullmatch(signature) and hmac.compare_digest(expected, signature.encode()):
                return
        raise Unverified("header 'webhook-signature' does not match; is secret the same at both ends?")
