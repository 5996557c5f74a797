"""``msgbridge journal``: whether the file is what was written, and a fresh one out of a damaged one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import OK, PROBLEMS, add_json_option, add_language_option, spoken
from bridge.cli.journaled import add_row_options, fail, journal_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.i18n import Speak
    from bridge.journal.inspection import Findings
    from bridge.journal.salvage import Report

_SHOWN = 20


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("journal", help="check the journal, or save what a damaged one holds")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    checking = commands.add_parser("check", help="read all of it; also beside a running daemon")
    add_row_options(checking)
    checking.set_defaults(run=run_check)
    salvaging = commands.add_parser("salvage", help="write what a damaged journal holds into a new one")
    salvaging.add_argument(
        "source", metavar="FROM", type=Path, help="the damaged journal.db; not changed"
    )
    salvaging.add_argument("target", metavar="TO", type=Path, help="the new one, which must not exist")
    add_json_option(salvaging)
    add_language_option(salvaging)
    salvaging.set_defaults(run=run_salvage)


def run_check(arguments: argparse.Namespace) -> int:
    """0 when it is whole, 1 when something is damaged, 74 when it cannot be read at all."""
    from bridge.errors import JournalError
    from bridge.journal.inspection import inspect

    try:
        findings = inspect(journal_path(arguments))
    except JournalError as e:
        return fail(e)
    if arguments.json:
        sys.stdout.write(json.dumps(_findings_as_object(findings), ensure_ascii=False) + "\n")
    else:
        _say_findings(findings, spoken(arguments))
    return OK if findings.whole else PROBLEMS


def run_salvage(arguments: argparse.Namespace) -> int:
    """0 when nothing is missing, 1 when something is, 74 when nothing could be done."""
    from bridge.clock import SystemClock
    from bridge.errors import JournalError
    from bridge.journal.salvage import salvage

    try:
        report = salvage(arguments.source, arguments.target, clock=SystemClock())
    except (JournalError, OSError) as e:
        return fail(e)
    if arguments.json:
        sys.stdout.write(json.dumps(_report_as_object(report), ensure_ascii=False) + "\n")
    else:
        _say_report(report, spoken(arguments), arguments.target)
    return OK if report.whole else PROBLEMS


def _say_findings(findings: Findings, speak: Speak) -> None:
    from bridge.phrases import phrase

    lines = [speak(phrase("the file: {problem}", problem=one)) for one in findings.structure]
    if findings.messages:
        lines.append(
            speak(
                phrase("damaged messages, by number: {list}", list=_listed(map(str, findings.messages)))
            )
        )
    if findings.deliveries:
        ids = _listed(f"{name} ({status})" for name, status in findings.deliveries)
        lines.append(speak(phrase("damaged deliveries, which are never sent: {list}", list=ids)))
    if findings.lost:
        first, last = findings.lost
        lines.append(
            speak(phrase("accepted, but not there: numbers {first} to {last}", first=first, last=last))
        )
    if not findings.balanced:
        lines.append(speak(phrase("the books do not balance")))
    if findings.whole:
        lines.append(speak(phrase("the journal is what was written")))
    else:
        lines.append(
            speak(
                phrase(
                    "stop the daemon, keep a copy of its directory, and save what is intact: "
                    "msgbridge journal salvage FROM TO"
                )
            )
        )
    if findings.counts:
        lines.append("  ".join(f"{count} {status}" for status, count in findings.counts))
    sys.stdout.write("".join(line + "\n" for line in lines))


def _say_report(report: Report, speak: Speak, target: Path) -> None:
    from bridge.journal.salvage import Kind
    from bridge.phrases import phrase

    head = ("", speak(phrase("saved")), speak(phrase("lost")))
    rows = [head] + [
        (kind.value, f"{report.saved[kind]:,}", f"{report.lost[kind]:,}")
        for kind in Kind
        if report.saved[kind] or report.lost[kind]
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for name, saved, lost in rows:
        sys.stdout.write(
            f"{name:<{widths[0]}}  {saved:>{widths[1]}}  {lost:>{widths[2]}}".rstrip() + "\n"
        )
    lines = []
    if report.pages:
        lines.append(speak(phrase("pages of the file that make no sense: {count}", count=report.pages)))
    if report.unknown:
        lines.append(
            speak(
                phrase(
                    "accepted, and nothing is left of them: {count} (messages or deliveries)",
                    count=report.unknown,
                )
            )
        )
    if report.lost_ids:
        ids = _listed(f"{name} ({status})" for name, status in report.lost_ids)
        lines.append(speak(phrase("lost deliveries: {list}", list=ids)))
    if report.whole:
        lines.append(speak(phrase("nothing is missing")))
    lines.append(
        speak(
            phrase(
                "made {path}: as journal.db in an empty data directory, owned by the daemon's user, "
                "it is what the daemon goes on with",
                path=target,
            )
        )
    )
    sys.stdout.write("".join(line + "\n" for line in lines))


def _findings_as_object(findings: Findings) -> dict[str, object]:
    return {
        "whole": findings.whole,
        "structure": list(findings.structure),
        "damaged_messages": list(findings.messages),
        "damaged_deliveries": [{"id": name, "status": status} for name, status in findings.deliveries],
        "lost": list(findings.lost) if findings.lost else None,
        "balanced": findings.balanced,
        "counts": {status.value: count for status, count in findings.counts},
    }


def _report_as_object(report: Report) -> dict[str, object]:
    return {
        "whole": report.whole,
        "saved": {kind.value: count for kind, count in report.saved.items()},
        "lost": {kind.value: count for kind, count in report.lost.items()},
        "lost_deliveries": [{"id": name, "status": status} for name, status in report.lost_ids],
        "unknown": report.unknown,
        "damaged_pages": report.pages,
    }


def _listed(items: Iterable[str]) -> str:
    words = list(items)
    more = f" … (+{len(words) - _SHOWN})" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
