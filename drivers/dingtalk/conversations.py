"""
How conversations are named: a group is its ``cid``, a direct chat is ``user:<staffId>``, or
``union:<unionId>`` where a rule names the person so. A group robot's one group is ``default``.

A direct chat with somebody whose staff id is not known (an outsider) is ``dm:<cid>``: it can be a
source, but DingTalk has no way to write there. One person is one conversation, in and out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model import AddressForm, ConversationId

from .group_settings import is_group_robot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.driver import Settings

_PERSON = "user:"
_STRANGER = "dm:"
_UNION = "union:"
_DIRECT = (_PERSON, _STRANGER, _UNION)

GROUP_KEY = "open_conversation_id"
PERSON_KEY = "user_id"
UNION_KEY = "union_id"

THE_GROUP = ConversationId("default")
"""The one conversation of a group robot."""


def group(open_conversation_id: str) -> ConversationId:
    return ConversationId(open_conversation_id)


def person(staff_id: str) -> ConversationId:
    return ConversationId(_PERSON + staff_id)


def stranger(open_conversation_id: str) -> ConversationId:
    return ConversationId(_STRANGER + open_conversation_id)


def is_direct(conversation: str) -> bool:
    return conversation.startswith(_DIRECT)


def staff_id(conversation: str) -> str:
    """The one that a direct chat is named after; empty for every other conversation."""
    return conversation[len(_PERSON) :] if conversation.startswith(_PERSON) else ""


def union_id(conversation: str) -> str:
    """The one that a rule names a person by; empty for every other conversation."""
    return conversation[len(_UNION) :] if conversation.startswith(_UNION) else ""


def _group_address(keys: Mapping[str, str]) -> ConversationId:
    return group(keys[GROUP_KEY])


def _person_address(keys: Mapping[str, str]) -> ConversationId:
    return person(keys[PERSON_KEY])


def _union_address(keys: Mapping[str, str]) -> ConversationId:
    return ConversationId(_UNION + keys[UNION_KEY])


_APP_ROBOT = (
    AddressForm(name="group", required=(GROUP_KEY,), conversation=_group_address),
    AddressForm(name="person", required=(PERSON_KEY,), conversation=_person_address),
    AddressForm(name="union", required=(UNION_KEY,), conversation=_union_address),
)
_GROUP_ROBOT = (AddressForm(name="default", required=(), conversation=lambda _keys: THE_GROUP),)


def addresses(settings: Settings) -> tuple[AddressForm, ...]:
    """How the conversations of an instance with these settings are written."""
    return _GROUP_ROBOT if is_group_robot(settings) else _APP_ROBOT


def address_of(conversation: ConversationId) -> Mapping[str, str]:
    """As rules.json names it; empty for a stranger and for a group robot's one group, which is ``{}``."""
    if staff := staff_id(conversation):
        return {PERSON_KEY: staff}
    if union := union_id(conversation):
        return {UNION_KEY: union}
    if conversation == THE_GROUP or is_direct(conversation):
        return {}
    return {GROUP_KEY: conversation}


def form_of(conversation: ConversationId) -> str:
    """The name of the address form that ``conversation`` belongs to."""
    if conversation == THE_GROUP:
        return "default"
    if union_id(conversation):
        return "union"
    return "person" if is_direct(conversation) else "group"
