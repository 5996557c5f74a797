"""The simulation holds a few short hours in the suite, and is what it claims to be: the same every time."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.journal import Row
from bridge.model import Status
from tests.builders import a_delivery, a_route, an_envelope
from tests.faults.simulation import verdict_of
from tests.simulation.laws import Accepted, Death, judge
from tests.simulation.play import play
from tests.simulation.script import Rules, write
from tests.simulation.world import CAREFUL, Request

ROOT = Path(__file__).parent.parent
SHORT = 8.0
"""Virtual minutes."""


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_every_law_is_kept_in_a_short_hour(seed) -> None:
    """
    Nothing lost, altered, spurious, out of order, too often or too fast, whatever the seed lets happen.
    """
    told = play(seed, SHORT)

    assert told.complaints == ()
    assert told.count.deliveries > 50


@pytest.mark.full
@pytest.mark.parametrize("seed", ["1", "32", "77", "85"])
def test_what_once_broke_a_law_keeps_it(seed) -> None:
    """
    Whole hours in which somebody was written to who was to be left alone.
    """
    assert play(seed).complaints == ()


def test_a_seed_is_the_same_world_in_every_process() -> None:
    """
    A failing seed is worth something only if it fails again, for whoever tries.
    """
    command = [sys.executable, "-m", "tests.simulation", "--seed", "7", "--minutes", "3"]
    environ = {**os.environ, "PYTHONHASHSEED": "1"}
    elsewhere = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    here = play("7", 3.0).digest

    assert f"trace {here} " in elsewhere
    assert play("7", 3.0).digest == here


def test_another_seed_is_another_world() -> None:
    """
    Else a hundred seeds would prove no more than one.
    """
    assert len({write(str(seed), SHORT) != write("0", SHORT) for seed in range(1, 20)}) == 1


DELIVERY = a_delivery(
    "e1 hello", id="e1", seq=1, route=a_route("plain/0", rule="", template="g0 {msg}"),
    envelope=an_envelope("e1 hello", id="e1", at="src/0"),
)  # fmt: skip
SENT = Row(DELIVERY, Status.SENT, accepted_at=0.0, settled_at=1.0)
LATER = replace(
    SENT,
    delivery=replace(DELIVERY, seq=2, id="later", envelope=an_envelope("e2 hello", id="e2", at="src/0")),
)
RULES = {0: Rules(0, {"src/0": ("plain/0",)})}


def arrival(row: Row = SENT, text: str = "", **more: object) -> Request:
    said = text or f"g0 {row.delivery.envelope.message.text}"
    fields = {"life": 1, "instance": "plain", "room": "0", "arrived_at": 1.0, "answered": True, **more}
    return Request(key=f"{row.delivery.id}:1", text=said, verb="post", arrives=True, begun=0.0, **fields)


def verdict(rows, arrivals, *, accepted=("e1", "e2"), deaths=()):
    taken = [Accepted(event, f"{event} hello") for event in accepted]
    return judge(rows, taken, arrivals, deaths, frozenset(), RULES, 86400.0)[1]


def test_the_laws_are_silent_when_all_is_well() -> None:
    """
    In order, once each, as it was written.
    """
    assert verdict([SENT, LATER], [arrival(), arrival(LATER, arrived_at=2.0)]) == []


@pytest.mark.parametrize(
    ("word", "rows", "arrivals"),
    [
        ("lost", [SENT, LATER], [arrival()]),
        ("lost", [SENT], [arrival()]),
        ("stuck", [SENT, replace(LATER, status=Status.WAITING)], [arrival()]),
        ("altered", [SENT, LATER], [arrival(text="g0 e1 hell"), arrival(LATER)]),
        ("altered", [SENT, LATER], [arrival(room="1"), arrival(LATER)]),
        ("disorder", [SENT, LATER], [arrival(LATER), arrival()]),
        ("doubled too often", [SENT, LATER], [arrival(), arrival(LATER), arrival()]),
        ("spurious", [SENT, LATER], [arrival(), arrival(LATER), arrival(replace(SENT, delivery=a_delivery()))]),
        ("is dead", [SENT, replace(LATER, status=Status.DEAD, reason="bug")], [arrival()]),
    ],
)  # fmt: skip
def test_the_laws_see(word, rows, arrivals) -> None:
    """
    Laws that see nothing make every world look good.
    """
    assert any(word in complaint for complaint in verdict(rows, arrivals))


@pytest.mark.parametrize(
    ("first", "second", "deaths", "allowed"),
    [
        ({"lost": True, "answered": False}, {}, (), True),
        ({"lost": True, "answered": False, "instance": CAREFUL}, {"instance": CAREFUL}, (), False),
        ({}, {"life": 2}, (Death(1, frozenset()),), True),
        ({}, {"life": 2}, (), False),
        ({}, {"life": 3}, (Death(2, frozenset()),), False),
    ],
    ids=["an answer was lost", "who holds never says it twice", "it died", "it stopped", "another died"],
)
def test_a_repeat_needs_a_reason(first, second, deaths, allowed) -> None:
    """
    Clause 4: a lost answer, or a death right after it.
    """
    said = verdict([SENT, LATER], [arrival(**first), arrival(LATER), arrival(**second)], deaths=deaths)

    assert allowed is not any("doubled" in complaint for complaint in said)


def test_a_broken_seed_is_told_with_the_way_to_play_it_again() -> None:
    """
    The table of make faults fails, and names the command.
    """
    told = play("3", 1.0)
    broken = replace(told, complaints=("at 1.000 s: lost: e1",))

    result = verdict_of([told, broken], "two")

    assert not result.passed
    assert 1 == result.verdict.lost
    assert ("python -m tests.simulation --seed 3 --minutes 1: at 1.000 s: lost: e1",) == result.complaints
