"""A hundred simulated hours, each another world by its seed: the core without sockets, disk or time."""

import asyncio
import time
from pathlib import Path

from tests.faults.judge import Verdict
from tests.faults.scenarios import Length, Scenario
from tests.faults.stage import Result
from tests.simulation.many import play_many
from tests.simulation.play import Told

SEEDS = 100
_NAMES = {
    "lost": "lost:",
    "altered": "altered:",
    "spurious": "spurious:",
    "disordered": "disorder:",
    "doubled_too_often": "doubled too often:",
}


async def simulated_hours(_: Path, _length: Length) -> Result:
    """A hundred simulated hours with faults, restarts, reloads, an operator and a clock that is set."""
    began = time.monotonic()
    told = await asyncio.to_thread(lambda: list(play_many(map(str, range(SEEDS)))))
    took = time.monotonic() - began
    return verdict_of(told, f"{SEEDS} seeds in {took:.0f} s")


def verdict_of(told: list[Told], notes: str) -> Result:
    """What the judge of a real daemon would have counted; every broken seed with the way to play it again."""
    complaints = [complaint for one in told for complaint in one.complaints]
    counts = {
        name: sum(f" {word}" in complaint for complaint in complaints) for name, word in _NAMES.items()
    }
    return Result(
        name="simulated hours",
        verdict=Verdict(
            promised=sum(one.count.deliveries for one in told),
            arrived=sum(one.count.arrivals for one in told),
            doubled=sum(one.count.doubled for one in told),
            **counts,
        ),
        recovery=0.0,
        complaints=tuple(f"{one.again}: {one.complaints[0]}" for one in told if one.complaints),
        notes=f"{notes}; {sum(one.count.deaths for one in told)} deaths",
    )


LONG_ONLY: dict[str, Scenario] = {"simulation": simulated_hours}
"""Too long for the test suite."""
