"""
What a ``msgKey`` wants in its ``msgParam``: the check that DingTalk makes, for the simulator. Pure.

https://open.dingtalk.com/document/orgapp/types-of-messages-sent-by-robots
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PARAM = 15_000
"""Bytes of ``msgParam``."""

_CARD = ("title", "text")


def _buttons(count: int) -> tuple[str, ...]:
    numbers = range(1, count + 1)
    return tuple(f"{key}{n}" for n in numbers for key in ("actionTitle", "actionURL"))


WANTED: Mapping[str, tuple[str, ...]] = {
    "sampleText": ("content",),
    "sampleMarkdown": ("title", "text"),
    "sampleImageMsg": ("photoURL",),
    "sampleLink": (*_CARD, "picUrl", "messageUrl"),
    "sampleActionCard": (*_CARD, "singleTitle", "singleURL"),
    "sampleActionCard2": (*_CARD, *_buttons(2)),
    "sampleActionCard3": (*_CARD, *_buttons(3)),
    "sampleActionCard4": (*_CARD, *_buttons(4)),
    "sampleActionCard5": (*_CARD, *_buttons(5)),
    "sampleActionCard6": (*_CARD, "buttonTitle1", "buttonUrl1", "buttonTitle2", "buttonUrl2"),
    "sampleAudio": ("mediaId", "duration"),
    "sampleFile": ("mediaId", "fileName", "fileType"),
    "sampleVideo": ("duration", "videoMediaId", "videoType", "picMediaId"),
}


def complaint_about(message: Mapping[str, Any]) -> str:
    """The error code for a message that does not fit its template; empty if it does."""
    wanted = WANTED.get(str(message.get("msgKey")))
    if wanted is None:
        return "invalidParameter.msgKey"
    param = message.get("msgParam")
    if not isinstance(param, str) or len(param.encode("utf-8", "replace")) > MAX_PARAM:
        return "invalidParameter.msgParam"
    try:
        values = json.loads(param)
    except (ValueError, RecursionError):
        return "invalidParameter.msgParam"
    if not isinstance(values, dict):
        return "invalidParameter.msgParam"
    given = all(isinstance(values.get(key), str) and values[key] for key in wanted)
    return "" if given else "invalidParameter.msgParam"
