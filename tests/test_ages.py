"""How old something is, whatever was done to the clock on the wall."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.ages import Ages
from tests.clock import NOON, FakeClock

HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0
TO_1970 = -NOON.timestamp()
STEPS = [HOUR, -HOUR, DAY, -DAY, YEAR, -YEAR, TO_1970]


def ticking(ages: Ages, clock: FakeClock, seconds: float) -> None:
    """Time passes, and somebody looks every ten minutes."""
    while seconds > 0:
        clock.advance(min(seconds, 600.0))
        seconds -= 600.0
        ages.note()


def set_by(clock: FakeClock, seconds: float) -> None:
    clock.wall += timedelta(seconds=seconds)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_neither_ages_nor_rejuvenates(step) -> None:
    """
    What was written before the step, after it and after the way back is as old as it really is; at
    most younger by the step, where the wall showed the same time twice.
    """
    clock = FakeClock()
    ages = Ages(clock)
    ages.note()
    ticking(ages, clock, 2 * HOUR)
    before = clock.now().timestamp()
    ticking(ages, clock, HOUR)
    set_by(clock, step)
    ages.note()
    ticking(ages, clock, HOUR)
    within = clock.now().timestamp()
    ticking(ages, clock, HOUR)
    set_by(clock, -step)
    ages.note()
    ticking(ages, clock, HOUR)
    after = clock.now().timestamp()
    ticking(ages, clock, HOUR)

    found = [ages.of(at) for at in (before, within, after)]
    doubt = HOUR if abs(step) < 5 * HOUR else 0.0
    for age, real in zip(found, (5 * HOUR, 3 * HOUR, HOUR), strict=True):
        assert real - doubt - 1 <= age <= real + 1


@pytest.mark.parametrize("step", STEPS)
def test_nobody_has_to_look_at_the_very_moment(step) -> None:
    """
    The step is noticed half a second later: what was written in between belongs to the new time, and
    what was written just before it to the old.
    """
    clock = FakeClock()
    ages = Ages(clock)
    ages.note()
    clock.advance(HOUR)
    ages.note()
    clock.advance(0.3)
    just_before = clock.now().timestamp()
    clock.advance(0.1)
    set_by(clock, step)
    clock.advance(0.1)
    just_after = clock.now().timestamp()
    clock.advance(0.5)
    ages.note()
    ticking(ages, clock, HOUR)

    assert HOUR == pytest.approx(ages.of(just_after), abs=6)
    if step == -HOUR:  # by now it is the same time once more
        assert ages.of(just_before) <= HOUR + 6
    else:
        assert HOUR == pytest.approx(ages.of(just_before), abs=6)


def test_what_is_from_before_the_start_goes_by_the_clock_of_the_start() -> None:
    """
    And from then on by what has really passed.
    """
    clock = FakeClock()
    yesterday = (clock.now() - timedelta(days=1)).timestamp()
    ages = Ages(clock)
    ages.note()
    ticking(ages, clock, HOUR)
    set_by(clock, YEAR)
    ages.note()

    assert DAY + HOUR == pytest.approx(ages.of(yesterday), abs=1)


@pytest.mark.parametrize("at", [datetime(2099, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)])
def test_what_comes_from_the_future_is_new(at) -> None:
    """
    The process before ran with a clock that was ahead: better kept too long than too short.
    """
    clock = FakeClock()
    ages = Ages(clock)
    ages.note()
    ticking(ages, clock, HOUR)

    assert 0.0 <= ages.of(at.timestamp()) <= HOUR


def test_a_clock_that_is_slewed_is_followed() -> None:
    """
    A time daemon that corrects by half a second an hour for three weeks makes no age wrong by more
    than the few seconds that count as no step.
    """
    clock = FakeClock()
    ages = Ages(clock)
    ages.note()
    for _ in range(21 * 24):
        ticking(ages, clock, HOUR)
        set_by(clock, 0.5)
        ages.note()
    yesterday = clock.now().timestamp()
    for _ in range(24):
        ticking(ages, clock, HOUR)
        set_by(clock, 0.5)
        ages.note()

    assert DAY == pytest.approx(ages.of(yesterday), abs=20)
