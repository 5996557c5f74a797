"""
A horde that wants nothing but places: connections that say nothing, or drip what they say, byte by
byte, and dial again as soon as they are shown out. Good messages must flow meanwhile.

https://owasp.org/www-community/attacks/Slowloris_Attack tells what it is about.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import cycle, islice
from pathlib import Path

from bench.bridge_files import Bridge
from bench.callbacks import PATH
from bench.ports import free_port
from tests.faults.daemon import Daemon
from tests.faults.latency import Resident, latency, own_lag, too_slow
from tests.faults.platform import Platform
from tests.faults.scenarios import LONG, Length, Scenario
from tests.faults.senders import Sender
from tests.faults.stage import SENDERS, Result, Stage, running

GROWTH = 50.0
"""MB by which the horde may make the daemon grow."""

_DRIP_EVERY = 1.0
_DIAL_AGAIN = 1.0
_SLACK = 2.5
"""Seconds beyond its limit in which a connection must be gone: the sweep, the lingering, two cores."""

_HOST = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_POST = b"POST " + PATH.encode() + _HOST


class Kind(StrEnum):
    """What a connection of the horde does."""

    SILENT = "silent"
    LINE = "drips its request line"
    HEADERS = "drips headers"
    BODY = "drips a body"
    CHUNKS = "drips chunks"
    IDLE = "stays after a 404"


_OPENINGS = {
    Kind.SILENT: b"",
    Kind.LINE: b"POST /",
    Kind.HEADERS: _POST + b"X-Slow: ",
    Kind.BODY: _POST + b"Content-Length: 9999\r\n\r\n{",
    Kind.CHUNKS: _POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    Kind.IDLE: b"GET /nowhere" + _HOST + b"\r\n",
}
_DRIPS = {Kind.LINE: b"x", Kind.HEADERS: b"x", Kind.BODY: b"x", Kind.CHUNKS: b"x"}
_IN_A_BODY = frozenset({Kind.BODY, Kind.CHUNKS})


@dataclass(frozen=True, slots=True)
class Siege:
    """
    How many come in each wave, how long it lasts, and what the daemon allows. Times in seconds.
    """

    waves: Sequence[int]
    lasts: float
    max_connections: int = 1000
    header_timeout: float = 10.0
    body_timeout: float = 5.0


_LONG = Siege(waves=(900, 1000, 1500), lasts=16.0)
_SHORT = Siege(waves=(150,), lasts=2.5, max_connections=100, header_timeout=1.0, body_timeout=0.5)


class Loris(asyncio.Protocol):
    """One connection of the horde; it comes again when it is shown out."""

    def __init__(self, horde: "Horde", kind: Kind) -> None:
        self._horde = horde
        self._kind = kind
        self._began = 0.0
        self._drips: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._began = time.monotonic()
        self._horde.inside[self] = self._kind
        transport.write(_OPENINGS[self._kind])
        if self._kind in _DRIPS:
            self._drip_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self._horde.shown_out(self, self._kind, self.age)

    @property
    def age(self) -> float:
        """Seconds since it came in."""
        return time.monotonic() - self._began

    def go(self) -> None:
        self._stop()
        if self._transport is not None:
            self._transport.abort()

    def _drip(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_DRIPS[self._kind])
            self._drip_later()

    def _drip_later(self) -> None:
        self._drips = asyncio.get_running_loop().call_later(_DRIP_EVERY, self._drip)

    def _stop(self) -> None:
        if self._drips is not None:
            self._drips.cancel()


@dataclass(slots=True)
class Horde:
    """
    ``longest`` is the greatest age that a connection of each kind has reached, in seconds;
    ``dialled`` counts all connections so far.
    """

    port: int
    inside: dict[Loris, Kind] = field(default_factory=dict)
    longest: dict[Kind, float] = field(default_factory=lambda: defaultdict(float))
    dialled: int = 0
    turned_away: int = 0
    most_inside: int = 0
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def besieging(self, count: int) -> AsyncIterator[None]:
        """``count`` of them, until the block ends."""
        self._left.clear()
        async with asyncio.TaskGroup() as tasks:
            everybody = [tasks.create_task(self._come(kind)) for kind in islice(cycle(Kind), count)]
            try:
                yield
            finally:
                self._left.set()
                for one in everybody:
                    one.cancel()
                for loris, kind in list(self.inside.items()):
                    self._seen(kind, loris.age)
                    loris.go()

    def shown_out(self, loris: Loris, kind: Kind, age: float) -> None:
        self.inside.pop(loris, None)
        if not self._left.is_set():
            self._seen(kind, age)

    def _seen(self, kind: Kind, age: float) -> None:
        self.longest[kind] = max(self.longest[kind], age)

    def overstayed(self, siege: Siege) -> Iterable[str]:
        """What was not closed in time, in words."""
        for kind, age in self.longest.items():
            limit = siege.body_timeout if kind in _IN_A_BODY else siege.header_timeout
            if kind is not Kind.IDLE and age > limit + _SLACK:
                yield f"a connection that {kind} was in for {age:.1f} s, not {limit:g}"

    async def _come(self, kind: Kind) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, loris = await loop.create_connection(lambda: Loris(self, kind), "127.0.0.1", self.port)
            except OSError:
                self.turned_away += 1
            else:
                self.dialled += 1
                self.most_inside = max(self.most_inside, len(self.inside))
                while loris in self.inside:
                    await asyncio.sleep(0.25)
            await asyncio.sleep(_DIAL_AGAIN)


@dataclass(slots=True)
class Caller(Resident):
    """Dials anew for every message, so it has to get in every time."""

    async def _send(self, stop: asyncio.Event) -> None:
        await Sender._send(self, stop)
        self._hang_up()


async def strangers_drip(directory: Path, length: Length) -> Result:
    """Strangers hold every place with connections that drip or say nothing, while good traffic runs."""
    siege = _LONG if length is LONG else _SHORT
    written: dict[str, float] = {}
    async with _set_up(directory, siege, written) as stage:
        process = stage.daemon.process
        assert process is not None
        horde = Horde(stage.daemon.bridge.listen_port)
        async with own_lag() as lag, stage.load(pause=0.05):
            await asyncio.sleep(siege.lasts / 4)
            calm = time.monotonic()
            before = most = process.rss_mb()
            for wave in siege.waves:
                async with horde.besieging(wave):
                    ends = time.monotonic() + siege.lasts
                    while time.monotonic() < ends:
                        await asyncio.sleep(0.25)
                        most = max(most, process.rss_mb())
            over = time.monotonic()
        for complaint in horde.overstayed(siege):
            stage.expect(False, complaint)
        refusals = sum(sender.refusals for sender in stage.senders)
        stage.expect(refusals == 0, f"{refusals} good messages were turned away")
        stage.expect(most - before <= GROWTH, f"the daemon grew by {most - before:.0f} MB")
        result = await stage.curtain(f"{max(siege.waves)} dripping connections")
    quiet = latency(written, stage.platform, until=calm)
    besieged = latency(written, stage.platform, since=calm, until=over)
    complaints = (*too_slow(besieged, quiet, lag), *result.complaints)
    notes = (
        f"{horde.dialled} bad connections, up to {horde.most_inside} at once; good messages before "
        f"{quiet}, meanwhile {besieged} ({lag}); RSS +{most - before:.0f} MB; the longest in for "
        + ", ".join(f"{age:.1f} s ({kind})" for kind, age in horde.longest.items())
    )
    return replace(result, complaints=complaints, notes=notes)


@asynccontextmanager
async def _set_up(directory: Path, siege: Siege, written: dict[str, float]) -> AsyncIterator[Stage]:
    platform = Platform(free_port())
    bridge = Bridge(directory, free_port(), free_port())
    bridge.write(sink_port=platform.port, pairs=[(n, n) for n in range(SENDERS)])
    config_file = directory / "config.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config["global"]["http"] |= {
        "max_connections": siege.max_connections,
        "header_timeout": f"{siege.header_timeout * 1000:g}ms",
        "body_timeout": f"{siege.body_timeout * 1000:g}ms",
    }
    config_file.write_text(json.dumps(config), encoding="utf-8")
    stage = Stage(platform, Daemon(bridge))
    # Stubborn, as DingTalk is; half of them keep their connection, half dial for every message.
    stage.senders = [
        (Caller if n % 2 else Resident)(
            n, bridge.listen_port, stage.ledger, stubborn=True, written=written
        )
        for n in range(SENDERS)
    ]
    async with running(stage):
        yield stage


LONG_ONLY: dict[str, Scenario] = {"slow-loris": strangers_drip}
