"""
The platforms of a simulation, and what they see: every request, when it came, what became of it.

It watches the laws that only the server's side can see, while they are broken: one request at a time
in a conversation, the rate limit, patience after every kind of failure.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from bridge.delivery import GRACE
from bridge.errors import Broken, Indeterminate, Refused, Scope, Throttled, Transient
from bridge.gates import PROBE_EVERY
from bridge.retry import JITTER, LONGEST_RETRY_AFTER, SECONDS
from tests.simulation.script import Mood, Script, Trouble

LIMITS = {"robot": (20, 60.0), "quick": (5, 1.0)}
"""Requests in any window of so many seconds."""

CAREFUL = "careful"
"""The account that would rather lose a message than say it twice."""

SEND_TIMEOUT = 5.0

_ROUNDING = 1e-6
_LATEST = 0.3
_FOR_EVER = 1e6
_WRITTEN_WITHIN = 3.0
"""Seconds until the daemon has surely journaled what it knows of a failure."""
_CLUMSY = (Mood.TRANSIENT, Mood.THROTTLED, Mood.LOST, Mood.LOST, Mood.HANGS, Mood.SLOW)


class Trace:
    """Everything that happened, as a hash; ``lines`` too where a person wants to read it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, keep: bool) -> None:
        self.loop = loop
        self._hash = blake2b(digest_size=16)
        self._keep = keep
        self.lines: list[str] = []

    @property
    def now(self) -> float:
        return self.loop.time()

    def note(self, *words: object) -> None:
        line = f"{self.now:.6f} {' '.join(map(str, words))}"
        self._hash.update(line.encode())
        if self._keep:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@dataclass(slots=True, eq=False)
class Request:
    """
    One request of a daemon's ``life``. ``arrived_at`` is None for one that never got through;
    ``answered`` says that the daemon was told so and lived on.
    """

    life: int
    instance: str
    room: str
    key: str
    text: str
    verb: str
    arrives: bool
    begun: float
    posted: str = ""
    arrived_at: float | None = None
    answered: bool = False
    lost: bool = False
    """Whoever sent it knows that it will have no answer."""


@dataclass(slots=True)
class _Failures:
    """Of one part of one delivery; the last was at ``at``, and it must not be tried before ``until``."""

    stamp: tuple[int, int]
    count: int
    at: float
    until: float


@dataclass(slots=True)
class _Rest:
    """A conversation, or an account, that must be left alone."""

    stamp: tuple[int, int]
    until: float


@dataclass(slots=True)
class World:
    """``arrivals`` are in the order of the server's side; ``complaints`` say which law was broken."""

    script: Script
    trace: Trace
    arrivals: list[Request] = field(default_factory=list)
    attempts: int = 0
    complaints: list[str] = field(default_factory=list)
    paused: set[str] = field(default_factory=set)
    """Accounts that an operator has paused."""
    stopping: float | None = None
    """Since when; then it breaks off what takes too long, and writes nothing down about it."""
    calm: bool = False
    """The faults have stopped."""
    life: int = 0
    disturbances: int = 0
    """Grows whenever an operator, a reload or the clock may have changed what is waited for."""
    clock_set_at: float = -math.inf
    heard: Callable[[Request], None] = lambda _posted: None
    """Is told of every post whose answer went out."""
    _lurking: dict[tuple[str, str], asyncio.Future[None]] = field(default_factory=dict)
    _chance: random.Random = field(init=False)
    _open: dict[tuple[str, str], Request] = field(default_factory=dict)
    _failures: dict[str, _Failures] = field(default_factory=dict)
    _windows: dict[str, deque[float]] = field(default_factory=dict)
    _rests: dict[tuple[str, str, Mood], _Rest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = random.Random(f"world {self.script.seed}")

    def dies(self) -> None:
        """The daemon is dead: what it had sent off may still arrive, in the order of its sending."""
        for request in self._open.values():
            if request.arrives and request.arrived_at is None:
                self._arrive(request)
        self._open.clear()
        for key, failed in list(self._failures.items()):
            if failed.at > self.trace.now - _WRITTEN_WITHIN:
                del self._failures[key]
        self.life = 0

    def lives(self, life: int) -> None:
        """
        A daemon starts. What a rate limit has let through is written down by the clock on the wall, and
        one that was set since cannot be told from time that passed (docs/reliability.md).
        """
        self.life = life
        for instance, window in self._windows.items():
            if self.clock_set_at > self.trace.now - LIMITS[instance][1]:
                window.clear()

    async def next(self, moment: str, instance: str) -> None:
        """Until a request to ``instance`` has ``begun``, or was ``answered``."""
        await self._lurking.setdefault((moment, instance), self.trace.loop.create_future())

    def _happens(self, moment: str, instance: str) -> None:
        lurking = self._lurking.pop((moment, instance), None)
        if lurking is not None and not lurking.done():
            lurking.set_result(None)

    async def exchange(self, life: int, instance: str, room: str, verb: str, key: str, text: str) -> str:
        """Answers with the id of the post, or raises what a driver raises."""
        if life != self.life:
            raise asyncio.CancelledError
        now = self.trace.now
        self.attempts += 1
        self._watch_start(now, instance, room, key)
        mood, trouble = self._mood(instance, room, now)
        chance = self._chance
        arrives = mood in (None, Mood.SLOW) or (mood in (Mood.LOST, Mood.HANGS) and chance.random() < 0.5)
        refused = "forbidden" in text and arrives
        request = Request(life, instance, room, key, text, verb, arrives and not refused, now)
        takes = chance.uniform(3.0, 14.0) if mood is Mood.SLOW else chance.uniform(0.01, _LATEST)
        lead = takes * chance.random()
        self._open[instance, room] = request
        self._happens("begun", instance)
        try:
            await asyncio.sleep(lead)
            self._count(instance)
            if request.arrives:
                self._arrive(request)
            await asyncio.sleep(_FOR_EVER if mood is Mood.HANGS else takes - lead)
        except asyncio.CancelledError:
            if life == self.life:
                self._broken_off(request)
            raise
        del self._open[instance, room]
        if refused:
            self.trace.note("refused", key)
            raise Refused("it is forbidden", reason="forbidden")
        if mood not in (None, Mood.SLOW):
            self._fail(request, mood, trouble)
        request.answered = True
        self._failures.pop(key, None)
        self._forgive(instance, room)
        self.trace.note("answered", key)
        self._happens("answered", instance)
        if instance == "rich" and verb == "post":
            self.heard(request)
        return request.posted

    # --- what happens -----------------------------------------------------------------------------

    def _mood(self, instance: str, room: str, now: float) -> tuple[Mood | None, Trouble | None]:
        if self.calm:
            return None, None
        for trouble in self.script.troubles:
            if trouble.start <= now < trouble.end and (
                trouble.instance == instance and trouble.room in ("", room)
            ):
                return trouble.mood, trouble
        if self._chance.random() < self.script.clumsiness:
            return self._chance.choice(_CLUMSY), None
        return None, None

    def _arrive(self, request: Request) -> None:
        request.arrived_at = self.trace.now
        if request.verb == "post":
            request.posted = f"{request.instance}:{len(self.arrivals)}"
        self.arrivals.append(request)
        self.trace.note("arrived", request.verb, f"{request.instance}/{request.room}", request.key)

    def _broken_off(self, request: Request) -> None:
        """The daemon hung up."""
        request.lost = True
        self._open.pop((request.instance, request.room), None)
        if request.arrives and request.arrived_at is None:
            self._arrive(request)
        now = self.trace.now
        if self.stopping is None:
            self._failed(request, None)
        patient = now < request.begun + SEND_TIMEOUT
        if patient and (self.stopping is None or now < self.stopping + GRACE - _ROUNDING):
            self.complain(f"{request.key} was broken off while it was being sent")
        self.trace.note("hung up", request.key)

    def _fail(self, request: Request, mood: Mood, trouble: Trouble | None) -> None:
        asked = trouble.retry_after if trouble else None
        scope = Scope.INSTANCE if trouble and not trouble.room else Scope.CONVERSATION
        self.trace.note(mood, scope, asked, request.key)
        match mood:
            case Mood.TRANSIENT:
                self._failed(request, asked)
                raise Transient("cannot now", retry_after=asked)
            case Mood.THROTTLED:
                wait = asked if asked is not None else SECONDS[0] * (1 - JITTER)
                self._let_rest(request, scope, mood, wait)
                raise Throttled("patience", retry_after=asked, scope=scope)
            case Mood.BROKEN:
                self._let_rest(request, scope, mood, PROBE_EVERY)
                raise Broken("the robot was removed", scope=scope)
            case _:
                request.lost = True
                self._failed(request, None)
                raise Indeterminate("no answer")

    # --- the laws of the server's side ------------------------------------------------------------

    def complain(self, what: str) -> None:
        self.trace.note("BROKEN LAW", what)
        self.complaints.append(f"at {self.trace.now:.3f} s: {what}")

    def _count(self, instance: str) -> None:
        """A request has reached the server, whatever it makes of it."""
        if instance not in LIMITS:
            return
        count, per = LIMITS[instance]
        now = self.trace.now
        window = self._windows.setdefault(instance, deque())
        while window and window[0] <= now - per + _ROUNDING:
            window.popleft()
        window.append(now)
        if len(window) > count:
            self.complain(f"{instance} got {len(window)} requests within {per:g} s, {count} are allowed")

    def _watch_start(self, now: float, instance: str, room: str, key: str) -> None:
        if instance in self.paused and key.endswith(":1"):
            self.complain(f"{key} came to {instance}, which an operator has paused")
        if (instance, room) in self._open:
            self.complain(f"two requests at once in {instance}/{room}: {key}")
        failed = self._failures.get(key)
        if failed and failed.stamp in self._stamps and now < failed.until - _ROUNDING:
            early = failed.until - now
            self.complain(f"{key} was tried again {early:.3f} s early, failure {failed.count}")
        for mood in (Mood.THROTTLED, Mood.BROKEN):
            for scope in ("", room):
                rest = self._rests.get((instance, scope, mood))
                if rest and rest.stamp == self._stamps[1] and now < rest.until - _ROUNDING:
                    early = f"{rest.until - now:.3f} s before {instance}/{scope} had rested"
                    self.complain(f"{key} came {early}, {mood}")

    @property
    def _stamps(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """What outlives a process, and what does not: it is waited for until its stamp is another."""
        return (0, self.disturbances), (self.life, self.disturbances)

    def _failed(self, request: Request, asked: float | None) -> None:
        """The schedule outlives the process; a wish of the platform is kept while it lives."""
        stamp = self._stamps[asked is not None]
        known = self._failures.get(request.key)
        count = known.count + 1 if known and known.stamp in self._stamps else 1
        shortest = SECONDS[min(count, len(SECONDS)) - 1] * (1 - JITTER)
        wait = shortest if asked is None else min(asked, LONGEST_RETRY_AFTER)
        now = self.trace.now
        self._failures[request.key] = _Failures(stamp, count, now, now + wait)

    def _let_rest(self, request: Request, scope: Scope, mood: Mood, seconds: float) -> None:
        place = request.instance, "" if scope is Scope.INSTANCE else request.room, mood
        self._rests[place] = _Rest(self._stamps[1], self.trace.now + seconds)

    def _forgive(self, instance: str, room: str) -> None:
        """What gets through shows that it is mended; patience that was asked for still holds."""
        self._rests.pop((instance, "", Mood.BROKEN), None)
        self._rests.pop((instance, room, Mood.BROKEN), None)
