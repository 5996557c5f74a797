"""``msgbridge users``: the people whom a platform lists, with the address to paste into rules.json."""

from __future__ import annotations

import argparse
import json
import sys

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


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("users", help="the people whom a platform lists")
    parser.add_argument("instance", metavar="INSTANCE", help="its name in the config file")
    add_file_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 with a list, even an empty one; 1 when there is none to be had; 2 for no such instance."""
    from bridge.driver import Directory, Driver, Entry
    from bridge.errors import DeliveryError

    config = config_of(arguments)
    if config is None:
        return PROBLEMS

    async def users(driver: Driver) -> list[Entry] | None:
        return list(await driver.users()) if isinstance(driver, Directory) else None

    try:
        found = ask(instance_of(config, arguments.instance), users)
    except NoSuchInstance as e:
        return refuse(str(e))
    except DeliveryError as e:
        return refuse(str(e), PROBLEMS)
    except TimeoutError:
        return refuse("the platform did not answer in time", PROBLEMS)
    if found is None:
        return refuse(f"an account of the kind of {arguments.instance} lists nobody", PROBLEMS)
    if arguments.json:
        write_json([{"address": dict(e.address), "title": e.title, "detail": e.detail} for e in found])
        return OK
    write_table((json.dumps(e.address, ensure_ascii=False), e.title, e.detail) for e in found)
    if not found:
        sys.stderr.write("msgbridge: the platform lists nobody\n")
    return OK
