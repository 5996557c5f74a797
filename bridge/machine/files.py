"""The files of a bridge: who may read them, and who may write."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bridge.config import Config
from bridge.config.units import is_url
from bridge.model import Finding
from bridge.problems.document import Node

_SHORTEST_SECRET = 6
"""Shorter values stand in any file by chance."""


def mode_of(path: Path) -> int:
    """The permission bits; 0 where there is no such file (the reader of the files has said so)."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def is_hidden(path: Path) -> bool:
    """Even whether there is such a file cannot be known by this user."""
    try:
        path.stat()
    except OSError as e:
        return isinstance(e, PermissionError)
    return False


def size_of(path: Path) -> int:
    """In bytes; 0 where there is no such file, or none that this user may see."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def config_file(path: Path, mode: int, *, plain: bool) -> Iterator[Finding]:
    """``plain``: it holds secrets themselves, not only the names of places where they are."""
    if mode & (stat.S_IWOTH):
        yield Finding(
            ok=False,
            what=f"everybody on this machine can change this file: {path}",
            hint=f"take the right away: chmod o-w {path}",
        )
    if plain and mode & stat.S_IROTH:
        yield Finding(
            ok=False,
            what=f"everybody on this machine can read secrets in this file: {path}",
            hint='write "credential", "file" or "env" in their place, or close the file to others',
        )
    elif mode:
        yield Finding(ok=True, what=f"the file is safe from other users: {path} ({mode:04o})")


def secret_file(path: Path, mode: int) -> Iterator[Finding]:
    """A file that is named by ``{"file": …}``."""
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        yield Finding(
            ok=False,
            what=f"everybody on this machine can open this secret: {path}",
            hint=f"let only the daemon's user read it: chmod 600 {path}",
        )


def has_plain(config: Config) -> bool:
    """Whether a secret stands in the file itself; of an address, the key that is part of it."""
    text = config.source.text if config.source else ""
    values = (one for one in config.secrets if len(one) >= _SHORTEST_SECRET and not is_url(one))
    return any(value in text or json.dumps(value)[1:-1] in text for value in values)


def secret_files(config: Config) -> set[Path]:
    """Every file that ``{"file": …}`` names."""
    root = config.source.root if config.source else None
    return {config.file.parent / name for name in _file_references(root)} if root else set()


def _file_references(node: Node) -> Iterator[str]:
    if isinstance(node.value, list):
        for item in node.value:
            yield from _file_references(item)
    elif isinstance(node.value, dict):
        named = node.value.get("file")
        if len(node.value) == 1 and named and isinstance(named.value, str):
            yield named.value
            return
        for member in node.value.values():
            yield from _file_references(member)


def folder(path: Path) -> Iterator[Finding]:
    """The data directory: owner, mode, and whether this user could write there."""
    try:
        found = path.stat()
        strangers = sorted(one.name for one in os.scandir(path) if one.stat().st_uid != found.st_uid)
    except FileNotFoundError:
        yield Finding(ok=True, what=f"the data directory will be made at the first start: {path}")
        return
    except OSError as e:
        yield Finding(
            ok=isinstance(e, PermissionError),  # closed to others, as it should be
            what=f"the data directory cannot be looked into: {path}: {e.strerror or e}",
            hint="run doctor as the daemon's user, or look at the folders above it",
        )
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        yield Finding(
            ok=False,
            what=f"others can look into the data directory: {path} ({mode:04o})",
            hint=f"messages are kept there: chmod 700 {path}",
        )
    else:
        yield Finding(ok=True, what=f"the data directory is closed to others: {path} ({mode:04o})")
    if strangers:
        yield Finding(
            ok=False,
            what=f"files in the data directory belong to another user: {', '.join(strangers[:5])}",
            hint=f"the daemon may not write them; give them back: chown -R --reference={path} {path}",
        )
    if not os.access(path, os.W_OK | os.X_OK):
        yield Finding(
            ok=found.st_uid != os.geteuid(),
            what=f"this user cannot write in the data directory: {path}",
            hint="the daemon's user must; run doctor as that user to be sure",
        )
