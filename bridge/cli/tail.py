"""``msgbridge tail``: messages and decisions, live."""

from __future__ import annotations

import argparse
import json
import sys

from bridge.cli import OK
from bridge.cli.asking import Json, add_desk_options, asking, conversation


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("tail", help="live messages and what becomes of them, until Ctrl-C")
    parser.add_argument("--text", action="store_true", help="show what was said, too")
    parser.add_argument("--count", type=int, default=0, metavar="N", help="end after so many events")
    add_desk_options(parser)
    parser.set_defaults(run=asking(run))


def run(arguments: argparse.Namespace) -> int:
    from bridge.problems import printable

    events = conversation(arguments, "tail", patient=True, texts=arguments.text)
    for number, (_, event) in enumerate(events, 1):
        line = json.dumps(event, ensure_ascii=False) if arguments.json else printable(_line(event))
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        if number == arguments.count:
            break
    return OK


def _line(event: Json) -> str:
    facts = dict(event["facts"])
    text = facts.pop("text", None)
    told = " ".join(
        f"{key}={', '.join(value) if isinstance(value, list) else value}"
        for key, value in facts.items()
        if value not in ("", None, [], 0)
    )
    said = f"  | {' '.join(text.split())}" if text else ""
    return f"{event['at']} {event['level']:<7} {event['name']:<24} {told}{said}"
