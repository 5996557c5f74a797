"""``msgbridge check``: all problems of both files at once, and the tests of the rules."""

from __future__ import annotations

import argparse
import json
import os
import sys
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
    from bridge.files import Reading
    from bridge.i18n import Speak


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("check", help="all problems of both files at once")
    add_file_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when nothing is wrong (warnings may be), 1 otherwise."""
    from bridge.cli.preview import previewer
    from bridge.files import read_files
    from bridge.problems import without
    from bridge.problems.show import as_json, show_all
    from bridge.rules.expectations import run_tests

    config_path, rules_path = find_files(arguments)
    reading = read_files(config_path, rules_path, environ=os.environ)
    problems = reading.problems
    if reading.config and reading.rules:
        failures = run_tests(reading.rules, previewer(reading.config))
        problems += tuple(without(reading.config.secrets, failure) for failure in failures)
    failed = any(not problem.warning for problem in problems)
    if arguments.json:
        found = {"ok": not failed, "problems": [as_json(problem) for problem in problems]}
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    else:
        speak = spoken(arguments)
        sys.stdout.write(show_all(problems, speak, colour=wants_colour()))
        if not failed:
            sys.stdout.write(_summary(reading, speak) + "\n")
    return PROBLEMS if failed else OK


def _summary(reading: Reading, speak: Speak) -> str:
    from bridge.phrases import phrase

    assert reading.config is not None
    assert reading.rules is not None
    return speak(
        phrase(
            "all is well: instances {instances}, rules {rules}, tests passed {tests}",
            instances=len(reading.config.instances),
            rules=len(reading.rules.router.rules),
            tests=len(reading.rules.tests),
        )
    )
