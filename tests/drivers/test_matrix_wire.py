"""Matrix's events, both ways, and what the homeserver's answers mean, as values."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    Malformed,
    Refused,
    Scope,
    Throttled,
    Transient,
)
from bridge.exchange import Answer
from bridge.model import TextFormat
from bridge.wild import Wild
from drivers.matrix import failures, happened, inbound, outbound, settings, texts
from drivers.matrix.memory import Memory
from tests.builders import an_outgoing
from tests.clock import NOON
from tests.contract.test_wire import NASTY_VALUES, changed, leaves, places
from tests.drivers.matrix.wire_files import heard, names, said, wire

relaxed = hypothesis_settings(deadline=None)  # the machine may be busy
TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("@room:hs.test \n*_`<>&[]()汉👩‍💻")
    ),
    max_size=300,
)


@pytest.mark.parametrize("name", names("inbound"))
def test_events_become_what_stands_beside_them(name: str) -> None:
    """
    Messages, edits, reactions, files; what is not for a bridge has a reason.
    """
    assert wire(f"inbound/{name}.expected.json") == heard(wire(f"inbound/{name}.json"))


@pytest.mark.parametrize("name", names("outbound"))
def test_messages_become_the_events_that_stand_beside_them(name: str) -> None:
    """
    In words and in HTML; nobody is called but whom the rule names.
    """
    assert wire(f"outbound/{name}.expected.json") == said(wire(f"outbound/{name}.json"))


@pytest.mark.parametrize("name", names("inbound"))
def test_a_nasty_value_anywhere_is_understood_or_malformed(name: str) -> None:
    """
    Other homeservers may put anything anywhere: each is an envelope, a reason, or `Malformed`.
    """
    event = wire(f"inbound/{name}.json")
    for path in places(event):
        for value in (*NASTY_VALUES.values(), ...):
            found = heard(json.loads(changed(event, path, value)))
            assert found
            assert not {"\0", "\x1b"} & set("".join(leaves(found.get("envelopes", []))))
            inbound.about(Wild(event))


@relaxed
@given(TEXTS, st.sampled_from(TextFormat))
@example("@room", TextFormat.PLAIN)
@example("**@room** [x](https://matrix.to/#/@ada:hs.test)", TextFormat.MARKDOWN)
@example("@@room @a:b", TextFormat.MARKDOWN)
def test_no_text_calls_anybody_or_is_longer_than_measured(text: str, format_: TextFormat) -> None:
    """
    Whatever people type: no mention, no pill, no HTML of theirs, and never more bytes than were counted.
    """
    content = outbound.message(an_outgoing(text, format=format_), "m.text")
    html = content.get("formatted_body", "")

    assert {} == content["m.mentions"]
    assert content["body"] == texts.held(content["body"])
    assert "matrix.to/#/@" not in html.replace("%40", "@").partition("href")[2].partition(">")[0]
    taken = texts.measure(content["body"]) + texts.measure(html)
    able = texts.measure if format_ is TextFormat.PLAIN else texts.measure_markdown
    assert taken <= able(text) + 16


@relaxed
@given(TEXTS)
def test_plain_words_come_back_as_they_went(text: str) -> None:
    """
    But for the invisible character behind an @ that would call somebody.
    """
    body, html = texts.write_body(text, TextFormat.PLAIN)

    assert text.replace("@", "") == body.replace("@\u200b", "").replace("@", "") or "\u200b" in text
    assert (body, TextFormat.PLAIN) == texts.read_body(body, html)


def test_the_same_part_has_the_same_transaction() -> None:
    """
    And no two parts share one, whatever their names are made of.
    """
    assert outbound.transaction("hs", "d1:1") == outbound.transaction("hs", "d1:1")
    pairs = {outbound.transaction(*one) for one in (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"))}
    assert 4 == len(pairs)
    assert all(one.isalnum() and len(one) <= 255 for one in pairs)


def answer(status: int, said: Any = None, **headers: str) -> Answer:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Answer(status, CIMultiDictProxy(CIMultiDict(headers)), body)


REFUSALS: Mapping[str, tuple[Answer, type[DeliveryError], Scope]] = {
    "token": (answer(401, {"errcode": "M_UNKNOWN_TOKEN"}), Broken, Scope.INSTANCE),
    "token, by a proxy": (answer(401, b"<html>"), Broken, Scope.INSTANCE),
    "room": (answer(403, {"errcode": "M_FORBIDDEN"}), Broken, Scope.CONVERSATION),
    "not there": (answer(404, {"errcode": "M_NOT_FOUND"}), Broken, Scope.CONVERSATION),
    "not Matrix": (answer(404, b"not found"), Broken, Scope.INSTANCE),
    "moved": (answer(302, b""), Broken, Scope.INSTANCE),
    "locked": (answer(401, {"errcode": "M_USER_LOCKED"}), Broken, Scope.INSTANCE),
    "too large": (answer(413, {"errcode": "M_TOO_LARGE"}), Refused, Scope.CONVERSATION),
    "bad": (answer(400, {"errcode": "M_BAD_JSON"}), Refused, Scope.CONVERSATION),
    "odd": (answer(404, {"errcode": "ORG.EXAMPLE.ODD"}), Refused, Scope.CONVERSATION),
    "down": (answer(502, b"bad gateway"), Transient, Scope.CONVERSATION),
    "slow down": (answer(429, {"errcode": "M_LIMIT_EXCEEDED"}), Throttled, Scope.INSTANCE),
    "no object": (answer(200, ["x"]), Indeterminate, Scope.CONVERSATION),
    "no JSON": (answer(200, b"\xff"), Indeterminate, Scope.CONVERSATION),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_an_answer_means(name: str) -> None:
    """
    Who must do something about it, and for how much of the account.
    """
    given_, error, scope = REFUSALS[name]

    with pytest.raises(DeliveryError) as caught:
        failures.decode(given_, NOON)

    assert error is type(caught.value)
    assert scope is caught.value.scope


@pytest.mark.parametrize(
    ("said", "headers", "wait"),
    [
        ({"retry_after_ms": 2500}, {}, 2.5),
        ({"retry_after_ms": 2500}, {"Retry-After": "9"}, 9.0),
        ({"retry_after_ms": "x"}, {}, None),
        ({"retry_after_ms": 10**18}, {}, 86_400.0),
        ({}, {}, None),
    ],
)
def test_the_homeserver_says_how_long_to_wait(
    said: Any, headers: Mapping[str, str], wait: float | None
) -> None:
    """
    In the header, or in the old way in the body.
    """
    with pytest.raises(Throttled) as caught:
        failures.decode(answer(429, {"errcode": "M_LIMIT_EXCEEDED", **said}, **headers), NOON)

    assert wait == caught.value.retry_after


def test_another_name_of_ours_is_no_coming() -> None:
    """
    What was said before we came is left out; before we changed our picture it is not.
    """
    us = "@bridge:hs.test"

    def member(before: str | None) -> Wild:
        unsigned = {"prev_content": {"membership": before}} if before else {}
        return Wild(
            {
                "type": "m.room.member",
                "state_key": us,
                "content": {"membership": "join"},
                "unsigned": unsigned,
            }
        )

    word = Wild({"type": "m.room.message"})

    for before in ("invite", "leave", None):
        assert ((word,), True) == happened.since_our_join((word, word, member(before), word), us)
    assert 3 == len(happened.since_our_join((word, member("join"), word), us)[0])


def test_a_look_that_makes_no_sense_is_malformed_or_empty() -> None:
    """
    Whatever the homeserver says happened.
    """
    for value in NASTY_VALUES.values():
        for rooms in (value, {"join": value, "invite": value, "leave": value}, {"join": {"!r": value}}):
            found = happened.read({"next_batch": "s1", "rooms": rooms}, "@bridge:hs.test")
            assert all(not one.events for one in found.rooms)
    with pytest.raises(Malformed):
        happened.read({}, "@bridge:hs.test")


def test_a_memory_keeps_what_was_used_last() -> None:
    """
    So many, and no more.
    """
    memory: Memory[int] = Memory(2)
    memory.keep("a", 1)
    memory.keep("b", 2)
    memory.get("a")
    memory.keep("c", 3)

    assert [1, None, 3] == [memory.get(name) for name in "abc"]


@pytest.mark.parametrize(
    ("given_", "codes"),
    [
        ({"access_token": "x"}, []),
        ({"user_id": "@b:hs", "password": "x"}, []),
        ({}, ["matrix-login"]),
        ({"access_token": "x", "user_id": "@b:hs", "password": "x"}, ["matrix-login"]),
        ({"password": "x"}, ["matrix-login"]),
        ({"access_token": "x", "invites_from": ["*"]}, ["matrix-open-door"]),
        ({"access_token": "x", "homeserver_url": "http://example.com"}, ["insecure-url"]),
        ({"access_token": "x", "homeserver_url": "http://[::1]:8008"}, []),
        ({"access_token": "x", "homeserver_url": "https://u:p@example.com"}, ["bad-url"]),
        ({"access_token": "x", "homeserver_url": "example.com"}, ["bad-url"]),
        ({"access_token": "x", "homeserver_url": "https://[x"}, ["bad-url"]),
    ],
)
def test_what_is_wrong_with_settings_is_said(given_: Any, codes: list[str]) -> None:
    """
    One login, a URL that keeps the token secret, and a door that is not open to everybody unnoticed.
    """
    found = settings.check({"homeserver_url": "https://example.com", **given_})

    assert codes == [one.code for one in found]


def test_who_may_invite() -> None:
    """
    A person, a homeserver, or anybody; nobody by default.
    """

    def welcomes(inviter: str, *allowed: str) -> bool:
        account = settings.read({"homeserver_url": "https://x", "invites_from": allowed})
        return account.welcomes(inviter)

    assert not welcomes("@ada:hs.test")
    assert welcomes("@ada:hs.test", "@ada:hs.test")
    assert not welcomes("@eve:hs.test", "@ada:hs.test")
    assert welcomes("@eve:hs.test", "hs.test")
    assert not welcomes("@eve:evil-hs.test", "hs.test")
    assert not welcomes("hs.test", "hs.test")
    assert welcomes("@eve:else", "*")
