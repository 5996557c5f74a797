"""
What ``doctor`` looks at on the machine itself: files, disk, clock, ports, versions, limits, the unit.

Facts are gathered here, and each is judged by a function of its own that looks at nothing else. It
needs no root, takes nothing from a running daemon, and ends within some seconds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from bridge.config import Config
from bridge.machine import disk, files, host, procfs
from bridge.model import Finding

_UNITS = tuple(
    Path(place, "systemd/system/msgbridge.service")
    for place in ("/etc", "/run", "/usr/local/lib", "/lib")
)


def machine(config: Config, edited: Sequence[Path]) -> Iterator[Finding]:
    """Everything about this machine; ``edited`` are the two files that a person writes."""
    process = procfs.lock_holder(config.global_.data_dir / "lock")
    hidden = files.is_hidden(config.global_.data_dir / "lock")
    yield host.versions()
    for path in edited:
        plain = path == config.file and files.has_plain(config)
        yield from files.config_file(path, files.mode_of(path), plain=plain)
    for path in sorted(files.secret_files(config)):
        yield from files.secret_file(path, files.mode_of(path))
    yield from files.folder(config.global_.data_dir)
    yield from _disk(config)
    yield host.clock(host.said_by("timedatectl", "show", "-p", "NTPSynchronized", "--value"))
    places = host.listening_places(config)
    for name, number in places:
        yield host.port(name, number, host.bound(name, number), process, hidden=hidden)
    yield host.descriptors_of(config, process, len({number for _, number in places}))
    for unit in [path for path in _UNITS if path.exists()][:1]:
        judged = ("security", "--offline=true", "--no-pager", str(unit))
        yield from host.exposure(host.said_by("systemd-analyze", *judged))


def _disk(config: Config) -> Iterator[Finding]:
    data_dir = config.global_.data_dir
    try:
        free = shutil.disk_usage(data_dir).free
    except OSError:
        return  # not there yet, or hidden from this user: that has been said
    yield disk.room(free, files.size_of(data_dir / "journal.db"), config.global_.capacity)
    yield from disk.file_system(procfs.file_system(data_dir))
    if os.access(data_dir, os.W_OK | os.X_OK):
        yield disk.sync(disk.measured_sync(data_dir))
