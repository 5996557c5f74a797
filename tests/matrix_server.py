"""
A real homeserver on loopback: Synapse with SQLite, in an environment of its own.

``make .venv-synapse/installed`` makes the environment; a test that needs it is skipped without it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import free_port

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-synapse/bin/python"
NAME = "hs.test"
_SECRET = "registration"  # of a server that lives for a test
_WITHIN = 60.0
_FREE = {"per_second": 1000, "burst_count": 1000}


@dataclass
class Synapse:
    """
    ``limits`` are settings of its rate limits, none by default. It can be killed and started again on the
    same port.
    """

    folder: Path
    limits: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers."""
        if not (self.folder / "homeserver.yaml").exists():
            self._write()
        with (self.folder / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                [str(PYTHON), "-m", "synapse.app.homeserver", "-c", "homeserver.yaml"],
                cwd=self.folder,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        until = time.monotonic() + _WITHIN
        while time.monotonic() < until:
            said = (self.folder / "stderr").read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, f"Synapse ended at once: {said}"
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"Synapse does not answer: {said}")

    def kill(self) -> None:
        """As machines fail."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def register(self, name: str, *, admin: bool = False) -> str:
        """
        An account with the password ``<name>-password``; its access token.

        https://element-hq.github.io/synapse/latest/admin_api/register_api.html
        """
        path = "/_synapse/admin/v1/register"
        nonce = self._ask("GET", path)["nonce"]
        rank, password = "admin" if admin else "notadmin", f"{name}-password"
        said = f"{nonce}\0{name}\0{password}\0{rank}".encode()
        mac = hmac.new(_SECRET.encode(), said, hashlib.sha1).hexdigest()
        account = {"nonce": nonce, "username": name, "password": password, "admin": admin, "mac": mac}
        return str(self._ask("POST", path, account)["access_token"])

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=json.dumps(content).encode() if content is not None else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def _write(self) -> None:
        """YAML understands JSON."""
        (self.folder / "media").mkdir()
        (self.folder / "log.yaml").write_text(json.dumps({"version": 1, "root": {"level": "ERROR"}}))
        unlimited = {
            "rc_message": _FREE,
            "rc_registration": _FREE,
            "rc_login": {"address": _FREE, "account": _FREE, "failed_attempts": _FREE},
            "rc_joins": {"local": _FREE, "remote": _FREE},
            "rc_joins_per_room": _FREE,
            "rc_invites": {"per_room": _FREE, "per_user": _FREE, "per_issuer": _FREE},
            "rc_admin_redaction": _FREE,
            "rc_room_creation": _FREE,
            "rc_media_create": _FREE,
        }
        config = {
            "server_name": NAME,
            "listeners": [
                {
                    "port": self.port,
                    "bind_addresses": ["127.0.0.1"],
                    "type": "http",
                    "resources": [{"names": ["client"]}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.db")}},
            "log_config": str(self.folder / "log.yaml"),
            "media_store_path": str(self.folder / "media"),
            "signing_key_path": str(self.folder / "signing.key"),
            "registration_shared_secret": _SECRET,
            "macaroon_secret_key": "macaroons",
            "form_secret": "forms",
            "report_stats": False,
            "trusted_key_servers": [],
            "max_upload_size": "2M",
            "presence": {"enabled": False},
            **unlimited,
            **self.limits,
        }
        (self.folder / "homeserver.yaml").write_text(json.dumps(config))
        subprocess.run(
            [str(PYTHON), "-m", "synapse.app.homeserver", "-c", "homeserver.yaml", "--generate-keys"],
            cwd=self.folder,
            check=True,
            capture_output=True,
            timeout=_WITHIN,
        )


@contextmanager
def running(folder: Path, **limits: Any) -> Iterator[Synapse]:
    """Skips the test where Synapse is not installed."""
    if not PYTHON.exists():
        pytest.skip("Synapse is not installed: make .venv-synapse/installed")
    folder.mkdir(parents=True, exist_ok=True)
    server = Synapse(folder, limits)
    try:
        server.start()
        yield server
    finally:
        server.kill()
