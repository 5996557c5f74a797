"""
The envelope of an encrypted event push: SHA-1 signature, AES-256-CBC, and whose it is. Pure.

Needs the library ``cryptography``: ``pip install 'msgbridge[dingtalk]'``. Protocol:
https://open.dingtalk.com/document/orgapp/callback-event-message-body-encryption-and-decryption
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bridge.errors import Unverified

_PAD_TO = 32
"""Bytes that we fill up to, as DingTalk does. Its Go library fills up to 16: any of 1 … 32 is read."""
_BLOCK = 16
_SALT = 16
_HEAD = _SALT + 4

_SIGNATURE = re.compile("[0-9a-f]{40}").fullmatch
# Its Python library breaks the base64 into lines; the signature covers the line breaks.
_BASE64 = re.compile("[A-Za-z0-9+/\r\n]+={0,2}[\r\n]*").fullmatch
_AES_KEY = re.compile("[A-Za-z0-9+/]{43}").fullmatch


@dataclass(frozen=True, slots=True)
class Opened:
    """A decrypted push: the message, and whom it is for (an AppKey or a CorpId)."""

    message: bytes
    owner: str


class Envelope:
    """
    Signs, checks, opens and seals with one subscription's ``token`` and ``aes_key``.

    Raises ValueError for an ``aes_key`` that is not 43 characters of base64.
    """

    __slots__ = ("_iv", "_key", "_token")

    def __init__(self, token: str, aes_key: str) -> None:
        if not _AES_KEY(aes_key):
            raise ValueError("an AES key has 43 letters and digits")
        # The last character may carry bits that belong to no byte: not an error.
        self._key = base64.b64decode(aes_key + "=")
        self._iv = self._key[:_BLOCK]
        self._token = token.encode("utf-8", "replace")

    def signature(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """In hex; the four texts are sorted by their bytes."""
        others = (text.encode("utf-8", "replace") for text in (timestamp, nonce, encrypted))
        # SHA-1 is DingTalk's choice; nothing but this protocol rests on it.
        return hashlib.sha1(b"".join(sorted((self._token, *others)))).hexdigest()  # noqa: S324 (as above)

    def check(self, signature: str, timestamp: str, nonce: str, encrypted: str) -> None:
        """Raises `Unverified`."""
        if not _SIGNATURE(signature):
            raise Unverified("the signature of the event is missing or not the hex of a SHA-1")
        expected = self.signature(timestamp, nonce, encrypted)
        if not hmac.compare_digest(expected.encode("ascii"), signature.encode("ascii")):
            raise Unverified("the signature of the event does not match; is callback_token right?")

    def open(self, encrypted: str) -> Opened:
        """Decrypt what `check` has found to be genuine. Raises `Unverified`."""
        wrong = Unverified("the event cannot be decrypted; is callback_aes_key right?")
        if not _BASE64(encrypted):
            raise wrong
        try:
            sealed = base64.b64decode(encrypted)
        except ValueError:
            raise wrong from None
        if not sealed or len(sealed) % _BLOCK:
            raise wrong
        decryptor = Cipher(algorithms.AES(self._key), modes.CBC(self._iv)).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
        padding = padded[-1]
        if not 1 <= padding <= _PAD_TO or padded[-padding:] != bytes([padding]) * padding:
            raise wrong
        content = padded[:-padding]
        end = _HEAD + int.from_bytes(content[_SALT:_HEAD], "big")
        if end > len(content):
            raise wrong
        return Opened(content[_HEAD:end], content[end:].decode("utf-8", "replace"))

    def seal(self, message: bytes, owner: str, salt: bytes) -> str:
        """The base64 of ``message`` for ``owner``; ``salt`` has 16 bytes, another for every message."""
        content = salt + len(message).to_bytes(4, "big") + message + owner.encode("utf-8", "replace")
        padding = _PAD_TO - len(content) % _PAD_TO
        encryptor = Cipher(algorithms.AES(self._key), modes.CBC(self._iv)).encryptor()
        sealed = encryptor.update(content + bytes([padding]) * padding) + encryptor.finalize()
        return base64.b64encode(sealed).decode("ascii")
