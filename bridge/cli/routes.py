"""``msgbridge routes``: the picture of which conversation goes where by which rule."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bridge.cli import OK, PROBLEMS, add_file_options, find_files, spoken, wants_colour


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("routes", help="the picture: which conversation goes where")
    parser.add_argument(
        "--format",
        choices=("tree", "mermaid", "svg"),
        default="tree",
        help="tree for a terminal (default), mermaid for a wiki, svg for a browser",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    add_file_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 with a picture, 1 when the files are wrong. Raises OSError where it cannot be written."""
    from bridge.analysis.accounts import Accounts
    from bridge.analysis.rounds import find_rounds
    from bridge.files import read_files
    from bridge.problems.show import show_all
    from bridge.routes_picture import picture
    from bridge.routes_picture.chart import chart
    from bridge.routes_picture.words import mermaid, tree

    speak = spoken(arguments)
    config_path, rules_path = find_files(arguments)
    reading = read_files(config_path, rules_path, environ=os.environ)
    if reading.config is None or reading.rules is None:
        sys.stderr.write(show_all(reading.problems, speak, colour=wants_colour()))
        return PROBLEMS
    router = reading.rules.router
    rounds = find_rounds(router.rules, Accounts(reading.config.instances))
    if arguments.format == "svg":
        text = picture(router, {}, rounds=rounds, speak=speak)
    else:
        write = tree if arguments.format == "tree" else mermaid
        text = write(chart(router, rounds), {}, speak)
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    return OK
