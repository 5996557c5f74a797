"""
One update, as envelopes. Pure but for what it learns of chats that moved and of topics.

https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bridge.errors import Malformed, Unsupported
from bridge.model import (
    ConversationRef,
    Envelope,
    EventId,
    EventKind,
    Inbound,
    InstanceId,
    Message,
    Quote,
    Reaction,
    Sender,
    UserId,
)
from bridge.wild import Wild

from .content import content, glimpse
from .conversations import conversation_of, message_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.model import ConversationId

    from .memory import Moves, Topics

_HAPPENINGS = ("message", "edited_message", "channel_post", "edited_channel_post", "message_reaction")
ALLOWED = (*_HAPPENINGS, "my_chat_member")
"""What we ask for; https://core.telegram.org/bots/api#getupdates has reactions only by name."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EDITS = ("edited_message", "edited_channel_post")
_MOST_REACTIONS = 20


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_float=str, parse_constant=_no_constant).decode


def read(body: bytes) -> Wild:
    """As `Wild.parse`, but decimal numbers (places on earth) stay texts. Raises `Malformed`."""
    try:
        return Wild(_decode(body.decode("utf-8")))
    except (ValueError, RecursionError) as e:
        raise Malformed(f"not JSON: {e}") from e


@dataclass(slots=True)
class Updates:
    """
    Reads the updates of one bot. ``username`` is known once Telegram was asked; ``mended`` is called when
    the bot may speak where perhaps it could not.
    """

    instance: InstanceId
    bot_id: str
    moves: Moves
    topics: Topics
    username: str = ""
    mended: Callable[[], None] = lambda: None

    def normalize(self, update: Wild, received_at: datetime) -> Inbound:
        """Raises `Malformed`. What is nothing to a bridge has a reason."""
        try:
            return self._normalize(update, received_at)
        except Unsupported as e:
            return Inbound(ignored=e.reason)

    def _normalize(self, update: Wild, received_at: datetime) -> Inbound:
        update["update_id"].number()
        if update.has("my_chat_member"):
            if _may_speak(update["my_chat_member"]["new_chat_member"]):
                self.mended()
            raise Unsupported("somebody let the bot in, or out", reason="membership")
        for key in _HAPPENINGS:
            if update.has(key):
                break
        else:
            raise Unsupported("no message", reason="other_update")
        happened = update[key]
        if key == "message_reaction":
            return self._reaction(happened, update["update_id"].number(), received_at)
        if self._moved(happened):
            raise Unsupported("a group got another id", reason="group_migrated")
        return Inbound((self._said(happened, received_at, edited=key in _EDITS),))

    # --- messages ---

    def _said(self, message: Wild, received_at: datetime, *, edited: bool) -> Envelope:
        chat, number = _chat_id(message["chat"]), message["message_id"].number()
        sender = _sender(message)
        if sender.id == self.bot_id:
            raise Unsupported("we said it ourselves", reason="own_message")
        if edited and message.has("location"):
            raise Unsupported("somebody moves on", reason="live_location")
        id_ = message_id(chat, number)
        said, words = content(message, id_)
        topic = _topic(message)
        if topic:
            self.topics.note(id_, topic)
        quote, answers_us = self._quote(message, chat)
        direct = message["chat"]["type"].text("") == "private"
        called = words.calls(f"@{self.username}" if self.username else "", self.bot_id)
        envelope = Envelope(
            id=EventId(id_),
            kind=EventKind.MESSAGE,
            source=self._source(chat, topic),
            sender=sender,
            message=replace(said, quote=quote),
            occurred_at=_time(message["date"]),
            received_at=received_at,
            conversation_title=message["chat"]["title"].name(""),
            direct=direct,
            mentions_bot=direct or answers_us or called,
        )
        if not edited:
            return envelope
        # Seconds are too coarse for who corrects himself twice; an edit that is told again is the same.
        digest = hashlib.sha256(repr(said).encode("utf-8", "replace")).hexdigest()[:8]
        edit = f"{id_}:edit:{message['edit_date'].number(0)}:{digest}"
        edited_at = message["edit_date"] if message.has("edit_date") else message["date"]
        return replace(
            envelope,
            id=EventId(edit),
            kind=EventKind.EDIT,
            target=id_,
            occurred_at=_time(edited_at),
        )

    def _quote(self, message: Wild, chat: str) -> tuple[Quote | None, bool]:
        """What it answers, and whether that was ours."""
        picked = message["quote"]["text"].text("")
        if message.has("external_reply"):
            origin = message["external_reply"]["origin"]
            who = origin["sender_user"]["first_name"].name("") or origin["sender_user_name"].name("")
            text = picked or glimpse(message["external_reply"])
            return (Quote(sender=who, text=text) if text else None), False
        answered = message["reply_to_message"]
        if answered.missing or answered.has("forum_topic_created"):
            return None, False  # the first message of a topic is what everything in it "answers"
        number = answered["message_id"].number()
        author = answered["from"]["id"].number(0)
        ours = str(author) == self.bot_id
        who = "" if ours else _sender(answered).display_name
        quote = Quote(message_id(chat, number), who, picked or glimpse(answered))
        return quote, ours

    # --- reactions ---

    def _reaction(self, changed: Wild, update_id: int, received_at: datetime) -> Inbound:
        """One envelope for each emoji that came or went. Custom ones are pictures of Telegram's own."""
        chat, number = _chat_id(changed["chat"]), changed["message_id"].number()
        before, now = _emojis(changed["old_reaction"]), _emojis(changed["new_reaction"])
        target = message_id(chat, number)
        sender = _sender(changed, actor="user", other="actor_chat")
        steps = [
            *(Reaction(one, removed=True) for one in before if one not in now),
            *(Reaction(one) for one in now if one not in before),
        ]
        if not steps:
            raise Unsupported("an emoji of Telegram's own", reason="custom_emoji")
        source = self._source(chat, self.topics.of(target))
        return Inbound(
            tuple(
                Envelope(
                    id=EventId(f"{target}:reaction:{update_id}:{'-' if one.removed else '+'}{one.emoji}"),
                    kind=EventKind.REACTION,
                    source=source,
                    sender=sender,
                    message=Message(id=target, text=one.emoji),
                    occurred_at=_time(changed["date"]),
                    received_at=received_at,
                    target=target,
                    reaction=one,
                    conversation_title=changed["chat"]["title"].name(""),
                    direct=changed["chat"]["type"].text("") == "private",
                )
                for one in steps
            )
        )

    # --- chats ---

    def _source(self, chat: str, topic: str) -> ConversationRef:
        named: ConversationId = conversation_of(self.moves.known_as(chat), topic)
        return ConversationRef(self.instance, named)

    def _moved(self, message: Wild) -> bool:
        """A group that became a supergroup has another id, and says so in both."""
        chat = _chat_id(message["chat"])
        if message.has("migrate_to_chat_id"):
            self.moves.learn(chat, str(message["migrate_to_chat_id"].number()))
            return True
        if message.has("migrate_from_chat_id"):
            self.moves.learn(str(message["migrate_from_chat_id"].number()), chat)
            return True
        return False


def _chat_id(chat: Wild) -> str:
    return str(chat["id"].number())


def _topic(message: Wild) -> str:
    """Without ``is_topic_message`` the thread is only that of a reply."""
    if not message["is_topic_message"].flag() or message["message_thread_id"].missing:
        return ""
    return str(message["message_thread_id"].number())


def _sender(message: Wild, *, actor: str = "from", other: str = "sender_chat") -> Sender:
    """A person; or the channel or group in whose name somebody speaks."""
    if message.has(other):
        chat = message[other]
        number = _chat_id(chat)
        name = message["author_signature"].name("") or chat["title"].name("")
        return Sender(UserId(number), name or number, chat["username"].name(""))
    if not message.has(actor):  # a channel that does not tell who writes
        chat = message["chat"]
        number = _chat_id(chat)
        return Sender(UserId(number), chat["title"].name("") or number, chat["username"].name(""))
    user = message[actor]
    number, username = str(user["id"].number()), user["username"].name("")
    name = f"{user['first_name'].name('')} {user['last_name'].name('')}".strip()
    return Sender(UserId(number), name or username or number, username, is_bot=user["is_bot"].flag())


def _may_speak(member: Wild) -> bool:
    """https://core.telegram.org/bots/api#chatmember; in a direct chat a ``member`` is not blocked."""
    status = member["status"].text("")
    restricted = status == "restricted" and member["can_send_messages"].flag()
    return restricted or status in ("member", "administrator", "creator")


def _emojis(reactions: Wild) -> tuple[str, ...]:
    found = [one["emoji"].name("") for one in reactions if one["type"].text("") == "emoji"]
    return tuple(dict.fromkeys(one for one in found if one))[:_MOST_REACTIONS]


def _time(wild: Wild) -> datetime:
    """Telegram counts in seconds since 1970."""
    try:
        return _EPOCH + timedelta(seconds=wild.number())
    except OverflowError:
        raise Malformed(f"{wild.path}: wanted a time in seconds") from None
