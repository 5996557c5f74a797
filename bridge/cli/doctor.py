"""``msgbridge doctor``: both files, this machine, then every account for real; each with a way out."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from bridge.cli import (
    OK,
    PROBLEMS,
    add_file_options,
    add_json_option,
    find_files,
    spoken,
    wants_colour,
)
from bridge.cli.account import NoSuchInstance, instance_of, refuse, write_json
from bridge.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config import Config, Instance
    from bridge.i18n import Speak
    from bridge.model import Finding

_GREEN, _RED, _PLAIN = "\033[32m", "\033[1;31m", "\033[0m"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("doctor", help="try every account for real, and say what to do")
    parser.add_argument("instances", nargs="*", metavar="INSTANCE", help="default: all of them")
    parser.add_argument(
        "--send-test",
        action="store_true",
        help="post a message where an account has exactly one conversation; it counts against the "
        "platform's limit, beside what a running daemon sends",
    )
    add_file_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when all is well, 1 when something is not, 2 for an instance that does not exist."""
    from bridge.files import read_files
    from bridge.problems.show import as_json, show_all

    speak = spoken(arguments)
    config_path, rules_path = find_files(arguments)
    reading = read_files(config_path, rules_path, environ=os.environ)
    if not arguments.json:
        sys.stdout.write(show_all(reading.problems, speak, colour=wants_colour()))
    chosen: list[Instance] = []
    if reading.config is not None:
        names = arguments.instances or list(reading.config.instances)
        try:
            chosen = [instance_of(reading.config, name) for name in names]
        except NoSuchInstance as e:
            return refuse(str(e))
    well = reading.good
    here: list[Finding] = []
    if reading.config is not None and not arguments.instances:
        from bridge.machine import machine

        here = list(machine(reading.config, (config_path, rules_path)))
    well = well and all(finding.ok for finding in here)
    if here and not arguments.json:
        _show(speak(phrase("this machine")), here, speak)
    examined: list[dict[str, Any]] = []
    for instance in chosen:
        assert reading.config is not None
        findings = _examine(reading.config, instance, send_test=arguments.send_test)
        well = well and all(finding.ok for finding in findings)
        examined.append(_as_object(instance, findings))
        if not arguments.json:
            _show(f"{instance.id} ({instance.platform})", findings, speak)
    if arguments.json:
        problems = [as_json(problem) for problem in reading.problems]
        write_json(
            {
                "ok": well,
                "problems": problems,
                "machine": [_finding(one) for one in here],
                "instances": examined,
            }
        )
    return OK if well else PROBLEMS


def _examine(config: Config, instance: Instance, *, send_test: bool) -> Sequence[Finding]:
    """Secrets are masked in whatever a platform says."""
    from dataclasses import replace

    from bridge import __version__
    from bridge.clock import SystemClock
    from bridge.doctor import examine
    from bridge.log import Redaction
    from bridge.metrics import Metrics

    hide = Redaction(config.secrets).text
    found = asyncio.run(
        examine(instance, config, SystemClock(), Metrics(__version__), send_test=send_test)
    )
    return [replace(finding, what=hide(finding.what), hint=hide(finding.hint)) for finding in found]


def _show(title: str, findings: Sequence[Finding], speak: Speak) -> None:
    from bridge.doctor import said
    from bridge.problems import printable

    sys.stdout.write(f"{title}\n")
    for finding in findings:
        mark = "✓" if finding.ok else "✗"
        if wants_colour():
            mark = f"{_GREEN if finding.ok else _RED}{mark}{_PLAIN}"
        sys.stdout.write(f"  {mark} {printable(said(finding.what, speak))}\n")
        if finding.hint:
            sys.stdout.write(f"      → {printable(said(finding.hint, speak))}\n")


def _as_object(instance: Instance, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "instance": instance.id,
        "platform": instance.platform,
        "findings": [_finding(one) for one in findings],
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {"ok": one.ok, "what": one.what, "hint": one.hint}
