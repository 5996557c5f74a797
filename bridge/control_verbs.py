"""What can be asked over the control socket, and with which arguments: a thin skin over the desk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from bridge.desk import Choice, Desk, Explained, Letter, Reloaded
from bridge.desk.plain import plain
from bridge.errors import Malformed
from bridge.i18n import LANGUAGES, Speak, speaker
from bridge.model import Status, TextFormat
from bridge.problems.show import show_all
from bridge.status.health import concerns
from bridge.wild import Wild

Answers = AsyncGenerator[tuple[str, object], None]
"""What is said, one after the other, each with its kind: ``progress``, ``event`` or ``result``."""

Verb = Callable[[Desk, Wild, str], Answers]
"""``who`` comes last. Raises `Malformed` for arguments that are none, `DeskError`, `JournalError`."""

_MOST_IDS = 1000


async def _status(desk: Desk, arguments: Wild, who: str) -> Answers:
    del who
    speak = _speak(arguments)
    snapshot = await desk.snapshot()
    shown = plain(snapshot)
    assert isinstance(shown, dict), "a dataclass is an object"
    if snapshot.last_reload is not None:
        shown["last_reload"] = _reloaded(snapshot.last_reload, speak)
    shown["concerns"] = [
        {"level": one.level.value, "what": speak(one.what)} for one in concerns(snapshot)
    ]
    yield "result", shown


async def _reload(desk: Desk, arguments: Wild, who: str) -> Answers:
    reloaded = await desk.reload(who=who, dry=arguments["dry"].flag())
    yield "result", _reloaded(reloaded, _speak(arguments))


async def _send(desk: Desk, arguments: Wild, who: str) -> Answers:
    to = desk.address(arguments["instance"].identifier(), arguments["conversation"].text(""))
    letter = Letter(
        to=to,
        text=arguments["text"].text(),
        format=TextFormat.MARKDOWN if arguments["markdown"].flag() else TextFormat.PLAIN,
        title=arguments["title"].name(""),
        key=arguments["key"].text(""),
    )
    yield "result", {"delivery": await desk.send(letter, who=who), "to": str(to)}


async def _outcome(desk: Desk, arguments: Wild, who: str) -> Answers:
    del who
    row = await desk.outcome(arguments["delivery"].identifier())
    yield (
        "result",
        row and {"status": row.status, "reason": row.reason, "detail": row.detail},
    )


async def _hold(desk: Desk, arguments: Wild, who: str) -> Answers:
    yield "result", {"count": await desk.hold(_choice(arguments), who=who)}


async def _release(desk: Desk, arguments: Wild, who: str) -> Answers:
    yield "result", {"count": await desk.release(_choice(arguments), who=who)}


async def _drop(desk: Desk, arguments: Wild, who: str) -> Answers:
    among = [_status_of(one) for one in arguments["among"]]
    yield "result", {"count": await desk.drop(_choice(arguments), who=who, among=among)}


async def _replay(desk: Desk, arguments: Wild, who: str) -> Answers:
    rate = _number(arguments["rate"])
    progress = None
    async with aclosing(desk.replay(_choice(arguments), who=who, rate=rate)) as steps:
        async for progress in steps:
            yield "progress", progress
    yield "result", progress


async def _pause(desk: Desk, arguments: Wild, who: str) -> Answers:
    await desk.pause(arguments["instance"].identifier(), who=who)
    yield "result", {}


async def _resume(desk: Desk, arguments: Wild, who: str) -> Answers:
    await desk.resume(arguments["instance"].identifier(), who=who)
    yield "result", {}


async def _explain(desk: Desk, arguments: Wild, who: str) -> Answers:
    del who
    found = await desk.explain(arguments["message"].identifier(), arguments["instance"].text(""))
    yield "result", _explained(found, _speak(arguments))


async def _tail(desk: Desk, arguments: Wild, who: str) -> Answers:
    del who
    async with desk.tail(texts=arguments["texts"].flag()) as events:
        async for event in events:
            yield "event", event


VERBS: dict[str, Verb] = {
    "status": _status,
    "reload": _reload,
    "send": _send,
    "outcome": _outcome,
    "hold": _hold,
    "release": _release,
    "drop": _drop,
    "replay": _replay,
    "pause": _pause,
    "resume": _resume,
    "explain": _explain,
    "tail": _tail,
}


def _choice(arguments: Wild) -> Choice:
    wanted = arguments["choice"]
    ids = tuple(one.identifier() for one in wanted["ids"])
    if len(ids) > _MOST_IDS:
        raise Malformed(f"at most {_MOST_IDS} ids at once: use a filter")
    return Choice(
        ids=ids,
        instance=wanted["instance"].text(""),
        conversation=wanted["conversation"].text(""),
        reason=wanted["reason"].text(""),
        rule=wanted["rule"].text(""),
        since=_number(wanted["since"]),
        until=_number(wanted["until"]),
        everything=wanted["everything"].flag(),
    )


def _status_of(word: Wild) -> Status:
    try:
        return Status(word.text())
    except ValueError as e:
        raise Malformed(f"{word.path}: {e}") from e


def _number(value: Wild) -> float | None:
    """A decimal number as a text: so it is the same in every language."""
    if value.missing:
        return None
    try:
        return float(value.text())
    except ValueError as e:
        raise Malformed(f"{value.path}: wanted a number, got {value.text()[:40]!r}") from e


def _speak(arguments: Wild) -> Speak:
    lang = arguments["lang"].text("en")
    return speaker(lang if lang in LANGUAGES else "en")


def _reloaded(reloaded: Reloaded, speak: Speak) -> dict[str, object]:
    """With ``report``: the problems as a person reads them."""
    shown = plain(reloaded)
    assert isinstance(shown, dict), "a dataclass is an object"
    return shown | {"report": show_all(reloaded.problems, speak)}


def _explained(found: Explained, speak: Speak) -> dict[str, object]:
    return {
        "message": found.envelope.id,
        "from": str(found.envelope.source),
        "generation": found.generation,
        "rules": [
            {
                "rule": decision.rule.id,
                "file": decision.rule.file,
                "line": decision.line,
                "matched": decision.matched,
                "because": speak(decision.because),
                "to": [str(route.destination) for route in decision.routes],
            }
            for decision in found.decisions
        ],
        "routes": [
            {
                "to": str(route.destination),
                "rule": route.plan.rule,
                "text": found.texts.get(route.destination, ""),
            }
            for route in found.routes
        ],
        "deliveries": [
            {
                "id": row.delivery.id,
                "to": str(row.delivery.route.destination),
                "rule": row.delivery.route.plan.rule,
                "status": row.status.value,
                "reason": row.reason,
            }
            for row in found.deliveries
        ],
    }
