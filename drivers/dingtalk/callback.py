"""
A robot callback, from wire to envelope. Pure, and total: any JSON is understood or refused.

Fields and their traps: https://open.dingtalk.com/document/orgapp/receive-message. The field
``sessionWebhook`` is a capability inside a body that no signature covers: `session` looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from bridge.errors import Forbidden, Malformed
from bridge.model import (
    Attachment,
    AttachmentKind,
    ConversationRef,
    Envelope,
    EventId,
    EventKind,
    Inbound,
    InstanceId,
    Mention,
    Message,
    MessageId,
    Quote,
    Sender,
    UserId,
)
from bridge.wild import Wild

from . import conversations

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.model import ConversationId, InboundRequest

# Far above what DingTalk sends; what is longer was made by somebody else.
_MAX_ID = 1024
_MAX_NAME = 100
_MAX_FILENAME = 255
_MAX_MENTIONS = 100

_OVER_QUOTA = "20001"
_ATTACHMENTS = {
    "picture": AttachmentKind.IMAGE,
    "audio": AttachmentKind.AUDIO,
    "video": AttachmentKind.VIDEO,
    "file": AttachmentKind.FILE,
}


@dataclass(frozen=True, slots=True)
class Account:
    """
    What a callback is held against.

    ``corp_id`` may be empty (any organization); ``allowed_users`` are staff ids, None lets everybody in.
    ``language`` is that of notices, which the bridge itself words.
    """

    instance: InstanceId
    robot_code: str
    corp_id: str = ""
    allowed_users: frozenset[str] | None = None
    language: str = "en"


def normalize(
    request: InboundRequest,
    account: Account,
    vouch: Callable[[str], None] | None = None,
    keep: Callable[[ConversationId, Wild], None] | None = None,
) -> Inbound:
    """
    The envelope in a verified request, or why there is none.

    ``vouch`` is called with the message id and may refuse it, ``keep`` with the conversation and the
    callback of a message that is taken: it may remember how to answer there. Raises `Malformed`, and
    `Forbidden` for a message to another robot or of another organization.
    """
    event = Wild.parse(request.body)
    _is_for(account, event)
    message_id = _identifier(event, "msgId")
    if vouch is not None:
        vouch(message_id)

    staff_id = _optional_identifier(event, "senderStaffId")
    if account.allowed_users is not None and staff_id not in account.allowed_users:
        return Inbound(ignored="sender_not_allowed")
    if ignored := _notice(event):
        return Inbound(ignored=ignored)
    said = event["text"]
    content = _content(event, said)
    if content is None:
        return Inbound(ignored="unsupported_type")
    text, attachments = content
    if not text and not attachments:  # nothing but an @ of the robot
        return Inbound(ignored="empty_message")

    direct = _is_direct(event)
    sender_id = staff_id or _identifier(event, "senderId")
    conversation = _conversation(event, staff_id, direct)
    occurred_at = event.time_at("createAt", request.received_at)
    inbound = Inbound(
        (
            Envelope(
                EventId(message_id),
                EventKind.MESSAGE,
                ConversationRef(account.instance, conversation),
                Sender(UserId(sender_id), _name(event, "senderNick") or sender_id),
                Message(
                    MessageId(message_id),
                    text,
                    attachments=attachments,
                    mentions=_mentions(event),
                    quote=_quote(event, said),
                ),
                occurred_at,
                request.received_at,
                conversation_title=_name(event, "conversationTitle"),
                direct=direct,
                mentions_bot=event.flag_at("isInAtList"),
            ),
        )
    )
    if keep is not None:
        keep(conversation, event)
    return inbound


def _is_for(account: Account, event: Wild) -> None:
    # Real bodies carry the robot's code, the word "normal", or nothing.
    robot_code = event.text_at("robotCode", "")
    if robot_code not in (account.robot_code, "", "normal"):
        raise Forbidden("$.robotCode is another robot's; is robot_code right?")
    if account.corp_id and event.text_at("chatbotCorpId", "") not in (account.corp_id, ""):
        raise Forbidden("$.chatbotCorpId is another organization's; is corp_id right?")


def _notice(event: Wild) -> str:
    """DingTalk itself speaks instead of a person: no content, but an error code. Why, as a label."""
    if not event.has("errorCode") or event.has("text") or event.has("content"):
        return ""
    code = event["errorCode"]
    said = code.text() if code.is_text else str(code.number())
    return "quota_exhausted" if said == _OVER_QUOTA else "platform_notice"


def _content(event: Wild, said: Wild) -> tuple[str, tuple[Attachment, ...]] | None:
    """Text and attachments; None for a type that we do not know."""
    kind = event.text_at("msgtype")
    if kind == "text":
        # One official sample has the text flat in "content".
        written = said if event.has("text") else event
        return written.text_at("content", "").strip(), ()
    content = event["content"]
    if kind == "richText":
        return _rich_text(content["richText"])
    if kind in _ATTACHMENTS:
        spoken = content["recognition"].text("").strip() if kind == "audio" else ""
        return spoken, (_attachment(_ATTACHMENTS[kind], content),)
    return None


def _rich_text(parts: Wild) -> tuple[str, tuple[Attachment, ...]]:
    """Runs of text and pictures, each in order. Parts of other kinds appear in the wild: skipped."""
    runs: list[str] = []
    pictures: list[Attachment] = []
    for part in parts:
        kind = part["type"]
        if kind.is_text and kind.text() == "picture":
            pictures.append(_attachment(AttachmentKind.IMAGE, part))
        elif part["text"].is_text:
            runs.append(part["text"].text())
    return "".join(runs).strip(), tuple(pictures)


def _attachment(kind: AttachmentKind, content: Wild) -> Attachment:
    code = "downloadCode" if content.has("downloadCode") else "pictureDownloadCode"
    return Attachment(
        kind=kind,
        ref=_identifier(content, code),
        filename=content["fileName"].name("")[:_MAX_FILENAME],
    )


def _is_direct(event: Wild) -> bool:
    match event.number_at("conversationType"):
        case 1:
            return True
        case 2:
            return False
        case _:
            raise Malformed("$.conversationType: wanted 1 (a direct chat) or 2 (a group)")


def _conversation(event: Wild, staff_id: str, direct: bool) -> ConversationId:
    if direct and staff_id:
        return conversations.person(staff_id)
    # Robot callbacks say conversationId, events and the API openConversationId: the same value.
    key = "openConversationId" if event.has("openConversationId") else "conversationId"
    cid = _identifier(event, key)
    if direct:
        return conversations.stranger(cid)
    if conversations.is_direct(cid):  # or a group could pose as somebody's direct chat
        raise Malformed("$.conversationId: wanted the id of a group, got the name of a direct chat")
    return conversations.group(cid)


def _mentions(event: Wild) -> tuple[Mention, ...]:
    """Who was named, without the robot itself."""
    if not event.has("atUsers"):
        return ()
    robot = event.text_at("chatbotUserId", "")
    mentions = []
    for user in islice(event["atUsers"], _MAX_MENTIONS):
        dingtalk_id = user.text_at("dingtalkId", "")
        named = _optional_identifier(user, "staffId") or dingtalk_id
        if named and (dingtalk_id != robot or not robot):
            mentions.append(Mention(UserId(named)))
    return tuple(mentions)


def _quote(event: Wild, said: Wild) -> Quote | None:
    """
    The message that this one answers. Undocumented, so whatever is odd about it is no error.

    For a message that the robot itself posted DingTalk gives the ``processQueryKey`` of the post,
    which is the id that our receipt had.
    """
    if not (event.has("originalProcessQueryKey") or event.has("originalMsgId") or said.has("repliedMsg")):
        return None
    replied = said["repliedMsg"]
    ids = ((event, "originalProcessQueryKey"), (replied, "msgId"), (event, "originalMsgId"))
    try:
        found = next((_identifier(where, key) for where, key in ids if where.has(key)), "")
        text = "" if replied.missing else _quoted_text(replied["content"])
    except Malformed:
        return None
    return Quote(id=MessageId(found) if found else None, text=text) if found or text else None


def _quoted_text(content: Wild) -> str:
    if not content["text"].missing:
        return content["text"].text().strip()
    return _rich_text(content["richText"])[0]


def _name(event: Wild, key: str) -> str:
    return event.name_at(key, "")[:_MAX_NAME]


def _identifier(event: Wild, key: str) -> str:
    identifier = event.identifier_at(key)
    if len(identifier) > _MAX_ID:
        raise Malformed(f"{event[key].path}: an identifier of more than {_MAX_ID} characters")
    return identifier


def _optional_identifier(event: Wild, key: str) -> str:
    """DingTalk writes "not known" as absent, ``null`` or an empty text."""
    return _identifier(event, key) if event.text_at(key, "") else ""
