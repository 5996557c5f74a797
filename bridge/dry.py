"""A dry run: everything is received, planned and rendered, and nothing leaves."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.config import Config
from bridge.driver import Driver, MediaSource, Opened
from bridge.errors import Refused
from bridge.model import Capabilities, Finding, InstanceId, Outgoing, Receipt


def folder() -> Path:
    """Where a dry run keeps its journal: what waits for real is not touched."""
    return Path(tempfile.mkdtemp(prefix="msgbridge-dry-"))


def apart(config: Config, elsewhere: Path) -> Config:
    """The same configuration with its journal and its control socket in ``elsewhere``."""
    moved = replace(config.global_, data_dir=elsewhere, control_socket=elsewhere / "control.sock")
    return replace(config, global_=moved)


@dataclass(frozen=True, slots=True)
class Printer:
    """Stands where a driver would send, and tells what it would have sent."""

    driver: Driver
    say: Callable[[str], object]

    @property
    def instance(self) -> InstanceId:
        return self.driver.instance

    @property
    def capabilities(self) -> Capabilities:
        return self.driver.capabilities

    async def send(self, outgoing: Outgoing) -> Receipt:
        self.say(f"would send to {outgoing.destination}:\n{outgoing.text}\n\n")
        return Receipt()

    async def public_url(self, ref: str) -> str | None:
        """Opening an attachment changes nothing, so it is done for real."""
        return await self.driver.public_url(ref) if isinstance(self.driver, MediaSource) else None

    def open(self, ref: str) -> AbstractAsyncContextManager[Opened]:
        """As `public_url`."""
        if isinstance(self.driver, MediaSource):
            return self.driver.open(ref)
        raise Refused("this platform opens no attachments", reason="no_media")

    async def probe(self) -> Sequence[Finding]:
        return await self.driver.probe()
