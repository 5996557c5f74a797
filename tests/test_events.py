"""The closed list of events: nothing else is logged, and nothing in it is never logged."""

import ast
import re
from pathlib import Path

import pytest

from bridge.events import ALL, BY_NAME
from tests.event_pages import PAGE, page

ROOT = Path(__file__).parent.parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
SAME = {"exception": "error"}
ELSEWHERE = {"tail.fell_behind"}
"""Told to those who watch, and never logged."""


def emitted():
    """(event, level, place) of every call of a logger in the product."""
    for path in sorted([*ROOT.glob("bridge/**/*.py"), *ROOT.glob("drivers/**/*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and (levels := levels_of(call.func)):
                first = 1 if levels == {"log"} else 0
                place = f"{path.relative_to(ROOT)}:{call.lineno}"
                for name in names(call.args[first], named):
                    yield name, levels, place


def levels_of(function):
    """The levels of a call like ``log.info`` or ``(log.info if … else log.warning)``; else none."""
    match function:
        case ast.IfExp(body=body, orelse=orelse):
            return levels_of(body) | levels_of(orelse)
        case ast.Attribute(value=ast.Name(id="log"), attr=attr) if attr in LEVELS:
            return {SAME.get(attr, attr)}
        case ast.Attribute(value=ast.Attribute(attr="_log"), attr=attr) if attr in LEVELS:
            return {SAME.get(attr, attr)}
        case ast.Attribute(value=ast.Call(func=ast.Attribute(attr="get_logger")), attr=attr):
            return {SAME.get(attr, attr)}
    return set()


def names(argument, named):
    """The texts that an argument can be: itself, or those of the module's constant that it names."""
    match argument:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if name in named:
            yield from (
                node.value
                for node in ast.walk(named[name])
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            )
        case _:
            raise AssertionError(f"which event is this? {ast.dump(argument)}")


EMITTED = list(emitted())


def test_every_event_that_is_logged_is_listed():
    """With the level that the list says."""
    unlisted = {name: place for name, _, place in EMITTED if name not in BY_NAME}
    other_level = {
        place: name
        for name, levels, place in EMITTED
        if name in BY_NAME and BY_NAME[name].level not in levels and levels != {"log"}
    }

    assert {} == unlisted, "list it in bridge/events.py, with what to do"
    assert {} == other_level


def test_every_listed_event_is_logged_somewhere():
    assert {told.name for told in ALL} == {name for name, _, _ in EMITTED} | ELSEWHERE


def test_names_are_a_noun_and_what_happened():
    for told in ALL:
        assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", told.name), told.name


def test_the_page_is_made_from_the_list():
    assert page() == PAGE.read_text(encoding="utf-8"), "write it: python -m tests.event_pages"


@pytest.mark.parametrize("name", ["events.md", "events.zh.md"])
def test_both_pages_have_the_same_events(name):
    """Each with its level and whether it is folded."""
    written = re.findall(
        r"^### `([a-z._]+)` ?[(（](\w+)(.*)[)）]$",
        PAGE.with_name(name).read_text(encoding="utf-8"),
        re.MULTILINE,
    )

    assert [(told.name, told.level, told.folded) for told in sorted(ALL, key=lambda t: t.name)] == [
        (event, level, bool(rest)) for event, level, rest in written
    ]
