"""
Taking back what a robot posted. Pure.

https://open.dingtalk.com/document/orgapp/enterprise-chatbot-withdraws-internal-group-messages and
https://open.dingtalk.com/document/orgapp/batch-message-recall-chat: within 24 hours, and silently.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bridge.errors import Refused

from . import conversations
from .failures import failure, success

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bridge.model import MessageId

GROUP_PATH = "/v1.0/robot/groupMessages/recall"
PERSON_PATH = "/v1.0/robot/otoMessages/batchRecall"  # "oto" in small letters, unlike sending
MOST_KEYS = 20
"""Of one request."""

_quoted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(conversation: str, robot_code: str, keys: Sequence[str]) -> tuple[str, bytes]:
    """The path and the body for at most `MOST_KEYS` keys. Raises `Refused` for a stranger's chat."""
    body: dict[str, object] = {"robotCode": robot_code, "processQueryKeys": list(keys)}
    if not conversations.is_direct(conversation):
        return GROUP_PATH, _quoted({"openConversationId": conversation, **body}).encode()
    if conversations.staff_id(conversation):
        return PERSON_PATH, _quoted(body).encode()
    raise Refused("nothing was posted there that could be taken back", reason="not_a_member")


def decode(
    status: int, headers: Mapping[str, str], body: bytes, keys: Sequence[MessageId], *, now: datetime
) -> Sequence[MessageId]:
    """The keys that were not taken back, out of ``keys``; raises a `DeliveryError`."""
    answer = success(status, body)
    if answer is None:
        raise failure(status, headers, body, now=now)
    done = answer.get("successResult")
    taken = {key for key in done if isinstance(key, str)} if isinstance(done, list) else set()
    return [key for key in keys if key not in taken]
