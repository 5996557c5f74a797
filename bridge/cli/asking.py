"""What the commands share that ask a running daemon: finding it, asking it, saying why not."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bridge.cli import (
    IO_ERROR,
    PROBLEMS,
    UNREACHABLE,
    USAGE,
    add_file_options,
    add_json_option,
    find_files,
    spoken,
)

_CONNECT_WITHIN = 5.0
_ANSWER_WITHIN = 120.0
_SYSTEM = Path("/etc/msgbridge"), Path("/run/msgbridge/control.sock")
_CODES = {"unclear": USAGE, "malformed": USAGE, "storage": IO_ERROR}

Json = dict[str, Any]


class Unreachable(Exception):
    """No daemon answers."""


class Refused(Exception):
    """The daemon answers, and says no; ``code`` is a closed word."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def add_desk_options(parser: argparse.ArgumentParser) -> None:
    """Which daemon, and in which form."""
    add_file_options(parser)
    add_json_option(parser)
    parser.add_argument("--socket", type=Path, help="its control socket; default: by the config file")


def asking(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """A command that asks the daemon: 69 when there is none, else by what the daemon says."""

    def guarded(arguments: argparse.Namespace) -> int:
        from bridge.phrases import phrase

        speak = spoken(arguments)
        try:
            return run(arguments)
        except Unreachable as e:
            why = speak(phrase("the daemon cannot be reached: {why}", why=str(e)))
            way = speak(phrase("is it running? msgbridge run starts it"))
            sys.stderr.write(f"msgbridge: {why}; {way}\n")
            return UNREACHABLE
        except Refused as e:
            sys.stderr.write(f"msgbridge: {e}\n")
            return _CODES.get(e.code, PROBLEMS)

    return guarded


def ask(arguments: argparse.Namespace, verb: str, **wanted: object) -> Json:
    """The daemon's one answer. Raises `Unreachable`, `Refused`."""
    for kind, value in conversation(arguments, verb, patient=False, **wanted):
        if kind == "result":
            return value
    raise Unreachable("it hung up before it answered")


def conversation(
    arguments: argparse.Namespace, verb: str, *, patient: bool = False, **wanted: object
) -> Iterator[tuple[str, Json]]:
    """
    Everything that the daemon answers, as it comes, each with its kind. With ``patient`` it may be
    silent for as long as it likes. Raises `Unreachable`, `Refused`.
    """
    path = socket_path(arguments)
    lang = arguments.lang or ""
    wanted.setdefault("lang", "en" if arguments.json else _language(lang))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(_CONNECT_WITHIN)
        try:
            _connect(channel, path)
            channel.sendall(json.dumps({"verb": verb, "args": wanted}).encode() + b"\n")
            channel.settimeout(None if patient else _ANSWER_WITHIN)
            with channel.makefile("rb") as answers:
                for line in answers:
                    ((kind, value),) = json.loads(line).items()
                    if kind == "error":
                        raise Refused(value["message"], value["code"])
                    yield kind, value
        except TimeoutError as e:
            raise Unreachable(f"{path}: it does not answer") from e
        except OSError as e:
            raise Unreachable(f"{path}: {e.strerror or e}") from e


def socket_path(arguments: argparse.Namespace) -> Path:
    """
    By ``--socket``, else by the config file; of one with mistakes, by what can be read of it: that
    is when one wants to ask the daemon.
    """
    if arguments.socket is not None:
        chosen: Path = arguments.socket
        return chosen
    from bridge.files import read_files

    config_path, rules_path = find_files(arguments)
    reading = read_files(config_path, rules_path, environ=os.environ)
    path = reading.config.global_.control_socket if reading.config else _guessed(config_path)
    folder, system = _SYSTEM
    if not path.exists() and config_path.parent == folder:
        return system  # systemd makes that folder, and tells only the daemon of it
    return path


def _guessed(config_path: Path) -> Path:
    try:
        content = json.loads(config_path.read_text(encoding="utf-8"))["global"]
    except (OSError, ValueError, KeyError, TypeError):
        content = {}
    written = content if isinstance(content, dict) else {}
    if isinstance(named := written.get("control_socket"), str) and named:
        return Path(named)
    folder = written.get("data_dir")
    folder = folder if isinstance(folder, str) and folder else os.environ.get("STATE_DIRECTORY", "data")
    return Path(folder) / "control.sock"


def _connect(channel: socket.socket, path: Path) -> None:
    from bridge.control import short_path

    with short_path(path) as short:
        channel.connect(short)


def _language(chosen: str) -> str:
    from bridge.i18n import language

    return language(chosen, os.environ)


def write_json(value: object) -> None:
    """One value, for programs."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
