"""The rooms that the bot is in: their names, who is who there, and how rules.json calls them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.errors import Broken, DeliveryError, Malformed, Refused, Scope
from bridge.model import ConversationId
from bridge.wild import Wild

from . import failures
from .api import Method, Path
from .memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .api import Api
    from .settings import Account

_MOST_ROOMS = 1000
_MOST_NAMES = 500
_ABSENT = frozenset({"not_found", "forbidden"})


@dataclass(slots=True)
class Room:
    """What is known of a room. ``title`` and ``encrypted`` are None until somebody asks."""

    room_id: str
    title: str | None = None
    encrypted: bool | None = None
    names: Memory[str] = field(default_factory=lambda: Memory(_MOST_NAMES))
    """Display names by user id."""


class Rooms:
    """Asks the homeserver once, and remembers."""

    def __init__(self, account: Account, api: Api) -> None:
        self._account = account
        self._api = api
        self._rooms: Memory[Room] = Memory(_MOST_ROOMS)
        self._ids: dict[str, str] = {}
        """By alias, for those of the settings."""
        self._learned = False
        self.joined: set[str] = set()

    def of(self, room_id: str) -> Room:
        found = self._rooms.get(room_id)
        if found is None:
            found = Room(room_id)
            self._rooms.keep(room_id, found)
        return found

    # --- what they are called in rules.json ---

    def conversation_of(self, room_id: str) -> ConversationId:
        """By its alias, where the settings name it so."""
        alias = next((alias for alias, known in self._ids.items() if known == room_id), room_id)
        return ConversationId(alias)

    async def id_of(self, conversation: ConversationId) -> str:
        """Raises a `DeliveryError`, also for a room that has another name here."""
        if conversation.startswith("#"):
            if conversation not in self._account.rooms:
                raise Broken(
                    'to name a room by its alias, put the alias into "rooms"', reason="unknown_alias"
                )
            return await self.resolved(conversation)
        if not self._learned:
            await self.learn_aliases()
        if conversation in self._ids.values():
            raise Broken(
                '"rooms" names that room by its alias: do so in rules.json too', reason="has_alias"
            )
        return conversation

    async def resolved(self, name: str) -> str:
        """
        The id of a room of the settings. Raises a `DeliveryError`.

        https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3directoryroomroomalias
        """
        if not name.startswith("#"):
            return name
        if name not in self._ids:
            said = await self._api.ask(Method.GET, Path.v3.directory.room[name])
            self._ids[name] = failures.identifier(said, "room_id")
        return self._ids[name]

    async def learn_aliases(self) -> None:
        """As far as they are known. Raises a `DeliveryError` where the homeserver cannot be asked."""
        for name in self._account.rooms:
            try:
                await self.resolved(name)
            except Broken as e:
                if e.scope is Scope.INSTANCE:
                    raise
            except Refused:
                continue
        self._learned = True

    # --- being there ---

    async def enter(self, conversation: ConversationId) -> Room:
        """A room that the bot is in, and may be written to. Raises a `DeliveryError`."""
        room_id = await self.id_of(conversation)
        if room_id not in self.joined:
            await self.learn_joined()
        if room_id not in self.joined:
            await self.join(room_id)
        room = self.of(room_id)
        if room.encrypted is None:
            room.encrypted = await self._state(room_id, "m.room.encryption") is not None
        if room.encrypted:
            raise Broken(
                "the room is encrypted, which the bridge cannot read or write: use another room",
                reason="encrypted",
            )
        return room

    async def learn_joined(self) -> None:
        """Raises a `DeliveryError`."""
        said = await self._api.ask(Method.GET, Path.v3.joined_rooms)
        self.joined = {one.text("") for one in said["joined_rooms"]}

    async def join(self, room_id_or_alias: str) -> str:
        """Its id. Raises a `DeliveryError`."""
        said = await self._api.ask(Method.POST, Path.v3.join[room_id_or_alias])
        room_id = failures.identifier(said, "room_id")
        self.joined.add(room_id)
        return room_id

    async def join_named(self) -> dict[str, DeliveryError]:
        """The rooms of the settings; why, for those that cannot be joined."""
        troubles = {}
        for name in self._account.rooms:
            try:
                room_id = await self.resolved(name)
                if room_id not in self.joined:
                    await self.join(room_id)
            except DeliveryError as e:
                troubles[name] = e
        return troubles

    def welcomes(self, room_id: str, inviter: str) -> bool:
        """Whether the settings name that room, or whoever invites us there."""
        named = room_id in self._account.rooms or room_id in self._ids.values()
        return named or self._account.welcomes(inviter)

    # --- what they are called by people ---

    async def title_of(self, room_id: str) -> str:
        """Its name, or its alias; empty where it has none. Raises a `DeliveryError`."""
        room = self.of(room_id)
        if room.title is None:
            room.title = await self._named(room_id, "m.room.name", "name") or await self._named(
                room_id, "m.room.canonical_alias", "alias"
            )
        return room.title

    async def members(self, room_id: str) -> list[tuple[str, str]]:
        """User ids and display names. Raises a `DeliveryError`."""
        query = {"membership": "join"}
        said = Wild((await self._api.read(Path.v3.rooms[room_id].members, query)).said)
        return [
            (event["state_key"].text(), event["content"]["displayname"].name(""))
            for event in said["chunk"]
            if event["state_key"].is_text
        ]

    def learn(self, room: Room, events: Iterable[Wild]) -> None:
        """From events of its state, also those that happen while we look."""
        for event in events:
            if not event.has("state_key"):
                continue
            content = event["content"]
            try:
                match event["type"].text(""):
                    case "m.room.member":
                        name = content["displayname"].name("")
                        room.names.keep(event["state_key"].identifier(), name)
                    case "m.room.name" | "m.room.canonical_alias":
                        room.title = None
                    case "m.room.encryption":
                        room.encrypted = True
            except Malformed:
                continue

    async def _named(self, room_id: str, event_type: str, key: str) -> str:
        said = await self._state(room_id, event_type)
        return said[key].name("") if said is not None and said[key].is_text else ""

    async def _state(self, room_id: str, event_type: str) -> Wild | None:
        """The content of an event of the room's state; None where there is none."""
        try:
            return await self._api.ask(Method.GET, Path.v3.rooms[room_id].state[event_type])
        except Refused:
            return None
        except Broken as e:
            if e.reason in _ABSENT:
                return None
            raise
