"""
Stops what goes round: a text that comes back, is relayed, comes back again (contract clause 15).

What we posted ourselves the journal knows by its id. A loop through somebody else's bridge has new ids
and often a longer text on every round, for each bridge puts its words around it. So this room remembers
for a minute what went into every conversation, and what was heard there. A message that holds what
we brought into its conversation continues that text's chain: the list of those who said it on its way.
When one sender has said it for the third time, and we have carried it on in between, it is a loop.

Two things keep people out of it. They seldom say each other's sentences, whole, three times within
minutes; and what they do repeat ("ok", "+1", "收到") says too little to be told apart, and may go ten
times to and fro. A sender who only repeats himself is never in a loop: nobody brought it back to him.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

import structlog

from bridge.clock import Clock
from bridge.metrics import Metrics
from bridge.model import ConversationRef, Delivery, Envelope, Message

log = structlog.get_logger()

REMEMBERED = 60.0
"""Seconds within which a text must come back to be taken for the same."""

TURNS = 3
"""How often one sender may say what we brought to him, grown or not, until it is a loop."""

TURNS_ONE_WAY = 4
"""The same where we only hear: what was said there itself comes back with words in front of it."""

TURNS_OF_LITTLE = 10
"""The same for a text that says little."""

QUIET = 600.0
"""Seconds without a repeat after which a sender who was in a loop is like everybody again."""

_ENOUGH = 12
"""Different pairs of neighbouring characters, from which on a text says more than a little."""

_IN_ALL = 8192
_STOPPED = 16_384
_LONGEST_CHAIN = 64
_SAMPLE = 240
_KEY = 9
_MATCHES = 4
_LOOKED_AT_CLOSELY = 8
_ALIKE = 0.8
_GROWN = 80
_TRUSTED = 10.0
_VOICES = 256

Voice = tuple[Hashable, str]
"""A conversation, as its platform sees it, and the id of somebody who speaks there."""


class _Said:
    """A text that we relayed, and who had said it before, each time in which conversation."""

    __slots__ = ("at", "chain", "end", "heard_in", "posted_in", "size", "start")

    def __init__(self, text: str, at: float, chain: tuple[Voice, ...], heard_in: _Room) -> None:
        self.start = text[:_SAMPLE]
        self.end = text[-_SAMPLE:]
        self.size = len(text)
        self.at = at
        self.chain = chain
        self.heard_in = heard_in
        self.posted_in: list[_Room] = []


class _Texts:
    """Texts of the last minute, found again by how they end. Costs the same for one and for many."""

    __slots__ = ("_by_end", "_lengths")

    def __init__(self) -> None:
        self._by_end: dict[str, tuple[_Said, ...]] = {}
        self._lengths: list[int] = []

    def add(self, said: _Said) -> None:
        key = said.end[-_KEY:]
        those = self._by_end.get(key)
        if those is None:
            self._by_end[key] = (said,)
            if len(key) not in self._lengths:
                self._lengths.append(len(key))
        else:
            self._by_end[key] = (*those[1 - _MATCHES :], said)

    def forget(self, said: _Said) -> None:
        key = said.end[-_KEY:]
        those = self._by_end.get(key)
        if those and those[0] is said:
            if len(those) > 1:
                self._by_end[key] = those[1:]
            else:
                del self._by_end[key]

    def at_end_of(self, text: str, *, grown: bool = False) -> Iterator[_Said]:
        """Those that ``text`` ends with, word for word; with ``grown`` none that are all of it."""
        for length in self._lengths:
            for said in self._by_end.get(text[-length:], ()):
                if said.size + grown <= len(text) and text.endswith(said.end):
                    yield said

    def __bool__(self) -> bool:
        return bool(self._by_end)


class _Room:
    """
    What went into a conversation in the last minute, and what we took from it. ``trusted`` until that
    time are those who lately said something of their own: they are looked at less closely.
    """

    __slots__ = ("heard", "key", "latest", "posted", "refs", "trusted")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.refs: list[ConversationRef] = []
        self.posted = _Texts()
        self.heard = _Texts()
        self.latest: deque[_Said] = deque(maxlen=_LOOKED_AT_CLOSELY)
        self.trusted: dict[str, float] = {}

    def before(self, text: str, sender: str, now: float) -> _Said | None:
        """What ``text`` repeats; of several, what its sender has most often repeated already."""
        voice = (self.key, sender)
        found = [*self.posted.at_end_of(text), *self.heard.at_end_of(text, grown=True)]
        if found:
            return max(found, key=lambda said: said.chain.count(voice))
        if self.posted and self.trusted.get(sender, 0.0) < now:
            for said in reversed(self.latest):
                if now - said.at <= REMEMBERED and _resembles(text, said):
                    return said
            self._trust(sender, now + _TRUSTED)
        return None

    def _trust(self, sender: str, until: float) -> None:
        if len(self.trusted) >= _VOICES:
            self.trusted.clear()
        self.trusted[sender] = until


class LoopGuard:
    """One daemon's. Everything is in memory: after a restart a loop goes a few rounds more."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        room_of: Callable[[ConversationRef], Hashable] = lambda ref: ref,
    ) -> None:
        """``room_of``: two accounts that sit in one room of a platform hear each other there."""
        self._clock = clock
        self._metrics = metrics
        self._room_of = room_of
        self._rooms: dict[Hashable, _Room] = {}
        self._by_ref: dict[ConversationRef, _Room] = {}
        self._all: deque[_Said] = deque()
        self._tripped: dict[Voice, float] = {}
        self._stopped: OrderedDict[int, str] = OrderedDict()

    def is_urgent(self, source: ConversationRef) -> bool:
        """
        Whether a message from there must be looked at before it is sent: we posted there lately, or
        something goes round just now. Else it is early enough soon afterwards.
        """
        room = self._by_ref.get(source)
        return bool(self._tripped) or (room is not None and bool(room.posted))

    def look(self, envelope: Envelope, deliveries: Sequence[Delivery]) -> None:
        """A message was accepted and will be relayed, unless it closes a loop."""
        text = envelope.message.text or _files(envelope.message)
        if not text or not deliveries:
            return
        now = self._clock.monotonic()
        self._forget(now)
        here, sender = self._room(envelope.source), envelope.sender.id
        voice = (here.key, sender)
        said = here.before(text, sender, now)
        chain: tuple[Voice, ...] = (voice,)
        if said is not None:
            turns = said.chain.count(voice) + 1
            if self._closes(text, said, voice, turns, now):
                self._stop(envelope, deliveries, voice, turns, now)
                return
            chain = (*said.chain[1 - _LONGEST_CHAIN :], voice)
        kept = _Said(text, now, chain, here)
        here.heard.add(kept)
        for delivery in deliveries:
            there = self._room(delivery.route.destination)
            there.posted.add(kept)
            there.latest.append(kept)
            kept.posted_in.append(there)
        self._all.append(kept)

    def stopped(self, seq: int) -> str:
        """Why the delivery of that seq is not to be sent; empty for all that are."""
        return self._stopped.get(seq, "") if self._stopped else ""

    def _closes(self, text: str, said: _Said, voice: Voice, turns: int, now: float) -> bool:
        if turns >= TURNS_OF_LITTLE:
            return True
        elsewhere = any(room != voice[0] for room, _ in said.chain)
        if turns < (TURNS if elsewhere else TURNS_ONE_WAY) and now >= self._tripped.get(voice, 0.0):
            return False
        return len(set(pairwise(said.start))) >= _ENOUGH and _holds(text, said)

    def _stop(
        self,
        envelope: Envelope,
        deliveries: Sequence[Delivery],
        voice: Voice,
        turns: int,
        now: float,
    ) -> None:
        known = now < self._tripped.get(voice, 0.0)
        self._tripped.pop(voice, None)
        while len(self._tripped) >= _VOICES:
            del self._tripped[next(iter(self._tripped))]
        self._tripped[voice] = now + QUIET
        why = (
            f"it goes round: {envelope.sender.display_name or envelope.sender.id} in {envelope.source} "
            "repeats what was brought there"
        )
        for delivery in deliveries:
            self._stopped[delivery.seq] = why
        while len(self._stopped) > _STOPPED:
            self._stopped.popitem(last=False)
        if known:
            return
        self._metrics.loops_tripped.labels(envelope.source.instance).inc()
        log.error(
            "loop.tripped",
            instance=envelope.source.instance,
            conversation=envelope.source.conversation,
            sender=envelope.sender.id,
            message=envelope.id,
            rules=list(dict.fromkeys(delivery.route.plan.rule for delivery in deliveries)),
            to=[str(delivery.route.destination) for delivery in deliveries],
            turns=turns,
        )

    def _room(self, ref: ConversationRef) -> _Room:
        room = self._by_ref.get(ref)
        if room is None:
            key = self._room_of(ref)
            room = self._rooms.get(key)
            if room is None:
                room = self._rooms[key] = _Room(key)
            self._by_ref[ref] = room
            room.refs.append(ref)
        return room

    def _forget(self, now: float) -> None:
        """What is older than a minute, or too much; rooms where nothing is left go too."""
        if self._tripped and min(self._tripped.values()) <= now:
            self._tripped = {one: until for one, until in self._tripped.items() if now < until}
        horizon = now - REMEMBERED
        while self._all and (self._all[0].at < horizon or len(self._all) >= _IN_ALL):
            said = self._all.popleft()
            said.heard_in.heard.forget(said)
            for room in said.posted_in:
                room.posted.forget(said)
            for room in (said.heard_in, *said.posted_in):
                if not room.posted and not room.heard:
                    self._drop(room)

    def _drop(self, room: _Room) -> None:
        self._rooms.pop(room.key, None)
        for ref in room.refs:
            self._by_ref.pop(ref, None)
        room.refs.clear()


def _resembles(text: str, said: _Said) -> bool:
    """``text`` has nearly all the pairs of characters of what was said: something may change it."""
    if not said.size * _ALIKE <= len(text) <= said.size + _GROWN:
        return False
    wanted = set(pairwise(said.start))
    if len(wanted) < _ENOUGH:
        return False
    return len(wanted.intersection(pairwise(text[: _SAMPLE + _GROWN]))) >= _ALIKE * len(wanted)


def _holds(text: str, said: _Said) -> bool:
    """It does, and in the same order. Too dear for every message."""
    if text.endswith(said.end):
        return True
    compared = SequenceMatcher(None, said.start, text[: _SAMPLE + _GROWN], autojunk=False)
    same = sum(block.size for block in compared.get_matching_blocks())
    return same >= _ALIKE * len(said.start)


def _files(message: Message) -> str:
    """What stands for a message without text, if its files have names."""
    return " ".join(f"{file.filename}:{file.size}" for file in message.attachments if file.filename)
