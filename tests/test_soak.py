"""Whether a run was flat is told from its samples."""

import pytest

from tests.soak.steady import Sample, flatness, table


def samples(*, rss=lambda n: 80.0, files=lambda n: 50, threads=lambda n: 4):
    return [Sample(n * 5.0, rss(n), files(n), threads(n), n, n) for n in range(120)]


def test_a_flat_run_is_flat() -> None:
    """
    Ten minutes in which nothing grows, though connections come and go.
    """
    flat = flatness(samples(files=lambda n: 50 + n % 7))

    assert flat.complaints == []
    assert "+0.00 MB in 10 minutes" in table(flat)


@pytest.mark.parametrize(
    ("grows", "word"),
    [
        ({"rss": lambda n: 80.0 + n / 10}, "memory grows by 12.0 MB"),
        ({"files": lambda n: 50 + n // 4}, "open files"),
        ({"threads": lambda n: 4 + n // 60}, "threads went from 4 to 5"),
    ],
    ids=["memory", "files", "threads"],
)
def test_what_grows_is_seen(grows, word) -> None:
    """
    A leak of any of the three fails the run.
    """
    assert any(word in complaint for complaint in flatness(samples(**grows)).complaints)


def test_a_run_that_is_too_short_is_no_proof() -> None:
    """
    Four samples say nothing.
    """
    with pytest.raises(ValueError, match="too few"):
        flatness(samples()[:4])
