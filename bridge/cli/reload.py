"""``msgbridge reload``: new files for the running daemon."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from bridge.cli import OK, PROBLEMS, spoken
from bridge.cli.asking import Json, add_desk_options, ask, asking, write_json

if TYPE_CHECKING:
    from bridge.i18n import Speak


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("reload", help="let the running daemon take the files as they are now")
    parser.add_argument(
        "--diff", action="store_true", help="only show what would change; nothing is taken"
    )
    add_desk_options(parser)
    parser.set_defaults(run=asking(run))


def run(arguments: argparse.Namespace) -> int:
    """0 when they were taken (or could be), 1 when they were refused, and why."""
    from bridge.phrases import phrase

    answer = ask(arguments, "reload", dry=arguments.diff)
    if arguments.json:
        write_json({key: value for key, value in answer.items() if key != "report"})
        return OK if answer["ok"] else PROBLEMS
    speak = spoken(arguments)
    sys.stdout.write(answer["report"])
    if not answer["ok"]:
        why = answer["why"] or speak(phrase("they have mistakes"))
        sys.stdout.write(speak(phrase("refused: {why}; the old files run on", why=why)) + "\n")
        return PROBLEMS
    for line in differences(answer["difference"], speak):
        sys.stdout.write(f"{line}\n")
    if not arguments.diff:
        said = phrase("taken; this is generation {generation}", generation=answer["generation"])
        sys.stdout.write(speak(said) + "\n")
    return OK


def differences(difference: Json, speak: Speak) -> list[str]:
    """One line for each rule and instance that is another, as ``diff`` marks them."""
    from bridge.phrases import phrase

    kinds = {"rules": phrase("rule"), "instances": phrase("instance")}
    signs = {"added": "+", "removed": "-", "changed": "~"}
    lines = [
        f"{sign} {speak(kind)} {name}"
        for what, kind in kinds.items()
        for how, sign in signs.items()
        for name in difference[f"{what}_{how}"]
    ]
    if difference["rules_moved"]:
        lines.append("~ " + speak(phrase("the order of the rules")))
    if difference["restart_needed"]:
        keys = ", ".join(f"global.{key}" for key in difference["restart_needed"])
        lines.append("! " + speak(phrase("only a restart puts these in force: {keys}", keys=keys)))
    return lines or [speak(phrase("nothing is different"))]
