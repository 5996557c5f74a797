"""The simulator in a thread of its own, for commands that run an event loop themselves."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drivers.dingtalk.simulator import Simulator


@contextmanager
def simulated(**settings: Any) -> Iterator[Simulator]:
    """``settings`` are the simulator's; it listens as soon as the block begins."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    async def make() -> Simulator:
        return await Simulator(**settings).__aenter__()

    dingtalk = run(make())
    try:
        yield dingtalk
    finally:
        run(dingtalk.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
