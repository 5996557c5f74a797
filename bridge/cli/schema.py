"""``msgbridge schema``: the JSON Schemas of both files, for editors and for programs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bridge.cli import OK


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("schema", help="JSON Schema of both files")
    parser.add_argument("which", nargs="?", choices=("config", "rules"), default="config")
    parser.add_argument(
        "--write", type=Path, metavar="DIR", help="write config.schema.json and rules.schema.json there"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Raises OSError where a file cannot be written."""
    schemas = {"config": _config_schema, "rules": _rules_schema}
    if arguments.write is None:
        sys.stdout.write(_text(schemas[arguments.which]()))
        return OK
    for name, make in schemas.items():
        path = arguments.write / f"{name}.schema.json"
        path.write_text(_text(make()), encoding="utf-8")
        sys.stdout.write(f"{path}\n")
    return OK


def schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """Of config.json, with every installed platform, and of rules.json."""
    return _config_schema(), _rules_schema()


def _config_schema() -> dict[str, Any]:
    from bridge.config.schemas import config_schema
    from bridge.errors import ConfigError
    from bridge.registry import installed

    registry = installed()
    specs = []
    for name in registry.names:
        try:
            specs.append(registry.load(name))
        except ConfigError as e:
            sys.stderr.write(f"msgbridge schema: platform {name} is left out: {e}\n")
    return config_schema(specs)


def _rules_schema() -> dict[str, Any]:
    from bridge.config.schemas import rules_schema

    return rules_schema()


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
