"""How the figures grow: with conversations, rules and what waits, and with a destination in trouble."""

import itertools
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bench import figures as measure
from bench.callbacks import burst
from bench.load import answer_times
from bench.ports import free_port
from bench.rig import Relay, Rig, bridge, floor_relay
from bench.sink import open_sink
from bench.table import Figure, Mark

CONVERSATIONS = (1, 100, 10_000)
RULES = (10, 100, 1_000, 10_000)
WAITING = (0, 10_000, 100_000)
_RATE = 200.0
_SLOW = 1.0
_WITHIN = 300.0


async def conversations(rig: Rig, pairs: int, count: int) -> list[Figure]:
    """Throughput, for the relay and for us, by the number of groups that speak."""
    found = []
    for groups in CONVERSATIONS:
        ours, floor = [], []
        for _ in range(pairs):
            floor.append(await measure.relay_flow(rig, count, groups=groups))
            ours.append(await measure.bridge_flow(rig, count, groups=groups))
        found.append(
            Figure(
                f"throughput, {groups:,} conversations",
                "msg/s",
                [f.rate for f in ours],
                [f.rate for f in floor],
                "bare relay",
                "ratio",
                series="throughput by conversations",
                x=groups,
            )
        )
    return found


async def rules(rig: Rig, pairs: int, count: int) -> list[Figure]:
    """CPU a message by the number of rules; the relay has none, so its figure stays."""
    found = []
    for number in RULES:
        ours, floor = [], []
        for _ in range(pairs):
            floor.append(await measure.relay_flow(rig, count, groups=10))
            ours.append(await measure.bridge_with_rules(rig, count, rules=number))
        found.append(
            Figure(
                f"CPU a message, {number:,} rules",
                "µs",
                [f.cpu for f in ours],
                [f.cpu for f in floor],
                "bare relay",
                "ratio",
                series="CPU a message by rules",
                x=number,
            )
        )
    return found


async def trouble(rig: Rig, pairs: int, seconds: float) -> list[Figure]:
    """How long an answer takes at 200 messages a second, while half of them go to a place in trouble."""
    floor = [await _relay_answers(rig, seconds) for _ in range(pairs)]
    found = []
    for name, second in (("well", _well), ("slow", _slow), ("down", _down)):
        ours = []
        for _ in range(pairs):
            async with second(rig) as port:
                ours.append(await _bridge_answers(rig, seconds, port))
        found.append(
            Figure(
                f"answer p99, one of two destinations {name}",
                "ms",
                [_p99(taken) for taken in ours],
                [_p99(taken) for taken in floor],
                "bare relay",
                "difference",
                series="answer p99 by the state of a destination",
                x=len(found),
            )
        )
    return found


async def restart(rig: Rig, pairs: int) -> list[Figure]:
    """From start to ready, with so many messages waiting."""
    found = []
    for waiting in WAITING:
        took = [await _ready_again(rig, waiting) for _ in range(pairs)]
        found.append(
            Figure(
                f"start to ready, {waiting:,} waiting",
                "s",
                took,
                mark=Mark("<= 2 s", most=2.0),
                series="start to ready by what waits",
                x=waiting,
            )
        )
    return found


@asynccontextmanager
async def _well(rig: Rig) -> AsyncIterator[int]:
    yield rig.sink.port


@asynccontextmanager
async def _slow(_rig: Rig) -> AsyncIterator[int]:
    async with open_sink(free_port(), answer_after=_SLOW) as sink:
        yield sink.port


@asynccontextmanager
async def _down(_rig: Rig) -> AsyncIterator[int]:
    yield free_port()


async def _bridge_answers(rig: Rig, seconds: float, second_port: int) -> list[float]:
    pairs = [(n, n) for n in range(measure.GROUPS)]
    async with bridge(rig, pairs, second_port=second_port) as relay:
        return await _answers(rig, relay, seconds)


async def _relay_answers(rig: Rig, seconds: float) -> list[float]:
    async with floor_relay(rig, measure.GROUPS) as relay:
        return await _answers(rig, relay, seconds)


async def _answers(rig: Rig, relay: Relay, seconds: float) -> list[float]:
    """Milliseconds from each callback to its answer."""
    count = round(_RATE * seconds)
    shape = {"groups": measure.GROUPS, "connections": measure.CONNECTIONS}
    rig.sink.expect(10**9)  # whatever arrives; here only the answers are asked about
    await answer_times(relay.port, burst(relay.port, "warm", 400, **shape), rate=_RATE)
    return await answer_times(relay.port, burst(relay.port, "asked", count, **shape), rate=_RATE)


def _p99(taken: Sequence[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


async def _ready_again(rig: Rig, waiting: int) -> float:
    """Fill the journal of a bridge whose destination is down, stop it, and start it anew."""
    pairs = [(n, n) for n in range(measure.GROUPS)]
    closed = free_port()
    async with bridge(rig, pairs, sink_port=closed) as relay:
        assert relay.bridge is not None, "it is no bare relay"
        numbers = itertools.count()
        for size in _pieces(waiting):
            requests = burst(
                relay.port,
                f"wait{next(numbers)}x",
                size,
                groups=measure.GROUPS,
                connections=measure.CONNECTIONS,
            )
            await measure.closed_loop(
                relay.port, requests, connections=measure.CONNECTIONS, seconds=_WITHIN
            )
        files = relay.bridge
    async with bridge(rig, pairs, files=files) as relay:
        if files.waiting() != waiting:
            raise measure.WrongResult(f"{files.waiting()} wait where {waiting} were accepted")
        return relay.ready_after


def _pieces(count: int) -> list[int]:
    """Signatures are stamped when a burst is built, so a long one is built piece by piece."""
    return [5_000] * (count // 5_000) + ([count % 5_000] if count % 5_000 else [])
