"""
Sixty-four people, each of whose messages goes to two groups; and some whose messages are so long that
they go out in three parts.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.bridge_files import Bridge
from bench.callbacks import destination
from bench.ports import free_port
from tests.faults.daemon import Daemon
from tests.faults.judge import Sent
from tests.faults.platform import Platform
from tests.faults.senders import WORDS, Sender
from tests.faults.stage import Stage, running

CROWD = 64
_TWIN = 500
_LONG_WINDED = 900
_PARTS = 3
_PARAGRAPH = 8_000
"""Characters: two of them do not fit into one message for a group, and the cut falls between them."""


@dataclass(slots=True)
class TwinSender(Sender):
    """Both groups must get what was answered once; the second sees it marked."""

    def compose(self, key: str, number: int) -> tuple[str, list[Sent]]:
        text = f"{key} {WORDS}"
        twin = destination(self.number + _TWIN)
        return text, [Sent(destination(self.number), number, text), Sent(twin, number, f"t-{text}")]


@dataclass(slots=True)
class LongSender(Sender):
    """Each paragraph arrives as a message of its own."""

    def compose(self, key: str, number: int) -> tuple[str, list[Sent]]:
        names = [f"{key}.{part}" for part in range(_PARTS)]
        paragraphs = [name.ljust(_PARAGRAPH, ".") for name in names]
        paragraphs = [
            f"{name} {text[len(name) + 1 :]}" for name, text in zip(names, paragraphs, strict=True)
        ]
        group = destination(self.number)
        parts = [Sent(group, number * _PARTS + part, text) for part, text in enumerate(paragraphs)]
        return "\n\n".join(paragraphs), parts


@asynccontextmanager
async def crowd(
    directory: Path, *, recovery_within: float, size: int = CROWD, long_winded: int = 0
) -> AsyncIterator[Stage]:
    """As `stage.set_up`, for ``size`` people and twice as many groups. Half of them are stubborn."""
    platform = Platform(free_port())
    bridge = Bridge(directory, free_port(), free_port())
    people, long = range(size), range(_LONG_WINDED, _LONG_WINDED + long_winded)
    pairs = [(n, n) for n in (*people, *long)] + [(n, n + _TWIN) for n in people]
    bridge.write(sink_port=platform.port, pairs=pairs)
    _mark_the_twins(directory, len(people))
    stage = Stage(platform, Daemon(bridge), recovery_within=recovery_within)
    port, ledger = bridge.listen_port, stage.ledger
    stage.senders = [TwinSender(n, port, ledger, stubborn=n % 2 == 0) for n in people]
    stage.senders += [LongSender(n, port, ledger, stubborn=n % 2 == 0) for n in long]
    async with running(stage):
        yield stage


def _mark_the_twins(directory: Path, count: int) -> None:
    file = directory / "rules.json"
    rules = json.loads(file.read_text(encoding="utf-8"))
    for rule in rules["rules"][-count:]:
        rule["msg"] = {"msg_format": "t-{msg}"}
    file.write_text(json.dumps(rules), encoding="utf-8")
