"""
What the kernel says of processes, sockets and file systems, in /proc
(https://www.kernel.org/doc/html/latest/filesystems/proc.html).

Everything here is a question with an answer of "not known" too: /proc may be missing, hidden, or
belong to another user.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"


def lock_holder(path: Path, proc: Path = Path("/proc")) -> int | None:
    """The process that holds a lock on ``path``; None when nobody does, or when it is not known."""
    try:
        found = path.stat()
        locks = (proc / "locks").read_text(encoding="ascii")
    except OSError:
        return None
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in locks.splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == device:  # noqa: PLR2004 # fields of the line
            return int(fields[4])
    return None


def listens(process: int, port: int, proc: Path = Path("/proc")) -> bool | None:
    """Whether ``process`` is the one that listens at TCP ``port``; None when it is not known."""
    try:
        held = {str(one.readlink()) for one in (proc / str(process) / "fd").iterdir()}
    except OSError:
        return None
    return any(f"socket:[{inode}]" in held for inode in _listeners(port, proc))


def open_files_limit(process: int, proc: Path = Path("/proc")) -> int | None:
    """How many files ``process`` may open; None when it is not known."""
    try:
        limits = (proc / str(process) / "limits").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^Max open files\s+(\d+)", limits, re.MULTILINE)
    return int(found.group(1)) if found else None


def file_system(path: Path, proc: Path = Path("/proc")) -> str:
    """The type of the file system that holds ``path``, as ``ext4``; empty when it is not known."""
    try:
        mounts = (proc / "self/mounts").read_text(encoding="utf-8", errors="replace")
        real = path.resolve()
    except (OSError, RuntimeError):
        return ""
    best, kind = -1, ""
    for line in mounts.splitlines():
        _, where, name, *_ = line.split(" ")
        mount = Path(re.sub(r"\\([0-7]{3})", lambda digits: chr(int(digits.group(1), 8)), where))
        if real.is_relative_to(mount) and len(mount.parts) >= best:  # of two on one place, the later
            best, kind = len(mount.parts), name
    return kind


def _listeners(port: int, proc: Path) -> Iterator[str]:
    """The inodes of sockets that listen at ``port``."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
