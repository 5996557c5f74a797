"""``msgbridge instance``: stop one account from sending, and let it send again."""

from __future__ import annotations

import argparse
import sys

from bridge.cli import OK, spoken
from bridge.cli.asking import add_desk_options, ask, asking, write_json


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("instance", help="pause and resume one account")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for verb, meaning in (
        ("pause", "send nothing more by it, also after a restart; it still receives"),
        ("resume", "end a pause; what is suspended is tried at once"),
    ):
        command = commands.add_parser(verb, help=meaning)
        command.add_argument("instance", metavar="INSTANCE")
        add_desk_options(command)
        command.set_defaults(run=asking(run), verb=verb)


def run(arguments: argparse.Namespace) -> int:
    from bridge.phrases import phrase

    ask(arguments, arguments.verb, instance=arguments.instance)
    if arguments.json:
        write_json({"instance": arguments.instance, "verb": arguments.verb})
        return OK
    name = arguments.instance
    said = (
        phrase("{name} is paused: what is for it waits", name=name)
        if arguments.verb == "pause"
        else phrase("{name} sends again", name=name)
    )
    sys.stdout.write(spoken(arguments)(said) + "\n")
    return OK
