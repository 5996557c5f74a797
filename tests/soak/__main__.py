"""
What takes long: a thousand simulated hours, then the real daemon under load for ten minutes, flat.

``python -m tests.soak --minutes 60`` for a longer run; ``--seeds 0`` leaves the simulation out.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.simulation.many import play_many
from tests.soak.steady import steady, table

_KEPT = Path("data")
"""Not in git."""


def _simulate(seeds: int) -> bool:
    began = time.monotonic()
    failed = doubled = deliveries = 0
    for n, told in enumerate(play_many(map(str, range(seeds))), 1):
        deliveries += told.count.deliveries
        doubled += told.count.doubled
        if told.complaints:
            failed += 1
            print(f"seed {told.seed}: {told.complaints[0]}\n  {told.again}", flush=True)
        if n % 50 == 0:
            print(f"[{n}/{seeds}] simulated hours, {failed} broken", flush=True)
    print(
        f"{seeds} simulated hours in {time.monotonic() - began:.0f} s: {deliveries} deliveries, "
        f"{doubled} repeats within the bound, {failed} seeds broken"
    )
    return not failed


def _stay(minutes: float) -> bool:
    _KEPT.mkdir(exist_ok=True)
    samples_file = _KEPT / f"soak-{time.strftime('%Y%m%d-%H%M%S')}.csv"
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        result, flat = asyncio.run(steady(Path(directory), minutes, samples_file))
    print(table(flat))
    print(f"{result.verdict}; {result.notes}")
    complaints = [*flat.complaints, *result.complaints]
    for complaint in complaints:
        print(f"- {complaint}")
    return result.passed and not complaints


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="simulated hours")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the real daemon; 0 for none")
    options = parser.parse_args()
    kept = [
        *([_simulate(options.seeds)] if options.seeds else []),
        *([_stay(options.minutes)] if options.minutes else []),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
