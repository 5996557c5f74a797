"""Many seeds at once, one process for each core; a seed is a world of its own."""

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.play import Told, play


def play_many(seeds: Iterable[str], *, minutes: float = 60.0) -> Iterator[Told]:
    """In the order of ``seeds``."""
    cores = len(os.sched_getaffinity(0))
    # A process of its own for every worker: whoever calls may have an event loop and threads.
    clean = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=clean) as workers:
        yield from workers.map(play, seeds, [minutes] * 1_000_000)
