"""The rig: subject on one core, load and sink on the other, files in a directory that goes away."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.bridge_files import Bridge
from bench.ports import free_port
from bench.process import Cores, Subject, running
from bench.sink import Sink

_SETTLED_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Rig:
    """Where one bench run happens; every subject of it is new and starts with an empty journal."""

    cores: Cores
    sink: Sink
    directory: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)


@dataclass(frozen=True, slots=True)
class Relay:
    """A subject that takes callbacks on ``port``; ``ready_after`` is in seconds since its start."""

    process: Subject
    port: int
    ready_after: float
    bridge: Bridge | None = None

    async def settled(self) -> None:
        """
        Until nothing waits in the journal; at once for a subject that has none.

        Raises `TimeoutError` when that takes longer than 10 s after the last arrival.
        """
        if self.bridge is None:
            return
        async with asyncio.timeout(_SETTLED_WITHIN):
            while self.bridge.waiting():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def floor_relay(rig: Rig, groups: int, *, flushed: bool = False) -> AsyncIterator[Relay]:
    """The bare relay, ready; ``flushed``: with every body on disk before it is posted."""
    port = free_port()
    module = ["bench.floor_relay", "--port", str(port), "--sink", str(rig.sink.port)]
    log = rig.directory / f"relay-{next(rig.numbers)}.log"
    if flushed:
        module += ["--flushed", str(log.with_suffix(".flushed"))]
    async with running([*module, "--groups", str(groups)], log, core=rig.cores.subject) as process:
        yield Relay(process, port, await process.ready(port))


@asynccontextmanager
async def bridge(
    rig: Rig,
    pairs: Sequence[tuple[int, int]],
    *,
    sink_port: int | None = None,
    second_port: int | None = None,
    files: Bridge | None = None,
    others: Mapping[str, Any] | None = None,
) -> AsyncIterator[Relay]:
    """
    The daemon with one rule for each pair, ready. It posts to the sink of the rig, or to
    ``sink_port``; every second pair to ``second_port``, if given. With ``files`` it is one that was
    stopped before, with its journal. ``others`` are accounts of other platforms.
    """
    if files is None:
        directory = rig.directory / f"bridge-{next(rig.numbers)}"
        files = Bridge(directory, free_port(), free_port())
        files.write(
            sink_port=sink_port or rig.sink.port,
            pairs=pairs,
            second_port=second_port,
            others=others or {},
        )
    async with running(files.command, files.log, core=rig.cores.subject) as process:
        ready_after = await process.ready(files.status_port)
        yield Relay(process, files.listen_port, ready_after, files)


@asynccontextmanager
async def floor_poster(rig: Rig, count: int) -> AsyncIterator[Subject]:
    """The bare sequential poster; it posts at once."""
    module = ["bench.floor_poster", "--sink", str(rig.sink.port), "--count", str(count)]
    log = rig.directory / f"poster-{next(rig.numbers)}.log"
    async with running(module, log, core=rig.cores.subject) as process:
        yield process
