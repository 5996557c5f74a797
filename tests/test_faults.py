"""The promises of the delivery contract, held while things break; ``make faults`` does it longer."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.faults.judge import Sent, judge
from tests.faults.platform import Post
from tests.faults.scenarios import SCENARIOS, SHORT

SLOW = {"refused", "errors", "throttled", "hanging"}
"""Of the destinations in trouble one is enough for every day (lost answers)."""


@pytest.mark.real_time
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.full) if name in SLOW else name for name in SCENARIOS],
)
def test_every_promise_is_kept_when(name, tmp_path) -> None:
    """
    Every message that was answered 200 arrives: once, unaltered, in order; a fresh one goes through.
    """
    result = asyncio.run(asyncio.wait_for(SCENARIOS[name](tmp_path, SHORT), 60.0))

    assert result.passed, "\n".join([f"{result.name}: {result.verdict}", *result.complaints])


LEDGER = {
    "a-0": Sent("cidA", 0, "a-0 first", answered=True),
    "a-1": Sent("cidA", 1, "a-1 second", answered=True),
    "b-0": Sent("cidB", 0, "b-0 perhaps", answered=False),
}
FIRST = Post(1.0, "cidA", "a-0 first")
SECOND = Post(2.0, "cidA", "a-1 second")


@pytest.mark.parametrize(
    ("posts", "broken"),
    [
        ([FIRST, SECOND], {}),
        ([FIRST, SECOND, Post(3.0, "cidB", "b-0 perhaps")], {}),
        ([FIRST], {"lost": 1}),
        ([SECOND, FIRST], {"disordered": 1}),
        ([FIRST, Post(2.0, "cidA", "a-1 sec")], {"lost": 1, "altered": 1}),
        ([FIRST, Post(2.0, "cidB", "a-1 second")], {"lost": 1, "altered": 1}),
        ([FIRST, SECOND, Post(3.0, "cidA", "z-9 who?")], {"spurious": 1}),
        ([FIRST, SECOND, FIRST], {"doubled_too_often": 1}),
    ],
    ids=[
        "all well", "an unanswered one may arrive", "lost", "disordered", "cut", "wrong group",
        "never sent", "doubled",
    ],
)  # fmt: skip
def test_the_judge_sees(posts: Sequence[Post], broken: dict[str, int]) -> None:
    """
    A judge that sees nothing makes every run look good.
    """
    verdict = judge(LEDGER, posts)

    counts = ("lost", "altered", "spurious", "disordered", "doubled_too_often")
    assert broken == {c: getattr(verdict, c) for c in counts if getattr(verdict, c)}
    assert verdict.kept is not bool(broken)


@pytest.mark.parametrize(
    ("times", "kills", "lost_answers", "too_often"),
    [
        ([3.0], [2.5], 0, 0),
        ([3.0, 3.1], [2.5], 0, 1),
        ([3.0, 3.1], [2.5, 3.05], 0, 0),
        ([3.0], [3.5], 0, 1),
        ([3.0], [], 1, 0),
        ([3.0, 3.1], [], 1, 1),
    ],
)
def test_one_repeat_is_allowed_for_each_kill_and_each_lost_answer(
    times, kills, lost_answers, too_often
) -> None:
    """
    A repeat counts for the last kill before it, and only one in each conversation does.
    """
    repeats = [Post(at, "cidA", "a-0 first") for at in times]

    verdict = judge(LEDGER, [FIRST, SECOND, *repeats], kills=kills, lost_answers={"cidA": lost_answers})

    assert too_often == verdict.doubled_too_often
    assert len(times) == verdict.doubled
