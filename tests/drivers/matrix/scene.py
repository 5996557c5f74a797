"""A room of the small homeserver, and the bridge in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tests.drivers.matrix.bridge import Bridge, bridge
from tests.drivers.matrix.homeserver import Homeserver

TEAM = "!team:hs.test"


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario

    asyncio.run(bounded())


@asynccontextmanager
async def scene(*, listens: bool = True, **settings: Any) -> AsyncIterator[tuple[Homeserver, Bridge]]:
    """A room with the bot in it."""
    async with Homeserver(password="pass").running() as server:
        server.room(TEAM, name={"name": "The team"}).members = {"@ada:hs.test": "Ada"}
        given = settings or {"access_token": "token"}
        async with bridge(server.url, listens=listens, patience=3.0, **given) as it:
            yield server, it
