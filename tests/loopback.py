"""A driver that is a script: what a test's platform does, send by send."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.errors import DeliveryError
from bridge.model import Capabilities, Finding, InstanceId, MessageId, Outgoing, Receipt, TextFormat

THERE = InstanceId("there")


@dataclass
class Loopback:
    """
    ``script`` holds, for each send, an error to raise, or seconds to take; at its end all is well.

    ``posted`` are the virtual times and the parts that the platform took, ``tried`` all attempts.
    """

    instance: InstanceId = THERE
    script: list[DeliveryError | Exception | float] = field(default_factory=list)
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(
            max_text=1000, formats=frozenset({TextFormat.PLAIN, TextFormat.MARKDOWN})
        )
    )
    posted: list[tuple[float, Outgoing]] = field(default_factory=list)
    tried: list[tuple[float, Outgoing]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [outgoing.text for _, outgoing in self.posted]

    @property
    def times(self) -> list[float]:
        return [round(at, 3) for at, _ in self.posted]

    async def send(self, outgoing: Outgoing) -> Receipt:
        loop = asyncio.get_running_loop()
        self.tried.append((loop.time(), outgoing))
        step = self.script.pop(0) if self.script else 0.0
        if isinstance(step, Exception):
            raise step
        await asyncio.sleep(step)
        self.posted.append((loop.time(), outgoing))
        return Receipt(MessageId(f"at-{self.instance}-{len(self.posted)}"))

    async def probe(self) -> Iterable[Finding]:
        return ()
