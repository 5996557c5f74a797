"""``msgbridge send``: one message to one conversation, a test button."""

from __future__ import annotations

import argparse
import sys
import time

from bridge.cli import OK, PROBLEMS, spoken
from bridge.cli.asking import Json, add_desk_options, ask, asking, write_json

_LOOK_EVERY = 0.1
_ENDED = ("sent", "skipped", "dead", "held", "dropped")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("send", help="one message to one conversation, through the journal")
    parser.add_argument("instance", metavar="INSTANCE")
    parser.add_argument(
        "conversation",
        metavar="CONVERSATION",
        nargs="?",
        default="",
        help="its id, or key=value as in rules.json (user_id=manager01); left out where there is one",
    )
    parser.add_argument("--text", required=True)
    parser.add_argument("--markdown", action="store_true", help="the text is Markdown")
    parser.add_argument("--title", default="")
    parser.add_argument("--key", default="", help="with the same key again nothing is sent")
    parser.add_argument(
        "--wait", type=float, default=20.0, metavar="SECONDS", help="for its outcome; default: 20"
    )
    add_desk_options(parser)
    parser.set_defaults(run=asking(run))


def run(arguments: argparse.Namespace) -> int:
    """0 when it was sent or goes on waiting, 1 when it could not be sent."""
    from bridge.phrases import phrase

    sent = ask(
        arguments,
        "send",
        instance=arguments.instance,
        conversation=arguments.conversation,
        text=arguments.text,
        markdown=arguments.markdown,
        title=arguments.title,
        key=arguments.key,
    )
    outcome = _outcome(arguments, sent["delivery"])
    if arguments.json:
        write_json({**sent, **outcome})
    else:
        said = phrase(
            "{to}: {status} (delivery {delivery})",
            to=sent["to"],
            status=outcome["status"],
            delivery=sent["delivery"],
        )
        why = f": {outcome['reason']} {outcome['detail']}".rstrip() if outcome["reason"] else ""
        sys.stdout.write(spoken(arguments)(said) + why + "\n")
    return PROBLEMS if outcome["status"] in ("dead", "held", "dropped") else OK


def _outcome(arguments: argparse.Namespace, delivery: str) -> Json:
    """Looked for until it has ended, or the patience has."""
    deadline = time.monotonic() + arguments.wait
    while True:
        outcome = ask(arguments, "outcome", delivery=delivery)
        if outcome["status"] in _ENDED or time.monotonic() > deadline:
            return outcome
        time.sleep(_LOOK_EVERY)
