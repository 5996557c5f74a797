"""
Events that DingTalk pushes over HTTP, encrypted: told apart, verified, understood and answered. Pure.

They come to the same address as the robot's messages; their query says ``signature`` (or
``msg_signature``), ``timestamp`` and ``nonce``, their body is ``{"encrypt": "…"}``. Every one of them,
``check_url`` included, is answered with an encrypted ``success``, or it comes again.
https://open.dingtalk.com/document/orgapp/configure-event-subcription
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from bridge.errors import Unverified
from bridge.model import Inbound, InboundResponse
from bridge.wild import Wild

from .crypto import Envelope, Opened
from .events import normalize_event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bridge.model import InboundRequest

    from .callback import Account

REMEMBERED = 16_384
"""Answered pushes whose signature and event id are kept, at most; the journal's dedupe stands behind."""

_TIMESTAMP = re.compile("[0-9]{13}").fullmatch
_MAX_NONCE = 128
_JSON = CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json"}))


class EventPush:
    """
    One subscription. ``owners`` are those that a push may be for: the AppKey, and the CorpId of
    subscriptions made with the old API. ``window`` in seconds.
    """

    def __init__(
        self,
        token: str,
        aes_key: str,
        *,
        owners: Iterable[str],
        window: float,
        account: Account,
        remembered: int = REMEMBERED,
    ) -> None:
        self._envelope = Envelope(token, aes_key)
        self._owners = frozenset(owner for owner in owners if owner)
        self._window = window
        self._account = account
        self._remembered = remembered
        self._answered: OrderedDict[str, float] = OrderedDict()

    def claims(self, request: InboundRequest) -> bool:
        """Whether this is an event, and nothing else: what claims to be one is held to its proof."""
        return bool(_signature(request) and request.query.get("nonce"))

    def verify(self, request: InboundRequest) -> None:
        """Signature, then time, then decryption, then owner. Raises `Unverified` or `Malformed`."""
        timestamp = _timestamp(request)
        nonce = request.query.get("nonce", "")
        if not _TIMESTAMP(timestamp):
            raise Unverified("the event's timestamp is missing or not in milliseconds")
        if not nonce or len(nonce) > _MAX_NONCE:
            raise Unverified("the event's nonce is missing or too long")
        self._envelope.check(_signature(request), timestamp, nonce, _encrypted(request))
        if abs(request.received_at.timestamp() - int(timestamp) / 1000) >= self._window:
            raise Unverified(
                f"the event's timestamp is {self._window:.0f} s or more from our clock (signature_window)"
            )
        if self._open(request).owner not in self._owners:
            raise Unverified("the event is for another app; are app_key and corp_id right?")

    def normalize(self, request: InboundRequest) -> Inbound:
        """
        The envelope in a verified push, or why there is none. Raises `Malformed` or `Forbidden`.

        What has been answered already is not taken twice; what came before and could not be kept
        (so that it was not answered) is.
        """
        event = Wild.parse(self._open(request).message)
        inbound = normalize_event(event, event, self._account, request.received_at)
        if inbound.envelopes and any(key in self._answered for key in _keys(request, inbound)):
            return Inbound(ignored="event_repeated")
        return inbound

    def reply(
        self, request: InboundRequest, inbound: Inbound, *, now: datetime, nonce: str
    ) -> InboundResponse:
        """``success``, encrypted and signed; from now on the push counts as answered."""
        self._remember(_keys(request, inbound), request.received_at.timestamp())
        # Like DingTalk's Go library: what makes each answer differ is its nonce.
        salt = hashlib.sha256(nonce.encode("utf-8", "replace")).digest()[:16]
        encrypted = self._envelope.seal(b"success", self._open(request).owner, salt)
        timestamp = str(int(now.timestamp() * 1000))
        body = {
            "msg_signature": self._envelope.signature(timestamp, nonce, encrypted),
            "timeStamp": timestamp,
            "nonce": nonce,
            "encrypt": encrypted,
        }
        return InboundResponse(headers=_JSON, body=json.dumps(body).encode())

    def _open(self, request: InboundRequest) -> Opened:
        return self._envelope.open(_encrypted(request))

    def _remember(self, keys: Iterable[str], now: float) -> None:
        for key in keys:
            self._answered[key] = now
        while self._answered:
            oldest, answered_at = next(iter(self._answered.items()))
            # A push is good for one window before our clock and one after it.
            if now - answered_at < 2 * self._window and len(self._answered) <= self._remembered:
                return
            del self._answered[oldest]


def _keys(request: InboundRequest, inbound: Inbound) -> list[str]:
    """The signature covers time, nonce and content; an event comes again under its id."""
    return [_signature(request), *(envelope.id for envelope in inbound.envelopes)]


def _signature(request: InboundRequest) -> str:
    return request.query.get("signature") or request.query.get("msg_signature", "")


def _timestamp(request: InboundRequest) -> str:
    return request.query.get("timestamp") or request.query.get("timeStamp", "")


def _encrypted(request: InboundRequest) -> str:
    return Wild.parse(request.body)["encrypt"].text()
