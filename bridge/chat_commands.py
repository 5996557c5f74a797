"""
What people in a bridged conversation may ask the bridge itself: ``/bridge help | status | who``.

A question goes nowhere but into the journal (so that it is known when it comes again), the answer only
to where it was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.clock import Clock
from bridge.driver import DriverSpec
from bridge.journal import Crowd, Journal
from bridge.model import (
    ConversationRef,
    Envelope,
    EventId,
    EventKind,
    InstanceId,
    Message,
    MessageId,
    Plan,
    Quote,
    Route,
    Sender,
    UserId,
)
from bridge.outlets import Outlet
from bridge.tallies import Tallies

WORD = "/bridge"
_ITSELF = Sender(UserId("@bridge"), "msgbridge", is_bot=True)
_PLAN = Plan(rule="@bridge", template="{msg}")
_FRESH = 5.0
"""Seconds that a count of what waits is good for: whoever asks faster gets the same answer."""
_MOST_LISTED = 20

_WORDS = {
    "en": {
        "help": "This conversation is bridged to others.\n"
        "/bridge status – what waits to come here, and what last went wrong here\n"
        "/bridge who – where what is written here goes\n"
        "/bridge help – this",
        "none": "Nothing waits to come here.",
        "waiting": "{waiting} waiting to come here, the oldest for {age}.",
        "held": "{held} held for an operator.",
        "fine": "Nothing has gone wrong here since the start.",
        "setback": "The last failure here: {reason}, {age} ago.",
        "who": "What is written here goes to:",
        "more": "… and {count} more",
    },
    "zh": {
        "help": "本会话已与其他会话桥接。\n"
        "/bridge status – 有多少消息正等待送达此处，以及此处最近的一次故障\n"
        "/bridge who – 此处的消息会送往哪里\n"
        "/bridge help – 显示本说明",
        "none": "没有等待送达此处的消息。",
        "waiting": "有 {waiting} 条消息正等待送达此处，最早的一条已等待 {age}。",
        "held": "有 {held} 条被保留，等待管理员处理。",
        "fine": "启动以来此处没有出现故障。",
        "setback": "此处最近的一次故障：{reason}，{age}前。",
        "who": "此处的消息会送往：",
        "more": "……以及另外 {count} 处",
    },
}
_UNITS = {
    "en": ((86400, "{n} d"), (3600, "{n} h"), (60, "{n} min"), (1, "{n} s")),
    "zh": ((86400, "{n} 天"), (3600, "{n} 小时"), (60, "{n} 分钟"), (1, "{n} 秒")),
}


def is_command(envelope: Envelope) -> bool:
    """Whether somebody speaks to the bridge. An edit of a command, and its recall, are none."""
    text = envelope.message.text
    return (
        text.startswith(WORD)
        and envelope.kind is EventKind.MESSAGE
        and (len(text) == len(WORD) or text[len(WORD)].isspace())
    )


@dataclass(slots=True, kw_only=True)
class ChatCommands:
    """``spec_of`` is the platform of an instance that runs, None for any other."""

    journal: Journal
    clock: Clock
    tallies: Tallies
    outlets: Mapping[InstanceId, Outlet]
    spec_of: Callable[[InstanceId], DriverSpec | None]
    _crowds: Mapping[ConversationRef, Crowd] = field(default_factory=dict)
    _counted_at: float = float("-inf")

    def can_answer(self, source: ConversationRef) -> bool:
        """Whether anything can be posted where the question was asked."""
        spec = self.spec_of(source.instance)
        return spec is not None and bool(spec.address_of(source.conversation))

    async def answer(self, envelope: Envelope, routes: Sequence[Route]) -> tuple[Envelope, Route]:
        """
        The answer, ready to be accepted: the same question always gets an answer of the same id.
        ``routes`` are those that the question would have taken. Raises `JournalError`.
        """
        source = envelope.source
        outlet = self.outlets.get(source.instance)
        language = outlet.style.language if outlet is not None else "en"
        words = _WORDS[language]
        match envelope.message.text.split()[1:2]:
            case ["status"]:
                text = await self._status(source, language)
            case ["who"]:
                text = "\n".join([words["who"], *self._listed(routes, words["more"])])
            case _:
                text = words["help"]
        event = EventId(f"@bridge:{envelope.id}")
        said = Message(MessageId(event), text, quote=Quote(envelope.message.id))
        letter = replace(
            envelope,
            id=event,
            sender=_ITSELF,
            message=said,
            mentions_bot=False,
        )
        return letter, Route(source, _PLAN)

    async def _status(self, here: ConversationRef, language: str) -> str:
        words = _WORDS[language]
        now = self.clock.now()
        crowd = (await self._waiting()).get(here, Crowd())
        lines = [words["none"]]
        if crowd.waiting:
            oldest = now.timestamp() - crowd.oldest if crowd.oldest is not None else 0.0
            lines = [words["waiting"].format(waiting=crowd.waiting, age=_age(oldest, language))]
        if crowd.held:
            lines.append(words["held"].format(held=crowd.held))
        known = self.tallies.destinations.get(here)
        if known is None or known.setback is None:
            lines.append(words["fine"])
        else:
            age = _age((now - known.setback.at).total_seconds(), language)
            lines.append(words["setback"].format(reason=known.setback.reason, age=age))
        return "\n".join(lines)

    async def _waiting(self) -> Mapping[ConversationRef, Crowd]:
        now = self.clock.monotonic()
        if now - self._counted_at > _FRESH:
            self._counted_at = now
            self._crowds = await self.journal.crowds()
        return self._crowds

    def _listed(self, routes: Sequence[Route], more: str) -> list[str]:
        lines = [self._line(route.destination) for route in routes[:_MOST_LISTED]]
        if len(routes) > _MOST_LISTED:
            lines.append(more.format(count=len(routes) - _MOST_LISTED))
        return lines

    def _line(self, ref: ConversationRef) -> str:
        spec = self.spec_of(ref.instance)
        address = spec.address_of(ref.conversation) if spec is not None else {}
        named = ", ".join(address.values()) or ref.conversation
        return f"- {ref.instance} ({spec.platform if spec is not None else '?'}): {named}"


def _age(seconds: float, language: str) -> str:
    whole = max(0, int(seconds))
    for size, words in _UNITS[language]:
        if whole >= size:
            return words.format(n=whole // size)
    return _UNITS[language][-1][1].format(n=0)
