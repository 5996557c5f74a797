"""The chats of the simulated Telegram: what the bot posts there, and what people do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .emojis import KNOWN
from .said import LONGEST, LONGEST_CAPTION
from .simulated_calls import Refusal, Sent, nested, whole, words
from .simulated_text import checked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.clock import Clock

    from .simulated_files import Files
    from .simulated_queue import Queue

_TWO_DAYS = 48 * 3600
_FILES = {
    "sendPhoto": "photo",
    "sendVideo": "video",
    "sendAnimation": "animation",
    "sendAudio": "audio",
    "sendVoice": "voice",
    "sendDocument": "document",
}
Message = dict[str, Any]


@dataclass(slots=True)
class Chat:
    """``messages`` by number; ``gone`` says with which words the bot is refused."""

    id: int
    type: str
    title: str = ""
    topics: set[int] = field(default_factory=set)
    messages: dict[int, Message] = field(default_factory=dict)
    reactions: dict[int, list[str]] = field(default_factory=dict)
    uploads: dict[int, Sent] = field(default_factory=dict)
    gone: str = ""
    moved_to: int = 0
    numbers: int = 0

    @property
    def described(self) -> dict[str, Any]:
        named = {"title": self.title} if self.type != "private" else {"first_name": self.title}
        return {"id": self.id, "type": self.type, **named}

    def new_number(self) -> int:
        self.numbers += 1
        return self.numbers


class Chats:
    """All chats of one bot."""

    def __init__(self, me: Mapping[str, Any], queue: Queue, files: Files, clock: Clock) -> None:
        self.by_id: dict[int, Chat] = {}
        self._me = me
        self._queue = queue
        self._files = files
        self._clock = clock

    def open(
        self, id_: int, title: str = "Team", *, type_: str = "", topics: tuple[int, ...] = ()
    ) -> Chat:
        """There is such a chat, and the bot is in it."""
        kind = type_ or ("private" if id_ > 0 else "supergroup")
        chat = self.by_id[id_] = Chat(id_, kind, title, set(topics))
        return chat

    def posted(self, chat: int) -> list[Message]:
        """What the bot has posted there and not taken back, oldest first."""
        return [one for one in self.by_id[chat].messages.values() if one["from"]["id"] == self._me["id"]]

    # --- people ---

    def say(
        self, chat: int, text: str = "", *, who: str = "Ada", topic: int = 0, **more: object
    ) -> Message:
        """Somebody says it, and the bot hears. ``more`` are members of the message."""
        room = self.by_id[chat]
        message = self._message(room, user(who), topic)
        message.update({"text": text} if text else {}, **more)
        if room.type == "channel":
            message["sender_chat"] = room.described
            del message["from"]
        room.messages[message["message_id"]] = message
        self._queue.add("channel_post" if room.type == "channel" else "message", message)
        return message

    def say_again(self, message: Message, text: str) -> Message:
        """Its author edits it."""
        room = self.by_id[message["chat"]["id"]]
        edited = {**message, "text": text, "edit_date": self._now()}
        room.messages[message["message_id"]] = edited
        kind = "edited_channel_post" if room.type == "channel" else "edited_message"
        self._queue.add(kind, edited)
        return edited

    def react(self, chat: int, number: int, before: str, now: str, *, who: str = "Ada") -> None:
        """Somebody changes what stands below a message; each of these is one emoji or none."""

        def listed(emoji: str) -> list[dict[str, str]]:
            return [{"type": "emoji", "emoji": emoji}] if emoji else []

        self._queue.add(
            "message_reaction",
            {
                "chat": self.by_id[chat].described,
                "message_id": number,
                "user": user(who),
                "date": self._now(),
                "old_reaction": listed(before),
                "new_reaction": listed(now),
            },
        )

    def let_in(self, chat: int) -> None:
        """Somebody puts the bot back, or unblocks it."""
        room = self.by_id[chat]
        room.gone = ""
        me = {key: self._me[key] for key in ("id", "is_bot", "first_name", "username")}
        self._queue.add(
            "my_chat_member",
            {
                "chat": room.described,
                "from": user("Ada"),
                "date": self._now(),
                "old_chat_member": {"user": me, "status": "left"},
                "new_chat_member": {"user": me, "status": "member"},
            },
        )

    def migrate(self, old: int, new: int) -> Chat:
        """A group becomes a supergroup: both say so, and the old one is dead."""
        room = self.by_id[old]
        following = self.open(new, room.title)
        room.moved_to = new
        farewell = {**self._message(room, user("Ada"), 0), "migrate_to_chat_id": new}
        greeting = {**self._message(following, user("Ada"), 0), "migrate_from_chat_id": old}
        self._queue.add("message", farewell)
        self._queue.add("message", greeting)
        return following

    # --- the bot ---

    @property
    def methods(self) -> dict[str, Callable[[Mapping[str, Any], Mapping[str, Sent]], Awaitable[Any]]]:
        return {
            "sendMessage": self._send_message,
            **{method: self._sender(field_) for method, field_ in _FILES.items()},
            "editMessageText": self._edit_text,
            "editMessageCaption": self._edit_caption,
            "deleteMessages": self._delete,
            "setMessageReaction": self._react,
        }

    async def _send_message(self, params: Mapping[str, Any], _files: Mapping[str, Sent]) -> Message:
        room = self._room(params)
        text, entities = checked(params, "text", LONGEST)
        if not text:
            raise Refusal("Bad Request: message text is empty")
        return self._post(room, params, {"text": text, **_some("entities", entities)})

    def _sender(self, field_: str) -> Callable[..., Awaitable[Message]]:
        async def send(params: Mapping[str, Any], files: Mapping[str, Sent]) -> Message:
            room = self._room(params)
            # Under its own name, or under another that the parameter gives.
            sent = files.get(field_) or files.get(words(params, field_).removeprefix("attach://"))
            if sent is None:
                raise Refusal(f"Bad Request: there is no {field_} in the request")
            if not sent.content:
                raise Refusal("Bad Request: file must be non-empty")
            if field_ == "photo" and not sent.content.startswith((b"\x89PNG", b"\xff\xd8", b"RIFF")):
                raise Refusal("Bad Request: IMAGE_PROCESS_FAILED")
            caption, entities = checked(params, "caption", LONGEST_CAPTION)
            file_id = self._files.store(f"{field_}s/{sent.filename}", sent.content)
            shown = self._files.shown(field_, file_id, sent)
            said = {**_some("caption", caption), **_some("caption_entities", entities)}
            message = self._post(room, params, {field_: shown, **said})
            room.uploads[message["message_id"]] = sent
            return message

        return send

    def _post(self, room: Chat, params: Mapping[str, Any], content: Message) -> Message:
        reply = nested(params, "reply_parameters", {})
        topic = whole(params, "message_thread_id", 0)
        if topic and topic not in room.topics:
            raise Refusal("Bad Request: message thread not found")
        answered = room.messages.get(reply.get("message_id", 0))
        if reply and answered is None and not reply.get("allow_sending_without_reply"):
            raise Refusal("Bad Request: message to be replied not found")
        message = {**self._message(room, self._me, topic), **content}
        if answered is not None:
            message["reply_to_message"] = {k: v for k, v in answered.items() if k != "reply_to_message"}
        room.messages[message["message_id"]] = message
        return message

    async def _edit_text(self, params: Mapping[str, Any], _files: Mapping[str, Sent]) -> Message:
        room, message = self._own(params)
        if "text" not in message:
            raise Refusal("Bad Request: there is no text in the message to edit")
        text, entities = checked(params, "text", LONGEST)
        return self._edited(room, message, {"text": text, "entities": entities})

    async def _edit_caption(self, params: Mapping[str, Any], _files: Mapping[str, Sent]) -> Message:
        room, message = self._own(params)
        if "text" in message:
            raise Refusal("Bad Request: there is no caption in the message to edit")
        text, entities = checked(params, "caption", LONGEST_CAPTION)
        return self._edited(room, message, {"caption": text, "caption_entities": entities})

    def _edited(self, room: Chat, message: Message, said: Message) -> Message:
        if all(message.get(key, type(value)()) == value for key, value in said.items()):
            raise Refusal(
                "Bad Request: message is not modified: specified new message content and reply markup "
                "are exactly the same as a current content and reply markup of the message"
            )
        edited = {**message, **said, "edit_date": self._now()}
        room.messages[message["message_id"]] = edited
        return edited

    async def _delete(self, params: Mapping[str, Any], _files: Mapping[str, Sent]) -> bool:
        room = self._room(params)
        there = [one for one in nested(params, "message_ids", []) if one in room.messages]
        if any(self._now() - room.messages[one]["date"] > _TWO_DAYS for one in there):
            raise Refusal("Bad Request: message can't be deleted for everyone")
        for one in there:
            del room.messages[one]
        return True

    async def _react(self, params: Mapping[str, Any], _files: Mapping[str, Sent]) -> bool:
        room, number = self._room(params), whole(params, "message_id")
        if number not in room.messages:
            raise Refusal("Bad Request: message to react not found")
        emojis = [str(one.get("emoji")) for one in nested(params, "reaction", [])]
        if len(emojis) > 1:
            raise Refusal("Bad Request: REACTIONS_TOO_MANY")
        if not KNOWN.issuperset(emojis):
            raise Refusal("Bad Request: REACTION_INVALID")
        room.reactions[number] = emojis
        return True

    def _room(self, params: Mapping[str, Any]) -> Chat:
        room = self.by_id.get(whole(params, "chat_id"))
        if room is None:
            raise Refusal("Bad Request: chat not found")
        if room.gone:
            raise Refusal(f"Forbidden: {room.gone}", 403)
        if room.moved_to:
            raise Refusal(
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=room.moved_to,
            )
        return room

    def _own(self, params: Mapping[str, Any]) -> tuple[Chat, Message]:
        room = self._room(params)
        message = room.messages.get(whole(params, "message_id"))
        if message is None:
            raise Refusal("Bad Request: message to edit not found")
        if message.get("from", {}).get("id") != self._me["id"]:
            raise Refusal("Bad Request: message can't be edited")
        return room, message

    def _message(self, room: Chat, author: Mapping[str, Any], topic: int) -> Message:
        return {
            "message_id": room.new_number(),
            "from": {key: author[key] for key in ("id", "is_bot", "first_name", "username")},
            "chat": room.described,
            "date": self._now(),
            **({"message_thread_id": topic, "is_topic_message": True} if topic else {}),
        }

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def user(name: str) -> dict[str, Any]:
    """The same person for the same name."""
    number = 1000 + sum(map(ord, name))
    return {"id": number, "is_bot": False, "first_name": name, "username": name.lower()}


def _some(key: str, value: object) -> dict[str, Any]:
    return {key: value} if value else {}
