"""Values from outside: each way to tame one agrees with the other, and says where it was refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import Malformed
from bridge.wild import Wild

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999, in milliseconds."""

Way = Callable[[Wild], object]
WAYS: dict[str, tuple[Way, Way]] = {
    "text": (lambda w: w.text_at("x"), lambda w: w["x"].text()),
    "text or default": (lambda w: w.text_at("x", "d"), lambda w: w["x"].text("d")),
    "name": (lambda w: w.name_at("x"), lambda w: w["x"].name()),
    "name or default": (lambda w: w.name_at("x", " d"), lambda w: w["x"].name(" d")),
    "identifier": (lambda w: w.identifier_at("x"), lambda w: w["x"].identifier()),
    "number": (lambda w: w.number_at("x"), lambda w: w["x"].number()),
    "flag": (lambda w: w.flag_at("x"), lambda w: w["x"].flag()),
    "time": (lambda w: w.time_at("x"), lambda w: w["x"].time()),
    "time or default": (lambda w: w.time_at("x", EPOCH), lambda w: w["x"].time(EPOCH)),
    "there": (lambda w: w.has("x"), lambda w: not w["x"].missing),
}
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.sampled_from(
        ["true", "false", "7", "９", "1_0", "-1", "9" * 21, " a", "\x00", "\ud800", "a\r\nb", "\u202ea"]
    )
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4
)


def outcome(way: Way, wild: Wild) -> object:
    """What it gives, or why it is refused."""
    try:
        return way(wild)
    except Malformed as e:
        return f"refused: {e}"


@pytest.mark.parametrize("way", WAYS)
@given(VALUES)
@example(" a ")
@example("９")
@example("1\u2028a")
def test_a_key_is_tamed_as_its_value_is(way: str, value: object) -> None:
    """
    Whether it is read with its step or without: the same value, or the same refusal.
    """
    short, long = WAYS[way]
    for body in ({"x": value}, {"y": value}, value):
        assert outcome(short, Wild(body)) == outcome(long, Wild(body))


@pytest.mark.parametrize(
    ("way", "value", "said"),
    [
        ("text", {"x": None}, "$.x: wanted text, got null"),
        ("text", {"x": {"a": 1}}, "$.x: wanted text, got an object"),
        ("text", [], "$.x: wanted text, got nothing"),
        ("name", {"x": 5}, "$.x: wanted text, got 5"),
        ("identifier", {"x": ""}, '$.x: wanted an identifier, got ""'),
        ("identifier", {"x": "a\n"}, '$.x: wanted an identifier, got "a\\n"'),
        ("number", {"x": True}, "$.x: wanted a whole number, got true"),
        ("number", {"x": "2.0"}, '$.x: wanted a whole number, got "2.0"'),
        ("number", {"x": "９"}, '$.x: wanted a whole number, got "\\uff19"'),
        ("flag", {"x": 1}, "$.x: wanted true or false, got 1"),
        ("time", {"x": LAST + 1}, "$.x: wanted a time in milliseconds, got 253402300800000"),
        ("time", {"x": FIRST - 1}, "$.x: wanted a time in milliseconds, got -62135596800001"),
        ("time", {}, "$.x: wanted a whole number, got nothing"),
    ],
)
def test_a_refusal_names_the_place(way: str, value: object, said: str) -> None:
    """
    The reader of a log has the message, not the body.
    """
    for each in WAYS[way]:
        assert outcome(each, Wild(value)) == f"refused: {said}"


@given(st.integers(FIRST, LAST) | st.integers(0, 2**42 + 2000))
@example(FIRST)
@example(LAST)
@example(8_589_934_592_001)
@example(142_349_340_883_521)
def test_a_time_is_exact(milliseconds: int) -> None:
    """
    To the microsecond, from the year 1 to 9999; a float of seconds is not, from the year 2242 on.
    """
    exact = EPOCH + timedelta(milliseconds=milliseconds)

    assert Wild({"x": milliseconds}).time_at("x") == exact
    assert Wild({"x": milliseconds}).time_at("x").tzinfo is UTC


@given(st.integers(max_value=FIRST - 1) | st.integers(min_value=LAST + 1))
@example(10**4000)
def test_a_time_beyond_the_calendar_is_refused(milliseconds: int) -> None:
    """
    However many digits it has.
    """
    assert "wanted a time in milliseconds" in str(outcome(WAYS["time"][0], Wild({"x": milliseconds})))


@pytest.mark.parametrize("before", ["", " ", "\r\n\t"])
@pytest.mark.parametrize("after", ["", "\n", " \t"])
@pytest.mark.parametrize("value", [{"a": {"b": 1}}, {}, [1], "}", 5, None])
def test_white_space_around_json_means_nothing(before: str, after: str, value: Any) -> None:
    """
    Programs write none, people with an editor do.
    """
    body = f"{before}{json.dumps({'x': value})}{after}".encode()

    assert outcome(lambda w: w["x"].is_object, Wild.parse(body)) == isinstance(value, dict)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b"{}}", "Extra data: line 1 column 3 (char 2)"),
        (b"{}{}", "Extra data: line 1 column 3 (char 2)"),
        (b"{} x", "Extra data: line 1 column 4 (char 3)"),
        (b" {} x}", "Extra data: line 1 column 5 (char 4)"),
        (b"{\n]}", "Expecting property name enclosed in double quotes: line 2 column 1 (char 2)"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"\xef\xbb\xbf{}", "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_what_is_not_one_json_value_is_refused(body: bytes, why: str) -> None:
    """
    With the place in the body as it came.
    """
    with pytest.raises(Malformed) as refused:
        Wild.parse(body)

    assert str(refused.value) == f"not JSON: {why}"
