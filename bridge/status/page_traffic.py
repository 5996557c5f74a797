"""The parts of the page about what moves: accounts, destinations, rules."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime

from bridge.desk import (
    DestinationView,
    InstanceState,
    InstanceView,
    LaneState,
    RuleView,
    Snapshot,
    SourceView,
)
from bridge.model import InstanceId
from bridge.phrases import phrase
from bridge.status.html import Child, Html, foreign, join, shortened, tag
from bridge.status.page_parts import NOTHING, Column, Reader, command, sign, small
from bridge.status.words import INSTANCES, LANES, Level, count, latency

_MOMENTS_FROM = 1e9
"""A driver's number that is larger is a moment, in seconds since 1970 (2001 and later)."""
_DETAIL = 160


def accounts(snapshot: Snapshot, reader: Reader) -> Html:
    """Every configured account, and what came in from it."""
    title = phrase("Sources")
    if not snapshot.instances:
        return reader.section("accounts", title, reader.note(phrase("No account is configured.")))
    sources = {source.instance: source for source in snapshot.sources}
    columns = (
        Column(phrase("account")),
        Column(phrase("state")),
        Column(phrase("received"), number=True),
        Column(phrase("last message")),
        Column(phrase("repeated"), number=True),
        Column(phrase("not ours"), number=True),
    )
    rows = [_account(one, sources, reader) for one in snapshot.instances]
    return reader.section("accounts", title, reader.table("accounts", columns, rows))


def _account(
    one: InstanceView, sources: Mapping[InstanceId, SourceView], reader: Reader
) -> tuple[Child, ...]:
    where = small(shortened(one.platform), f" · {shortened(one.listens_on)}" if one.listens_on else "")
    state = [reader.standing(INSTANCES[one.state])]
    if one.reason:
        state.append(small(foreign(one.reason, limit=_DETAIL)))
    if one.since and one.state is not InstanceState.RUNNING:
        state.append(small(reader.when(one.since)))
    if one.state in (InstanceState.SUSPENDED, InstanceState.PAUSED):
        state.append(_resume(one.id))
    for name, value in sorted(one.driver_states.items()):
        shown = reader.when(_moment(value)) if value > _MOMENTS_FROM else f"{value:g}"
        state.append(small(shortened(name), ": ", shown))
    source = sources.get(one.id)
    numbers: tuple[Child, ...] = (NOTHING,) * 4
    if source is not None:
        numbers = (
            count(source.received),
            reader.when(source.last),
            count(source.duplicates),
            count(source.ignored),
        )
    return (join([foreign(one.id), where]), join(state), *numbers)


def _resume(instance: InstanceId) -> Html:
    """What to type when the cause is mended."""
    return small(command(f"msgbridge instance resume {shlex.quote(shortened(instance))}"))


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def destinations(snapshot: Snapshot, reader: Reader) -> Html:
    """Every conversation that is written to, those with trouble first."""
    title = phrase("Destinations")
    if not snapshot.destinations:
        note = phrase("Nothing was sent yet, and nothing waits.")
        return reader.section("destinations", title, reader.note(note))
    columns = (
        Column(phrase("conversation")),
        Column(phrase("state")),
        Column(phrase("waiting"), number=True),
        Column(phrase("oldest")),
        Column(phrase("next send")),
        Column(phrase("last hour"), number=True),
        Column(phrase("took"), number=True),
        Column(phrase("last sent")),
    )
    rows = [_destination(one, reader) for one in snapshot.destinations]
    rest = None
    if snapshot.destinations_unshown:
        rest = reader.note(
            phrase("and {count} more without trouble", count=count(snapshot.destinations_unshown))
        )
    table = reader.table("destinations", columns, rows)
    return reader.section("destinations", title, table, rest)


def _destination(one: DestinationView, reader: Reader) -> tuple[Child, ...]:
    state = [reader.standing(LANES[one.state])]
    if one.last_failure and one.state is not LaneState.OK:
        state.append(
            small(
                shortened(one.last_failure.reason),
                ": " if one.last_failure.detail else None,
                foreign(one.last_failure.detail, limit=_DETAIL) if one.last_failure.detail else None,
            )
        )
    if one.state in (LaneState.SUSPENDED, LaneState.PAUSED_BY_OPERATOR):
        state.append(_resume(one.destination.instance))
    waiting: list[Child] = [count(one.waiting)]
    if one.held:
        waiting.append(small(reader.speak(phrase("held: {count}", count=count(one.held)))))
    took = NOTHING if one.seconds is None else tag("span", reader.speak(latency(one.seconds)))
    place = one.destination
    return (
        join([foreign(place.instance), tag("span", " / ", class_="quiet"), foreign(place.conversation)]),
        join(state),
        join(waiting),
        reader.when(one.oldest),
        reader.when(one.next_send),
        count(one.sent_per_hour),
        took,
        reader.when(one.last_sent),
    )


def rules(snapshot: Snapshot, reader: Reader) -> Html:
    """Every rule in the order of the file; one that never matched is worth a thought."""
    title = phrase("Rules")
    if not snapshot.rules:
        return reader.section("rules", title, reader.note(phrase("There is no rule.")))
    columns = (
        Column(phrase("rule")),
        Column(phrase("place")),
        Column(phrase("matches"), number=True),
        Column(phrase("last match")),
    )
    rows = [_rule(one, reader) for one in snapshot.rules]
    return reader.section("rules", title, reader.table("rules", columns, rows))


def _rule(one: RuleView, reader: Reader) -> tuple[Child, ...]:
    last = reader.when(one.last_match)
    if not one.enabled:
        last = sign(Level.QUIET, "–", reader.speak(phrase("switched off")))
    elif not one.matches:
        last = sign(Level.LOOK, "○", reader.speak(phrase("never matched")))
    place = command(f"{shortened(one.file)}:{one.line}")
    return (foreign(one.id), place, count(one.matches), last)
