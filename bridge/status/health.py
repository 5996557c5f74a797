"""What of a snapshot wants a person's look, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.desk import InstanceState, LaneState, Snapshot
from bridge.model import Status
from bridge.phrases import Phrase, phrase
from bridge.status.html import shortened
from bridge.status.words import Level

FILLING, FULL = 0.80, 0.95
"""Of a journal: from when it is said, and from when nothing is accepted."""

_REASON = 160


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing to look at; ``section`` is where on the page more of it stands."""

    level: Level
    what: Phrase
    section: str


def concerns(snapshot: Snapshot) -> tuple[Concern, ...]:
    """Empty when all is well."""
    found = [
        *_of_the_journal(snapshot),
        *_of_the_files(snapshot),
        *_of_instances(snapshot),
        *_of_lanes(snapshot),
        *_of_letters(snapshot),
    ]
    return tuple(sorted(found, key=lambda one: one.level is not Level.BAD))


def _of_the_journal(snapshot: Snapshot) -> Iterator[Concern]:
    journal = snapshot.journal
    if journal.broken:
        yield Concern(
            Level.BAD,
            phrase("the journal is broken: {reason}", reason=shortened(journal.broken, _REASON)),
            "journal",
        )
    elif snapshot.ready:
        yield Concern(
            Level.BAD,
            phrase("no traffic is taken now: {reason}", reason=shortened(snapshot.ready, _REASON)),
            "journal",
        )
    if not journal.ledger.balanced:
        yield Concern(Level.BAD, phrase("the books of the journal do not balance"), "journal")
    if journal.lost:
        yield Concern(
            Level.BAD,
            phrase(
                "accepted messages were gone at the start: {count}; the storage fails", count=journal.lost
            ),
            "journal",
        )
    if journal.damaged:
        yield Concern(
            Level.BAD, phrase("damaged rows in the journal: {count}", count=journal.damaged), "journal"
        )
    if journal.fullness >= FULL:
        yield Concern(Level.BAD, phrase("the journal is full: nothing is accepted"), "journal")
    elif journal.fullness >= FILLING:
        yield Concern(Level.LOOK, phrase("the journal is filling up"), "journal")


def _of_the_files(snapshot: Snapshot) -> Iterator[Concern]:
    if snapshot.last_reload and not snapshot.last_reload.ok:
        yield Concern(
            Level.BAD, phrase("the last reload was refused; the files before it run on"), "reload"
        )
    if snapshot.warnings:
        yield Concern(
            Level.LOOK,
            phrase("warnings about the two files: {count}", count=len(snapshot.warnings)),
            "warnings",
        )


def _of_instances(snapshot: Snapshot) -> Iterator[Concern]:
    states = [one.state for one in snapshot.instances]
    if number := states.count(InstanceState.SUSPENDED):
        yield Concern(
            Level.BAD, phrase("accounts that need an operator: {count}", count=number), "accounts"
        )
    if number := states.count(InstanceState.PAUSED):
        yield Concern(
            Level.LOOK, phrase("accounts paused by an operator: {count}", count=number), "accounts"
        )


def _of_lanes(snapshot: Snapshot) -> Iterator[Concern]:
    states = [one.state for one in snapshot.destinations]
    if number := states.count(LaneState.SUSPENDED):
        yield Concern(
            Level.BAD, phrase("destinations that need an operator: {count}", count=number), "destinations"
        )
    if number := states.count(LaneState.RETRYING):
        yield Concern(
            Level.LOOK, phrase("destinations that are tried again: {count}", count=number), "destinations"
        )


def _of_letters(snapshot: Snapshot) -> Iterator[Concern]:
    if number := sum(snapshot.dead.values()):
        yield Concern(Level.LOOK, phrase("dead letters: {count}", count=number), "dead")
    if number := snapshot.journal.ledger.by_status.get(Status.HELD, 0):
        yield Concern(Level.LOOK, phrase("held back: {count}", count=number), "journal")
