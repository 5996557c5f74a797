"""The channels of one connection: which we are in, with whom, and when to try again to get in. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from irctokens.line import Line

from bridge.errors import Broken, DeliveryError, Transient
from bridge.wild import clean_name

from . import failures, wire
from .network import Network

_FIRST, _LONGEST = 5.0, 300.0
"""Seconds before the first and at most before the last try to get into a channel again."""
_STABLE = 60.0
"""Seconds in a channel after which being thrown out counts as the first time."""
_ANSWER_WITHIN = 30.0
_REFUSED = frozenset(failures.OF_A_JOIN)
_KICKS = 3
"""So often in a row, and whoever does it means it."""


@dataclass(slots=True)
class Channel:
    """``name`` as its people write it; ``trouble``: why we are not in it, None while that may be."""

    name: str
    key: str = ""
    wanted: bool = True
    joined: bool = False
    joined_at: float = 0.0
    failures: int = 0
    due: float | None = None
    trouble: DeliveryError | None = None
    topic: str = ""
    members: dict[str, str] = field(default_factory=dict)
    """Nicks as they are written, by their folded form."""


class Channels:
    """``now`` is everywhere in monotonic seconds."""

    def __init__(
        self,
        network: Network,
        wanted: Iterable[str],
        keys: Mapping[str, str],
        random: Random,
        report: Callable[[str], None],
    ) -> None:
        self._network = network
        self._keys = keys
        self._random = random
        self._report = report
        self._all: dict[str, Channel] = {}
        self._wanted = tuple(wanted)

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._all.values())

    def get(self, name: str) -> Channel | None:
        return self._all.get(self._network.fold(name))

    @property
    def joined(self) -> int:
        return sum(channel.joined for channel in self)

    @property
    def troubled(self) -> int:
        return sum(channel.trouble is not None for channel in self)

    def start(self, now: float) -> None:
        """The connection is registered: everything that is wanted is due."""
        for name in self._wanted:
            self.want(name, now)

    def want(self, name: str, now: float) -> Channel:
        """We should be in it; it is due at once where that is new."""
        channel = self._all.get(self._network.fold(name))
        if channel is None:
            channel = Channel(name, self._keys.get(name, ""), due=now)
            self._all[self._network.fold(name)] = channel
        return channel

    @property
    def next_due(self) -> float | None:
        return min((c.due for c in self if not c.joined and c.due is not None), default=None)

    def tick(self, now: float) -> list[bytes]:
        """What to say to get into those that are due."""
        said = []
        for channel in self:
            if not channel.joined and channel.due is not None and channel.due <= now:
                channel.due = now + _ANSWER_WITHIN
                said.append(wire.write("JOIN", channel.name, *([channel.key] if channel.key else [])))
        return said

    # --- what the server says ---

    def refused(self, line: Line, now: float) -> bool:
        """A numeric that may be about a JOIN of ours; whether it was."""
        if line.command not in _REFUSED or len(line.params) < 3:  # noqa: PLR2004 (us, channel, words)
            return False
        channel = self.get(line.params[1])
        if channel is None or channel.joined:
            return False
        self._report("join_refused")
        self._again(channel, failures.of_a_join(channel.name, line.command, line.params[-1]), now)
        return True

    def entered(self, name: str, now: float) -> None:
        """We are in."""
        channel = self.want(name, now)
        if channel.trouble is not None:
            self._report("let_in")
        channel.name, channel.joined, channel.joined_at = name, True, now
        channel.due, channel.trouble = None, None
        channel.members.clear()

    def thrown_out(self, name: str, why: str, now: float) -> None:
        """We were kicked, or made to leave; we come back, and more and more slowly."""
        channel = self.get(name)
        if channel is None:
            return
        if now - channel.joined_at >= _STABLE:
            channel.failures = 0
        channel.joined = False
        words = f"not in {clean_name(channel.name)}: {failures.shown(why)}"
        kind = Broken if channel.failures + 1 >= _KICKS else Transient
        self._again(channel, kind(words, reason="thrown_out"), now)

    def _again(self, channel: Channel, trouble: DeliveryError, now: float) -> None:
        channel.trouble = trouble
        wait = min(_FIRST * 2**channel.failures, _LONGEST) * self._random.uniform(0.8, 1.2)
        channel.failures = min(channel.failures + 1, 10)
        channel.due = now + wait

    # --- who is there ---

    def observe(self, line: Line, nick: str, now: float, *, is_us: Callable[[str], bool]) -> None:
        """Somebody, or we, came, went, or is called otherwise."""
        match line.command, line.params:
            case "JOIN", [name, *_] if wire.is_word(name):
                self.entered(name, now) if is_us(nick) else self.add(name, [nick])
            case "PART", [name, *why]:
                self._left(name, nick, f"made to leave: {' '.join(why)}", now, is_us)
            case "KICK", [name, whom, *why]:
                self._left(name, whom, f"kicked by {nick}: {' '.join(why)}", now, is_us)
            case (("QUIT" | "KILL"), _) if not is_us(nick):
                self.gone(nick)
            case "NICK", [new, *_]:
                self.renamed(nick, new)
            case ("TOPIC", [name, topic]) | ("332", [_, name, topic]):
                if channel := self.get(name):
                    channel.topic = topic
            case "353", [_, _, name, members]:
                self.add(name, map(self._network.bare, members.split()))

    def _left(self, name: str, nick: str, why: str, now: float, is_us: Callable[[str], bool]) -> None:
        if is_us(nick):
            self.thrown_out(name, why, now)
        elif channel := self.get(name):
            channel.members.pop(self._network.fold(nick), None)

    def add(self, name: str, nicks: Iterable[str]) -> None:
        if channel := self.get(name):
            channel.members |= {self._network.fold(nick): nick for nick in nicks if nick}

    def gone(self, nick: str) -> None:
        """Somebody left the network."""
        for channel in self:
            channel.members.pop(self._network.fold(nick), None)

    def renamed(self, old: str, new: str) -> None:
        for channel in self:
            if channel.members.pop(self._network.fold(old), None) is not None:
                channel.members[self._network.fold(new)] = new
