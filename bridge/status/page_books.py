"""The parts of the page about what is written down: dead letters, the journal, the last events."""

from __future__ import annotations

import shlex

from bridge.desk import Event, JournalView, Snapshot
from bridge.i18n import Speak
from bridge.model import Status
from bridge.phrases import phrase
from bridge.status.health import FILLING, FULL
from bridge.status.html import Child, Html, foreign, join, shortened, tag
from bridge.status.page_parts import Column, Reader, command, sign
from bridge.status.words import Level, count, size

_EVENTS = 50
_FACT = 120
_FACTS = 12
_LEVELS = {
    "debug": (Level.QUIET, "·"),
    "info": (Level.QUIET, "·"),
    "warning": (Level.LOOK, "!"),
    "error": (Level.BAD, "✗"),
    "critical": (Level.BAD, "✗"),
}


def dead(snapshot: Snapshot, reader: Reader) -> Html:
    """Dead letters by reason, and what to type about them."""
    title = phrase("Dead letters")
    if not snapshot.dead:
        return reader.section("dead", title, reader.note(phrase("None.")))
    columns = (
        Column(phrase("reason")),
        Column(phrase("letters"), number=True),
        Column(phrase("send them again")),
        Column(phrase("give them up")),
    )
    worst_first = sorted(snapshot.dead.items(), key=lambda item: (-item[1], item[0]))
    rows: list[tuple[Child, ...]] = [
        (
            shortened(reason),
            count(number),
            command(f"msgbridge dead replay --reason {shlex.quote(shortened(reason))}"),
            command(f"msgbridge dead drop --reason {shlex.quote(shortened(reason))}"),
        )
        for reason, number in worst_first
    ]
    each = tag("p", reader.speak(phrase("each by itself:")), " ", command("msgbridge dead list"))
    return reader.section("dead", title, reader.table("dead", columns, rows), each)


def journal(snapshot: Snapshot, reader: Reader) -> Html:
    """Size, room, and the equation that must always hold."""
    view = snapshot.journal
    facts = [
        (phrase("file"), command(shortened(view.path, 200))),
        (phrase("size"), size(view.size)),
        (phrase("free disk"), size(view.free_disk)),
        (phrase("full"), _fullness(view, reader.speak)),
    ]
    if view.damaged:
        facts.append((phrase("damaged rows"), sign(Level.BAD, "✗", count(view.damaged))))
    if view.lost:
        facts.append((phrase("lost messages"), sign(Level.BAD, "✗", count(view.lost))))
    if view.broken:
        facts.append((phrase("broken"), sign(Level.BAD, "✗", foreign(view.broken, limit=_FACT))))
    pairs = [
        tag("div", tag("dt", reader.speak(name)), tag("dd", shown), class_="fact")
        for name, shown in facts
    ]
    return reader.section(
        "journal", phrase("Journal"), tag("dl", *pairs, class_="facts"), _equation(view, reader)
    )


def _fullness(view: JournalView, speak: Speak) -> Html:
    share = f"{view.fullness:.0%}"
    if view.fullness >= FULL:
        return sign(Level.BAD, "✗", speak(phrase("{share}: nothing is accepted", share=share)))
    if view.fullness >= FILLING:
        return sign(Level.LOOK, "!", share)
    return sign(Level.GOOD, "✓", share)


def _equation(view: JournalView, reader: Reader) -> Html:
    """What was promised, and what became of it: contract clause 2, for everybody to add up."""
    speak = reader.speak
    words = {
        Status.SENT: phrase("sent"),
        Status.SKIPPED: phrase("skipped"),
        Status.WAITING: phrase("waiting"),
        Status.HELD: phrase("held"),
        Status.DEAD: phrase("dead"),
        Status.DROPPED: phrase("dropped"),
    }
    ledger = view.ledger
    terms: list[Child] = [_term(ledger.planned, speak(phrase("planned")))]
    for status, word in words.items():
        terms.append(tag("span", "=" if status is Status.SENT else "+", class_="operator"))
        terms.append(_term(ledger.by_status.get(status, 0), speak(word)))
    if not ledger.balanced:
        terms[1] = tag("span", "≠", class_="operator bad")
    verdict = (
        sign(Level.GOOD, "✓", speak(phrase("the books balance: nothing was dropped silently")))
        if ledger.balanced
        else sign(
            Level.BAD,
            "✗",
            speak(phrase("the books do not balance: keep the journal file and report this")),
        )
    )
    return tag("div", tag("p", *terms, class_="equation"), tag("p", verdict), class_="books")


def _term(number: int, word: str) -> Html:
    return tag("span", tag("b", count(number)), " ", word, class_="term")


def events(snapshot: Snapshot, reader: Reader) -> Html:
    """The last lines of the log that are worth a look, the newest first."""
    title = phrase("Last events")
    if not snapshot.events:
        return reader.section("events", title, reader.note(phrase("Nothing worth a look.")))
    columns = (Column(phrase("when")), Column(phrase("event")), Column(phrase("what is known")))
    rows = [_event(one, reader) for one in snapshot.events[:_EVENTS]]
    return reader.section("events", title, reader.table("events", columns, rows))


def _event(one: Event, reader: Reader) -> tuple[Child, ...]:
    level, mark = _LEVELS.get(one.level, (Level.QUIET, "·"))
    facts = [
        tag("span", tag("b", f"{shortened(name, 40)}="), foreign(str(value), limit=_FACT), class_="known")
        for name, value in list(one.facts.items())[:_FACTS]
    ]
    spaced = [part for fact in facts for part in (fact, " ")]
    return (reader.when(one.at), sign(level, mark, shortened(one.name)), join(spaced))
