"""When the next Stream connection is opened."""

import random

import pytest

from drivers.dingtalk.reconnecting import LONGEST, SHORTEST, Ended, wait_before


@pytest.mark.parametrize("attempt", [0, 1, 2, 5, 6, 50, 10_000])
def test_a_wait_is_never_shorter_than_a_second_nor_longer_than_a_minute(attempt):
    waits = [wait_before(attempt, random.Random(seed)) for seed in range(500)]

    assert SHORTEST <= min(waits)
    assert max(waits) <= min(LONGEST, 1.5 ** min(attempt + 1, 50))


def test_waits_grow_and_are_spread():
    """A gateway that restarts is not met by all its clients in the same second."""
    means = []
    for attempt in range(11):
        waits = [wait_before(attempt, random.Random(seed)) for seed in range(500)]
        means.append(sum(waits) / len(waits))

    assert sorted(means) == means
    assert means[-1] > 20
    late = [wait_before(10, random.Random(seed)) for seed in range(500)]
    assert len({int(wait) for wait in late}) > 40


def test_reasons_are_fit_for_metric_labels():
    assert all(reason.replace("_", "").isalnum() and reason.isascii() for reason in Ended)
