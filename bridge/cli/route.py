"""``msgbridge route``: where a message would go, and for every rule why."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bridge.cli import (
    OK,
    PROBLEMS,
    USAGE,
    find_files,
    spoken,
    wants_colour,
)
from bridge.cli.asking import add_desk_options, ask, asking, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.i18n import Speak
    from bridge.model import Envelope, Route
    from bridge.routing import Decision

_KINDS = ("message", "edit", "recall", "reaction", "notice")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("route", help="why a message goes where")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--from", dest="source", metavar="INSTANCE/CONVERSATION")
    asked.add_argument(
        "message",
        nargs="?",
        metavar="MESSAGE_ID",
        help="one that the running daemon has journaled, by the rules that it runs now",
    )
    parser.add_argument("--user", default="user", help="the sender's display name")
    parser.add_argument("--user-id", default="", help="the sender's id; default: as --user")
    parser.add_argument("--text", default="")
    parser.add_argument("--title", default="", help="the conversation's title")
    parser.add_argument("--kind", choices=_KINDS, default="message")
    parser.add_argument("--direct", action="store_true", help="a chat of one person with the bot")
    parser.add_argument("--mentions-bot", action="store_true")
    add_desk_options(parser)
    parser.set_defaults(run=asking(run))


def run(arguments: argparse.Namespace) -> int:
    """
    0 with an answer, 1 when the files are wrong or the message is unknown, 2 for a place that is
    none, 69 when the daemon is asked and cannot be reached.
    """
    if arguments.message is not None:
        return _journaled(arguments)
    from bridge.files import read_files
    from bridge.preview import previewer
    from bridge.problems import did_you_mean
    from bridge.problems.show import show_all

    speak = spoken(arguments)
    config_path, rules_path = find_files(arguments)
    reading = read_files(config_path, rules_path, environ=os.environ)
    if reading.config is None or reading.rules is None:
        sys.stderr.write(show_all(reading.problems, speak, colour=wants_colour()))
        return PROBLEMS
    envelope = _envelope(arguments)
    if envelope.source.instance not in reading.config.instances:
        names = list(reading.config.instances)
        close = did_you_mean(envelope.source.instance, names)
        advice = f"did you mean {close!r}?" if close else f"choose one of: {', '.join(names)}"
        sys.stderr.write(
            f"msgbridge route: there is no instance {envelope.source.instance!r}; {advice}\n"
        )
        return USAGE
    router = reading.rules.router
    decisions, routes = router.explain(envelope), router.route(envelope)
    preview = previewer(reading.config)
    if arguments.json:
        sys.stdout.write(_as_json(decisions, routes, envelope, preview) + "\n")
    else:
        sys.stdout.write(_explained(decisions, routes, envelope, preview, speak) + "\n")
    return OK


def _journaled(arguments: argparse.Namespace) -> int:
    """Why a message that came goes where, as the daemon sees it."""
    from bridge.phrases import phrase
    from bridge.problems import printable

    answer = ask(arguments, "explain", message=arguments.message)
    if arguments.json:
        write_json(answer)
        return OK
    speak = spoken(arguments)
    lines = []
    for rule in answer["rules"]:
        mark = "+" if rule["matched"] else "-"
        lines.append(f"{mark} {rule['rule']}: {rule['because']}  ({rule['file']}:{rule['line']})")
        lines += [f"    -> {to}" for to in rule["to"]]
    lines.append("")
    if not answer["routes"]:
        lines.append(speak(phrase("it goes nowhere")))
    for route in answer["routes"]:
        by = speak(phrase("by rule {rule}", rule=route["rule"]))
        lines.append(f"-> {route['to']}  ({by})")
        lines += [f"   | {line}" for line in route["text"].split("\n")]
    lines += ["", speak(phrase("what became of it when it came:"))]
    lines += [
        f"   {row['to']}  {row['status']} {row['reason']}".rstrip()
        + f"  ({row['id']}, {speak(phrase('by rule {rule}', rule=row['rule']))})"
        for row in answer["deliveries"]
    ] or ["   " + speak(phrase("it goes nowhere"))]
    sys.stdout.write("\n".join(printable(line) for line in lines) + "\n")
    return OK


def _envelope(arguments: argparse.Namespace) -> Envelope:
    from bridge.model import (
        ConversationId,
        ConversationRef,
        Envelope,
        EventId,
        EventKind,
        InstanceId,
        Message,
        MessageId,
        Sender,
        UserId,
    )

    instance, _, conversation = arguments.source.partition("/")
    now = datetime.now(UTC)
    return Envelope(
        id=EventId("route"),
        kind=EventKind(arguments.kind),
        source=ConversationRef(InstanceId(instance), ConversationId(conversation or "default")),
        sender=Sender(UserId(arguments.user_id or arguments.user), arguments.user),
        message=Message(MessageId("route"), text=arguments.text),
        occurred_at=now,
        received_at=now,
        conversation_title=arguments.title,
        direct=arguments.direct,
        mentions_bot=arguments.mentions_bot,
    )


def _explained(
    decisions: Sequence[Decision],
    routes: Sequence[Route],
    envelope: Envelope,
    preview: Callable[[Route, Envelope], str],
    speak: Speak,
) -> str:
    from bridge.phrases import phrase
    from bridge.problems import printable

    lines = []
    for decision in decisions:
        mark = "+" if decision.matched else "-"
        rule = decision.rule
        lines.append(f"{mark} {rule.id}: {speak(decision.because)}  ({rule.file}:{decision.line})")
        lines += [f"    -> {route.destination}" for route in decision.routes]
    lines.append("")
    if not routes:
        lines.append(speak(phrase("it goes nowhere")))
    else:
        lines.append(speak(phrase("conversations that it goes to: {count}", count=len(routes))))
    for route in routes:
        by = speak(phrase("by rule {rule}", rule=route.plan.rule))
        lines.append(f"-> {route.destination}  ({by})")
        lines += [f"   | {line}" for line in preview(route, envelope).split("\n")]
    return "\n".join(printable(line) for line in lines)


def _as_json(
    decisions: Sequence[Decision],
    routes: Sequence[Route],
    envelope: Envelope,
    preview: Callable[[Route, Envelope], str],
) -> str:
    return json.dumps(
        {
            "rules": [
                {
                    "rule": decision.rule.id,
                    "file": decision.rule.file,
                    "line": decision.line,
                    "matched": decision.matched,
                    "because": str(decision.because),
                    "to": [str(route.destination) for route in decision.routes],
                }
                for decision in decisions
            ],
            "routes": [
                {
                    "to": str(route.destination),
                    "rule": route.plan.rule,
                    "text": preview(route, envelope),
                }
                for route in routes
            ],
        },
        ensure_ascii=False,
        indent=2,
    )
