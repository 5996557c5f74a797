"""Both files, read together: one call for everybody who needs them, and every problem at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bridge.config import Config
from bridge.config.reading import ConfigReading, read_config
from bridge.phrases import Phrase, phrase
from bridge.problems import Place, Problem, in_order, without
from bridge.problems.document import BadSyntax, Document
from bridge.problems.reader import Reader
from bridge.problems.scan_json import scan as scan_json
from bridge.problems.scan_yaml import scan as scan_yaml
from bridge.registry import Registry, installed
from bridge.rules import RulesFile
from bridge.rules.reading import read_rules

MAX_FILE = 16 << 20
"""Bytes of a file; 10,000 rules are about 5 MB."""

T = TypeVar("T")

_YAML = (".yaml", ".yml")
_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True, slots=True)
class Reading:
    """``config`` and ``rules`` are None after any error in them; ``problems`` are sorted by place."""

    config: Config | None
    rules: RulesFile | None
    problems: tuple[Problem, ...]

    @property
    def good(self) -> bool:
        """Warnings may be there, errors are not."""
        return self.config is not None and self.rules is not None


def read_files(
    config_path: Path,
    rules_path: Path,
    *,
    environ: Mapping[str, str],
    registry: Registry | None = None,
) -> Reading:
    """
    Never raises for what is in the files or in their way: that is among the problems.

    ``environ`` is where ``{"env": …}`` looks; ``registry`` the platforms, by default all installed.
    """
    problems: list[Problem] = []
    registry = registry or installed()

    def understand_config(document: Document, reader: Reader) -> ConfigReading:
        return read_config(document, registry, environ, reader)

    understood = _read(config_path, problems, understand_config, guarded=True)
    known = understood.known if understood else None

    def understand_rules(document: Document, reader: Reader) -> RulesFile | None:
        return read_rules(document, known, reader)

    rules = _read(rules_path, problems, understand_rules, guarded=False)
    config = understood.config if understood else None
    in_error = {problem.file for problem in problems if not problem.warning}
    if understood:
        problems = [without(understood.secrets, problem) for problem in problems]
    return Reading(
        config if str(config_path) not in in_error else None,
        rules if str(rules_path) not in in_error and understood else None,
        in_order(problems, (str(config_path), str(rules_path))),
    )


def _read(
    path: Path,
    problems: list[Problem],
    understand: Callable[[Document, Reader], T],
    *,
    guarded: bool,
) -> T | None:
    """What ``understand`` makes of the file; None where there is nothing to understand."""
    document = _load(path, problems, guarded=guarded)
    if document is None:
        return None
    reader = Reader(document, problems=[])
    try:
        scan = scan_yaml if path.suffix.lower() in _YAML else scan_json
        document.root = scan(document.text, document.tolerated)
    except BadSyntax as e:
        _report(e, reader)
        problems += reader.problems
        return None
    understood = understand(document, reader)
    for mistake in document.tolerated:
        _report(mistake, reader)
    problems += reader.problems
    return understood


def _load(path: Path, problems: list[Problem], *, guarded: bool) -> Document | None:
    """The file as text, before it is scanned."""
    file = str(path)

    def unreadable(code: str, message: Phrase, hint: Phrase) -> None:
        problems.append(Problem(place=Place(file), code=code, message=message, hints=(hint,)))

    try:
        content = _bytes(path)
    except FileNotFoundError:
        unreadable(
            "E001",
            phrase("there is no such file"),
            phrase("begin with a copy of {name}.example, or name another file", name=path.name),
        )
        return None
    except (OSError, ValueError) as e:
        reason = (isinstance(e, OSError) and e.strerror) or str(e)
        unreadable(
            "E001",
            phrase("the file cannot be read: {reason}", reason=reason),
            phrase("it must be a regular file that the user of the daemon may read"),
        )
        return None
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    if mark:
        unreadable(
            "E002",
            phrase("the file begins with a byte order mark of {encoding}", encoding=_MARKS[mark]),
            phrase("save it as UTF-8 without a byte order mark (BOM)"),
        )
        if _MARKS[mark] != "utf-8":
            return None
        content = content.removeprefix(mark)
    try:
        return Document(file, content.decode("utf-8"), guarded=guarded)
    except UnicodeDecodeError as e:
        document = Document(file, content.decode("utf-8", errors="replace"), guarded=guarded)
        at = len(content[: e.start].decode("utf-8"))
        reader = Reader(document)
        reader.report(
            "E002",
            (at, at + 1),
            phrase("this is not UTF-8"),
            phrase("save the file as UTF-8; it may be GBK or Latin-1 now"),
        )
        problems += reader.problems
        return None


def _bytes(path: Path) -> bytes:
    # Without O_NONBLOCK a named pipe that nobody writes to would hold the start for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise ValueError(f"it is larger than {MAX_FILE >> 20} MiB")
    return content


def _report(mistake: BadSyntax, reader: Reader) -> None:
    reader.report(
        mistake.code,
        mistake.span,
        mistake.message,
        *mistake.hints,
        second=mistake.second,
        second_label=mistake.second_label,
    )
