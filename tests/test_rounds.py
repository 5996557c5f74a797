"""Routes that lead round: found by a graph of linear size, held against trying every way."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.analysis import analyse
from bridge.analysis.accounts import Ability, Accounts
from bridge.analysis.rounds import find_rounds
from bridge.config import Instance
from bridge.model import Capabilities, ConversationRef, InstanceId, Plan
from bridge.routing import AnyOf, FromMessage, Rule, Target
from tests.builders import a_place
from tests.reading import CHAT, HOOK, read

INSTANCES = {
    InstanceId(name): Instance(id=InstanceId(name), platform=spec.platform, spec=spec, settings={})
    for name, spec in (("here", CHAT), ("also", CHAT), ("there", HOOK), ("mute", HOOK))
}
MUTE = {InstanceId("mute"): Ability(capabilities=Capabilities(max_text=9), emits=frozenset())}
ACCOUNTS = Accounts(INSTANCES, MUTE)
GROUP, PERSON = CHAT.addresses({})
ANY_GROUP = AnyOf(InstanceId("here"), "group")
ANY_PERSON = AnyOf(InstanceId("here"), "person")
IN_PLACE = FromMessage(InstanceId("here"), GROUP, {"room": "{conversation}"})
TO_SENDER = FromMessage(InstanceId("here"), PERSON, {"user_id": "{user_id}"})


def a_rule(id_: str, sources: object, targets: object, **more: object) -> Rule:
    """Places are written ``instance/conversation``, several with spaces between them."""
    heard = tuple(map(a_place, sources.split())) if isinstance(sources, str) else (sources,)
    sent = tuple(map(a_place, targets.split())) if isinstance(targets, str) else (targets,)
    return Rule(id=id_, sources=heard, targets=tuple(Target(to, Plan(id_)) for to in sent), **more)  # type: ignore[arg-type]


def connect(id_: str, places: str) -> Rule:
    return a_rule(id_, places, places)


ROUNDS = {
    "there and back": (
        [a_rule("1", "here/a", "there/b"), a_rule("2", "there/b", "here/a")],
        "here/a there/b",
        (0, 1),
    ),
    "by three rules": (
        [
            a_rule("1", "here/a", "here/b"),
            a_rule("2", "here/c", "here/a"),
            a_rule("3", "here/b", "here/c"),
        ],
        "here/a here/b here/c",
        (0, 2, 1),
    ),
    "a triangle of connections": (
        [connect("1", "here/a here/b"), connect("2", "here/b here/c"), connect("3", "here/c here/a")],
        "here/a here/b here/c",
        None,
    ),
    "a connection and a way round it": (
        [
            connect("1", "here/a here/b"),
            a_rule("2", "here/b", "there/c"),
            a_rule("3", "there/c", "here/a"),
        ],
        "here/a here/b there/c",
        None,
    ),
    "a wildcard and back": (
        [a_rule("1", ANY_GROUP, "there/x"), a_rule("2", "there/x", "here/a")],
        "here/a there/x",
        (0, 1),
    ),
    "to the sender and back": (
        [a_rule("1", "there/x", TO_SENDER), a_rule("2", ANY_PERSON, "there/x")],
        "there/x here/{user_id}",
        (0, 1),
    ),
    "two accounts in one room": (
        [a_rule("1", "here/a", "there/b"), a_rule("2", "there/b", "also/a")],
        "also/a there/b",
        (0, 1),
    ),
}


@pytest.mark.parametrize(("rules", "places", "numbers"), ROUNDS.values(), ids=ROUNDS.keys())
def test_a_round_is_found(rules: list[Rule], places: str, numbers: tuple[int, ...] | None) -> None:
    """One for the knot, with every place and every rule on the way."""
    (found,) = find_rounds(rules, ACCOUNTS)

    assert sorted(places.split()) == sorted(found.places)
    if numbers is not None:
        assert numbers == found.rules


LEFT_ALONE = {
    "a connection": [connect("1", "here/a here/b there/c")],
    "a chain of connections": [connect("1", "here/a here/b"), connect("2", "here/b here/c")],
    "one rule among its own": [a_rule("1", ANY_GROUP, "here/a here/b")],
    "everything to one place": [a_rule("1", ANY_GROUP, "here/a"), connect("2", "there/x there/y")],
    "a copy of a connection": [connect("1", "here/a here/b"), a_rule("2", "here/a", "there/x")],
    "an answer in place beside a connection": [
        a_rule("1", "here/a", IN_PLACE),
        connect("2", "here/a here/b"),
    ],
    "persons of two accounts": [
        a_rule("1", "here/user:a", "there/x"),
        a_rule("2", "there/x", "also/user:a"),
    ],
    "a way over what never speaks": [a_rule("1", "here/a", "mute/b"), a_rule("2", "mute/b", "here/a")],
    "a rule that is switched off": [
        a_rule("1", "here/a", "there/b"),
        a_rule("2", "there/b", "here/a", enabled=False),
    ],
    "other persons": [a_rule("1", "here/a", TO_SENDER), a_rule("2", "there/x", "here/a")],
}


@pytest.mark.parametrize("rules", LEFT_ALONE.values(), ids=LEFT_ALONE.keys())
def test_what_leads_nowhere_is_left_alone(rules: list[Rule]) -> None:
    """A message never goes back to where it came from, so one rule alone is no round."""
    assert () == find_rounds(rules, ACCOUNTS)


def test_two_accounts_in_one_room_are_named() -> None:
    """There the round is real: the one hears what the other posts."""
    (found,) = find_rounds(ROUNDS["two accounts in one room"][0], ACCOUNTS)

    assert (a_place("also/a"), a_place("here/a")) == found.shared


def test_two_knots_are_two_rounds() -> None:
    """In the order of their first rules."""
    rules = [
        a_rule("1", "here/a", "here/b"),
        a_rule("2", "there/a", "there/b"),
        a_rule("3", "there/b", "there/a"),
        a_rule("4", "here/b", "here/a"),
    ]

    assert [(0, 3), (1, 2)] == [found.rules for found in find_rounds(rules, ACCOUNTS)]


def test_ten_thousand_rules_through_one_room_cost_little() -> None:
    """Their sum, not their product: with one edge for each pair this would not end."""
    rules = [
        *(a_rule(f"in{n}", f"here/r{n}", "here/hub") for n in range(5000)),
        *(a_rule(f"out{n}", "here/hub", f"here/r{n}") for n in range(5000)),
    ]
    assert 1 == len(find_rounds(rules, ACCOUNTS))

    all_of_them = " ".join(f"here/r{n}" for n in range(5000))
    rules = [
        connect("all", all_of_them),
        a_rule("any", ANY_GROUP, "there/x"),
        connect("back", "there/x here/r0"),
    ]
    assert 1 == len(find_rounds(rules, ACCOUNTS))


SIX = [f"here/{letter}" for letter in "abcdef"]
PLACES = st.lists(st.sampled_from(SIX), min_size=1, max_size=3, unique=True)
SOURCES = st.one_of(PLACES.map(" ".join), st.just(ANY_GROUP))


@st.composite
def rule_lists(draw: st.DrawFn) -> list[Rule]:
    rules = []
    for number in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            rules.append(connect(str(number), " ".join(draw(PLACES))))
        else:
            rules.append(a_rule(str(number), draw(SOURCES), " ".join(draw(PLACES))))
    return rules


def ways(rules: list[Rule], place: ConversationRef) -> Iterator[tuple[int, ConversationRef]]:
    for number, rule in enumerate(rules):
        if place in rule.sources or ANY_GROUP in rule.sources:
            for target in rule.targets:
                if isinstance(target.where, ConversationRef) and target.where != place:
                    yield number, target.where


def goes_round(rules: list[Rule]) -> bool:
    """Every way is tried: to other places only, by other rules only, until it is where it began."""

    def on(
        start: ConversationRef,
        place: ConversationRef,
        used: tuple[int, ...],
        seen: frozenset[ConversationRef],
    ) -> bool:
        for number, after in ways(rules, place):
            if number in used:
                continue
            if after == start and used:
                return True
            if after not in seen and on(start, after, (*used, number), seen | {after}):
                return True
        return False

    return any(on(a_place(place), a_place(place), (), frozenset({a_place(place)})) for place in SIX)


@settings(max_examples=600, deadline=None)
@given(rule_lists())
def test_a_round_is_found_where_one_is(rules: list[Rule]) -> None:
    """And only there; each of its steps is one that its rule makes."""
    rounds = find_rounds(rules, ACCOUNTS)

    assert goes_round(rules) == bool(rounds)
    for found in rounds:
        assert len(set(found.rules)) > 1
        for at, number in enumerate(found.rules):
            here, there = found.places[at], found.places[(at + 1) % len(found.places)]
            assert (number, a_place(there)) in ways(rules, a_place(here))


def test_the_warning_says_when_it_matters(tmp_path: Path) -> None:
    """There and back is harmless unless our own posts come back; two accounts in one room are not."""
    config = {
        "chat": {
            "here": {"token": "t0p-secret", "sign": "s1gn"},
            "also": {"token": "t0p-secret", "sign": "s1gn", "listen_path": "/also"},
        },
        "hook": {"there": {}},
    }

    def said(*rules: object) -> tuple[str, str, str]:
        reading = read(tmp_path, config, {"rules": list(rules)})
        assert reading.config, reading.problems
        assert reading.rules, reading.problems
        (problem,) = analyse(reading.config, reading.rules)
        return problem.code, str(problem.message), " ".join(map(str, problem.hints))

    out = {"id": "out", "from": {"here": {"room": "a"}}, "to": {"there": {}}}
    code, message, hints = said(out, {"id": "in", "from": {"there": {}}, "to": {"here": {"room": "a"}}})
    assert ("W311", "routes lead round: here/a → there/default → here/a") == (code, message)
    assert "only where a platform gives our own posts back" in hints
    assert '"out", "in"' in hints

    code, message, hints = said(out, {"id": "in", "from": {"there": {}}, "to": {"also": {"room": "a"}}})
    assert "W311" == code
    assert "also/a and here/a are one conversation" in hints

    code, message, _ = said({"id": "x", "from": {"here": {"room": "a"}}, "to": {"also": {"room": "a"}}})
    assert ("W312", 'rule "x": here/a and also/a are one conversation under two accounts') == (
        code,
        message,
    )

    code, message, hints = said(
        {"id": "x", "from": {"here": {"room": "*"}}, "to": {"here": {"room": "{conversation}"}}}
    )
    assert "W311" == code
    assert "answers where it hears" in message
    assert "only where a platform gives our own posts back" in hints
