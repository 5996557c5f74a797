"""What is remembered while the bridge runs: chats with another id, topics of messages, our reactions."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.model import MessageId

_MOST = 10_000
_MOST_ON_ONE = 100


@dataclass(slots=True)
class Moves:
    """
    Groups that became supergroups. While rules.json has the old id, everything goes on under it; as soon
    as something is sent to the new one, that is its name. ``report`` is told of each.

    https://core.telegram.org/bots/api#responseparameters
    """

    report: Callable[[str], None] = lambda _event: None
    _to: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _named: set[str] = field(default_factory=set)

    def learn(self, old: str, new: str) -> None:
        if old == new or self._to.get(old) == new:
            return
        self._to[old] = new
        self.report("telegram_group_migrated")
        if len(self._to) > _MOST:
            self._named.discard(self._to.popitem(last=False)[1])

    def target(self, chat: str) -> str:
        """Where to send what is for ``chat``, which is how rules.json names it."""
        if chat in self._to.values():
            self._named.add(chat)
        return self._to.get(chat, chat)

    def known_as(self, chat: str) -> str:
        """How rules.json names the chat with this id."""
        if chat in self._named:
            return chat
        return next((old for old, new in self._to.items() if new == chat), chat)

    @property
    def unsettled(self) -> tuple[tuple[str, str], ...]:
        """Old and new ids of those that rules.json has by their old id."""
        return tuple((old, new) for old, new in self._to.items() if new not in self._named)


@dataclass(slots=True)
class Topics:
    """In which topic a message stands: an update about a reaction does not say."""

    _of: OrderedDict[MessageId, str] = field(default_factory=OrderedDict)

    def note(self, message: MessageId, topic: str) -> None:
        _remember(self._of, message, topic)

    def of(self, message: MessageId) -> str:
        return self._of.get(message, "")


@dataclass(slots=True)
class Reactions:
    """
    The emoji that people on the other side have put on a message and not taken back, oldest first, each
    as often as it was put there. A bot shows one of them, the last.
    """

    _on: OrderedDict[MessageId, tuple[str, ...]] = field(default_factory=OrderedDict)

    def on(self, message: MessageId) -> tuple[str, ...]:
        """None of them where nothing is remembered."""
        return self._on.get(message, ())

    def note(self, message: MessageId, emojis: tuple[str, ...]) -> None:
        _remember(self._on, message, emojis[-_MOST_ON_ONE:])


_Memory = TypeVar("_Memory")


def _remember(memory: OrderedDict[MessageId, _Memory], message: MessageId, what: _Memory) -> None:
    memory[message] = what
    memory.move_to_end(message)
    while len(memory) > _MOST:
        memory.popitem(last=False)
