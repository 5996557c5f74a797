"""Clock, ports, limits, versions, and what systemd says of the unit."""

from __future__ import annotations

import errno
import os
import platform
import re
import resource
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from bridge.config import Config
from bridge.machine import procfs
from bridge.model import Finding

WORST_EXPOSURE = 1.1
OWN_FILES = 200
"""Open files besides connections of callers: the journal, connections to platforms, the log."""

_LIBRARIES = ("aiohttp", "google-re2", "PyYAML", "jsonschema", "prometheus-client", "structlog")


def clock(answer: str) -> Finding:
    """What ``timedatectl show -p NTPSynchronized --value`` says; empty where it says nothing."""
    match answer.strip():
        case "yes":
            return Finding(ok=True, what="the clock is synchronised")
        case "no":
            return Finding(
                ok=False,
                what="the clock is not synchronised",
                hint="signatures hold a time and are refused when clocks differ; try: "
                "timedatectl set-ntp true",
            )
    return Finding(
        ok=True,
        what="whether the clock is synchronised cannot be told here: timedatectl gives no answer",
        hint="in a container the clock is the host's; look there",
    )


def listening_places(config: Config) -> list[tuple[str, int]]:
    """Host and port of every server that the daemon opens."""
    ports = {one.listen.port for one in config.instances.values() if one.enabled and one.listen}
    places = [(config.global_.http.host, number) for number in sorted(ports)]
    status = config.global_.status
    return [*places, (status.host, status.port)] if status.enabled else places


def port(
    host: str, number: int, error: OSError | None, process: int | None, *, hidden: bool = False
) -> Finding:
    """
    ``error`` is what binding said; ``process`` the running daemon on this data directory.

    With ``hidden`` this user cannot know whether there is one.
    """
    place = f"{host}:{number}"
    if error is None:
        return Finding(ok=True, what=f"the port is free: {place}")
    if error.errno == errno.EADDRINUSE:
        if process and procfs.listens(process, number) is not False:
            return Finding(
                ok=True, what=f"the running msgbridge listens there: {place}, process {process}"
            )
        if hidden:
            return Finding(
                ok=True,
                what=f"a program listens there, as it should while msgbridge runs: {place}",
                hint="run doctor as the daemon's user, or as root, to know which one",
            )
        return Finding(
            ok=False,
            what=f"another program listens there: {place}",
            hint=f"see which, then stop it or choose another port: ss -ltnp 'sport = :{number}'",
        )
    if error.errno == errno.EACCES:
        return Finding(
            ok=False,
            what=f"this user may not listen at so low a port: {place}",
            hint="choose one above 1023, with a reverse proxy in front",
        )
    return Finding(
        ok=False,
        what=f"nobody can listen there: {place}: {error.strerror or error}",
        hint='"host" must be an address of this machine; 0.0.0.0 is all of them',
    )


def descriptors(limit: int, needed: int, *, running: bool) -> Finding:
    """How many files a process may open, and how many it may come to need."""
    said = f"{limit}, at most {needed} are needed"
    if limit >= needed:
        return Finding(ok=True, what=f"enough files can be open at the same time: {said}")
    return Finding(
        ok=not running,
        what=f"too few files can be open at the same time: {said}",
        hint="set LimitNOFILE=65536 in the systemd unit, or lower http.max_connections"
        if running
        else "that is the limit of this shell; the systemd unit has its own, LimitNOFILE=",
    )


def descriptors_of(config: Config, process: int | None, servers: int) -> Finding:
    limit = procfs.open_files_limit(process) if process else None
    own, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = servers * config.global_.http.max_connections + OWN_FILES
    return descriptors(own if limit is None else limit, needed, running=limit is not None)


def bound(host: str, number: int) -> OSError | None:
    """What binding says. It never listens, so it is in nobody's way."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as e:
        return e
    return None


def versions() -> Finding:
    """For whoever is asked for help."""
    names = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    for name in ("msgbridge", *_LIBRARIES):
        try:
            names.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return Finding(ok=True, what=f"versions: {', '.join(names)}")


def exposure(answer: str) -> Iterator[Finding]:
    """What ``systemd-analyze security`` says of the unit that is installed."""
    found = re.search(r"exposure level for \S+ ([0-9.]+)", answer)
    if found:
        score = float(found.group(1))
        yield Finding(
            ok=score <= WORST_EXPOSURE,
            what=f"the exposure of the systemd unit, of 10: {score}",
            hint=""
            if score <= WORST_EXPOSURE
            else "compare it with systemd/msgbridge.service: systemctl cat msgbridge",
        )


def said_by(program: str, *arguments: str) -> str:
    """What a program of the system prints; nothing when it is not there, fails, or takes long."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 # our own arguments, no shell
            [path, *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
