"""
What ``when`` and ``unless`` may ask of an envelope.

Each condition decides and says why not; none reads a clock: the envelope carries its times.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, tzinfo
from typing import Protocol

from bridge.model import Envelope, EventKind
from bridge.phrases import Phrase, phrase

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

HEAVY = 2_000_000
"""Characters times instructions of a pattern that may take 10 ms on a slow day: work for a thread."""


class Pattern(Protocol):
    """A compiled RE2 pattern: it searches in linear time, whatever the text."""

    @property
    def pattern(self) -> str: ...

    @property
    def programsize(self) -> int: ...

    def search(self, text: str, /) -> object | None: ...


class Test(Protocol):
    """One question about an envelope, and the answer in words when it is no."""

    def holds(self, envelope: Envelope) -> bool: ...

    def why_not(self, envelope: Envelope) -> Phrase: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """A test and where in rules.json it stands."""

    key: str
    line: int
    test: Test


@dataclass(frozen=True, slots=True)
class Kinds:
    kinds: frozenset[EventKind]

    def holds(self, envelope: Envelope) -> bool:
        return envelope.kind in self.kinds

    def why_not(self, envelope: Envelope) -> Phrase:
        return phrase(
            "it takes {kinds}, this is {kind}",
            kinds=", ".join(sorted(self.kinds)),
            kind=envelope.kind.value,
        )


@dataclass(frozen=True, slots=True)
class TextMatches:
    pattern: Pattern

    @property
    def weight(self) -> int:
        """Instructions that a search may take for each character."""
        return self.pattern.programsize

    def holds(self, envelope: Envelope) -> bool:
        return self.pattern.search(envelope.message.text) is not None

    def why_not(self, envelope: Envelope) -> Phrase:
        del envelope
        return phrase("the text does not match /{pattern}/", pattern=self.pattern.pattern)


@dataclass(frozen=True, slots=True)
class TextContains:
    """Any of the words, upper and lower case alike."""

    words: tuple[str, ...]

    @property
    def weight(self) -> int:
        """As of a pattern; finding a word is about as much work as one instruction."""
        return len(self.words)

    def holds(self, envelope: Envelope) -> bool:
        text = envelope.message.text.casefold()
        return any(word.casefold() in text for word in self.words)

    def why_not(self, envelope: Envelope) -> Phrase:
        del envelope
        return phrase("the text contains none of: {words}", words=", ".join(self.words))


@dataclass(frozen=True, slots=True)
class Senders:
    """
    By user id or user name, never by display name, which everybody chooses for himself.

    Without ``include`` everybody is included who is not excluded.
    """

    include: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()

    def holds(self, envelope: Envelope) -> bool:
        names = {envelope.sender.id, envelope.sender.username} - {""}
        if names & self.exclude:
            return False
        return self.include is None or bool(names & self.include)

    def why_not(self, envelope: Envelope) -> Phrase:
        who = envelope.sender.username or envelope.sender.id
        if {envelope.sender.id, envelope.sender.username} & self.exclude:
            return phrase("sender {who} is excluded", who=who)
        return phrase("sender {who} is not included", who=who)


@dataclass(frozen=True, slots=True)
class Direct:
    wanted: bool

    def holds(self, envelope: Envelope) -> bool:
        return envelope.direct == self.wanted

    def why_not(self, envelope: Envelope) -> Phrase:
        if envelope.direct:
            return phrase("it is a direct chat")
        return phrase("it is not a direct chat")


@dataclass(frozen=True, slots=True)
class MentionsBot:
    wanted: bool

    def holds(self, envelope: Envelope) -> bool:
        return envelope.mentions_bot == self.wanted

    def why_not(self, envelope: Envelope) -> Phrase:
        if envelope.mentions_bot:
            return phrase("it mentions the bot")
        return phrase("it does not mention the bot")


@dataclass(frozen=True, slots=True)
class HasAttachments:
    wanted: bool

    def holds(self, envelope: Envelope) -> bool:
        return bool(envelope.message.attachments) == self.wanted

    def why_not(self, envelope: Envelope) -> Phrase:
        if envelope.message.attachments:
            return phrase("it has attachments")
        return phrase("it has no attachments")


@dataclass(frozen=True, slots=True)
class Hours:
    """
    By the hour at which we received it, in a time zone. ``start`` belongs to it, ``end`` does not;
    an ``end`` before ``start`` means over midnight, and the night belongs to the day it began on.
    """

    start: time
    end: time
    zone: tzinfo
    days: frozenset[int] = frozenset(range(7))

    def holds(self, envelope: Envelope) -> bool:
        local = envelope.received_at.astimezone(self.zone)
        now, day = local.time(), local.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= now < self.end
        if now >= self.start:
            return day in self.days
        return now < self.end and (day - 1) % 7 in self.days

    def why_not(self, envelope: Envelope) -> Phrase:
        local = envelope.received_at.astimezone(self.zone)
        return phrase(
            "{day} {now} is outside {start}-{end} ({zone})",
            day=WEEKDAYS[local.weekday()],
            now=f"{local:%H:%M}",
            start=f"{self.start:%H:%M}",
            end=f"{self.end:%H:%M}",
            zone=str(self.zone),
        )
