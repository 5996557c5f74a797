"""
Events of an organization, from wire to envelope. Pure, and total: any JSON is understood or refused.

The same events come as an encrypted HTTP push, flat, and over Stream, with what is about the event in
the frame's headers and the rest as an inner object. What means something to a bridge (a group was
renamed, people came or went) becomes a `NOTICE`; everything else is acknowledged and counted.
https://open.dingtalk.com/document/orgapp/chat-event-overview
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from bridge.errors import Forbidden, Malformed
from bridge.model import (
    ConversationRef,
    Envelope,
    EventId,
    EventKind,
    Inbound,
    Message,
    MessageId,
    Sender,
    UserId,
)

from . import conversations

if TYPE_CHECKING:
    from datetime import datetime

    from bridge.wild import Wild

    from .callback import Account

_MAX_ID = 1024
_MAX_NAME = 100
_PERSONS_SHOWN = 10

COUNTED = frozenset(
    {
        "check_url",
        "robot_msg_recall",
        "robot_msg_read",
        "chat_update_nickname",
        "user_add_org",
        "user_modify_org",
        "user_leave_org",
        "user_active_org",
        "org_admin_add",
        "org_admin_remove",
        "org_change",
        "org_dept_create",
        "org_dept_modify",
        "org_dept_remove",
        "bpms_task_change",
        "bpms_instance_change",
    }
)
"""Types that are counted by name, ``event_<type>``; all others are ``event_other``."""

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "chat_update_title": "the group is now called “{title}”",
        "chat_add_member": "joined the group: {persons}",
        "chat_remove_member": "was removed from the group: {persons}",
        "chat_quit": "left the group: {persons}",
        "chat_update_owner": "the group has a new owner: {persons}",
        "chat_disband": "the group was dissolved",
        "more": "and {count} more",
        "somebody": "somebody",
        "between": ", ",
    },
    "zh": {
        "chat_update_title": "群名称改为“{title}”",
        "chat_add_member": "加入了群聊：{persons}",
        "chat_remove_member": "被移出群聊：{persons}",
        "chat_quit": "退出了群聊：{persons}",
        "chat_update_owner": "新的群主：{persons}",
        "chat_disband": "群聊已解散",
        "more": "等另外 {count} 人",
        "somebody": "有人",
        "between": "、",
    },
}


def _members(data: Wild) -> Wild:
    return data["userId"]


def _owner(data: Wild) -> Wild:
    owner = data["owner"]
    return data["userId"] if owner.missing else owner


def _nobody(data: Wild) -> Wild:
    return data["nobody"]


_PERSONS: Mapping[str, Callable[[Wild], Wild]] = {
    "chat_update_title": _nobody,
    "chat_add_member": _members,
    "chat_remove_member": _members,
    "chat_quit": _members,
    "chat_update_owner": _owner,
    "chat_disband": _nobody,
}
"""The types that become a notice, and where each says whom it is about."""


def normalize_event(headers: Wild, data: Wild, account: Account, received_at: datetime) -> Inbound:
    """
    The notice in one event, or why there is none.

    ``headers`` holds ``eventType``, ``eventId``, ``eventCorpId`` and ``eventBornTime`` (a Stream
    frame's headers; for an HTTP push the decrypted object itself, whose own spellings are taken too),
    ``data`` is the inner object. Raises `Malformed`, and `Forbidden` for another organization's event.
    """
    kind = event_type(headers)
    corp_id = _first(headers, "eventCorpId", "CorpId").text("")
    if account.corp_id and corp_id not in (account.corp_id, ""):
        raise Forbidden("the event is another organization's; is corp_id right?")
    if kind not in _PERSONS:
        return Inbound(ignored=f"event_{kind}" if kind in COUNTED else "event_other")

    operator = _optional_identifier(data["operator"])
    persons = _identifiers(_PERSONS[kind](data))
    if not operator and kind == "chat_quit":
        operator = next(iter(persons), "")
    if account.allowed_users is not None and operator not in account.allowed_users:
        return Inbound(ignored="sender_not_allowed")
    conversation = data["openConversationId"]
    if conversation.missing:  # only the old chatId, by which nothing can be sent
        return Inbound(ignored="event_without_conversation")
    cid = _identifier(conversation)
    if conversations.is_direct(cid):
        raise Malformed(f"{conversation.path}: wanted the id of a group, got the name of a direct chat")

    words = _TEXTS.get(account.language, _TEXTS["en"])
    title = data["title"].name("")[:_MAX_NAME] if kind == "chat_update_title" else ""
    event = _identifier(_first(headers, "eventId", "EventId"))
    return Inbound(
        (
            Envelope(
                id=EventId(event),
                kind=EventKind.NOTICE,
                source=ConversationRef(account.instance, conversations.group(cid)),
                sender=Sender(UserId(operator or "dingtalk"), operator or words["somebody"]),
                message=Message(
                    id=MessageId(event),
                    text=words[kind].format(title=title, persons=_listed(persons, words)),
                ),
                occurred_at=_moment(headers, data, received_at),
                received_at=received_at,
                conversation_title=title,
            ),
        )
    )


def event_type(headers: Wild) -> str:
    """What happened, in DingTalk's word. Raises `Malformed` where that is not said."""
    return _first(headers, "eventType", "EventType").text()


def _first(event: Wild, *names: str) -> Wild:
    """The first of these spellings that is there; else the last, so that errors name it."""
    return next((event[name] for name in names if not event[name].missing), event[names[-1]])


def _moment(headers: Wild, data: Wild, received_at: datetime) -> datetime:
    """When it happened, in milliseconds since 1970 on the wire; spellings and places vary."""
    for said in (data["timeStamp"], headers["eventBornTime"], headers["EventTime"]):
        if not said.missing:
            return said.time()
    return received_at


def _identifier(named: Wild) -> str:
    identifier = named.identifier()
    if len(identifier) > _MAX_ID:
        raise Malformed(f"{named.path}: an identifier of more than {_MAX_ID} characters")
    return identifier


def _optional_identifier(named: Wild) -> str:
    return _identifier(named) if named.text("") else ""


def _identifiers(named: Wild) -> list[str]:
    """A list of ids, or a single one."""
    if named.is_text:
        return [_identifier(named)]
    return [_identifier(one) for one in islice(named, _MAX_ID)]


def _listed(persons: list[str], words: Mapping[str, str]) -> str:
    shown = [person[:_MAX_NAME] for person in persons[:_PERSONS_SHOWN]]
    if more := len(persons) - len(shown):
        shown.append(words["more"].format(count=more))
    return words["between"].join(shown) or words["somebody"]
