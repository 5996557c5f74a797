"""A real homeserver with a bot and people, and a room of theirs with the bridge in it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, Self

from tests.drivers.matrix.bridge import Bridge, bridge
from tests.drivers.matrix.people import Person, person
from tests.matrix_server import Synapse


class House:
    """One homeserver for all tests of this file, with a bot and a person for each."""

    def __init__(self, server: Synapse) -> None:
        self.server = server
        self.url = server.url
        self.bot = server.register("bridge")
        self.ada = server.register("ada")
        self.eve = server.register("eve")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def within_two_minutes() -> None:
        async with asyncio.timeout(120):
            await scenario

    asyncio.run(within_two_minutes())


class Scene:
    """Ada, a room of hers, and the bridge in it."""

    ada: Person
    it: Bridge
    room: str

    def __init__(self, house: House, *, listens: bool = True, **settings: Any) -> None:
        self._house = house
        self._listens = listens
        self._settings = settings
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.ada = await self._stack.enter_async_context(person(self._house.url, "ada", self._house.ada))
        await self.ada.client.set_displayname("Ada 爱达")
        self.room = self.ada.here = await self.ada.room("bridge", name="The team")
        settings = {"access_token": self._house.bot, "rooms": [self.room], **self._settings}
        self.it = await self._stack.enter_async_context(
            bridge(self._house.url, listens=self._listens, **settings)
        )
        await self.ada.look()
        return self

    async def __aexit__(self, *why: object) -> None:
        await self._stack.aclose()

    async def heard(self, count: int = 1) -> list[Any]:
        """The next envelopes of this room."""
        here = [one for one in self.it.envelopes if one.source.conversation == self.room]
        await self.it.until(
            lambda: sum(one.source.conversation == self.room for one in self.it.envelopes) >= count
        )
        here = [one for one in self.it.envelopes if one.source.conversation == self.room]
        assert count == len(here)
        return here
