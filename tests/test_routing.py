"""Where a message goes, and that the explanation is the decision."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.conditions import Condition, Direct, Kinds, TextContains
from bridge.model import AddressForm, ConversationId, ConversationRef, EventKind, InstanceId, Plan
from bridge.routing import KINDS_BY_DEFAULT, AnyOf, FromMessage, Router, Rule, Target
from tests.builders import a_place, an_envelope

PERSON = AddressForm("person", ("user_id",), lambda keys: ConversationId(f"user:{keys['user_id']}"))
ROOM = AddressForm("room", ("room",), lambda keys: ConversationId(keys["room"]))


def _form_of(conversation: ConversationId) -> str:
    return "person" if conversation.startswith("user:") else "room"


FORMS = {InstanceId(name): _form_of for name in ("here", "there")}


def _rule(
    id_: str, *sources: ConversationRef | AnyOf, to: tuple[str, ...] = ("there/room",), **more: object
) -> Rule:
    targets = tuple(Target(a_place(place), Plan(rule=id_)) for place in to)
    return Rule(**{"id": id_, "sources": sources, "targets": targets, "line": 7, **more})  # type: ignore[arg-type]  # fields of Rule


def _went(router: Router, **envelope: object) -> list[str]:
    return [f"{r.plan.rule}>{r.destination}" for r in router.route(an_envelope(**envelope))]  # type: ignore[arg-type]  # fields of Envelope


def _because(router: Router, **envelope: object) -> list[str]:
    return [str(d.because) for d in router.explain(an_envelope(**envelope))]  # type: ignore[arg-type]  # fields of Envelope


HERE = a_place("here/room")
ROOMS, PERSONS = AnyOf(InstanceId("here"), "room"), AnyOf(InstanceId("here"), "person")


@pytest.mark.parametrize("second", [HERE, ROOMS])
def test_each_destination_hears_a_message_once_by_the_first_rule(second: ConversationRef | AnyOf) -> None:
    """However many rules name it."""
    router = Router.of([_rule("a", HERE), _rule("b", second, to=("there/room", "there/more"))], FORMS)

    assert ["a>there/room", "b>there/more"] == _went(router)


@pytest.mark.parametrize(
    ("more", "went"),
    [
        ({}, ["a>there/room", "b>there/b"]),
        ({"enabled": False}, ["a>there/room"]),
        ({"otherwise": True}, ["a>there/room"]),
        ({"kinds": frozenset({EventKind.EDIT})}, ["a>there/room"]),
        ({"when": (Condition("direct", 1, Direct(True)),)}, ["a>there/room"]),
        ({"unless": (Condition("direct", 1, Direct(False)),)}, ["a>there/room"]),
        ({"to": ("here/room", "there/b")}, ["a>there/room", "b>there/b"]),
    ],
)
def test_where_all_messages_of_a_conversation_go_is_known_beforehand(
    more: Mapping[str, Any], went: list[str]
) -> None:
    """It is the same as asking every rule anew."""
    router = Router.of([_rule("a", HERE), _rule("b", HERE, **{"to": ("there/b",), **more})], FORMS)

    assert went == _went(router)


def test_a_wildcard_is_every_conversation_of_its_form() -> None:
    """Groups are not persons, and another instance is another matter."""
    router = Router.of([_rule("rooms", ROOMS), _rule("persons", PERSONS, to=("there/p",))], FORMS)

    assert ["rooms>there/room"] == _went(router, at="here/any")
    assert ["persons>there/p"] == _went(router, at="here/user:1")
    assert [] == _went(router, at="there/any")


def test_rules_fire_in_the_order_of_the_file() -> None:
    """Whether they name a conversation or a wildcard."""
    rules = [_rule(str(n), ROOMS if n % 2 else HERE, to=(f"there/{n}",)) for n in range(6)]

    assert [f"{n}>there/{n}" for n in range(6)] == _went(Router.of(rules, FORMS))


def test_stop_ends_the_search() -> None:
    """Rules behind it are not asked, and say so."""
    router = Router.of([_rule("a", HERE, stop=True), _rule("b", HERE, to=("there/b",))], FORMS)

    assert ["a>there/room"] == _went(router)
    assert "rule a has ended the search" == _because(router)[1]


def test_a_rule_that_does_not_match_stops_nothing() -> None:
    """Stop is for rules that fire."""
    no = (Condition("direct", 8, Direct(True)),)
    router = Router.of([_rule("a", HERE, stop=True, when=no), _rule("b", HERE)], FORMS)

    assert ["b>there/room"] == _went(router)


def test_otherwise_fires_only_when_none_before_did() -> None:
    """A default route; a rule behind it does not count."""
    rules = [
        _rule("a", HERE, when=(Condition("text_contains", 8, TextContains(("x",))),)),
        _rule("default", ROOMS, otherwise=True, to=("there/default",)),
        _rule("late", HERE, to=("there/late",)),
    ]

    assert ["default>there/default", "late>there/late"] == _went(Router.of(rules, FORMS))
    assert ["a>there/room", "late>there/late"] == _went(Router.of(rules, FORMS), text="x")


def test_a_message_never_goes_back_where_it_came_from() -> None:
    """Not by connect, not by mistake."""
    router = Router.of([_rule("a", HERE, to=("here/room", "here/other"))], FORMS)

    assert ["a>here/other"] == _went(router)


def test_notices_must_be_asked_for() -> None:
    """Members come and go; a rule without kinds does not tell."""
    asked = _rule("asked", HERE, kinds=frozenset({EventKind.NOTICE}), to=("there/n",))
    router = Router.of([_rule("a", HERE), asked], FORMS)

    assert ["asked>there/n"] == _went(router, kind=EventKind.NOTICE)
    assert ["a>there/room"] == _went(router, kind=EventKind.EDIT)


def test_a_destination_can_be_made_from_the_message() -> None:
    """The sender in person, or the place itself."""
    person = Target(FromMessage(InstanceId("there"), PERSON, {"user_id": "{user_id}"}), Plan(rule="a"))
    place = Target(FromMessage(InstanceId("here"), ROOM, {"room": "{conversation}"}), Plan(rule="a"))
    router = Router.of([_rule("a", HERE, targets=(person, place))], FORMS)

    assert ["a>there/user:ada", "a>here/room"] == _went(router)


def test_every_refusal_says_why_and_where() -> None:
    """The first condition that failed, with its line; the rule's line for all else."""
    rules = [
        _rule("off", HERE, enabled=False),
        _rule("elsewhere", a_place("here/other")),
        _rule("kind", HERE, kinds=frozenset({EventKind.EDIT})),
        _rule(
            "when",
            HERE,
            when=(
                Condition("kinds", 8, Kinds(frozenset(EventKind))),
                Condition("direct", 9, Direct(True)),
            ),
        ),
        _rule("unless", HERE, unless=(Condition("direct", 10, Direct(False)),)),
        _rule("yes", HERE),
    ]
    router = Router.of(rules, FORMS)

    assert [
        "it is switched off",
        "here/room is not one of its sources",
        "it takes edit, this is message",
        "it is not a direct chat",
        "unless: direct holds",
        "matched",
    ] == _because(router)
    assert [7, 7, 7, 9, 10, 7] == [d.line for d in router.explain(an_envelope())]


_PLACES = [HERE, a_place("here/b"), a_place("here/user:1")]


_SELDOM = st.sampled_from([False, False, False, True])
_OFTEN = _SELDOM.map(lambda seldom: not seldom)


def _rules_of(sources: Sequence[ConversationRef | AnyOf]) -> st.SearchStrategy[list[Rule]]:
    """Several rules of few sources and fewer destinations, so that they meet."""
    return st.lists(
        st.builds(
            lambda id_, sources, to, flags, when, kinds: _rule(
                id_, *sources, to=tuple(to), kinds=kinds, **flags,
                when=(Condition("direct", 1, Direct(True)),) if when else (),
            ),
            st.sampled_from("abcdef"),
            st.lists(st.sampled_from(sources), min_size=1, max_size=3),
            st.lists(st.sampled_from(["there/a", "there/b", "here/b", "here/room"]), max_size=3),
            st.fixed_dictionaries(dict.fromkeys(("stop", "otherwise"), _SELDOM) | {"enabled": _OFTEN}),
            _SELDOM,
            st.sampled_from([KINDS_BY_DEFAULT, KINDS_BY_DEFAULT, frozenset({EventKind.EDIT})]),
        ),
        max_size=6,
    )  # fmt: skip


_RULES = _rules_of(_PLACES) | _rules_of([*_PLACES, ROOMS, PERSONS])


@given(
    _RULES,
    st.sampled_from(["here/room", "here/b", "here/user:1", "there/a"]),
    st.booleans(),
    st.sampled_from([EventKind.MESSAGE, EventKind.EDIT, EventKind.NOTICE]),
)
def test_explaining_is_routing(rules: list[Rule], at: str, direct: bool, kind: EventKind) -> None:
    """The index only leaves out rules that could not match: what explain shows is what happens."""
    router = Router.of(rules, FORMS)
    envelope = an_envelope(at=at, direct=direct, kind=kind)

    explained: Mapping[ConversationRef, object] = {}
    for decision in router.explain(envelope):
        explained = {**{route.destination: route for route in decision.routes}, **explained}

    assert len(rules) == len(router.explain(envelope))
    assert list(router.route(envelope)) == [
        explained[route.destination] for route in router.route(envelope)
    ]
    assert set(explained) == {route.destination for route in router.route(envelope)}
