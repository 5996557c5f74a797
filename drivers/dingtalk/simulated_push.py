"""
A poster of encrypted events, for the simulator's side. Needs ``cryptography``, as their reader does.

https://open.dingtalk.com/document/orgapp/callback-event-message-body-encryption-and-decryption
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from bridge.errors import Unverified

from .crypto import Envelope

_TIMEOUT = aiohttp.ClientTimeout(total=2.5)
"""DingTalk waits no longer for its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One app's event subscription over HTTP, as the console keeps it."""

    url: str
    token: str
    aes_key: str
    owner: str

    async def push(self, event: Mapping[str, Any], *, now: datetime, nonce: str = "") -> tuple[int, str]:
        """
        The status of the answer, and what it says when it is decrypted: empty if it is not for us.

        The same ``now`` and ``nonce`` (drawn if empty) make the same request again. Raises
        aiohttp.ClientError, and TimeoutError after 2.5 s.
        """
        envelope = Envelope(self.token, self.aes_key)
        nonce = nonce or secrets.token_hex(8)
        timestamp = str(int(now.timestamp() * 1000))
        plain = json.dumps(event, ensure_ascii=False).encode()
        encrypted = envelope.seal(plain, self.owner, nonce.encode().ljust(16, b"0")[:16])
        signature = envelope.signature(timestamp, nonce, encrypted)
        query = {
            "signature": signature,
            "msg_signature": signature,
            "timestamp": timestamp,
            "nonce": nonce,
        }
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.post(self.url, params=query, json={"encrypt": encrypted}) as response,
        ):
            return response.status, self._said(envelope, await response.read())

    def _said(self, envelope: Envelope, body: bytes) -> str:
        try:
            answer = json.loads(body)
            parts = [answer[key] for key in ("msg_signature", "timeStamp", "nonce", "encrypt")]
            envelope.check(*parts)
            opened = envelope.open(answer["encrypt"])
        except (ValueError, TypeError, KeyError, Unverified):
            return ""
        return opened.message.decode() if opened.owner == self.owner else ""
