"""
How conversations are named: a group is its ``cid``, a direct chat is ``user:<staffId>``.

A direct chat with somebody whose staff id is not known (an outsider) is ``dm:<cid>``: it can be a
source, but DingTalk has no way to write there. One person is one conversation, in and out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model import AddressForm, ConversationId

if TYPE_CHECKING:
    from collections.abc import Mapping

_PERSON = "user:"
_STRANGER = "dm:"

GROUP_KEY = "open_conversation_id"
PERSON_KEY = "user_id"


def group(open_conversation_id: str) -> ConversationId:
    return ConversationId(open_conversation_id)


def person(staff_id: str) -> ConversationId:
    return ConversationId(_PERSON + staff_id)


def stranger(open_conversation_id: str) -> ConversationId:
    return ConversationId(_STRANGER + open_conversation_id)


def is_direct(conversation: str) -> bool:
    return conversation.startswith((_PERSON, _STRANGER))


def staff_id(conversation: str) -> str:
    """The one that a direct chat is named after; empty for every other conversation."""
    return conversation[len(_PERSON) :] if conversation.startswith(_PERSON) else ""


def _group_address(keys: Mapping[str, str]) -> ConversationId:
    return group(keys[GROUP_KEY])


def _person_address(keys: Mapping[str, str]) -> ConversationId:
    return person(keys[PERSON_KEY])


ADDRESSES = (
    AddressForm(name="group", required=(GROUP_KEY,), conversation=_group_address),
    AddressForm(name="person", required=(PERSON_KEY,), conversation=_person_address),
)


def form_of(conversation: ConversationId) -> str:
    """The name of the address form that ``conversation`` belongs to."""
    return "person" if is_direct(conversation) else "group"
