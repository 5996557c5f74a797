"""``msgbridge dead``: what could not be delivered, and another try for it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import OK, PROBLEMS, USAGE, spoken
from bridge.cli.asking import Unreachable, add_desk_options, ask, asking, conversation
from bridge.cli.choosing import Meter, add_choice_options, choice, wired
from bridge.cli.journaled import add_filter_options, add_row_options, fail, journal_path, list_rows
from bridge.cli.queue import run_move, run_show

if TYPE_CHECKING:
    from bridge.journal import Choice


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
        "replay",
        help="let dead letters wait again, and held deliveries by their ids; sent at once",
    )
    add_choice_options(replaying)
    add_desk_options(replaying)
    replaying.add_argument("--rate", type=float, metavar="N", help="at most so many a second")
    replaying.add_argument("--journal", type=Path, help="the journal itself, of a stopped daemon")
    replaying.set_defaults(run=asking(run_replay))
    dropping = commands.add_parser("drop", help="forget dead letters for good")
    add_choice_options(dropping)
    add_desk_options(dropping)
    dropping.set_defaults(run=asking(run_move), verb="drop", among=("dead",))


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
    from bridge.phrases import phrase

    speak = spoken(arguments)
    chosen = choice(arguments)
    if chosen is None:
        sys.stderr.write(speak(phrase("name deliveries by id, give a filter, or say --all")) + "\n")
        return USAGE
    try:
        count = _by_daemon(arguments, chosen) if arguments.journal is None else None
    except Unreachable:
        count = None
    if count is None:
        from bridge.errors import JournalError

        try:
            count = _in_journal(journal_path(arguments), chosen)
        except JournalError as e:
            return fail(e)
    if arguments.json:
        sys.stdout.write(json.dumps({"replayed": count}) + "\n")
    else:
        sys.stdout.write(speak(phrase("{count} waiting again", count=count)) + "\n")
    return OK if count else PROBLEMS


def _by_daemon(arguments: argparse.Namespace, chosen: Choice) -> int:
    rate = None if arguments.rate is None else repr(arguments.rate)
    meter, done = Meter(), 0
    for kind, progress in conversation(
        arguments, "replay", patient=True, choice=wired(chosen), rate=rate
    ):
        done = progress["done"]
        if kind == "progress":
            meter.show(done, progress["total"])
    meter.end()
    if chosen.ids:  # somebody who names a held one means it
        done += ask(arguments, "release", choice=wired(chosen))["count"]
    return done


def _in_journal(path: Path, chosen: Choice) -> int:
    """Without a daemon there is no rate: they go out when it starts."""
    from bridge.clock import SystemClock
    from bridge.journal.reading import open_reader, replay
    from bridge.model import Status

    ids: list[str] = []
    with open_reader(path) as reader:
        for status in (Status.DEAD, Status.HELD) if chosen.ids else (Status.DEAD,):
            after = 0
            while page := reader.choose(status, chosen, after=after):
                after = page[-1].seq
                ids += [one.id for one in page]
    return replay(path, ids, clock=SystemClock()) if ids else 0
