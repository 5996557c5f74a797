"""A dry run: everything is received, planned and rendered, and nothing leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.driver import Driver, MediaSource
from bridge.model import Capabilities, Finding, InstanceId, Outgoing, Receipt


@dataclass(frozen=True, slots=True)
class Printer:
    """Stands where a driver would send, and tells what it would have sent."""

    driver: Driver
    say: Callable[[str], None]

    @property
    def instance(self) -> InstanceId:
        return self.driver.instance

    @property
    def capabilities(self) -> Capabilities:
        return self.driver.capabilities

    async def send(self, outgoing: Outgoing) -> Receipt:
        self.say(f"would send to {outgoing.destination}:\n{outgoing.text}\n")
        return Receipt()

    async def public_url(self, ref: str) -> str | None:
        """Opening an attachment changes nothing, so it is done for real."""
        return await self.driver.public_url(ref) if isinstance(self.driver, MediaSource) else None

    async def probe(self) -> Sequence[Finding]:
        return await self.driver.probe()
