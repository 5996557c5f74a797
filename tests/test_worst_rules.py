"""
No rule of an operator, and no text of a stranger, holds up the loop for longer than 50 ms.

Held up is measured in processor time: what is light is done at once, and must be; what is heavy is
done in a thread, and the loop must turn meanwhile.
"""

import asyncio
import contextlib
import random
import time

import pytest
import re2

from bridge.conditions import Condition, TextContains, TextMatches
from bridge.errors import Refused
from bridge.model import InstanceId, Replacement
from bridge.routing import Router, Rule, Target
from bridge.transform import LONGEST_TEXT, is_heavy, transformed
from tests.builders import a_place, a_route, an_envelope

_HELD = 0.05
_LENGTH = 20_000
_CHANCE = random.Random(50)

TEXTS = {
    "ab": "".join(_CHANCE.choice("ab") for _ in range(_LENGTH)),
    "x": "x" * _LENGTH,
    "Chinese": "".join(chr(_CHANCE.randrange(0x4E00, 0x9FFF)) for _ in range(_LENGTH)),
    "combining marks": "e" + "\u0301" * (_LENGTH - 1),
}
PATTERNS = {
    "nested repeats": "(x+x+)+y",
    "counted": "(.{0,100})z",
    "subsets": "(a|b)*a(a|b){100}c",
    "alternation": "|".join(f"{_CHANCE.randrange(10**8):08d}" for _ in range(400)),
    "every character": ".",
    "nothing": "",
}
DEAR = {
    "counted to 900": "(.{0,900})z",
    "counted, all of Unicode": "[^\\x00]{900}q",
    "many searches": "x.*y|x",
    "many dear searches": ".{0,900}z|.",
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_holds_the_loop(pattern: str, text: str) -> None:
    """
    As a condition and as a transform, with whatever text.
    """
    _hold(PATTERNS[pattern], TEXTS[text])


@pytest.mark.full
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("pattern", DEAR)
def test_no_dear_pattern_holds_the_loop(pattern: str, text: str) -> None:
    """
    Neither do those that take seconds.
    """
    _hold(DEAR[pattern], TEXTS[text])


def test_two_hundred_steps_that_double_a_text_end_as_a_refusal() -> None:
    """
    2^200 characters would be the end of any machine; the message becomes a dead letter that says why.
    """
    steps = (Replacement("(.+)", r"\1\1"),) * 200

    with pytest.raises(Refused, match=f"longer than {LONGEST_TEXT}"):
        transformed("build passed", steps)


def test_two_hundred_usual_steps_are_taken() -> None:
    """
    The budget is for what has no end, not for long lists.
    """
    steps = tuple(Replacement(f"word{n}", f"W{n}") for n in range(200))

    assert transformed("word7 " * 3000, steps) == "W7 " * 3000


def test_ten_thousand_rules_with_words_are_heavy_and_three_are_not() -> None:
    """
    What nearly all have is done at once: a thread costs more than their conditions.
    """
    text = an_envelope(TEXTS["Chinese"])
    words = Condition("text_contains", 1, TextContains(("构建", "失败")))

    assert _router(*[words] * 10_000).is_heavy(text)
    assert not _router(*[words] * 3).is_heavy(text)


def _hold(pattern: str, text: str) -> None:
    envelope = an_envelope(text)
    router = _router(Condition("text_matches", 1, TextMatches(re2.compile(pattern))))
    steps = (Replacement(pattern, r"<\0>"),)

    _held(lambda: router.route(envelope), heavy=router.is_heavy(envelope))
    _held(lambda: _done_or_refused(text, steps), heavy=is_heavy(text, steps))


def _router(*conditions: Condition) -> Router:
    rules = [
        Rule(
            id=f"r{number}",
            sources=(a_place("here/room"),),
            targets=(Target(a_place("there/room"), a_route().plan),),
            when=(condition,),
        )
        for number, condition in enumerate(conditions)
    ]
    return Router.of(rules, {InstanceId("here"): lambda _: "room"})


def _done_or_refused(text: str, steps: tuple[Replacement, ...]) -> None:
    with contextlib.suppress(Refused):
        transformed.__wrapped__(text, steps)


def _held(work, *, heavy: bool) -> None:
    if not heavy:
        began = time.thread_time()
        work()
        assert time.thread_time() - began < _HELD
        return

    async def scenario() -> tuple[int, float]:
        turns = 0
        spent = 0.0

        def measured() -> None:
            nonlocal spent
            began = time.thread_time()
            work()
            spent = time.thread_time() - began

        working = asyncio.create_task(asyncio.to_thread(measured))
        while not working.done():
            await asyncio.sleep(0.005)
            turns += 1
        return turns, spent

    turns, spent = asyncio.run(scenario())
    assert turns + 1 >= spent / _HELD
