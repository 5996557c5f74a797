"""
What happens, as it happens, for whoever watches: live messages, and the last lines of the log.

Nobody who watches can slow the bridge down: a reader that is too slow misses some, and is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

KEPT = 100
"""Lines of the log that a late-comer still sees."""

_BUFFER = 1000
"""Events that one reader may be behind."""

FELL_BEHIND = "tail.fell_behind"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the event log, or a live message; ``facts`` hold no secret."""

    at: datetime
    level: str
    name: str
    facts: Mapping[str, object] = field(default_factory=dict)


class _Reader:
    """One who watches, and what he has not read yet."""

    def __init__(self) -> None:
        self.unread: deque[Event] = deque()
        self.missed = 0
        self.more = asyncio.Event()

    def give(self, event: Event) -> None:
        if len(self.unread) >= _BUFFER:
            self.missed += 1
        else:
            self.unread.append(event)
            self.more.set()

    async def events(self) -> AsyncIterator[Event]:
        while True:
            await self.more.wait()
            self.more.clear()
            while self.unread:
                event = self.unread.popleft()
                yield event
                if self.missed and not self.unread:
                    missed, self.missed = self.missed, 0
                    yield Event(event.at, "warning", FELL_BEHIND, {"missed": missed})


class Feed:
    """``watched`` is asked before an event is made at all: usually nobody watches."""

    def __init__(self) -> None:
        self.watched = False
        self._readers: list[_Reader] = []
        self._kept: deque[Event] = deque(maxlen=KEPT)

    def tell(self, event: Event) -> None:
        """Something happened. Never waits."""
        for reader in self._readers:
            reader.give(event)

    def keep(self, event: Event) -> None:
        """A line of the log that a person may want to see later."""
        self._kept.append(event)

    @property
    def last(self) -> tuple[Event, ...]:
        """What was kept, the newest first."""
        return tuple(reversed(self._kept))

    @contextmanager
    def watch(self) -> Iterator[AsyncIterator[Event]]:
        """Events from now on, while the context lasts."""
        reader = _Reader()
        self._readers.append(reader)
        self.watched = True
        try:
            yield reader.events()
        finally:
            self._readers.remove(reader)
            self.watched = bool(self._readers)
