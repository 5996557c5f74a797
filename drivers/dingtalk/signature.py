"""
Who sent a callback: headers ``timestamp`` and ``sign``.

The signature covers the timestamp, not the body, the path or the method: whoever holds one pair can
send anything with it while it is fresh. So the window is short, and `Vouchers` bounds how many
messages one pair stands for. Protocol:
https://open.dingtalk.com/document/orgapp/receive-message
"""

from __future__ import annotations

import base64
import hmac
import re
from collections import OrderedDict
from typing import TYPE_CHECKING

from bridge.errors import Unverified

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# ASCII, full match, before anything else looks at them: int() takes "1_7" and full-width digits,
# and compare_digest() raises on text that is not ASCII.
_TIMESTAMP = re.compile("[0-9]{13}").fullmatch
_SIGN = re.compile("[A-Za-z0-9+/]{43}=").fullmatch

MESSAGES_PER_SIGNATURE = 64
REMEMBERED_SIGNATURES = 32_768


def sign(timestamp: str, secret: str) -> str:
    """The ``sign`` header (base64) that belongs to ``timestamp`` (milliseconds, decimal)."""
    return Signer(secret).sign(timestamp).decode()


class Signer:
    """The HMAC of one secret, its key schedule computed once."""

    __slots__ = ("_keyed", "_tail")

    def __init__(self, secret: str) -> None:
        key = secret.encode("utf-8", "replace")
        self._keyed = hmac.new(key, digestmod="sha256")
        self._tail = b"\n" + key

    def sign(self, timestamp: str) -> bytes:
        mac = self._keyed.copy()
        mac.update(timestamp.encode("utf-8", "replace") + self._tail)
        return base64.b64encode(mac.digest())


class Verifier:
    """Checks the two headers against one secret within ``window`` seconds of our clock."""

    __slots__ = ("_signer", "_window")

    def __init__(self, secret: str, window: float) -> None:
        self._signer = Signer(secret)
        self._window = window

    def check(self, headers: Mapping[str, str], received_at: datetime) -> None:
        """
        Raises `Unverified`.

        A difference of exactly the window is refused: DingTalk calls "1 hour or more" illegal.
        """
        timestamp, given = headers.get("timestamp", ""), headers.get("sign", "")
        if not _TIMESTAMP(timestamp):
            raise Unverified("header 'timestamp' is missing or not in milliseconds")
        if not _SIGN(given):
            raise Unverified("header 'sign' is missing or not the base64 of an HMAC-SHA256")
        if not hmac.compare_digest(self._signer.sign(timestamp), given.encode("ascii")):
            raise Unverified("header 'sign' does not match; is signing_secret the robot's AppSecret?")
        if abs(received_at.timestamp() - int(timestamp) / 1000) >= self._window:
            raise Unverified(
                f"header 'timestamp' is {self._window:.0f} s or more from our clock (signature_window)"
            )


class Vouchers:
    """
    How many messages each signature has vouched for; the one piece of memory of the near end.

    A pair older than the window is refused by `Verifier` and forgotten here. Above
    `REMEMBERED_SIGNATURES` the pair that was seen first is forgotten early, so that memory stays
    bounded under any load; the durable dedupe of message ids stands behind this.
    """

    __slots__ = ("_seen", "_window")

    def __init__(self, window: float) -> None:
        self._window = window
        # Ordered, because it is emptied from the front: a dict would scan what is gone.
        self._seen: OrderedDict[str, list[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def admit(self, timestamp: str, message_id: str, received_at: datetime) -> None:
        """
        ``timestamp`` is a verified header: with one secret it stands for its ``sign`` too. A message
        that comes again costs nothing. Raises `Unverified` for one too many.
        """
        messages = self._seen.get(timestamp)
        mark = hash(message_id)  # keyed at random in each process; an id may be long, this is not
        if messages is None:
            self._forget(received_at.timestamp())
            self._seen[timestamp] = [mark]
        elif mark not in messages:
            if len(messages) >= MESSAGES_PER_SIGNATURE:
                raise Unverified(
                    f"this signature has vouched for {MESSAGES_PER_SIGNATURE} messages already"
                )
            messages.append(mark)

    def _forget(self, now: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            expired = now - int(oldest) / 1000 >= self._window
            if not expired and len(self._seen) < REMEMBERED_SIGNATURES:
                return
            del self._seen[oldest]
