"""Plays seeds of a simulated hour: ``python -m tests.simulation --seed 17`` (``--trace`` to read it)."""

import argparse
import sys
import time

from tests.simulation.play import Told, play

_SHOWN = 10


def line(told: Told) -> str:
    c = told.count
    return (
        f"seed {told.seed}: {c.messages} messages, {c.deliveries} deliveries, {c.arrivals} arrivals, "
        f"{c.doubled} doubled within the bound, {c.dead} dead, {c.held} held, {c.deaths} deaths, "
        f"trace {told.digest}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", help="this one only, told at length")
    parser.add_argument("--seeds", type=int, default=100, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="virtual minutes with faults")
    parser.add_argument("--trace", action="store_true", help="print everything that happened")
    options = parser.parse_args()
    seeds = [options.seed] if options.seed else range(options.first, options.first + options.seeds)
    failed = 0
    for seed in map(str, seeds):
        began = time.monotonic()
        told = play(seed, options.minutes, keep=options.trace)
        for happening in told.lines:
            print(happening)
        print(f"{line(told)} ({time.monotonic() - began:.2f} s)", flush=True)
        for complaint in told.complaints[:_SHOWN]:
            print(f"  - {complaint}")
        if told.complaints:
            failed += 1
            print(f"  again: {told.again}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
