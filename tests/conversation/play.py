"""The script, played in rooms of real and simulated platforms through one running bridge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.conversation.script import AFTER, AWAY, BEFORE, NOTES, PICTURE, Step
from tests.conversation.side import Side
from tests.conversation.transcript import PUBLIC_URL, links
from tests.running_app import Daemon, a_daemon

_SETTLED_WITHIN = 60.0


class Conversation:
    """``sides`` by name; all of them meet in one rule."""

    def __init__(self, folder: Path, sides: Iterable[Side]) -> None:
        self.sides: Mapping[str, Any] = {side.name: side for side in sides}
        self._folder = folder

    @asynccontextmanager
    async def bridge(self):
        """It runs until the block ends."""
        async with a_daemon(self._folder, *self._files()) as daemon:
            yield daemon

    def _files(self) -> tuple[str, str]:
        config: dict[str, Any] = {
            "global": {
                "data_dir": str(self._folder / "data"),
                "http": {"host": "127.0.0.1"},
                "public_url": PUBLIC_URL,
                "media": {"allow_networks": ["127.0.0.0/8"]},
                "status": {"enabled": False},
                "log": {"level": "warning"},
                "delivery": {"late_after": "24h"},
            }
        }
        for side in self.sides.values():
            platform, settings = side.settings()
            config[platform] = {side.name: settings}
        channels = {side.name: side.address() for side in self.sides.values()}
        rule = {"id": "room", "type": "connect", "channels": channels, "attachments": "upload"}
        return json.dumps(config), json.dumps({"rules": [rule]})

    async def play(self, daemon: Daemon, steps: Iterable[Step]) -> None:
        """One step after the other, each once everybody has heard of the one before."""
        for side, verb, *arguments in steps:
            before = await _planned(daemon)
            told = await getattr(self.sides[side], verb)(*arguments)
            await self.settled(daemon, before + told * (len(self.sides) - 1))

    async def settled(self, daemon: Daemon, planned: int) -> None:
        """So many deliveries are planned, and none waits."""

        async def all_done():
            ledger = await _ledger(daemon)
            return ledger["planned"] >= planned and not ledger["by_status"]["waiting"]

        try:
            await daemon.until(all_done, within=_SETTLED_WITHIN)
        except TimeoutError:
            raise AssertionError(f"{planned} deliveries, none waiting: {await _ledger(daemon)}") from None


async def _ledger(daemon: Daemon) -> dict[str, Any]:
    return dict((await daemon.status())["journal"]["ledger"])


async def _planned(daemon: Daemon) -> int:
    return int((await _ledger(daemon))["planned"])


async def without_a_break(conversation: Conversation) -> None:
    """The whole script."""
    async with conversation.bridge() as daemon:
        await conversation.play(daemon, (*BEFORE, *AWAY, *AFTER))
        await _well_ended(conversation, daemon)


async def with_restarts(conversation: Conversation) -> None:
    """It ends in the middle, something is said meanwhile, and it starts again; twice."""
    async with conversation.bridge() as daemon:
        await conversation.play(daemon, BEFORE)
        planned = await _planned(daemon)
    for number, (side, verb, *arguments) in enumerate(AWAY, 1):
        told = await getattr(conversation.sides[side], verb)(*arguments)
        planned += told * (len(conversation.sides) - 1)
        async with conversation.bridge() as daemon:
            await conversation.settled(daemon, planned)
            if number == len(AWAY):
                await conversation.play(daemon, AFTER)
                await _well_ended(conversation, daemon)


async def _well_ended(conversation: Conversation, daemon: Daemon) -> None:
    """Nothing is a dead letter, and every link of ours opens what was sent."""
    by_status = (await _ledger(daemon))["by_status"]
    assert 0 == by_status["dead"] == by_status["held"], by_status
    found = {
        link
        for side in conversation.sides.values()
        for one in await side.heard()
        for link in links(one.text)
    }
    assert found
    base = conversation.sides["dingtalk"].media_url
    for link in found:
        async with daemon.session.get(base + link.removeprefix(PUBLIC_URL)) as answer:
            assert 200 == answer.status
            assert await answer.read() in (PICTURE, NOTES)
