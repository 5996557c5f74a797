"""``msgbridge dead``: what could not be delivered, and another try for it."""

from __future__ import annotations

import argparse
import json
import sys

from bridge.cli import OK, PROBLEMS, USAGE
from bridge.cli.journaled import add_filter_options, add_row_options, fail, journal_path, list_rows
from bridge.cli.queue import run_show


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("dead", help="what could not be delivered; another try for it")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="one line for each dead letter, oldest first")
    add_row_options(listing)
    add_filter_options(listing)
    listing.set_defaults(run=run_list)
    showing = commands.add_parser("show", help="everything about one dead letter")
    add_row_options(showing)
    showing.add_argument("id", help="the delivery's id, as in the list and in the log")
    showing.set_defaults(run=run_show)
    replaying = commands.add_parser(
        "replay", help="let dead or held deliveries wait again; a running daemon sends them at once"
    )
    add_row_options(replaying)
    add_filter_options(replaying)
    replaying.add_argument("id", nargs="*", help="deliveries by id")
    replaying.add_argument("--all", action="store_true", help="all dead letters (see --instance)")
    replaying.set_defaults(run=run_replay)


def run_list(arguments: argparse.Namespace) -> int:
    from bridge.errors import JournalError
    from bridge.journal.reading import open_reader
    from bridge.model import Status

    try:
        with open_reader(journal_path(arguments)) as reader:
            rows = reader.rows(Status.DEAD, limit=arguments.limit, instance=arguments.instance)
    except JournalError as e:
        return fail(e)
    list_rows(rows, as_json=arguments.json)
    if not rows and not arguments.json:
        sys.stdout.write("no dead letters\n")
    return OK


def run_replay(arguments: argparse.Namespace) -> int:
    """1 when nothing was found. Parts that a platform took are not sent again."""
    from bridge.clock import SystemClock
    from bridge.errors import JournalError
    from bridge.journal.reading import open_reader, replay
    from bridge.model import Status

    if bool(arguments.id) == arguments.all:
        sys.stderr.write("msgbridge dead replay: name deliveries by id, or say --all\n")
        return USAGE
    try:
        path = journal_path(arguments)
        ids = arguments.id
        if arguments.all:
            with open_reader(path) as reader:
                rows = reader.rows(Status.DEAD, limit=arguments.limit, instance=arguments.instance)
            ids = [row.delivery.id for row in rows]
        count = replay(path, ids, clock=SystemClock()) if ids else 0
    except JournalError as e:
        return fail(e)
    if arguments.json:
        sys.stdout.write(json.dumps({"replayed": count}) + "\n")
    else:
        sys.stdout.write(f"{count} waiting again\n")
    return OK if count else PROBLEMS
