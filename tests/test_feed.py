"""Watching without holding anybody up."""

import asyncio

from bridge.feed import FELL_BEHIND, KEPT, Event, Feed
from tests.clock import NOON, run_virtual


def an_event(number=0):
    return Event(NOON, "info", "message.accepted", {"number": number})


def test_everybody_who_watches_sees_everything_from_now_on():
    async def scenario():
        feed = Feed()
        feed.tell(an_event(0))
        with feed.watch() as one, feed.watch() as two:
            feed.tell(an_event(1))
            feed.tell(an_event(2))
            seen = [[(await anext(each)).facts["number"] for _ in range(2)] for each in (one, two)]
        return seen, feed.watched

    assert ([[1, 2], [1, 2]], False) == run_virtual(scenario())


def test_who_is_too_slow_misses_some_and_is_told_how_many():
    """Nothing waits for him, and what he is behind is bounded."""

    async def scenario():
        feed = Feed()
        with feed.watch() as events:
            for number in range(1500):
                feed.tell(an_event(number))
            return [await anext(events) for _ in range(1001)]

    *seen, last = run_virtual(scenario())
    assert list(range(1000)) == [event.facts["number"] for event in seen]
    assert (FELL_BEHIND, {"missed": 500}) == (last.name, last.facts)


def test_who_watches_waits_for_the_next():
    async def scenario():
        feed = Feed()
        with feed.watch() as events:
            asyncio.get_running_loop().call_later(5, feed.tell, an_event(7))
            return (await anext(events)).facts["number"]

    assert 7 == run_virtual(scenario())


def test_the_last_events_are_kept_the_newest_first():
    feed = Feed()
    for number in range(KEPT + 10):
        feed.keep(an_event(number))

    assert KEPT == len(feed.last)
    assert KEPT + 9 == feed.last[0].facts["number"]
