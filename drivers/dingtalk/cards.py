"""
Interactive cards: created, delivered and updated. Pure.

The instance's ``card_template_id`` names a template with three variables, all texts: ``title``,
``text`` (Markdown) and ``buttons``, which is JSON: ``[{"text": "Open", "url": "https://…"}]``.
https://open.dingtalk.com/document/orgapp/create-and-deliver-cards,
https://open.dingtalk.com/document/orgapp/interactive-card-update-interface
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from bridge.errors import Indeterminate, Refused
from bridge.model import MessageId, TextFormat

from . import conversations
from .failures import failure, success
from .markdown import in_markdown
from .openapi import title_of
from .robot_send import opens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bridge.model import Outgoing

    from .robot_send import Wording

CREATE_PATH = "/v1.0/card/instances/createAndDeliver"
UPDATE_PATH = "/v1.0/card/instances"
MAX_VALUE = 1024
"""Bytes of one variable that DingTalk advises; what is longer goes out as an ordinary card."""

_PREFIX = "card:"

_quoted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def variables(outgoing: Outgoing, wording: Wording) -> dict[str, str] | None:
    """What fills the template; None where a value is longer than a card takes."""
    text = in_markdown(outgoing.text) if outgoing.format is TextFormat.PLAIN else outgoing.text
    buttons = [
        {"text": button.label.strip() or wording.open, "url": button.url}
        for button in outgoing.buttons
        if opens(button)
    ]
    values = {"title": title_of(outgoing, wording.title), "text": text, "buttons": _quoted(buttons)}
    fits = all(len(value.encode("utf-8", "replace")) <= MAX_VALUE for value in values.values())
    return values if fits else None


def track_id(idempotency_key: str) -> str:
    """The card's ``outTrackId``: the same on every attempt, so that one message is one card."""
    return "msgbridge-" + hashlib.sha256(idempotency_key.encode("utf-8", "replace")).hexdigest()[:32]


def message_id(track: str) -> MessageId:
    """The id of a message that is a card."""
    return MessageId(_PREFIX + track)


def track_of(message: str) -> str:
    """The ``outTrackId`` of a message that is a card; empty for every other."""
    return message[len(_PREFIX) :] if message.startswith(_PREFIX) else ""


def encode_new(
    conversation: str, robot_code: str, template: str, track: str, values: Mapping[str, str]
) -> bytes:
    """Raises `Refused` for a stranger's chat."""
    body: dict[str, Any] = {
        "cardTemplateId": template,
        "outTrackId": track,
        "callbackType": "STREAM",
        "cardData": {"cardParamMap": dict(values)},
    }
    if not conversations.is_direct(conversation):
        body["openSpaceId"] = f"dtv1.card//IM_GROUP.{conversation}"
        body["imGroupOpenSpaceModel"] = {"supportForward": True}
        body["imGroupOpenDeliverModel"] = {"robotCode": robot_code}
    elif staff_id := conversations.staff_id(conversation):
        body["openSpaceId"] = f"dtv1.card//IM_ROBOT.{staff_id}"
        body["imRobotOpenSpaceModel"] = {"supportForward": True}
        body["imRobotOpenDeliverModel"] = {"spaceType": "IM_ROBOT", "robotCode": robot_code}
    else:
        raise Refused("DingTalk delivers cards to members of the organization", reason="not_a_member")
    return _quoted(body).encode("utf-8", "replace")


def encode_update(track: str, values: Mapping[str, str]) -> bytes:
    body = {
        "outTrackId": track,
        "cardData": {"cardParamMap": dict(values)},
        "cardUpdateOptions": {"updateCardDataByKey": True},
    }
    return _quoted(body).encode("utf-8", "replace")


def decode_new(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
    """Raises a `DeliveryError`. An answer can be 200 and say that the card was delivered nowhere."""
    answer = success(status, body)
    if answer is None:
        raise failure(status, headers, body, now=now)
    result = answer.get("result")
    delivered = result.get("deliverResults") if isinstance(result, dict) else None
    if not isinstance(delivered, list) or not delivered:
        raise Indeterminate("DingTalk does not say whether the card arrived", reason="unknown_result")
    if not all(isinstance(one, dict) and one.get("success") is True for one in delivered):
        raise Refused(
            "DingTalk made the card and could not deliver it: is the robot in the group, does it have "
            "the permission Card.Instance.Write?",
            reason="card_not_delivered",
        )


def decode_update(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
    """Raises a `DeliveryError`."""
    answer = success(status, body)
    if answer is None:
        raise failure(status, headers, body, now=now)
    if answer.get("success") is not True:
        raise Refused("DingTalk did not update the card", reason="card_not_updated")
