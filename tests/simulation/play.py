"""One simulated hour: people write, things break, an operator meddles; then calm, and the reckoning."""

import asyncio
import logging
import random
import shutil
import tempfile
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bridge.assembly import Parts
from bridge.delivery import IN_ALL, PER_LANE
from bridge.desk import Choice, DeskError
from bridge.errors import JournalError
from bridge.journal import Capacity, Row
from bridge.metrics import Metrics
from bridge.model import Inbound, InstanceId, MessageId, Status
from tests.builders import a_message, an_envelope
from tests.simulation.engine import Disk, SimulatedLoop, SteppingClock
from tests.simulation.laws import Accepted, Count, Death, judge
from tests.simulation.life import Gone, Life
from tests.simulation.script import ROOMS, SOURCES, Act, Rules, Say, Script, Way, write
from tests.simulation.world import Request, Trace, World

_CHECK_EVERY = 120.0
_LOOK_EVERY = 10.0
_SETTLED_WITHIN = 2 * 3600.0
"""
Seconds from the end of all faults until nothing waits: a due time that was read from disk after the
clock was set back may be an hour, a probe five minutes, and a robot takes twenty messages a minute.
"""
_FRESH_WITHIN = 60.0
_HORIZON = 12 * 3600.0
_LURKS = 120.0
_OPERATOR = "operator"
_ECHO = "rich:"
"""How the ids of posts begin that are shown to the bridge again."""
_ECHOED = 0.1
_SLOWEST_STOP = 15.0


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one seed."""

    seed: str
    count: Count
    complaints: tuple[str, ...]
    digest: str
    lines: tuple[str, ...]
    minutes: float

    @property
    def again(self) -> str:
        """The command that plays it once more."""
        return f"python -m tests.simulation --seed {self.seed} --minutes {self.minutes:g}"


@dataclass(slots=True)
class Play:
    """Everybody on the stage; ``life`` is the daemon, of which there is one at most."""

    script: Script
    world: World
    disk: Disk
    clock: SteppingClock
    metrics: Metrics
    rules: Rules | None
    """What is in the files."""
    started: Rules
    """The last good rules: what a daemon starts with."""
    life: Life | None = None
    accepted: list[Accepted] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    """Deliveries that an operator has moved: they may be out of order."""
    lives: int = 0
    rows: list[Row] = field(default_factory=list)
    generations: dict[int, Rules] = field(default_factory=dict)
    _pausing: set[str] = field(default_factory=set)
    _tasks: asyncio.TaskGroup | None = None
    _echoing: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._echoing = random.Random(f"{self.script.seed} echoes")
        self.generations[self.started.number] = self.started
        self.world.heard = self._heard

    async def run(self) -> None:
        self._start()
        script = self.script
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for at, rules in script.reloads:
                tasks.create_task(self._at(at, self._reload, rules))
            for at, by in script.steps:
                tasks.create_task(self._at(at, self._step, by))
            for act in script.acts:
                tasks.create_task(self._at(act.at, self._act, act))
            tasks.create_task(self._restart_all())
            checking = tasks.create_task(self._check_for_ever())
            for say in script.says:
                await self._until(say.at)
                tasks.create_task(self._say(say))
            await self._until(script.seconds)
            self.world.calm = True
            await self._reload(self.started if not self.started.gone else self._all_there())
            await self._settle()
            await self._fresh()
            checking.cancel()
        await self._end()

    # --- time and lives ---------------------------------------------------------------------------

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(at - self.clock.monotonic(), 0.0))

    async def _at(self, at: float, work: Callable[..., Awaitable[None]], *args: object) -> None:
        await self._until(at)
        await work(*args)

    def _start(self) -> None:
        self.lives += 1
        self.world.lives(self.lives)
        self.life = Life(
            world=self.world,
            disk=self.disk,
            clock=self.clock,
            metrics=self.metrics,
            rules=self.rules,
            generation=self.started,
            max_waiting=self.script.max_waiting,
            give_up_after=self.script.give_up_after,
            number=self.lives,
            seed=self.script.seed,
        )
        self.life.start()
        self.world.trace.note("start", self.lives)

    async def _restart_all(self) -> None:
        for restart in self.script.restarts:
            await self._until(restart.at)
            if restart.upon:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LURKS):
                        await self.world.next(restart.moment, restart.upon)
                await asyncio.sleep(restart.after)
            life, self.life = self.life, None
            assert life is not None
            self.world.trace.note(restart.way)
            if restart.way is Way.TERM and life.ready.is_set():
                await self._stop(life)
                self.world.life = 0
            else:
                before = self.disk.folder
                forgotten = await life.die(restart.way)
                self.deaths.append(Death(life.number, forgotten))
                shutil.rmtree(before)
            await asyncio.sleep(restart.down)
            self._start()

    async def ask(self, work: Callable[[Parts], Awaitable[object]], *, patience: float = 1.0) -> object:
        """Until there is a daemon that answers."""
        while True:
            life = self.life
            if life is not None:
                with suppress(Gone):
                    return await life.ask(work)
            await asyncio.sleep(patience)

    # --- people -----------------------------------------------------------------------------------

    async def _say(self, say: Say) -> None:
        chance = random.Random(f"{self.script.seed} {say.event}")
        if say.again:
            async with asyncio.TaskGroup() as tasks:
                for at in (say.at, *say.again):
                    tasks.create_task(self._at(at, self._tell, say, say.text, chance))
        else:
            await self._tell(say, say.text, chance)
        if say.other:
            await self._tell(say, say.other, chance)

    def _heard(self, posted: Request) -> None:
        """The platform shows the bridge its own post."""
        if self._tasks is not None and self._echoing.random() < _ECHOED:
            self._tasks.create_task(self._echo(posted, self._echoing.uniform(1.0, 60.0)))

    async def _echo(self, posted: Request, after: float) -> None:
        await asyncio.sleep(after)
        say = Say(0.0, posted.posted, f"{posted.instance}/{posted.room}", posted.text)
        # What was answered right before a death may be unknown after it.
        if posted.life == self.world.life:
            await self._tell(say, say.text, self._echoing)

    async def _tell(self, say: Say, text: str, chance: random.Random) -> None:
        """As often as a platform must, until it is told that it was taken."""
        envelope = an_envelope(
            id=say.event,
            at=say.source,
            message=a_message(text, id=say.event),
            kind=say.kind,
            target=MessageId(say.target) if say.target else None,
            received_at=self.clock.now(),
        )
        instance = InstanceId(say.source.partition("/")[0])
        while True:
            try:
                await self.ask(lambda parts: parts.acceptor.take(instance, Inbound((envelope,))))
            except JournalError:
                await asyncio.sleep(chance.uniform(3.0, 30.0))
                continue
            if not say.event.startswith(_ECHO):
                self.accepted.append(Accepted(say.event, text))
            self.world.trace.note("taken", say.event)
            return

    # --- the operator -----------------------------------------------------------------------------

    async def _reload(self, rules: Rules | None) -> None:
        self.rules = rules
        if rules is not None:
            self.started = rules
            self.generations[rules.number] = rules
        self.world.disturbances += 1

        async def reload(parts: Parts) -> None:
            assert self.life is not None
            self.life.rules = self.rules
            await parts.reloader.reload(_OPERATOR)

        await self.ask(reload)
        self.world.disturbances += 1
        self.world.trace.note("reloaded", rules.number if rules else "refused")

    def _all_there(self) -> Rules:
        return Rules(self.started.number + 1, self.started.targets)

    async def _step(self, by: float) -> None:
        self.clock.step(by)
        self.world.disturbances += 1
        self.world.clock_set_at = self.world.trace.now
        self.world.trace.note("clock", by)

    async def _act(self, act: Act) -> None:
        chosen = Choice(instance=act.instance, conversation=act.room)
        match act.verb:
            case "pause":
                if act.instance in self._pausing:
                    return
                self._pausing.add(act.instance)
                await self._do(lambda parts: self._pause(parts, act.instance))
                await asyncio.sleep(act.lasts)
                self.world.paused.discard(act.instance)
                await self._do(lambda parts: parts.desk.resume(act.instance, who=_OPERATOR))
                self._pausing.discard(act.instance)
            case "hold":
                await self._do(lambda parts: parts.desk.hold(chosen, who=_OPERATOR))
                await asyncio.sleep(act.lasts)
                await self._do(lambda parts: self._release(parts, chosen))
            case "drop":
                await self._do(self._drop)
            case "replay":
                await self._do(self._replay)
            case "prune":
                await self._do(lambda parts: parts.journal.prune())

    async def _do(self, work: Callable[[Parts], Awaitable[object]]) -> None:
        self.world.disturbances += 1
        with suppress(DeskError):  # an account that is not configured just now
            await self.ask(work)
        self.world.disturbances += 1

    async def _drop(self, parts: Parts) -> None:
        """One of those that wait."""
        for row in await parts.journal.rows(Status.WAITING, limit=1):
            choice = Choice(ids=(row.delivery.id,))
            await parts.desk.drop(choice, who=_OPERATOR, among=[Status.WAITING])

    async def _pause(self, parts: Parts, instance: str) -> None:
        await parts.desk.pause(instance, who=_OPERATOR)
        self.world.paused.add(instance)

    async def _release(self, parts: Parts, chosen: Choice) -> None:
        for row in await parts.journal.rows(Status.HELD, limit=1_000_000):
            self.touched.add(row.delivery.id)
        await parts.desk.release(chosen, who=_OPERATOR)

    async def _replay(self, parts: Parts) -> None:
        for row in await parts.journal.rows(Status.DEAD, limit=10_000):
            self.touched.add(row.delivery.id)
        async with aclosing(
            parts.desk.replay(Choice(everything=True), who=_OPERATOR, rate=20.0)
        ) as steps:
            async for _ in steps:
                pass

    # --- the reckoning ----------------------------------------------------------------------------

    async def _check_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_EVERY)
            await self.ask(self._check)

    async def _check(self, parts: Parts) -> None:
        """The equation of clause 2, and the bounds of clause 9."""
        ledger = await parts.journal.ledger()
        if not ledger.balanced:
            self.world.complain(f"the ledger does not balance: {ledger}")
        lanes = list(parts.lanes._lanes.values())
        longest = max((len(lane.queue) for lane in lanes), default=0)
        in_memory = sum(len(lane.queue) + (lane.progress is not None) for lane in lanes)
        if longest > max(PER_LANE, parts.lanes._plenty) or in_memory > max(
            IN_ALL, parts.lanes._plenty
        ) + len(lanes):
            self.world.complain(f"{in_memory} deliveries in memory, {longest} of one lane")
        if in_memory != parts.lanes._in_memory:
            counted = parts.lanes._in_memory
            self.world.complain(f"{in_memory} deliveries are in memory, {counted} are counted")

    async def _settle(self) -> None:
        """Until nothing waits any more: every hand is taken off, and time does the rest."""
        self.world.paused.clear()
        for instance in ROOMS:
            await self._do(lambda parts, one=instance: parts.desk.resume(one, who=_OPERATOR))
        await self._do(lambda parts: self._release(parts, Choice(everything=True)))
        deadline = self.clock.monotonic() + _SETTLED_WITHIN
        while await self.ask(self._works):
            if self.clock.monotonic() > deadline:
                self.world.complain(f"a lane is stuck: {await self.ask(self._backlog)}")
                return
            await asyncio.sleep(_LOOK_EVERY)

    async def _works(self, parts: Parts) -> bool:
        return bool(len(parts.lanes) or await parts.journal.backlog())

    async def _backlog(self, parts: Parts) -> object:
        return await parts.journal.crowds()

    async def _fresh(self) -> None:
        """From every room to every other, as on the first day."""
        says = [Say(0.0, f"fresh{n}", f"src/{n}", f"fresh{n} hello") for n in range(SOURCES)]
        for say in says:
            await self._tell(say, say.text, random.Random(say.event))
        await asyncio.sleep(_FRESH_WITHIN)
        if await self.ask(self._works):
            self.world.complain(f"fresh messages did not arrive: {await self.ask(self._backlog)}")

    async def _end(self) -> None:
        await self.ask(self._check)
        await self.ask(self._read_all)
        assert self.life is not None
        await self._stop(self.life)

    async def _stop(self, life: Life) -> None:
        took = await life.stop()
        self.world.stopping = None
        if took > _SLOWEST_STOP:
            self.world.complain(f"SIGTERM took {took:.1f} s")

    async def _read_all(self, parts: Parts) -> None:
        for status in Status:
            self.rows += await parts.journal.rows(status, limit=1_000_000)


def play(seed: str, minutes: float = 60.0, *, keep: bool = False) -> Told:
    """One seed, from the script to the verdict."""
    script = write(seed, minutes)
    loop = SimulatedLoop(horizon=_HORIZON)
    base = Path("/dev/shm")
    with (
        _quiet(),
        tempfile.TemporaryDirectory(dir=base if base.is_dir() else None) as root,
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        trace = Trace(loop, keep=keep)
        clock = SteppingClock(loop)
        world = World(script, trace)
        stage = Play(
            script=script,
            world=world,
            disk=Disk(Path(root), clock, Capacity(max_waiting=script.max_waiting, min_free_disk=0), seed),
            clock=clock,
            metrics=Metrics("simulation"),
            rules=script.first,
            started=script.first,
        )
        try:
            runner.run(stage.run())
        except Exception:  # noqa: BLE001 # whatever it is, it has a seed
            world.complain(f"it did not end: {traceback.format_exc()}")
            return Told(seed, Count(), tuple(world.complaints), trace.digest, tuple(trace.lines), minutes)
    count, complaints = judge(
        stage.rows,
        stage.accepted,
        world.arrivals,
        stage.deaths,
        stage.touched,
        stage.generations,
        script.give_up_after,
    )
    for complaint in complaints:
        world.complain(complaint)
    return Told(seed, count, tuple(world.complaints), trace.digest, tuple(trace.lines), minutes)


@contextmanager
def _quiet() -> Iterator[None]:
    """A simulated hour would say tens of thousands of lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
