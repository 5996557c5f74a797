"""People on a homeserver, by mautrix's own client: whatever the bridge makes of Matrix, they make theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from mautrix.api import Method, Path
from mautrix.client import ClientAPI
from mautrix.types import (
    EventType,
    MessageType,
    ReactionEventContent,
    RelatesTo,
    RelationType,
    TextMessageEventContent,
)

NAME = "hs.test"


class Person:
    """``events`` are what the rooms showed so far, as the homeserver tells; of ``here`` alone, if it is set."""

    def __init__(self, name: str, client: ClientAPI) -> None:
        self.user_id = f"@{name}:{NAME}"
        self.client = client
        self.events: list[dict[str, Any]] = []
        self.here = ""
        self._since = ""

    # --- doing ---

    async def room(self, *invited: str, **more: Any) -> str:
        """A new room with ``invited`` in it."""
        return await self.client.create_room(invitees=[f"@{name}:{NAME}" for name in invited], **more)

    async def say(self, room_id: str, text: str, html: str | None = None, **more: Any) -> str:
        """``more`` are fields of the content."""
        content = {"msgtype": "m.text", "body": text, "m.mentions": {}, **more}
        if html is not None:
            content |= {"format": "org.matrix.custom.html", "formatted_body": html}
        return await self.post(room_id, content)

    async def post(self, room_id: str, content: dict[str, Any], kind: str = "m.room.message") -> str:
        event_type = EventType.find(kind)
        return await self.client.send_message_event(room_id, event_type, content)

    async def edit(self, room_id: str, event_id: str, text: str) -> str:
        content = TextMessageEventContent(msgtype=MessageType.TEXT, body=text)
        content.set_edit(event_id)
        return await self.client.send_message(room_id, content)

    async def react(self, room_id: str, event_id: str, emoji: str) -> str:
        on = RelatesTo(rel_type=RelationType.ANNOTATION, event_id=event_id, key=emoji)
        content = ReactionEventContent(relates_to=on)
        return await self.client.send_message_event(room_id, EventType.REACTION, content)

    # --- seeing ---

    async def look(self) -> None:
        query = {"timeout": "1000", "filter": '{"room":{"timeline":{"limit":500}}}'}
        if self._since:
            query["since"] = self._since
        said = await self.client.api.request(Method.GET, Path.v3.sync, query_params=query)
        self._since = said["next_batch"]
        for room_id, one in said.get("rooms", {}).get("join", {}).items():
            if self.here and room_id != self.here:
                continue
            self.events += [{**event, "room_id": room_id} for event in one["timeline"]["events"]]

    async def until(self, true: Callable[[], object], *, within: float = 30.0) -> None:
        """Look until it is so."""
        async with asyncio.timeout(within):
            while not true():
                await self.look()

    def seen(self, by: str, kind: str = "m.room.message") -> list[dict[str, Any]]:
        """The events of that kind by that person, oldest first."""
        sender = f"@{by}:{NAME}"
        return [one for one in self.events if one["type"] == kind and one["sender"] == sender]

    def texts(self, by: str = "bridge") -> list[str]:
        return [one["content"].get("body", "") for one in self.seen(by)]


@asynccontextmanager
async def person(url: str, name: str, token: str) -> AsyncIterator[Person]:
    async with aiohttp.ClientSession() as http:
        client = ClientAPI(f"@{name}:{NAME}", base_url=url, token=token, client_session=http)
        yield Person(name, client)
