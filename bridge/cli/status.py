"""``msgbridge status``: one screen of the running daemon."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING

from bridge.cli import OK, spoken, wants_colour
from bridge.cli.asking import Json, add_desk_options, ask, asking, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.i18n import Speak

_CLEAR = "\033[H\033[2J"
_COLOURS = {"good": "\033[32m", "look": "\033[33m", "bad": "\033[1;31m"}
_PLAIN = "\033[0m"
_ROWS = 20
_LEVELS = {"bad": 2, "look": 1}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("status", help="one screen: what came, what waits, what is wrong")
    parser.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=2.0,
        metavar="SECONDS",
        help="again and again, until Ctrl-C; default: every 2 s",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="for monitors: what is wrong on one line; 0 well, 1 worth a look, 2 bad, 69 no daemon",
    )
    add_desk_options(parser)
    parser.set_defaults(run=asking(run))


def run(arguments: argparse.Namespace) -> int:
    while True:
        answer = ask(arguments, "status")
        if arguments.check:
            return _check(answer, arguments)
        if arguments.json:
            write_json(answer)
        else:
            screen = "\n".join(_screen(answer, spoken(arguments), colour=wants_colour()))
            sys.stdout.write((_CLEAR if arguments.watch and sys.stdout.isatty() else "") + screen + "\n")
        sys.stdout.flush()
        if not arguments.watch:
            return OK
        time.sleep(max(arguments.watch, 0.1))


def _check(answer: Json, arguments: argparse.Namespace) -> int:
    """The worst of the concerns, as monitors want it: a line, and a code."""
    from bridge.phrases import phrase

    concerns = answer["concerns"]
    code = max((_LEVELS.get(one["level"], 0) for one in concerns), default=0)
    if arguments.json:
        write_json({"code": code, "concerns": concerns})
    else:
        said = "; ".join(one["what"] for one in concerns) or spoken(arguments)(phrase("all is well"))
        sys.stdout.write(f"{('OK', 'LOOK', 'BAD')[code]}: {said}\n")
    return code


def _screen(answer: Json, speak: Speak, *, colour: bool) -> Iterator[str]:
    from bridge.phrases import phrase
    from bridge.status.words import count, lasting

    def paint(text: str, level: str) -> str:
        return f"{_COLOURS[level]}{text}{_PLAIN}" if colour and level in _COLOURS else text

    head = phrase(
        "msgbridge {version}, up {uptime}, generation {generation}",
        version=answer["version"],
        uptime=lasting(answer["uptime"]),
        generation=answer["generation"],
    )
    yield speak(head)
    for concern in answer["concerns"]:
        yield paint(f"! {concern['what']}", concern["level"])
    last = answer["last_reload"]
    if last and not last["ok"]:
        yield paint((last["report"] or last["why"]).rstrip(), "bad")
    if not answer["concerns"]:
        yield paint(speak(phrase("all is well")), "good")
    yield ""
    yield from _instances(answer, speak)
    yield ""
    yield from _destinations(answer, speak)
    ledger = answer["journal"]["ledger"]
    counts = " + ".join(f"{count(number)} {status}" for status, number in ledger["by_status"].items())
    yield ""
    yield f"planned {count(ledger['planned'])} {'=' if ledger['balanced'] else '≠'} {counts}"
    for reason, number in answer["dead"].items():
        yield speak(phrase("dead letters: {count}", count=f"{number} {reason}")) + (
            f"  →  msgbridge dead replay --reason {reason}"
        )


def _instances(answer: Json, speak: Speak) -> Iterator[str]:
    from bridge.desk import InstanceState
    from bridge.phrases import phrase
    from bridge.status.words import INSTANCES

    received = {one["instance"]: one for one in answer["sources"]}
    rows = [
        (
            f"{INSTANCES[InstanceState(one['state'])].sign} {one['id']}",
            one["platform"],
            speak(INSTANCES[InstanceState(one["state"])].word),
            str(received.get(one["id"], {}).get("received", 0)),
            _ago(received.get(one["id"], {}).get("last"), answer, speak),
        )
        for one in answer["instances"]
    ]
    titles = (
        phrase("account"),
        phrase("platform"),
        phrase("state"),
        phrase("received"),
        phrase("last message"),
    )
    yield from _table([tuple(speak(title) for title in titles), *rows])


def _destinations(answer: Json, speak: Speak) -> Iterator[str]:
    from bridge.desk import LaneState
    from bridge.phrases import phrase
    from bridge.status.words import LANES

    shown = answer["destinations"][:_ROWS]
    rows = [
        (
            f"{LANES[LaneState(one['state'])].sign} {one['destination']}",
            speak(LANES[LaneState(one["state"])].word),
            str(one["waiting"]),
            _ago(one["oldest"], answer, speak),
            _ago(one["next_send"], answer, speak) if one["waiting"] else "",
            str(one["sent_per_hour"]),
            (one["last_failure"] or {}).get("reason", ""),
        )
        for one in shown
    ]
    titles = (
        phrase("destination"),
        phrase("state"),
        phrase("waiting"),
        phrase("oldest"),
        phrase("next try"),
        phrase("sent in an hour"),
        phrase("last failure"),
    )
    yield from _table([tuple(speak(title) for title in titles), *rows])
    more = len(answer["destinations"]) - len(shown) + answer["destinations_unshown"]
    if more:
        yield speak(phrase("and {count} more; --json shows them", count=more))


def _ago(moment: str | None, answer: Json, speak: Speak) -> str:
    from bridge.status.words import seen_from

    if moment is None:
        return ""
    return speak(seen_from(datetime.fromisoformat(answer["now"]), datetime.fromisoformat(moment)))


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    from bridge.problems import printable
    from bridge.problems.show import width

    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (
            printable(cell) + " " * (widths[column] - width(cell)) for column, cell in enumerate(row)
        )
        yield "  ".join(cells).rstrip()
