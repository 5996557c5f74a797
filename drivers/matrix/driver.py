"""A bot account on a homeserver: what it says, and what it hears by `sync`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bridge.errors import Broken, Refused
from bridge.model import Capabilities, MessageId, Receipt, Support, TextFormat

from . import failures, outbound, texts
from .api import Api, Method, Path
from .login import Login
from .media import Media
from .memory import Memory
from .probes import Visit
from .reader import Reader
from .rooms import Rooms
from .store import Store
from .sync import Listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bridge.driver import Emit, Entry, Opened, Toolbox
    from bridge.model import (
        ConversationId,
        Finding,
        InstanceId,
        Outgoing,
        Reaction,
    )

    from .inbound import Said
    from .outbound import Content
    from .settings import Account

_REMEMBERED = 5000
_OUR_REACTIONS = 2000
_GONE = frozenset({"not_found"})


class MatrixDriver:
    """
    A `Driver` that is a `Listener`, an `Editor`, a `Recaller`, a `Reactor`, a `Directory` and a
    `MediaSource` too.
    """

    capabilities = Capabilities(
        max_text=texts.MAX_TEXT,
        measure=texts.measure,
        measure_markdown=texts.measure_markdown,
        formats=frozenset(TextFormat),
        attachments=Support.NATIVE,
        reply=Support.NATIVE,
        edit=Support.NATIVE,
        recall=Support.NATIVE,
        mention=Support.NATIVE,
        reaction=Support.NATIVE,
    )

    def __init__(self, instance: InstanceId, account: Account, toolbox: Toolbox) -> None:
        self.instance = instance
        self._account = account
        self._toolbox = toolbox
        self._api = Api(account, toolbox)
        self._login = Login(account, self._api)
        self._rooms = Rooms(account, self._api)
        self._media = Media(self._api, toolbox)
        known: Memory[Said] = Memory(_REMEMBERED)
        self._reader = Reader(instance, toolbox, self._api, self._login, self._rooms, known)
        self._ours: Memory[str] = Memory(_OUR_REACTIONS)
        """Events that are our reactions, by what they stand on."""

    def __repr__(self) -> str:
        return f"MatrixDriver({self.instance!r})"

    async def close(self) -> None:
        await self._login.leave()

    # --- Driver ---

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Raises a `DeliveryError`. Again after `Indeterminate`, it is there once."""
        return await self._login.again(lambda: self._send(outgoing))

    async def _send(self, outgoing: Outgoing) -> Receipt:
        room_id = (await self._rooms.enter(outgoing.destination.conversation)).room_id
        key = outgoing.idempotency_key
        if not outgoing.attachments:
            content = outbound.message(outgoing, self._account.msgtype)
            return Receipt(await self._post(room_id, "m.room.message", content, key))
        first: MessageId | None = None
        for number, attachment in enumerate(outgoing.attachments):
            mxc, size, media_type = await self._media.upload(attachment)
            content = outbound.media(attachment, mxc, outgoing, size, media_type)
            posted = await self._post(room_id, "m.room.message", content, f"{key}/{number}")
            first = first or posted
        return Receipt(first)

    async def probe(self) -> Sequence[Finding]:
        """The login, and the rooms of the settings."""
        return await self._visit().findings()

    # --- Editor, Recaller, Reactor ---

    async def edit(self, message_ids: Sequence[MessageId], outgoing: Outgoing) -> Receipt:
        """The first says it from now on, the others go. Raises a `DeliveryError`."""
        return await self._login.again(lambda: self._edit(message_ids, outgoing))

    async def _edit(self, message_ids: Sequence[MessageId], outgoing: Outgoing) -> Receipt:
        room_id = (await self._rooms.enter(outgoing.destination.conversation)).room_id
        first, *others = message_ids
        content = outbound.edit(outgoing, self._account.msgtype, first)
        await self._post(room_id, "m.room.message", content, outgoing.idempotency_key)
        for message_id in others:
            await self._redact(room_id, message_id)
        return Receipt(first)

    async def recall(self, conversation: ConversationId, message_ids: Sequence[MessageId]) -> Receipt:
        """Raises a `DeliveryError`."""

        async def call() -> Receipt:
            room_id = (await self._rooms.enter(conversation)).room_id
            for message_id in message_ids:
                await self._redact(room_id, message_id)
            return Receipt()

        return await self._login.again(call)

    async def react(
        self, conversation: ConversationId, message_id: MessageId, reaction: Reaction
    ) -> Receipt:
        """Raises a `DeliveryError`."""
        return await self._login.again(lambda: self._react(conversation, message_id, reaction))

    async def _react(
        self, conversation: ConversationId, message_id: MessageId, reaction: Reaction
    ) -> Receipt:
        room_id = (await self._rooms.enter(conversation)).room_id
        name = f"{room_id} {message_id} {reaction.emoji}"
        if reaction.removed:
            ours = self._ours.get(name) or await self._our_reaction(room_id, message_id, reaction.emoji)
            if ours:
                await self._redact(room_id, ours)
            self._ours.forget(name)
            return Receipt()
        # A reaction may be put, taken back and put again, so each attempt has a transaction of its
        # own: that there is never more than one, the homeserver sees to.
        content = outbound.reaction(message_id, reaction.emoji)
        once = f"reaction {self._toolbox.random.getrandbits(128):x}"
        try:
            self._ours.keep(name, await self._post(room_id, "m.reaction", content, once))
        except Refused as e:
            if e.reason != "duplicate_reaction":
                raise
        return Receipt()

    async def _our_reaction(self, room_id: str, message_id: str, emoji: str) -> str:
        """https://spec.matrix.org/v1.16/client-server-api/#relationships-api"""
        path = Path.v1.rooms[room_id].relations[message_id]["m.annotation"]["m.reaction"]
        try:
            said = await self._api.ask(Method.GET, path, query={"limit": "100"})
        except Broken as e:
            if e.reason in _GONE:
                return ""
            raise
        for event in said["chunk"]:
            key, sender = event["content"]["m.relates_to"]["key"], event["sender"]
            if (
                key.is_text
                and key.text() == emoji
                and sender.is_text
                and sender.text() == self._login.user_id
            ):
                return failures.identifier(event, "event_id")
        return ""

    async def _post(self, room_id: str, event_type: str, content: Content, key: str) -> MessageId:
        path = Path.v3.rooms[room_id].send[event_type][outbound.transaction(self.instance, key)]
        try:
            said = await self._api.put(path, content)
        except Broken as e:
            if e.reason == "forbidden":
                self._rooms.joined.discard(room_id)  # the next attempt looks, and joins again if it may
            raise
        return MessageId(failures.identifier(said, "event_id"))

    async def _redact(self, room_id: str, event_id: str) -> None:
        """Already gone is no error."""
        path = Path.v3.rooms[room_id].redact[event_id][
            outbound.transaction(self.instance, "redact", room_id, event_id)
        ]
        try:
            await self._api.put(path, {})
        except Broken as e:
            if e.reason not in _GONE:
                raise

    # --- Listener ---

    async def listen(self, emit: Emit) -> None:
        """Until cancelled; raises `JournalBroken` only."""
        store = Store(self.instance, self._api)
        reader = self._reader
        await Listening(self._toolbox, self._api, self._login, self._rooms, reader, store, emit).run()

    # --- Directory ---

    async def users(self) -> Sequence[Entry]:
        """Who is in the rooms. Raises a `DeliveryError`."""
        return await self._visit().users()

    async def conversations(self) -> Sequence[Entry]:
        """The rooms that the bot is in. Raises a `DeliveryError`."""
        return await self._visit().conversations()

    def _visit(self) -> Visit:
        return Visit(self._account, self._api, self._login, self._rooms)

    # --- MediaSource ---

    async def public_url(self, ref: str) -> None:
        """None: only who has a token may open a file of Matrix."""

    @asynccontextmanager
    async def open(self, ref: str) -> AsyncIterator[Opened]:
        """``ref`` is an ``mxc://`` URI. Raises a `DeliveryError`."""
        await self._login.known()
        async with self._media.open(ref) as opened:
            yield opened
