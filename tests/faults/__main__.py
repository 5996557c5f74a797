"""
Breaks things around a real daemon, one scenario after the other, and counts what became of its
promises: ``python -m tests.faults`` (``--short`` for the length in the test suite).
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import (
    backlog,
    clocks,
    crashes,
    damage,
    destinations,
    disk,
    duplicates,
    fsync,
    group_robot,
    loops,
    neighbours,
    reloading,
    simulation,
    slow_loris,
    stall,
)
from tests.faults.scenarios import LONG, SCENARIOS, SHORT, Length
from tests.faults.small_disk import CannotMount
from tests.faults.stage import Result

_LIMIT = 600.0
_ALL = {
    **SCENARIOS,
    **crashes.LONG_ONLY,
    **backlog.LONG_ONLY,
    **clocks.LONG_ONLY,
    **damage.LONG_ONLY,
    **destinations.LONG_ONLY,
    **disk.LONG_ONLY,
    **duplicates.LONG_ONLY,
    **fsync.LONG_ONLY,
    **group_robot.LONG_ONLY,
    **loops.LONG_ONLY,
    **neighbours.LONG_ONLY,
    **reloading.LONG_ONLY,
    **simulation.LONG_ONLY,
    **slow_loris.LONG_ONLY,
    **stall.LONG_ONLY,
}
_HEAD = (
    "scenario", "promised", "arrived", "lost", "altered", "spurious", "disordered", "doubled",
    "too often", "recovery", "kept",
)  # fmt: skip


async def play(name: str, length: Length) -> Result:
    """One scenario in a directory that goes away. Raises `TimeoutError` after ten minutes."""
    with tempfile.TemporaryDirectory(prefix=f"faults-{name}-") as directory:
        async with asyncio.timeout(_LIMIT):
            return await _ALL[name](Path(directory), length)


def row(result: Result) -> tuple[str, ...]:
    v = result.verdict
    counts = (
        v.promised, v.arrived, v.lost, v.altered, v.spurious, v.disordered, v.doubled,
        v.doubled_too_often,
    )  # fmt: skip
    kept = "yes" if result.passed else "NO"
    return (result.name, *map(str, counts), f"{result.recovery:.1f} s", kept)


def table(results: list[Result]) -> str:
    rows = [_HEAD, *map(row, results)]
    widths = [max(len(line[i]) for line in rows) for i in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--short", action="store_true", help="as short as in the test suite")
    parser.add_argument(
        "--only", choices=list(_ALL), action="append", help="this scenario only (repeatable)"
    )
    options = parser.parse_args()
    length = SHORT if options.short else LONG
    names = options.only or list(SCENARIOS if options.short else _ALL)
    results: list[Result] = []
    not_run: list[str] = []
    crashed = 0
    for i, name in enumerate(names, 1):
        began = time.monotonic()
        print(f"[{i}/{len(names)}] {_ALL[name].__doc__}", flush=True)
        try:
            result = asyncio.run(play(name, length))
        except (CannotMount, neighbours.NotHere) as e:
            not_run.append(name)
            print(f"      {e}")
            continue
        except (RuntimeError, TimeoutError, ExceptionGroup) as e:
            crashed += 1
            print(f"      did not end: {type(e).__name__}: {e}")
            continue
        results.append(result)
        word = "kept" if result.passed else "BROKEN"
        print(f"      {word} in {time.monotonic() - began:.0f} s; {result.notes}", flush=True)
        for complaint in result.complaints:
            print(f"      - {complaint}")
    print(table(results))
    if not_run:
        print(f"not run, so not shown: {', '.join(not_run)}")
    return 0 if not crashed and all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
