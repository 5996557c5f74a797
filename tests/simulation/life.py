"""One life of the daemon: the parts of the real one, put together as the real one does it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bridge.assembly import Parts, Surroundings, assemble
from bridge.config import Config, DeliverySettings, Global, Instance
from bridge.delivery import PLENTY
from bridge.driver import DriverSpec, Settings, Toolbox
from bridge.files import Reading
from bridge.journal import Capacity
from bridge.log import Logbook
from bridge.metrics import Metrics
from bridge.model import (
    Capabilities,
    ConversationId,
    Finding,
    InstanceId,
    MessageId,
    Outgoing,
    Plan,
    RateLimit,
    Receipt,
)
from bridge.phrases import phrase
from bridge.problems import Place, Problem
from bridge.reload import Source
from bridge.routing import Router, Rule, Target
from bridge.rules import RulesFile
from tests.builders import a_place
from tests.simulation.engine import Disk, SteppingClock
from tests.simulation.script import ROOMS, Rules, Way
from tests.simulation.world import CAREFUL, LIMITS, SEND_TIMEOUT, World

_NOWHERE = Path("/nonexistent/simulation")
_FILE = (_NOWHERE / "config.json", _NOWHERE / "rules.json")
_LONGEST_TEXT = 200
_MISTAKE = Problem(place=Place("rules.json"), code="E100", message=phrase("a mistake"))

T = TypeVar("T")


class Gone(Exception):
    """There is no daemon (any more) that could answer."""


@dataclass(frozen=True)
class Account:
    """A driver for one life: all that it does is ask the world."""

    world: World
    life: int
    instance: InstanceId
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(max_text=_LONGEST_TEXT))

    async def send(self, outgoing: Outgoing) -> Receipt:
        return await self._exchange("post", outgoing)

    async def probe(self) -> Sequence[Finding]:
        return ()

    async def _exchange(self, verb: str, outgoing: Outgoing) -> Receipt:
        room, key = outgoing.destination.conversation, outgoing.idempotency_key
        return Receipt(
            MessageId(await self.world.exchange(self.life, self.instance, room, verb, key, outgoing.text))
        )


class RichAccount(Account):
    """It can also edit and take back."""

    async def edit(self, message_ids: Sequence[MessageId], outgoing: Outgoing) -> Receipt:
        await self._exchange("edit", outgoing)
        return Receipt(message_ids[0])

    async def recall(self, conversation: ConversationId, message_ids: Sequence[MessageId]) -> Receipt:
        key = f"recall {message_ids[0]}"
        await self.world.exchange(
            self.life, self.instance, conversation, "recall", key, " ".join(message_ids)
        )
        return Receipt()


def _spec(world: World, life: int) -> DriverSpec:
    @asynccontextmanager
    async def open_account(id_: InstanceId, _s: Settings, _t: Toolbox) -> AsyncIterator[Account]:
        yield (RichAccount if id_ == "rich" else Account)(world, life, id_)

    return DriverSpec(
        platform="simulated",
        schema={},
        secrets=frozenset(),
        addresses=lambda _settings: (),
        form_of=lambda _conversation: "room",
        open=open_account,
    )


def router_of(rules: Rules) -> Router:
    """The text says which generation planned it."""
    plan = Plan(rule="", template=f"g{rules.number} {{msg}}")
    return Router.of(
        [
            Rule(
                id=source,
                sources=(a_place(source),),
                targets=tuple(Target(a_place(place), plan) for place in places),
            )
            for source, places in rules.targets.items()
        ],
        {},
    )


@dataclass(slots=True, kw_only=True)
class Life:
    """From start to `stop` or `die`; ``rules`` is the generation that is in the files."""

    world: World
    disk: Disk
    clock: SteppingClock
    metrics: Metrics
    rules: Rules | None
    generation: Rules
    """What the process was started with, or has taken since."""
    max_waiting: int
    give_up_after: float
    number: int
    seed: str
    parts: Parts | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False
    _asked: dict[asyncio.Task[Any], None] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None
    _spec: DriverSpec | None = None

    def start(self) -> None:
        self._spec = _spec(self.world, self.number)
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def ask(self, work: Callable[[Parts], Awaitable[T]]) -> T:
        """What a request gets for an answer. Raises `Gone` when the process ends before that."""
        if self._closed or not self.ready.is_set() or self.parts is None:
            raise Gone
        task = asyncio.ensure_future(work(self.parts))
        self._asked[task] = None
        task.add_done_callback(self._answered)
        await asyncio.wait([task])
        if task.cancelled():
            raise Gone
        return task.result()

    async def stop(self) -> float:
        """SIGTERM; the seconds that it took."""
        self._closed = True
        if self._asked:
            await asyncio.wait(list(self._asked))
        began = self.world.stopping = self.clock.monotonic()
        self._stop.set()
        assert self._task is not None
        await asyncio.wait([self._task])
        return self.clock.monotonic() - began

    async def die(self, way: Way) -> frozenset[str]:
        """kill -9, or a power cut: then the answer names what was marked as sent, and is forgotten."""
        assert self._task is not None
        forgotten = self.disk.crash(power_cut=way is Way.POWER)
        self._closed = True
        self.world.dies()
        for task in self._asked:
            task.cancel()
        self._task.cancel()
        await asyncio.wait([self._task, *self._asked])
        return forgotten

    async def _run(self) -> None:
        async with self.disk.opened() as journal, asyncio.TaskGroup() as tasks:
            config = self._config(self.generation)
            parts = assemble(config, router_of(self.generation), self._surroundings(), journal, tasks)  # type: ignore[arg-type] # fmt: skip
            prepared = await parts.roster.prepare(config)
            parts.roster.take(prepared, parts.lanes)
            delivering = tasks.create_task(parts.lanes.run())
            await parts.lanes.ready.wait()
            self.parts = parts
            self.ready.set()
            await self._stop.wait()
            parts.reloader.stop()
            parts.lanes.stop()
            await asyncio.wait([delivering])
            parts.roster.close()

    def _answered(self, task: asyncio.Task[Any]) -> None:
        self._asked.pop(task, None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and self.world.life == self.number:
            self.world.complain(f"the daemon ended: {error!r}")

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            clock=self.clock,
            environ={},
            metrics=self.metrics,
            logbook=Logbook(self.clock),
            links=None,
            source=Source(self._read, _FILE),
            wrap=lambda driver: driver,
            any_port=True,
            ports=dict,
            not_ready=str,
            chance=random.Random(f"{self.seed} jitter {self.number}"),
            plenty=0 if self.number % 4 else PLENTY,  # as a rule the journal has to be read
        )

    def _read(self) -> Reading:
        if self.rules is None:
            return Reading(None, None, (_MISTAKE,))
        self.generation = self.rules
        return Reading(self._config(self.rules), RulesFile(router=router_of(self.rules)), ())

    def _config(self, rules: Rules) -> Config:
        assert self._spec is not None
        instances: Mapping[InstanceId, Instance] = {
            InstanceId(name): Instance(
                id=InstanceId(name),
                platform="simulated",
                spec=self._spec,
                settings={},
                send_timeout=SEND_TIMEOUT,
                max_rate=RateLimit(*LIMITS[name]) if name in LIMITS else None,
                on_lost_answer="hold" if name == CAREFUL else "repeat",
            )
            for name in ("src", *ROOMS)
            if name != rules.gone
        }
        return Config(
            global_=Global(
                data_dir=_NOWHERE,
                control_socket=_NOWHERE,
                delivery=DeliverySettings(give_up_after=self.give_up_after, late_after=1e12),
                capacity=Capacity(max_waiting=self.max_waiting, min_free_disk=0),
            ),
            instances=instances,
            secrets=frozenset(),
            file=_NOWHERE,
        )
