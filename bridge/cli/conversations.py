"""
``msgbridge conversations``: the groups and chats of an account, with the address to paste into
rules.json. What the journal has seen comes first; what the platform lists besides, behind it.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bridge.cli import OK, PROBLEMS, add_file_options, add_json_option
from bridge.cli.account import (
    NoSuchInstance,
    ask,
    config_of,
    instance_of,
    refuse,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config import Config, Instance
    from bridge.driver import Entry
    from bridge.journal.seen import Seen


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("conversations", help="the groups and chats of an account")
    parser.add_argument("instance", metavar="INSTANCE", help="its name in the config file")
    add_file_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 with a list; 1 when the platform refuses its own (what was seen is shown); 2 as `users`."""
    config = config_of(arguments)
    if config is None:
        return PROBLEMS
    try:
        instance = instance_of(config, arguments.instance)
    except NoSuchInstance as e:
        return refuse(str(e))
    listed, trouble = _listed(instance)
    rows = list(_rows(instance, _seen(config, instance), listed))
    if arguments.json:
        write_json(rows)
    else:
        write_table(
            (
                json.dumps(row["address"], ensure_ascii=False) if row["address"] else "-",
                row["title"],
                "direct" if row["direct"] else "",
                row["last_at"] or "",
                row["detail"],
            )
            for row in rows
        )
        if not rows:
            sys.stderr.write(
                "msgbridge: nothing yet: write to the account once, from each conversation\n"
            )
    return refuse(trouble, PROBLEMS) if trouble else OK


def _seen(config: Config, instance: Instance) -> list[Seen]:
    """Nothing where there is no journal yet; a journal that cannot be read is said on stderr."""
    from bridge.errors import JournalError
    from bridge.journal.reading import open_reader

    path = config.global_.data_dir / "journal.db"
    if not path.exists():
        return []
    try:
        with open_reader(path) as reader:
            return list(reader.seen_conversations(instance.id))
    except JournalError as e:
        sys.stderr.write(f"msgbridge: {e}\n")
        return []


def _listed(instance: Instance) -> tuple[list[Entry], str]:
    """What the platform lists, and why it does not."""
    from bridge.driver import Directory, Driver
    from bridge.errors import DeliveryError

    async def conversations(driver: Driver) -> list[Entry]:
        return list(await driver.conversations()) if isinstance(driver, Directory) else []

    try:
        return ask(instance, conversations), ""
    except DeliveryError as e:
        return [], str(e)
    except TimeoutError:
        return [], "the platform did not answer in time"


def _rows(instance: Instance, seen: list[Seen], listed: list[Entry]) -> Iterator[dict[str, Any]]:
    known = []
    for one in seen:
        address = dict(instance.spec.address_of(one.conversation))
        known.append(address)
        last = datetime.fromtimestamp(one.last_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield {
            "address": address,
            "conversation": one.conversation,
            "title": one.title,
            "direct": one.direct,
            "messages": one.messages,
            "last_at": last if one.last_at else None,
            "detail": "",
        }
    for entry in listed:
        if dict(entry.address) not in known:
            yield {
                "address": dict(entry.address),
                "conversation": None,
                "title": entry.title,
                "direct": False,
                "messages": 0,
                "last_at": None,
                "detail": entry.detail,
            }
