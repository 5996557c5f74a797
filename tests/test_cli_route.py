"""msgbridge route: for every rule why, then where to and the final text."""

import json
from pathlib import Path

import pytest

from bridge.cli import main
from tests.test_cli_check import EXAMPLES, _environment  # noqa: F401 (a fixture that every test uses)

ROUTE = ["route", *EXAMPLES, "--from", "dt_main/cidTeamAAAA==", "--user", "Li", "--title", "Team A"]


def test_every_rule_says_why_and_every_destination_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    """With file and line for each rule."""
    assert 0 == main([*ROUTE, "--text", "token=abc"])

    shown = capsys.readouterr().out
    assert "+ team-room: matched" in shown
    assert "rules.json.example:4)" in shown
    assert "-> dt_main/cidTeamBBBB==  (by rule team-room)\n   | Li (Team A): token=abc\n" in shown
    assert "-> ci/default  (by rule to-ci)\n   | [Team A] Li: token=…\n" in shown


def test_a_rule_that_does_not_match_shows_the_conditions_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The line of the condition, not of the rule."""
    lines = Path(EXAMPLES[3]).read_text(encoding="utf-8").split("\n")
    line = next(number for number, text in enumerate(lines, 1) if '"unless"' in text)

    assert 0 == main([*ROUTE, "--text", "#private"])

    shown = capsys.readouterr().out
    assert f"- to-ci: unless: text_contains holds  ({EXAMPLES[3]}:{line})" in shown


def test_nowhere_is_an_answer_too(capsys: pytest.CaptureFixture[str]) -> None:
    """In the reader's language."""
    assert 0 == main(["route", *EXAMPLES, "--from", "ci/default", "--lang", "zh"])
    assert "哪里都不去" in capsys.readouterr().out


def test_json_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Rules in order, then routes with their text."""
    assert 0 == main([*ROUTE, "--text", "hi", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert [("team-room", True), ("to-ci", True)] == [(r["rule"], r["matched"]) for r in found["rules"]]
    assert ["Li (Team A): hi", "[Team A] Li: hi"] == [r["text"] for r in found["routes"]]


def test_an_unknown_instance_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """With the one that was meant."""
    assert 2 == main(["route", *EXAMPLES, "--from", "dt_mian/cid"])
    assert "did you mean 'dt_main'?" in capsys.readouterr().err


def test_wrong_files_are_shown_instead_of_an_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer from half of the rules would be a wrong one."""
    monkeypatch.delenv("CI_SECRET")

    assert 1 == main(ROUTE)
    assert "error[E205]" in capsys.readouterr().err
