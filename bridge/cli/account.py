"""What ``users``, ``conversations`` and ``doctor`` share: naming accounts and printing what they say."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from bridge.cli import USAGE, find_files, spoken, wants_colour

if TYPE_CHECKING:
    from bridge.config import Config, Instance
    from bridge.driver import Driver

T = TypeVar("T")

LISTED_WITHIN = 300.0
"""Seconds that a platform may take to list what it knows; large directories come in many pages."""


class NoSuchInstance(Exception):
    """The message names what there is; for the command line only."""


def config_of(arguments: argparse.Namespace) -> Config | None:
    """None after its mistakes were shown; rules.json may be as wrong as it likes."""
    from bridge.files import read_files
    from bridge.problems.show import show_all

    config_path, rules_path = find_files(arguments)
    reading = read_files(config_path, rules_path, environ=os.environ)
    if reading.config is None:
        shown = show_all(reading.problems, spoken(arguments), colour=wants_colour())
        sys.stderr.write(shown)
    return reading.config


def instance_of(config: Config, name: str) -> Instance:
    """Raises `NoSuchInstance`."""
    from bridge.model import InstanceId
    from bridge.problems import did_you_mean

    instance = config.instances.get(InstanceId(name))
    if instance is None:
        close = did_you_mean(name, config.instances)
        advice = f"did you mean {close!r}?" if close else f"choose one of: {', '.join(config.instances)}"
        raise NoSuchInstance(f"there is no instance {name!r}; {advice}")
    return instance


def refuse(why: str, code: int = USAGE) -> int:
    """Say why there is no answer; the exit code."""
    sys.stderr.write(f"msgbridge: {why}\n")
    return code


def ask(instance: Instance, question: Callable[[Driver], Awaitable[T]]) -> T:
    """
    Open the account beside a running daemon, ask, close it.

    Raises a `DeliveryError`, TimeoutError after `LISTED_WITHIN`.
    """
    import asyncio

    from bridge import __version__
    from bridge.clock import SystemClock
    from bridge.instances import open_driver
    from bridge.metrics import Metrics

    async def asked() -> T:
        async with (
            asyncio.timeout(LISTED_WITHIN),
            open_driver(instance, SystemClock(), Metrics(__version__)) as driver,
        ):
            return await question(driver)

    return asyncio.run(asked())


def write_table(rows: Iterable[tuple[str, ...]]) -> None:
    """Columns side by side; wide characters count twice."""
    from bridge.problems import printable
    from bridge.problems.show import width

    clean = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(map(width, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        cells = [cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def write_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
