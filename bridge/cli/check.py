"""``msgbridge check``: all problems of both files at once, and the tests of the rules."""

from __future__ import annotations

import argparse
import gc
import json
import os
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import (
    OK,
    PROBLEMS,
    add_file_options,
    add_json_option,
    find_files,
    spoken,
    wants_colour,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.config import Config
    from bridge.i18n import Speak
    from bridge.problems import Problem
    from bridge.routing import Rule
    from bridge.rules import RulesFile

_MOST_NAMES = 12
"""Rules that no test fires and that are named; JSON has all of them."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("check", help="all problems of both files at once")
    parser.add_argument("--strict", action="store_true", help="fail for warnings, too")
    add_file_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when nothing is wrong (warnings may be, unless ``--strict``), 1 otherwise."""
    from bridge.files import read_files
    from bridge.problems import in_order
    from bridge.problems.show import as_json, show_all

    config_path, rules_path = find_files(arguments)
    with _uncollected():
        reading = read_files(config_path, rules_path, environ=os.environ)
        problems = reading.problems
        untested: tuple[Rule, ...] = ()
        both = (reading.config, reading.rules) if reading.config and reading.rules else None
        if both:
            more, untested = _examined(*both)
            problems = in_order((*problems, *more), (str(config_path), str(rules_path)))
    failed = any(arguments.strict or not problem.warning for problem in problems)
    if arguments.json:
        found = {
            "ok": not failed,
            "problems": [as_json(problem) for problem in problems],
            "untested": [{"rule": rule.id, "file": rule.file, "line": rule.line} for rule in untested],
        }
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
        return PROBLEMS if failed else OK
    speak = spoken(arguments)
    sys.stdout.write(show_all(problems, speak, colour=wants_colour()))
    if both and not failed:
        sys.stdout.write(_summary(*both, untested, speak) + "\n")
    return PROBLEMS if failed else OK


@contextmanager
def _uncollected() -> Iterator[None]:
    """Looking for garbage in a tree that only grows would be a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _examined(config: Config, rules: RulesFile) -> tuple[tuple[Problem, ...], tuple[Rule, ...]]:
    """What only shows when both files are understood, and the rules that no test fires."""
    from bridge.analysis import analyse
    from bridge.analysis.coverage import unfired
    from bridge.cli.abilities import abilities_of
    from bridge.preview import previewer
    from bridge.problems import without
    from bridge.rules.expectations import run_tests

    warnings = analyse(config, rules, abilities=abilities_of(config), mode_of=_mode)
    failures = run_tests(rules, previewer(config))
    masked = tuple(without(config.secrets, failure) for failure in failures)
    return (*warnings, *masked), unfired(config, rules) if rules.tests else ()


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _summary(config: Config, rules: RulesFile, untested: Sequence[Rule], speak: Speak) -> str:
    from bridge.phrases import phrase
    from bridge.problems import listed, quoted

    well = phrase(
        "all is well: instances {instances}, rules {rules}, tests passed {tests}",
        instances=len(config.instances),
        rules=len(rules.router.rules),
        tests=len(rules.tests),
    )
    if not untested:
        return speak(well)
    named = [f"{quoted(rule.id)} ({rule.file}:{rule.line})" for rule in untested[:_MOST_NAMES]]
    note = phrase(
        "note: no test fires {count} of the rules: {names}",
        count=len(untested),
        names=listed([*named, "…"] if len(untested) > _MOST_NAMES else named),
    )
    return f"{speak(well)}\n{speak(note)}"
