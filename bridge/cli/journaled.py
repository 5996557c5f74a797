"""What ``queue`` and ``dead`` share: finding the journal, choosing rows, showing them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import IO_ERROR, add_file_options, add_json_option, find_files

if TYPE_CHECKING:
    from bridge.journal import Row

_TEXT_SHOWN = 60


def add_row_options(parser: argparse.ArgumentParser) -> None:
    """Which journal, which rows, and in which form."""
    add_file_options(parser)
    add_json_option(parser)
    parser.add_argument("--journal", type=Path, help="the journal itself; default: by the config file")


def add_filter_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--instance", default="", help="only deliveries to this instance")
    parser.add_argument("--limit", type=int, default=100, help="at most so many; default: 100")


def journal_path(arguments: argparse.Namespace) -> Path:
    """
    By ``--journal``, else by the config file.

    A config file with mistakes is no reason to hide the queue: then the default place is looked at.
    """
    if arguments.journal is not None:
        path: Path = arguments.journal
        return path
    from bridge.files import read_files

    config_path, rules_path = find_files(arguments)
    reading = read_files(config_path, rules_path, environ=os.environ)
    if reading.config is not None:
        return reading.config.global_.data_dir / "journal.db"
    return Path(os.environ.get("STATE_DIRECTORY", "data")) / "journal.db"


def list_rows(rows: Sequence[Row], *, as_json: bool) -> None:
    """One line for each delivery: when, to where, how it stands, what was said."""
    if as_json:
        sys.stdout.write(json.dumps([as_object(row) for row in rows], ensure_ascii=False) + "\n")
        return
    for row in rows:
        said = " ".join(row.delivery.envelope.message.text.split())
        said = said if len(said) <= _TEXT_SHOWN else said[:_TEXT_SHOWN] + "…"
        why = f"  {row.reason}" if row.reason else ""
        sys.stdout.write(
            f"{row.delivery.id}  {_time(row.accepted_at)}  {row.status}{why}  "
            f"{row.delivery.envelope.source} → {row.delivery.route.destination}  "
            f"{row.delivery.envelope.sender.display_name}: {said}\n"
        )


def show_row(row: Row, *, as_json: bool) -> None:
    """Everything that is known of one delivery."""
    known = as_object(row)
    if as_json:
        sys.stdout.write(json.dumps(known, ensure_ascii=False, indent=2) + "\n")
        return
    width = max(map(len, known))
    for key, value in known.items():
        if value not in ("", None, []):
            sys.stdout.write(f"{key:<{width}}  {value}\n")


def as_object(row: Row) -> dict[str, object]:
    """For programs: names that stay."""
    envelope = row.delivery.envelope
    return {
        "id": row.delivery.id,
        "status": row.status.value,
        "reason": row.reason,
        "detail": row.detail,
        "attempts": row.delivery.attempts,
        "parts_sent": row.delivery.parts,
        "accepted_at": _time(row.accepted_at),
        "next_attempt_at": _time(row.delivery.due_at) if row.delivery.due_at else None,
        "settled_at": _time(row.settled_at) if row.settled_at else None,
        "from": str(envelope.source),
        "to": str(row.delivery.route.destination),
        "rule": row.delivery.route.plan.rule,
        "message": envelope.id,
        "kind": envelope.kind.value,
        "sender": envelope.sender.display_name,
        "text": envelope.message.text,
        "attachments": [one.url or one.filename or one.kind for one in envelope.message.attachments],
        "message_ids": list(row.message_ids),
    }


def fail(error: Exception) -> int:
    """Say why the journal cannot be read, and what the exit code is."""
    sys.stderr.write(f"msgbridge: {error}\n")
    return IO_ERROR


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
