"""Of every single mistake: the right line and column, and the advice that helps, in both languages."""

from pathlib import Path

import pytest

from bridge.files import read_files
from bridge.i18n import LANGUAGES, speaker
from bridge.problems import Problem
from bridge.problems.show import show
from tests.mistaken import FILES, Mistake, mistakes

ENVIRON = {"DT_APP_SECRET": "d1ng-s3cret", "ALERTS_SECRET": "SEC0123456789", "CI_SECRET": "c1-s3cret"}
SEED = 20260105
ENOUGH = 0.95
MOST_ERRORS = 5
"""A name that changes is missed wherever it is used, too."""


def errors_of(folder: Path, config: str, rules: str) -> list[Problem]:
    (folder / "config.json").write_text(config, encoding="utf-8")
    (folder / "rules.json").write_text(rules, encoding="utf-8")
    reading = read_files(folder / "config.json", folder / "rules.json", environ=ENVIRON)
    return [problem for problem in reading.problems if not problem.warning]


def judged(mistake: Mistake, problems: list[Problem], lang: str) -> str:
    """What is wrong with what is said of it; empty if nothing is."""
    here = [
        p
        for p in problems
        if Path(p.file).name == f"{mistake.file}.json" and (p.line, p.column) in mistake.places
    ]
    if not here:
        said = [f"{p.code} {Path(p.file).name}:{p.line}:{p.column} {p.message}" for p in problems]
        return f"not at {sorted(mistake.places)} but {said}"
    if len(problems) > MOST_ERRORS:
        return f"one mistake, but {len(problems)} errors"
    speak = speaker(lang)
    said = [*here[0].hints, *([here[0].fields] if here[0].fields else [])]
    if not said:
        return f"no advice: {here[0].message}"
    text = "\n".join(map(speak, [here[0].message, *said]))
    if mistake.advice not in text:
        return f"{mistake.advice!r} is not in {text!r}"
    if lang == "zh" and not any(
        "\u4e00" <= char <= "\u9fff" for char in show(here[0], speak).partition("\n")[0]
    ):
        return "not in Chinese"
    return ""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Mistake, list[Problem]]]:
    """Every mistake, and all errors that the two files have with it."""
    folder = tmp_path_factory.mktemp("mistakes")
    return [(m, errors_of(folder, *{**FILES, m.file: m.text}.values())) for m in mistakes(SEED)]


def test_the_files_are_good_without_mistakes(tmp_path: Path) -> None:
    """Else everything below would judge something else."""
    assert [] == errors_of(tmp_path, *FILES.values())


@pytest.mark.parametrize("lang", LANGUAGES)
def test_mistakes_are_found_where_they_are(found: list[tuple[Mistake, list[Problem]]], lang: str) -> None:
    """At least 95 of 100, of more than 200; those that are not stand in the failure."""
    wrong = [
        f"{mistake.name}: {why}"
        for mistake, problems in found
        if (why := judged(mistake, problems, lang))
    ]

    assert len(found) >= 200
    assert 1 - len(wrong) / len(found) >= ENOUGH, "\n".join(wrong)


def test_no_mistake_goes_unnoticed(found: list[tuple[Mistake, list[Problem]]]) -> None:
    """Whatever is said of it: a file with a mistake is never taken."""
    assert [] == [mistake.name for mistake, problems in found if not problems]
