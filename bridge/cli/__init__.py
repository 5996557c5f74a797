"""
The command line. One small file for each group of commands, found by its ``add(subparsers)``.

A group imports what it needs when it runs, so that ``--help`` costs nothing. Exit codes: 0 fine,
1 problems, 2 usage, 69 daemon not reachable, 74 I/O, 78 `run` with bad files.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bridge import __version__

if TYPE_CHECKING:
    from bridge.i18n import Speak

OK = 0
PROBLEMS = 1
USAGE = 2
UNREACHABLE = 69
IO_ERROR = 74
BAD_FILES = 78

_FOLDERS = (Path(), Path("/etc/msgbridge"))
_SUFFIXES = (".json", ".yaml", ".yml")
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. ``argv`` without the program's name."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else USAGE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; a second complaint at exit would be noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as e:
        sys.stderr.write(f"msgbridge: {e}\n")
        return IO_ERROR
    return code


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """``--config``, ``--rules`` and ``--lang``; `find_files` and `spoken` read them."""
    parser.add_argument(
        "--config", type=Path, help="default: ./config.json, then /etc/msgbridge/config.json"
    )
    parser.add_argument("--rules", type=Path, help="default: rules.json beside the config file")
    add_language_option(parser)


def add_language_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lang", type=_language, help="en or zh; default: by LANG")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs; never translated")


def find_files(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """The config file and the rules file; ones that do not exist are named all the same."""
    config: Path | None = arguments.config
    if config is None:
        candidates = [folder / f"config{suffix}" for folder in _FOLDERS for suffix in _SUFFIXES]
        config = next((path for path in candidates if path.exists()), candidates[0])
    rules: Path | None = arguments.rules
    if rules is None:
        candidates = [config.with_name(f"rules{suffix}") for suffix in _SUFFIXES]
        if config.suffix == ".example":
            candidates.insert(0, config.with_name("rules.json.example"))
        rules = next((path for path in candidates if path.exists()), candidates[0])
    return config, rules


def spoken(arguments: argparse.Namespace) -> Speak:
    """Says phrases in the reader's language."""
    from bridge.i18n import language, speaker

    return speaker(language(arguments.lang or "", os.environ))


def wants_colour() -> bool:
    """On a terminal only, and not if NO_COLOR (https://no-color.org) is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


class _Parser(argparse.ArgumentParser):
    """Asks "did you mean" of a subcommand that does not exist."""

    def error(self, message: str) -> NoReturn:
        if "invalid choice" in message and "choose from" in message:
            from bridge.problems import did_you_mean

            said, _, choices = message.partition("invalid choice: ")[2].partition(" (choose from ")
            names = [name.strip(" ')") for name in choices.split(",")]
            word = said.strip("'")
            close = did_you_mean(word, names)
            message = f"there is no {word!r}"
            message += f"; did you mean {close!r}?" if close else f"; choose one of: {', '.join(names)}"
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="msgbridge", description="A message bridge daemon that never loses a message.")
    parser.add_argument("--version", action="version", version=f"msgbridge {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        group = import_module(f"{__name__}.{module.name}")
        if hasattr(group, "add"):
            group.add(subparsers)
    return parser


def _language(value: str) -> str:
    from bridge.i18n import language

    try:
        return language(value, {})
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from e
