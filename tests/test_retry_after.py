"""How long a server asks us to wait."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.retry_after import retry_after

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-5", 0.0),
        ("Fri, 20 Nov 2026 12:01:00 GMT", 60.0),
        ("Fri, 20 Nov 2026 13:01:00 +0100", 60.0),
        ("Fri, 20 Nov 2026 12:01:00 -0000", 60.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
    ],
)
def test_seconds_and_dates_are_understood(value: str, seconds: float) -> None:
    """
    Both forms count from now, and what is past or negative means at once.
    """
    assert seconds == retry_after({"Retry-After": value}, NOW)


@pytest.mark.parametrize("value", ["", "soon", "1_7", "１７", "inf", "nan", "9" * 400, "1e5", "7 s"])
def test_garbage_is_no_wish(value: str) -> None:
    """
    What cannot be read is as if it were not there; nothing overflows.
    """
    assert retry_after({"Retry-After": value}, NOW) is None


def test_no_header_is_no_wish() -> None:
    """
    Most answers have none.
    """
    assert retry_after({}, NOW) is None


@given(st.text(max_size=60))
def test_any_header_is_survived(value: str) -> None:
    """
    A server may write what it likes: the answer is None, or seconds that are not negative.
    """
    seconds = retry_after({"Retry-After": value}, NOW)

    assert seconds is None or seconds >= 0
