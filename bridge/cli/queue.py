"""``msgbridge queue``: what waits or is held, read from the journal of a running or stopped daemon."""

from __future__ import annotations

import argparse
import sys

from bridge.cli import OK, PROBLEMS, USAGE, spoken
from bridge.cli.asking import add_desk_options, ask, asking, write_json
from bridge.cli.choosing import add_choice_options, choice, wired
from bridge.cli.journaled import (
    add_filter_options,
    add_row_options,
    fail,
    journal_path,
    list_rows,
    show_row,
)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("queue", help="what waits, and why")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="one line for each delivery, oldest first")
    add_row_options(listing)
    add_filter_options(listing)
    listing.set_defaults(run=run_list)
    showing = commands.add_parser("show", help="everything about one delivery")
    add_row_options(showing)
    showing.add_argument("id", help="the delivery's id, as in the list and in the log")
    showing.set_defaults(run=run_show)
    for verb, meaning in (
        ("hold", "keep deliveries that wait back until they are released"),
        ("release", "let held deliveries wait again"),
        ("drop", "never send what waits or is held"),
    ):
        moving = commands.add_parser(verb, help=meaning)
        add_choice_options(moving)
        add_desk_options(moving)
        moving.set_defaults(run=asking(run_move), verb=verb, among=("waiting", "held"))


def run_move(arguments: argparse.Namespace) -> int:
    """1 when nothing was found."""
    from bridge.phrases import phrase

    chosen = choice(arguments)
    if chosen is None:
        sys.stderr.write(spoken(arguments)(phrase("name deliveries by id, give a filter, or say --all")))
        sys.stderr.write("\n")
        return USAGE
    answer = ask(arguments, arguments.verb, choice=wired(chosen), among=list(arguments.among))
    if arguments.json:
        write_json(answer)
    else:
        said = {
            "hold": phrase("{count} held", count=answer["count"]),
            "release": phrase("{count} waiting again", count=answer["count"]),
            "drop": phrase("{count} dropped", count=answer["count"]),
        }
        sys.stdout.write(spoken(arguments)(said[arguments.verb]) + "\n")
    return OK if answer["count"] else PROBLEMS


def run_list(arguments: argparse.Namespace) -> int:
    from bridge.errors import JournalError
    from bridge.journal.reading import open_reader
    from bridge.model import Status

    try:
        with open_reader(journal_path(arguments)) as reader:
            rows = [
                row
                for status in (Status.WAITING, Status.HELD)
                for row in reader.rows(status, limit=arguments.limit, instance=arguments.instance)
            ]
            ledger = reader.ledger()
    except JournalError as e:
        return fail(e)
    list_rows(rows[: arguments.limit], as_json=arguments.json)
    if not arguments.json:
        counts = " + ".join(f"{count} {status}" for status, count in ledger.by_status.items())
        sign = "=" if ledger.balanced else "≠"
        sys.stdout.write(f"planned {ledger.planned} {sign} {counts}\n")
    return OK


def run_show(arguments: argparse.Namespace) -> int:
    """Any delivery, wherever it stands; 1 when there is none of that id."""
    from bridge.errors import JournalError
    from bridge.journal.reading import open_reader

    try:
        with open_reader(journal_path(arguments)) as reader:
            row = reader.find(arguments.id)
    except JournalError as e:
        return fail(e)
    if row is None:
        sys.stderr.write(f"msgbridge: the journal knows no delivery {arguments.id}\n")
        return PROBLEMS
    show_row(row, as_json=arguments.json)
    return OK
