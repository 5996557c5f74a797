"""
``python -m bench``: the daemon beside two floors, paired runs, one table.

A missed mark stands in the table and is no error; a subject that loses, doubles or alters a message is.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench import figures as measure
from bench import footprint, plot, scales
from bench.ports import free_port
from bench.process import Cores, pinned
from bench.rig import Rig
from bench.sink import open_sink
from bench.table import Figure, Mark, table

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Size:
    """How much one run does: pairs of runs, messages, seconds of the latency runs."""

    pairs: int
    flow: int
    one_group: int
    rules: int
    latency: float
    scales: int
    """Pairs of the runs that show how figures grow."""


FULL = Size(pairs=5, flow=50_000, one_group=10_000, rules=10_000, latency=10.0, scales=2)
QUICK = Size(pairs=1, flow=5_000, one_group=2_000, rules=2_000, latency=3.0, scales=1)


async def paired(
    name: str,
    pairs: int,
    first: Callable[[], Awaitable[T]],
    second: Callable[[], Awaitable[U]],
) -> tuple[list[T], list[U]]:
    """A B A B: what disturbs the machine for a while disturbs both alike."""
    a, b = [], []
    for i in range(pairs):
        a.append(await first())
        b.append(await second())
        print(f"  {name}: pair {i + 1} of {pairs} done", file=sys.stderr, flush=True)
    return a, b


async def flow(rig: Rig, size: Size) -> list[Figure]:
    floor, ours = await paired(
        "64 groups",
        size.pairs,
        lambda: measure.relay_flow(rig, size.flow),
        lambda: measure.bridge_flow(rig, size.flow),
    )
    relay = "bare relay"
    return [
        Figure(
            "throughput, 64 groups to 64",
            "msg/s",
            [f.rate for f in ours],
            [f.rate for f in floor],
            relay,
            "ratio",
            Mark(">= 0.7 x relay", least=0.7),
        ),
        Figure("CPU a message", "µs", [f.cpu for f in ours], [f.cpu for f in floor], relay, "ratio"),
        Figure(
            "RSS idle",
            "MB",
            [f.rss_idle for f in ours],
            [f.rss_idle for f in floor],
            relay,
            mark=Mark("<= 60 MB", most=60),
        ),
        Figure(
            f"RSS after {size.flow:,} messages",
            "MB",
            [f.rss_after for f in ours],
            [f.rss_after for f in floor],
            relay,
            mark=Mark("<= 90 MB", most=90),
        ),
        Figure(
            "start to ready",
            "s",
            [f.ready_after for f in ours],
            [f.ready_after for f in floor],
            relay,
            mark=Mark("<= 1 s", most=1.0),
        ),
    ]


async def one_group(rig: Rig, size: Size) -> list[Figure]:
    floor, ours = await paired(
        "one group",
        size.pairs,
        lambda: measure.poster_rate(rig, size.one_group),
        lambda: measure.bridge_one_group(rig, size.one_group),
    )
    again, more = await paired(
        "one group, more than fits into memory",
        size.scales,
        lambda: measure.poster_rate(rig, size.one_group),
        lambda: measure.bridge_one_group(rig, size.one_group * 4),
    )
    return [
        Figure(
            "throughput, one group, in order",
            "msg/s",
            [f.rate for f in ours],
            floor,
            "bare poster",
            "ratio",
            Mark(">= 0.7 x poster", least=0.7),
        ),
        Figure(
            f"the same, {size.one_group * 4:,} at once",
            "msg/s",
            [f.rate for f in more],
            again,
            "bare poster",
            "ratio",
        ),
    ]


async def latency(rig: Rig, size: Size) -> list[Figure]:
    flushed: list[measure.Latency] = []

    async def both_floors() -> measure.Latency:
        flushed.append(await measure.relay_latency(rig, size.latency, flushed=True))
        return await measure.relay_latency(rig, size.latency)

    floor, ours = await paired(
        "20 msg/s", size.pairs, both_floors, lambda: measure.bridge_latency(rig, size.latency)
    )
    relay = "bare relay"
    return [
        Figure(
            "latency p50 at 20 msg/s",
            "ms",
            [f.p50 for f in ours],
            [f.p50 for f in floor],
            relay,
            "difference",
            Mark("<= relay + 0.6 ms", most=0.6),
        ),
        Figure(
            "latency p99 at 20 msg/s",
            "ms",
            [f.p99 for f in ours],
            [f.p99 for f in floor],
            relay,
            "difference",
        ),
        Figure(
            "p50 of a relay that only flushes",
            "ms",
            [f.p50 for f in flushed],
            [f.p50 for f in floor],
            relay,
            "difference",
        ),
    ]


async def rules(rig: Rig, size: Size) -> list[Figure]:
    few, many = await paired(
        "10,000 rules",
        size.pairs,
        lambda: measure.bridge_with_rules(rig, size.rules, rules=10),
        lambda: measure.bridge_with_rules(rig, size.rules, rules=10_000),
    )
    return [
        Figure(
            "CPU a message, 10,000 rules",
            "µs",
            [f.cpu for f in many],
            [f.cpu for f in few],
            "10 rules",
            "ratio",
            Mark("<= 1.1 x ten rules", most=1.1),
        ),
        Figure("start to ready, 10,000 rules", "s", [f.ready_after for f in many]),
    ]


MEASURED: dict[str, Callable[[Rig, Size], Awaitable[list[Figure]]]] = {
    "flow": flow,
    "one-group": one_group,
    "latency": latency,
    "rules": rules,
    "conversations": lambda rig, size: scales.conversations(rig, size.scales, size.rules),
    "many-rules": lambda rig, size: scales.rules(rig, size.scales, size.rules),
    "trouble": lambda rig, size: scales.trouble(rig, size.scales, size.latency),
    "restart": lambda rig, size: scales.restart(rig, size.scales),
    "footprint": lambda rig, size: footprint.footprint(rig, size.scales),
}


async def run(size: Size, parts: list[str], figures: list[Figure]) -> None:
    """Append the figures of each part to ``figures`` as soon as it is done."""
    cores = Cores.of_this_machine()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, pinned(cores.load):
        async with open_sink(free_port()) as sink:
            rig = Rig(cores, sink, Path(directory))
            for part in parts:
                figures += await MEASURED[part](rig, size)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short pair of each, not five")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run's figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw what grows there")
    parser.add_argument(
        "--only", choices=list(MEASURED), action="append", help="measure this part only (repeatable)"
    )
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    cores = Cores.of_this_machine()
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[0]:.1f}; subject on core {cores.subject}, load and sink on "
        f"core {cores.load}; {measure.CONNECTIONS} connections; "
        f"median of {size.pairs} paired runs",
        flush=True,
    )
    if cores.subject == cores.load:
        print("Only one core: subject and load share it, so the marks do not apply.")
    started = time.monotonic()
    figures: list[Figure] = []
    failure = ""
    try:
        asyncio.run(run(size, options.only or list(MEASURED), figures))
    except (measure.WrongResult, RuntimeError, TimeoutError) as e:
        failure = f"ended early: {e}"
    print(table(figures))
    print(f"took {time.monotonic() - started:.0f} s")
    if options.json:
        text = json.dumps([figure.as_json() for figure in figures], indent=2, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.plot:
        options.plot.write_text(plot.svg(figures), encoding="utf-8")
    if failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
