"""Templates: names from a fixed list, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.template import FIELDS, BadTemplate, compile_template

VALUES = {name: f"<{name}>" for name in FIELDS}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{user}: {msg}", "<user>: <msg>"),
        ("{{{user}}}", "{<user>}"),
        ("}}{{", "}{"),
        ("{msg}{msg}", "<msg><msg>"),
    ],
)
def test_names_are_filled_and_doubled_braces_are_braces(template: str, filled: str) -> None:
    """Everything else stays as it is."""
    assert filled == compile_template(template).fill(VALUES)


@pytest.mark.parametrize(
    ("template", "name", "at"),
    [
        ("a{usr}", "usr", 1),
        ("{", "", 0),
        ("a}", "", 1),
        ("{user.__class__}", "user.__class__", 0),
        ("{user!r}", "user!r", 0),
        ("{0}", "0", 0),
        ("{}", "", 0),
        ("{{{}", "", 2),
    ],
)
def test_everything_else_in_braces_is_refused_with_its_place(template: str, name: str, at: int) -> None:
    """No attributes, no conversions, no numbers."""
    with pytest.raises(BadTemplate) as caught:
        compile_template(template)

    assert (name, at) == (caught.value.name, caught.value.at)


@given(st.text())
def test_values_are_put_in_without_being_looked_at(value: str) -> None:
    """Braces in what a user wrote are text."""
    assert f"[{value}]" == compile_template("[{msg}]").fill({**VALUES, "msg": value})


def test_a_template_says_which_fields_it_uses() -> None:
    """So that what is expensive is made only when it is asked for."""
    assert {"user", "time"} == compile_template("{user} {{msg}} {time}").fields
