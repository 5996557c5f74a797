"""``msgbridge run``: the daemon."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from typing import TYPE_CHECKING

from bridge.cli import BAD_FILES, IO_ERROR, OK, add_file_options, find_files, spoken

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.driver import Driver
    from bridge.files import Reading
    from bridge.reload import Looks


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("run", help="the bridge itself, until SIGTERM or Ctrl-C")
    add_file_options(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="receive, plan and print; send nothing, and keep nothing for later",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 after a stop that was asked for, 74 when the machine fails, 78 when the files are wrong."""
    from bridge.files import read_files
    from bridge.reload import look

    paths = find_files(arguments)
    seen = look(paths)
    reading = read_files(*paths, environ=os.environ)
    if reading.problems:
        from bridge.log import unfailing_stderr
        from bridge.problems.show import show_all

        # A disk that is full of logs is no reason not to deliver.
        unfailing_stderr().write(
            show_all(reading.problems, spoken(arguments), colour=sys.stderr.isatty())
        )
    if reading.config is None or reading.rules is None:
        return BAD_FILES
    return _serve(reading, paths, seen, dry=arguments.dry_run)


def _serve(reading: Reading, paths: tuple[Path, Path], seen: Looks, *, dry: bool) -> int:
    import asyncio
    from dataclasses import replace

    import structlog

    from bridge.app import App, CannotStart
    from bridge.clock import SystemClock
    from bridge.dry import apart, folder
    from bridge.errors import JournalError
    from bridge.files import read_files
    from bridge.log import Logbook
    from bridge.reload import Source
    from bridge.stillness import PatientLoop

    config, rules = reading.config, reading.rules
    assert config is not None, "asked before"
    assert rules is not None, "asked before"
    clock = SystemClock()
    logbook = Logbook(clock, config.secrets)
    logbook.set_up(config.global_.log.level, config.global_.log.format)
    log = structlog.get_logger()
    elsewhere = folder() if dry else None
    if elsewhere is not None:
        config = apart(config, elsewhere)

    def read() -> Reading:
        again = read_files(*paths, environ=os.environ)
        if elsewhere is None or again.config is None:
            return again
        return replace(again, config=apart(again.config, elsewhere))

    app = App(
        config,
        rules.router,
        clock=clock,
        environ=os.environ,
        wrap=_printer if dry else _as_it_is,
        source=Source(
            read=read,
            paths=paths,
            warnings=reading.problems,
            seen=seen,
        ),
        logbook=logbook,
    )
    _calm_collector()
    code = OK
    try:
        with asyncio.Runner(loop_factory=PatientLoop) as runner:
            runner.run(app.run())
    except* (CannotStart, JournalError, OSError) as group:
        for error in _leaves(group):
            log.critical("daemon.failed", why=str(error))
        code = IO_ERROR
    return code


def _calm_collector() -> None:
    """
    What is loaded by now stays to the end, so the collector need not look at it again; and messages
    come in bursts, for which its usual threshold is low (6 % of the time under load, measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _as_it_is(driver: Driver) -> Driver:
    return driver


def _printer(driver: Driver) -> Driver:
    from bridge.dry import Printer

    return Printer(driver, sys.stdout.write)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
