"""The real program in a process of its own, as an operator starts it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
START_WITHIN = 20.0


def command(*arguments, folder, environ=None):
    """Run ``msgbridge …`` in ``folder`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bridge", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **(environ or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def running(folder, *options, environ=None):
    """``msgbridge run`` in ``folder``; ended by SIGTERM. Yields the process, ready."""
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "run", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
        stdout=log,
        stderr=log,
    )
    try:
        said = folder / "log"
        wait_until(lambda: "daemon.started" in said.read_text() or process.poll() is not None)
        assert process.poll() is None, f"it ended at once: {said.read_text()[-2000:]}"
        yield process
    finally:
        log.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)


def wait_until(holds, within=START_WITHIN):
    """Look again and again; fails when it takes too long."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        asyncio.run(asyncio.sleep(0.02))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_files(folder, *, url, port=None, status_port=None):
    """One webhook account that hears on ``port`` and one that posts to ``url``."""
    config = {
        "global": {
            "data_dir": "data",
            "http": {"host": "127.0.0.1"},
            "status": {"port": status_port or free_port()},
        },
        "webhook": {
            "ear": {"listen_port": port or free_port(), "listen_path": "/in"},
            "mouth": {"url": url},
        },
    }
    rules = {"rules": [{"id": "all", "from": {"ear": {}}, "to": {"mouth": {}}}]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "rules.json").write_text(json.dumps(rules))
    return f"http://127.0.0.1:{config['webhook']['ear']['listen_port']}/in"
