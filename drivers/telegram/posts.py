"""The parameters of what is posted. Pure. https://core.telegram.org/bots/api#sendmessage"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .conversations import place_of

if TYPE_CHECKING:
    from bridge.model import MessageId

    from .said import Said

NO_PREVIEW = {"is_disabled": True}


def chat(chat_id: str) -> int | str:
    """As the Bot API takes it."""
    return int(chat_id) if chat_id.removeprefix("-").isdecimal() and chat_id.isascii() else chat_id


def place(chat_id: str, topic: str, reply_to: MessageId | None) -> dict[str, Any]:
    """
    Where a message goes, and what it answers. What is gone, or stands in another chat (for the group
    has moved since), is not answered: the message goes out all the same.
    """
    params: dict[str, Any] = {"chat_id": chat(chat_id)}
    if topic:
        params["message_thread_id"] = chat(topic)
    answered = place_of(reply_to) if reply_to else None
    if answered and answered[0] == chat_id:
        params["reply_parameters"] = {
            "message_id": answered[1],
            "allow_sending_without_reply": True,
        }
    return params


def text(said: Said, *, previews: bool) -> dict[str, Any]:
    params: dict[str, Any] = {"text": said.text}
    if said.entities:
        params["entities"] = list(said.entities)
    if not previews:
        params["link_preview_options"] = NO_PREVIEW
    return params


def caption(said: Said) -> dict[str, Any]:
    if said.is_empty:
        return {}
    params: dict[str, Any] = {"caption": said.text}
    if said.entities:
        params["caption_entities"] = list(said.entities)
    return params
