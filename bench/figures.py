"""What is measured, each figure by one function that runs one subject once."""

import asyncio
import gc
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.callbacks import burst
from bench.load import closed_loop, open_loop
from bench.rig import Relay, Rig, bridge, floor_poster, floor_relay
from bench.sink import judge

CONNECTIONS = 32
GROUPS = 64
_LIMIT = 120.0
_WARM_UP = 500
_SETTLE_DOWN = 0.5


@dataclass(frozen=True, slots=True)
class Flow:
    """
    One burst through one subject.

    ``rate`` in messages a second until the last arrival, ``cpu`` in microseconds a message (all
    threads of the subject), memory in MB, ``ready_after`` in seconds.
    """

    rate: float
    cpu: float
    rss_idle: float
    rss_after: float
    ready_after: float


@dataclass(frozen=True, slots=True)
class Latency:
    """From before the callback is written to the arrival at the sink, in milliseconds."""

    p50: float
    p99: float


class WrongResult(Exception):
    """The subject did not do its work, so its speed means nothing."""


async def relay_flow(rig: Rig, count: int, *, groups: int = GROUPS) -> Flow:
    async with floor_relay(rig, groups) as relay:
        return await _flow(rig, relay, count, groups)


async def bridge_flow(rig: Rig, count: int, *, groups: int = GROUPS) -> Flow:
    """From so many groups to as many others."""
    async with bridge(rig, [(n, n) for n in range(groups)]) as relay:
        return await _flow(rig, relay, count, groups)


async def bridge_one_group(rig: Rig, count: int) -> Flow:
    """Everything in one conversation, so strictly one after the other at the far end."""
    async with bridge(rig, [(0, 0)]) as relay:
        return await _flow(rig, relay, count, 1)


async def bridge_with_rules(rig: Rig, count: int, *, rules: int) -> Flow:
    """Ten groups speak, the other rules are for groups that stay silent."""
    async with bridge(rig, [(n, n) for n in range(rules)]) as relay:
        return await _flow(rig, relay, count, 10)


async def poster_rate(rig: Rig, count: int) -> float:
    """Messages a second of the bare sequential poster, from its first arrival to its last."""
    rig.sink.expect(count)
    with _no_garbage_collection():
        async with floor_poster(rig, count):
            await rig.sink.wait(_LIMIT)
    _insist(rig, count)
    return (count - 1) / (rig.sink.times[-1] - rig.sink.times[0])


async def relay_latency(rig: Rig, seconds: float, *, flushed: bool = False) -> Latency:
    async with floor_relay(rig, GROUPS, flushed=flushed) as relay:
        return await _latency(rig, relay, seconds)


async def bridge_latency(rig: Rig, seconds: float) -> Latency:
    async with bridge(rig, [(n, n) for n in range(GROUPS)]) as relay:
        return await _latency(rig, relay, seconds)


async def _flow(rig: Rig, relay: Relay, count: int, groups: int) -> Flow:
    await asyncio.sleep(_SETTLE_DOWN)
    rss_idle = relay.process.rss_mb()
    await _run(rig, relay, "warm", _WARM_UP, groups)
    requests = burst(relay.port, "flow", count, groups=groups, connections=CONNECTIONS)
    rig.sink.expect(count)
    with _no_garbage_collection():
        cpu = relay.process.cpu_seconds()
        started = await closed_loop(relay.port, requests, connections=CONNECTIONS, seconds=_LIMIT)
        await rig.sink.wait(_LIMIT)
        await relay.settled()
        cpu = relay.process.cpu_seconds() - cpu
    _insist(rig, count)
    return Flow(
        rate=count / (rig.sink.times[-1] - started),
        cpu=cpu / count * 1e6,
        rss_idle=rss_idle,
        rss_after=relay.process.rss_mb(),
        ready_after=relay.ready_after,
    )


async def _latency(rig: Rig, relay: Relay, seconds: float) -> Latency:
    await _run(rig, relay, "warm", _WARM_UP, GROUPS)
    rate = 20.0
    count = round(rate * seconds)
    requests = burst(relay.port, "slow", count, groups=GROUPS, connections=CONNECTIONS)
    rig.sink.expect(count)
    with _no_garbage_collection():
        posted = await open_loop(relay.port, requests, rate=rate)
        await rig.sink.wait(_LIMIT)
    _insist(rig, count)
    # At 20 a second the messages are far enough apart to arrive in the order they were posted.
    took = [1e3 * (there - here) for here, there in zip(posted, rig.sink.times, strict=True)]
    cuts = statistics.quantiles(took, n=100)
    return Latency(p50=cuts[49], p99=cuts[98])


async def _run(rig: Rig, relay: Relay, name: str, count: int, groups: int) -> None:
    requests = burst(relay.port, name, count, groups=groups, connections=CONNECTIONS)
    rig.sink.expect(count)
    await closed_loop(relay.port, requests, connections=CONNECTIONS, seconds=_LIMIT)
    await rig.sink.wait(_LIMIT)
    await relay.settled()


def _insist(rig: Rig, count: int) -> None:
    arrivals = judge(rig.sink.bodies, count)
    if not arrivals.right:
        raise WrongResult(f"of {count} messages: {arrivals}")


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """The load holds many requests; collecting them would be the limit, not the subject."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
