"""
Stream mode on the wire: the request for a connection, frames in, acknowledgements out. Pure.

https://open.dingtalk.com/document/direction/stream-mode-protocol-access-description,
https://opensource.dingtalk.com/developerpedia/docs/learn/stream/protocol
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlsplit

from bridge.errors import Malformed, Transient
from bridge.loopback import is_loopback
from bridge.wild import Wild

from .failures import failure, success

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

OPEN_PATH = "/v1.0/gateway/connections/open"
ROBOT_TOPIC = "/v1.0/im/bot/messages/get"
CARD_TOPIC = "/v1.0/card/instances/callback"
MAX_FRAME = 4 << 20
"""Bytes; a longer frame ends the connection."""

OPEN_HEADERS = {
    "accept": "application/json",  # or the gateway may answer in XML
    "content-type": "application/json; charset=utf-8",
}
ROBOT_ANSWER = '{"response": null}'
CARD_ANSWER = '{"response": {}}'
EVENT_TAKEN = '{"status":"SUCCESS","message":"success"}'
EVENT_LATER = '{"status":"LATER","message":"try again"}'

_OK, _NOT_FOUND = 200, 404
_MAX_TEXT = 4096
_TICKET = re.compile("[!-~]{1,1024}").fullmatch
_SUBSCRIPTIONS = (("EVENT", "*"), ("CALLBACK", ROBOT_TOPIC), ("CALLBACK", CARD_TOPIC))
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Kind(Enum):
    """What a frame asks of us."""

    PING = auto()
    """Send the data back."""
    LEAVE = auto()
    """The gateway will close this connection soon: open another one. Never acknowledged."""
    SYSTEM = auto()
    """Something about the connection itself; no answer is expected."""
    ROBOT = auto()
    EVENT = auto()
    CARD = auto()
    UNKNOWN = auto()
    """Not subscribed to: answered with 404."""


_CALLBACKS = {ROBOT_TOPIC: Kind.ROBOT, CARD_TOPIC: Kind.CARD}


@dataclass(frozen=True, slots=True)
class Frame:
    """``message_id`` may be empty for SYSTEM frames; ``data`` is a JSON text, not read yet."""

    kind: Kind
    message_id: str
    data: str
    headers: Wild


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where to connect, once and within 90 s. The URL holds the ticket: never show it."""

    url: str

    def __repr__(self) -> str:
        return "Ticket(***)"


def encode_open(app_key: str, app_secret: str, agent: str) -> bytes:
    """The body of `OPEN_PATH`; ``agent`` is who we say we are."""
    subscriptions = [{"type": kind, "topic": topic} for kind, topic in _SUBSCRIPTIONS]
    body = {
        "clientId": app_key,
        "clientSecret": app_secret,
        "subscriptions": subscriptions,
        "ua": agent,
    }
    return _quoted(body).encode("utf-8", "replace")


def decode_open(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Ticket:
    """Raises a `DeliveryError` for everything that is no way in."""
    answer = success(status, body)
    if answer is None:
        raise failure(status, headers, body, now=now)
    endpoint, ticket = answer.get("endpoint"), answer.get("ticket")
    if not isinstance(endpoint, str) or not isinstance(ticket, str) or not _TICKET(ticket):
        raise Transient("DingTalk answered 200 without an endpoint and a ticket", reason="bad_answer")
    if not _is_safe(endpoint):
        raise Transient(
            "DingTalk named an endpoint that is neither wss:// nor on this machine", reason="bad_endpoint"
        )
    separator = "&" if "?" in endpoint else "?"
    return Ticket(f"{endpoint}{separator}ticket={quote_plus(ticket)}")


def parse(text: str) -> Frame:
    """Raises `Malformed` for what is no frame, or a frame that could not be answered."""
    frame = Wild.parse(text.encode("utf-8", "replace"))
    # One sample of the official pages spells it "header".
    headers = frame["header"] if frame["headers"].missing else frame["headers"]
    kind = _kind(frame["type"].text(), headers["topic"].text(""))
    named = headers["messageId"]
    system = kind in (Kind.PING, Kind.LEAVE, Kind.SYSTEM)
    message_id = named.text("") if system else named.identifier()
    if len(message_id) > _MAX_TEXT:
        raise Malformed(f"{named.path}: an identifier of more than {_MAX_TEXT} characters")
    return Frame(kind, message_id, frame["data"].text(""), headers)


def acknowledgement(frame: Frame, data: str, *, code: int = _OK, message: str = "OK") -> str:
    """``data`` is a JSON text itself."""
    return (
        f'{{"code":{code},"headers":{{"contentType":"application/json",'
        f'"messageId":{_quoted(frame.message_id)}}},"message":{_quoted(message)},"data":{_quoted(data)}}}'
    )


def not_found(frame: Frame) -> str:
    return acknowledgement(frame, "", code=_NOT_FOUND, message="topic not found")


def failed(frame: Frame, code: int) -> str:
    """Nothing became of it: ``code`` as over HTTP, 400 for what we cannot read, 500 for our own fault."""
    return acknowledgement(frame, "", code=code, message="not taken")


def _kind(kind: str, topic: str) -> Kind:
    match kind, topic:
        case "SYSTEM", "ping":
            return Kind.PING
        case "SYSTEM", "disconnect":
            return Kind.LEAVE
        case "SYSTEM", _:
            return Kind.SYSTEM
        case "EVENT", _:
            return Kind.EVENT
        case "CALLBACK", _:
            return _CALLBACKS.get(topic, Kind.UNKNOWN)
    return Kind.UNKNOWN


def _is_safe(endpoint: str) -> bool:
    """TLS, or this machine; and nothing in it that could lead elsewhere."""
    if len(endpoint) > _MAX_TEXT or not endpoint.isascii() or not endpoint.isprintable():
        return False
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or " " in endpoint:
        return False
    return parts.scheme == "wss" or (parts.scheme == "ws" and is_loopback(host))
