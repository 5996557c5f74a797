"""
How conversations and messages are named: a chat is its number, a topic of a group ``<chat>/<topic>``, a
message ``<chat>:<number>``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bridge.model import AddressForm, ConversationId, MessageId

if TYPE_CHECKING:
    from collections.abc import Mapping

CHAT_KEY = "chat_id"
TOPIC_KEY = "topic_id"
_MESSAGE = re.compile(r"(-?[0-9]{1,20}):([0-9]{1,20})").fullmatch


def conversation_of(chat: str, topic: str = "") -> ConversationId:
    """Without a ``topic`` the chat itself; of a group with topics, its topic "General", which is 1."""
    return ConversationId(f"{chat}/{topic}" if topic not in ("", "1") else chat)


def chat_of(conversation: ConversationId) -> str:
    return conversation.partition("/")[0]


def topic_of(conversation: ConversationId) -> str:
    """Empty for a chat itself."""
    return conversation.partition("/")[2]


def message_id(chat: str, number: int) -> MessageId:
    return MessageId(f"{chat}:{number}")


def place_of(message: MessageId) -> tuple[str, int] | None:
    """The chat of a message and its number there; None for an id that we did not make."""
    found = _MESSAGE(message)
    return (found[1], int(found[2])) if found else None


def _address(keys: Mapping[str, str]) -> ConversationId:
    return conversation_of(keys[CHAT_KEY], keys.get(TOPIC_KEY, ""))


ADDRESSES = (
    AddressForm(name="chat", required=(CHAT_KEY,), optional=(TOPIC_KEY,), conversation=_address),
)


def form_of(_conversation: ConversationId) -> str:
    """The name of its address form: there is one."""
    return ADDRESSES[0].name


def address_of(conversation: ConversationId) -> Mapping[str, str]:
    """How rules.json names it."""
    chat, topic = chat_of(conversation), topic_of(conversation)
    return {CHAT_KEY: chat, TOPIC_KEY: topic} if topic else {CHAT_KEY: chat}
