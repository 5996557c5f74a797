"""What happens in a simulated hour: all of it follows from the seed, before anything runs."""

import random
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.model import EventKind

ROOMS = {"plain": 6, "rich": 4, "robot": 2, "careful": 3, "quick": 2}
"""Conversations of each account that something is sent to."""

SOURCES = 12
_SOURCE = "src"
_LONG = 700
_MOST_AHEAD = 43_200.0
_SETTLED_BEFORE = 240.0
"""Seconds between a clock set forward and the next restart: what was sent is then out of the limit."""


class Mood(StrEnum):
    """How a platform treats what it is sent."""

    TRANSIENT = "transient"
    THROTTLED = "throttled"
    BROKEN = "broken"
    LOST = "lost answer"
    HANGS = "hangs"
    SLOW = "slow"


class Way(StrEnum):
    """How a process ends."""

    TERM = "term"
    KILL = "kill"
    POWER = "power cut"


@dataclass(frozen=True, slots=True)
class Say:
    """Somebody writes; ``again`` are the times when the platform repeats it."""

    at: float
    event: str
    source: str
    text: str
    kind: EventKind = EventKind.MESSAGE
    target: str = ""
    again: tuple[float, ...] = ()
    other: str = ""
    """The same event comes with this text as well, later."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """From ``start`` to ``end`` at one place; ``room`` empty for the whole account."""

    start: float
    end: float
    instance: str
    room: str
    mood: Mood
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Restart:
    """
    With ``upon`` it lies in wait from ``at`` on, for a request to that account to be ``answered`` or
    ``begun``, and strikes ``after`` so many seconds.
    """

    at: float
    way: Way
    down: float
    upon: str = ""
    moment: str = ""
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Act:
    """An operator's hand; it is taken back after ``lasts`` seconds where it can be."""

    at: float
    verb: str
    instance: str = ""
    room: str = ""
    lasts: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """One generation of rules.json: where each room's messages go; ``gone`` is not configured."""

    number: int
    targets: dict[str, tuple[str, ...]]
    gone: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    seed: str
    seconds: float
    says: tuple[Say, ...]
    troubles: tuple[Trouble, ...]
    restarts: tuple[Restart, ...]
    acts: tuple[Act, ...]
    reloads: tuple[tuple[float, Rules | None], ...]
    """None stands for files with a mistake in them."""
    steps: tuple[tuple[float, float], ...]
    """When the wall clock is set, and by how many seconds."""
    first: Rules
    max_waiting: int
    clumsiness: float
    """How likely any single send goes wrong outside of all troubles."""
    give_up_after: float = field(default=86400.0)


def write(seed: str, minutes: float) -> Script:
    """The script of one seed; the same for ever."""
    chance = random.Random(f"script {seed}")
    seconds = minutes * 60.0
    scale = minutes / 60.0
    steps = _steps(chance, seconds)
    restarts = _restarts(chance, seconds, scale, steps)
    rules = [_rules(chance, number) for number in range(1 + _some(chance, 5 * scale))]
    reloads = [(chance.uniform(0, seconds), one) for one in rules[1:]]
    times = sorted(at for at, _ in reloads)
    good = [(at, one) for at, (_, one) in zip(times, reloads, strict=True)]
    bad = [(chance.uniform(0, seconds), None) for _ in range(_some(chance, 2 * scale))]
    return Script(
        seed=seed,
        seconds=seconds,
        says=_says(chance, seconds, scale),
        troubles=(
            *(_trouble(chance, seconds) for _ in range(_some(chance, 26 * scale))),
            *(_around(chance, at) for at, by in steps if by < 0),
        ),
        restarts=restarts,
        acts=tuple(
            sorted(
                (_act(chance, seconds) for _ in range(_some(chance, 12 * scale))), key=lambda act: act.at
            )
        ),
        reloads=tuple(sorted([*good, *bad], key=lambda one: one[0])),
        steps=_harmless(steps, restarts),
        first=rules[0],
        max_waiting=chance.choice((100_000, 100_000, 400)),
        clumsiness=chance.choice((0.0, 0.01, 0.05)),
        give_up_after=chance.choice((86400.0, 86400.0, 900.0)),
    )


def _some(chance: random.Random, mean: float) -> int:
    return round(chance.uniform(0.3, 1.7) * mean + 0.2)


def _rules(chance: random.Random, number: int) -> Rules:
    places = [f"{instance}/{n}" for instance, count in ROOMS.items() for n in range(count)]
    weights = [0.4 if place.startswith("robot") else 1.0 for place in places]
    targets = {}
    for n in range(SOURCES):
        chosen = chance.choices(places, weights, k=chance.choice((1, 1, 1, 2, 3)))
        targets[f"{_SOURCE}/{n}"] = tuple(dict.fromkeys(chosen))
    targets[f"{_SOURCE}/0"] = ("robot/0", "robot/1")
    for n in range(ROOMS["rich"]):
        targets[f"rich/{n}"] = (f"plain/{chance.randrange(ROOMS['plain'])}",)
    return Rules(number, targets, chance.choice(("", "", "quick", "robot")) if number else "")


def _says(chance: random.Random, seconds: float, scale: float) -> tuple[Say, ...]:
    says: list[Say] = []
    for _ in range(_some(chance, 700 * scale)):
        _say(chance, says, chance.uniform(0, seconds), f"{_SOURCE}/{chance.randrange(SOURCES)}")
    for n in range(_some(chance, 10 * scale)):
        at, source = chance.uniform(0, seconds), f"{_SOURCE}/{n and chance.randrange(SOURCES)}"
        for _ in range(chance.choice((20, 40, 110))):
            _say(chance, says, at + chance.uniform(0.0, 3.0), source)
    for _ in range(_some(chance, 40 * scale)):
        _say(chance, says, chance.uniform(0, seconds), f"rich/{chance.randrange(ROOMS['rich'])}")
    return tuple(sorted(says, key=lambda say: (say.at, say.event)))


def _say(chance: random.Random, says: list[Say], at: float, source: str) -> None:
    event = f"e{len(says)}"
    words = chance.choice(("hello", "你好", "two\nlines", "<b>&amp;</b>"))
    if chance.random() < 0.06:
        words = " ".join(f"{event}word{n}" for n in range(chance.randrange(20, _LONG // 8)))
    elif chance.random() < 0.01:
        words = "forbidden words"
    again: tuple[float, ...] = ()
    if chance.random() < 0.05:
        again = tuple(at + chance.choice((0.0, 0.001, 5.0, 300.0, 1500.0)) for _ in range(2))
    other = f"{event} something else" if chance.random() < 0.01 else ""
    earlier = says[-1] if says and says[-1].source == source else None
    if earlier and earlier.kind is EventKind.MESSAGE and chance.random() < 0.1:
        kind = chance.choice((EventKind.EDIT, EventKind.EDIT, EventKind.RECALL))
        at = max(at, earlier.at + 0.5)
        says.append(Say(at, event, source, f"{event} {words}", kind, earlier.event, again))
    else:
        says.append(Say(at, event, source, f"{event} {words}", again=again, other=other))


def _trouble(chance: random.Random, seconds: float) -> Trouble:
    instance = chance.choice(tuple(ROOMS))
    room = str(chance.randrange(ROOMS[instance])) if chance.random() < 0.6 else ""
    start = chance.uniform(0, seconds)
    end = min(start + chance.choice((2.0, 20.0, 90.0, 400.0)), seconds)
    asked = chance.choice((None, None, 2.0, 20.0, 70.0))
    return Trouble(start, end, instance, room, chance.choice(tuple(Mood)), asked)


def _around(chance: random.Random, at: float) -> Trouble:
    """Something must be postponed when the clock is set back."""
    mood = chance.choice((Mood.TRANSIENT, Mood.THROTTLED))
    return Trouble(at - 60.0, at + 20.0, chance.choice(tuple(ROOMS)), "", mood, None)


def _restarts(
    chance: random.Random, seconds: float, scale: float, steps: tuple[tuple[float, float], ...]
) -> tuple[Restart, ...]:
    found = [_restart(chance, chance.uniform(20.0, seconds)) for _ in range(_some(chance, 8 * scale))]
    # What was postponed by one clock is read by another.
    found += [_restart(chance, at + chance.uniform(1.0, 60.0)) for at, by in steps if by < 0]
    return tuple(sorted(found, key=lambda restart: restart.at))


def _restart(chance: random.Random, at: float) -> Restart:
    way = chance.choice((Way.TERM, Way.KILL, Way.KILL, Way.KILL, Way.POWER))
    down = chance.choice((0.1, 1.0, 5.0, 40.0))
    if way is not Way.KILL:
        return Restart(at, way, down)
    instance = chance.choice(("robot", *ROOMS))
    moment = chance.choice(("begun", "answered"))
    return Restart(at, way, down, instance, moment, chance.choice((0.0, 0.002, 0.006, 0.05)))


def _act(chance: random.Random, seconds: float) -> Act:
    verb = chance.choice(("pause", "pause", "hold", "hold", "drop", "replay", "replay", "prune"))
    instance = chance.choice(tuple(ROOMS))
    room = str(chance.randrange(ROOMS[instance])) if chance.random() < 0.5 else ""
    return Act(chance.uniform(0, seconds), verb, instance, room, chance.choice((1.0, 30.0, 200.0)))


def _steps(chance: random.Random, seconds: float) -> tuple[tuple[float, float], ...]:
    """Never more than half a day ahead in all: what waits must not grow too old."""
    steps = []
    ahead = 0.0
    for at in sorted(chance.uniform(0, seconds) for _ in range(chance.choice((0, 0, 1, 2)))):
        by = chance.choice((3600.0, -3600.0, 36000.0, -86400.0, 5.0))
        if ahead + by <= _MOST_AHEAD:
            ahead += by
            steps.append((at, by))
    return tuple(steps)


def _harmless(
    steps: tuple[tuple[float, float], ...], restarts: tuple[Restart, ...]
) -> tuple[tuple[float, float], ...]:
    """A limit that is read from disk takes young completions for old ones, if it is set forward."""
    return tuple(
        (at, by)
        for at, by in steps
        if by < 0 or not any(0 <= restart.at - at < _SETTLED_BEFORE for restart in restarts)
    )
