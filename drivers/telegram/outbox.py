"""What goes out: messages, files, edits, recalls, reactions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from bridge.errors import Malformed, Refused
from bridge.model import Receipt
from bridge.text.spans import units

from . import emojis, files, posts
from .conversations import chat_of, message_id, place_of, topic_of
from .failures import BadEntities, Gone, Migrated, NotModified
from .memory import Reactions
from .said import LONGEST_CAPTION, Said, marked, said, with_links
from .uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bridge.driver import Toolbox
    from bridge.model import Attachment, MessageId, Outgoing, Reaction
    from bridge.wild import Wild

    from .api import Api
    from .files import File, Way
    from .memory import Moves, Topics
    from .settings import Bot

_MOST_DELETED = 100
_EDITED = {"en": "[edited] ", "zh": "[已编辑] "}
_MIGRATED = 'the group {old} is {new} now: write "chat_id": "{new}" in rules.json'


class Outbox:
    """
    Posts for one bot. Every method raises a `DeliveryError`. ``speaks_as`` is told which user wrote what
    was posted.
    """

    def __init__(
        self,
        api: Api,
        toolbox: Toolbox,
        moves: Moves,
        topics: Topics,
        speaks_as: Callable[[Wild], None],
        bot: Bot,
    ) -> None:
        self._api = api
        self._uploads = Uploads(toolbox)
        self._moves = moves
        self._topics = topics
        self._speaks_as = speaks_as
        self._reactions = Reactions()
        self._previews = bot.link_previews
        self._mark = _EDITED.get(bot.language, _EDITED["en"])

    # --- send ---

    async def send(self, outgoing: Outgoing) -> Receipt:
        if len(outgoing.attachments) == 1:
            return await self._send_file(outgoing, outgoing.attachments[0])
        return await self._send_text(outgoing, outgoing.attachments)

    async def _send_text(
        self, outgoing: Outgoing, linked: Sequence[Attachment] = (), *notes: str
    ) -> Receipt:
        return await self._say(with_links(said(outgoing), [one.url for one in linked]), outgoing, *notes)

    async def _say(self, spoken: Said, outgoing: Outgoing, *notes: str) -> Receipt:
        """``spoken``, where ``outgoing`` goes."""
        if spoken.is_empty:
            raise Refused("there is no word in it", reason="empty")
        words = posts.text(spoken, previews=self._previews)

        async def post(where: dict[str, Any]) -> Wild:
            return await self._api.call("sendMessage", {**where, **words})

        try:
            return await self._posted(outgoing, post, *notes)
        except BadEntities as e:
            if not spoken.entities:
                raise
            return await self._say(Said(spoken.text), outgoing, *notes, f"without formatting: {e}")

    async def _send_file(self, outgoing: Outgoing, attachment: Attachment) -> Receipt:
        """What is no picture or video to Telegram it gets as a file, what it does not take as a link."""
        spoken = said(outgoing)
        if units(spoken.text) > LONGEST_CAPTION:
            raise Refused("its caption is too long", reason="too_long")
        caption = posts.caption(spoken)
        try:
            async with self._uploads.fetched(attachment) as file:

                async def post(where: dict[str, Any]) -> Wild:
                    return await self._upload({**where, **caption}, file)

                return await self._posted(outgoing, post)
        except Refused as e:
            return await self._send_text(outgoing, (attachment,), f"linked, not uploaded: {e}")

    async def _upload(self, params: dict[str, Any], file: File) -> Wild:
        way: Way = file.way
        if way is not files.DOCUMENT:
            try:
                return await self._api.upload(way.method, params, way.field, file)
            except Refused:  # its sides are too long, or its codec is unknown
                pass
        document = {**params, "disable_content_type_detection": True}
        return await self._api.upload(files.DOCUMENT.method, document, files.DOCUMENT.field, file)

    async def _posted(
        self, outgoing: Outgoing, post: Callable[[dict[str, Any]], Awaitable[Wild]], *notes: str
    ) -> Receipt:
        """Where it is to go; once more to where a group has moved."""
        conversation = outgoing.destination.conversation
        named, topic = chat_of(conversation), topic_of(conversation)
        chat = self._moves.target(named)
        try:
            sent = await post(posts.place(chat, topic, outgoing.reply_to))
        except Migrated as e:
            self._moves.learn(chat, e.chat)
            if named != chat:
                self._moves.learn(named, e.chat)
            chat = e.chat
            sent = await post(posts.place(chat, topic, outgoing.reply_to))
        if chat != named:
            notes = (*notes, _MIGRATED.format(old=named, new=chat))
        self._speaks_as(sent["from"])
        made = _message_of(sent)
        if made is not None and topic:
            self._topics.note(made, topic)
        return Receipt(made, notes)

    # --- edit, recall, react ---

    async def edit(self, message_ids: Sequence[MessageId], outgoing: Outgoing) -> Receipt:
        """
        The first is changed, the others are taken back; what cannot be changed is posted anew, marked. A
        file is never changed: it is taken back, and posted anew.
        """
        spoken = said(outgoing)
        if outgoing.attachments:
            notes = await self._take_back(message_ids)
            sent = await self.send(outgoing)
            return replace(sent, notes=(*notes, *sent.notes))
        if spoken.is_empty:
            raise Refused("there is no word in it", reason="empty")
        first, *rest = message_ids
        notes = ()
        changed = True
        try:
            notes = await self._change(first, spoken)
        except NotModified:
            pass
        except Gone as e:
            changed, notes = False, (f"posted anew: {e}",)
        if rest:
            notes = (*notes, *await self._take_back(rest))
        if not changed:
            return await self._say(marked(spoken, self._mark), outgoing, *notes)
        return Receipt(first, notes)

    async def _take_back(self, message_ids: Sequence[MessageId]) -> tuple[str, ...]:
        """What an edited message has no more use for. Notes say what stays."""
        try:
            await self._delete(message_ids)
        except Refused as e:
            return (f"{len(message_ids)} parts of what it said before stay: {e}",)
        return ()

    async def _change(self, message: MessageId, spoken: Said) -> tuple[str, ...]:
        """Raises `Gone` for what cannot be changed, and `NotModified`. Notes say what was left out."""
        try:
            await self._put(message, spoken)
        except BadEntities as e:
            if not spoken.entities:
                raise
            await self._put(message, Said(spoken.text))
            return (f"without formatting: {e}",)
        return ()

    async def _put(self, message: MessageId, spoken: Said) -> None:
        """Where the text of a message stands, or its caption."""
        where = _where(message)
        words = posts.text(spoken, previews=self._previews)
        try:
            await self._about("editMessageText", {**where, **words})
        except Gone as e:
            if e.reason != "no_text" or units(spoken.text) > LONGEST_CAPTION:
                raise
            await self._about("editMessageCaption", {**where, **posts.caption(spoken)})

    async def recall(self, message_ids: Sequence[MessageId]) -> Receipt:
        """What is gone already is no error; what is older than 48 hours is `Refused`."""
        await self._delete(message_ids)
        return Receipt()

    async def _delete(self, message_ids: Sequence[MessageId]) -> None:
        places = sorted(place for one in message_ids if (place := place_of(one)))
        for chat, numbered in groupby(places, key=lambda place: place[0]):
            numbers = [number for _, number in numbered]
            for start in range(0, len(numbers), _MOST_DELETED):
                chosen = numbers[start : start + _MOST_DELETED]
                with suppress(Gone):
                    await self._about(
                        "deleteMessages", {"chat_id": posts.chat(chat), "message_ids": chosen}
                    )

    async def _about(self, method: str, params: dict[str, Any]) -> None:
        """Say something of messages that are there. In a group that has moved there are none any more."""
        try:
            await self._api.ask(method, params)
        except Migrated as e:
            self._moves.learn(str(params["chat_id"]), e.chat)
            raise Gone(str(e), reason="group_migrated") from None

    async def react(self, message: MessageId, reaction: Reaction) -> Receipt:
        """
        A bot has one reaction on a message: it shows the newest of those that still stand on the other
        side, as far as is remembered.
        """
        emoji = emojis.known(reaction.emoji)
        if not emoji:
            raise Refused("Telegram has no such reaction", reason="unknown_emoji")
        standing = self._reactions.on(message)
        if not reaction.removed:
            left = (*standing, emoji)
        elif emoji in standing:
            at = len(standing) - 1 - standing[::-1].index(emoji)
            left = standing[:at] + standing[at + 1 :]
        elif standing:
            return Receipt(notes=("it is not shown, for others have replaced it",))
        else:
            left = ()
        shown = [{"type": "emoji", "emoji": one} for one in left[-1:]]
        await self._about("setMessageReaction", {**_where(message), "reaction": shown})
        self._reactions.note(message, left)
        return Receipt()


def _where(message: MessageId) -> dict[str, Any]:
    place = place_of(message)
    if place is None:
        raise Gone("it is no message of Telegram's", reason="unknown_message")
    return {"chat_id": posts.chat(place[0]), "message_id": place[1]}


def _message_of(sent: Wild) -> MessageId | None:
    """The name of what was posted; None where the answer has none, for it was posted all the same."""
    try:
        return message_id(str(sent["chat"]["id"].number()), sent["message_id"].number())
    except Malformed:
        return None
