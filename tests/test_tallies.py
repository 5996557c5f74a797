"""What is counted on the way, and what a look makes of it."""

from datetime import timedelta

from bridge.tallies import MOST_DESTINATIONS, Destination, Tallies
from tests.builders import a_place
from tests.clock import NOON


def test_what_was_sent_in_the_last_hour_is_counted():
    """What is older than an hour counts no more; the sum since the start goes on."""
    cell = Destination()
    for minute in range(0, 180, 10):
        cell.count(NOON + timedelta(minutes=minute), 0.5)

    now = NOON + timedelta(minutes=175)
    assert 6 == cell.per_hour(now)
    assert 18 == cell.sent
    assert 0 == cell.per_hour(now + timedelta(hours=2))


def test_a_clock_that_steps_back_begins_the_hour_anew():
    cell = Destination()
    cell.count(NOON, 1.0)
    cell.count(NOON - timedelta(hours=5), 1.0)

    assert 1 == cell.per_hour(NOON - timedelta(hours=5))


def test_destinations_are_bounded_and_the_longest_silent_goes():
    tallies = Tallies()
    for number in range(MOST_DESTINATIONS):
        tallies.destination(a_place(f"there/{number}"))
    tallies.destination(a_place("there/0"))
    tallies.destination(a_place("there/new"))

    assert MOST_DESTINATIONS == len(tallies.destinations)
    assert a_place("there/0") in tallies.destinations
    assert a_place("there/1") not in tallies.destinations


def test_rules_that_are_gone_take_their_numbers_along():
    tallies = Tallies()
    tallies.rule("stays").matches = 3
    tallies.rule("goes").matches = 5

    tallies.keep_rules(frozenset({"stays", "new"}))

    assert {"stays": 3} == {name: cell.matches for name, cell in tallies.rules.items()}
