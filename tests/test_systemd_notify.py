"""What systemd hears and gives: the real program on a real notify socket, secrets as credentials."""

import json
import re
import signal
import socket
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import standardwebhooks

from tests.daemon import ROOT, command, free_port, running, wait_until, write_files

UNIT = (ROOT / "systemd" / "msgbridge.service").read_text()
PULSE = 3.0
"""Seconds between two pulses, at most; it is one second where the machine is not busy."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@contextmanager
def a_supervisor(folder, *, abstract=False):
    """A notify socket; yields its name for NOTIFY_SOCKET, and a way to hear the next datagram."""
    name = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name if abstract else name)
        ear.settimeout(20)
        yield "@" + name if abstract else name, lambda: ear.recv(4096).decode()


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_then_alive_then_stopping(tmp_path, abstract):
    """READY=1 means that requests are answered; then a pulse; STOPPING=1 once it is asked to end."""
    status_port = free_port()
    write_files(tmp_path, url="http://127.0.0.1:1/", status_port=status_port)
    with a_supervisor(tmp_path, abstract=abstract) as (address, hear):
        with running(tmp_path, environ={"NOTIFY_SOCKET": address}) as process:
            assert "READY=1" == hear()
            with urllib.request.urlopen(f"http://127.0.0.1:{status_port}/readyz", timeout=5) as answer:
                assert 200 == answer.status
            assert "WATCHDOG=1" == hear()
            first = time.monotonic()
            assert "WATCHDOG=1" == hear()
            assert time.monotonic() - first < PULSE
            process.send_signal(signal.SIGTERM)
            rest = hear()
            while rest == "WATCHDOG=1":
                rest = hear()
            assert "STOPPING=1" == rest
        assert 0 == process.returncode


def test_a_daemon_that_cannot_start_is_never_ready(tmp_path):
    """It ends, and systemd has heard nothing."""
    with socket.socket() as other, a_supervisor(tmp_path) as (address, hear):
        other.bind(("127.0.0.1", 0))
        other.listen()
        write_files(tmp_path, url="http://127.0.0.1:1/", port=other.getsockname()[1])
        ended = command("run", folder=tmp_path, environ={"NOTIFY_SOCKET": address})
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
            mouth.sendto(b"nothing before me", address)

        assert "nothing before me" == hear()
    assert 74 == ended.returncode


def test_the_unit_waits_for_many_pulses_and_gives_enough_files():
    """One late pulse is no reason to kill the daemon, and the usual limits fit the usual settings."""
    assert int(re.search(r"^WatchdogSec=(\d+)$", UNIT, re.MULTILINE)[1]) >= 10 * PULSE
    assert int(re.search(r"^LimitNOFILE=(\d+)$", UNIT, re.MULTILINE)[1]) >= 10_000


@contextmanager
def a_receiver():
    """Yields its URL, and every request as (headers, body)."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def with_credential(folder, url):
    ear = write_files(folder, url=url)
    config = json.loads((folder / "config.json").read_text())
    config["webhook"]["mouth"]["secret"] = {"credential": "ci_secret"}
    (folder / "config.json").write_text(json.dumps(config))
    return ear


def test_a_credential_that_systemd_loaded_signs_what_goes_out(tmp_path):
    """LoadCredential=ci_secret:… puts a file into $CREDENTIALS_DIRECTORY; its last newline is none."""
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o700)
    (credentials / "ci_secret").write_text(SECRET + "\n")
    (credentials / "ci_secret").chmod(0o400)
    with a_receiver() as (url, got):
        ear = with_credential(tmp_path, url)
        with running(tmp_path, environ={"CREDENTIALS_DIRECTORY": str(credentials)}):
            body = b'{"text": "hello", "sender": {"name": "ci"}}'
            urllib.request.urlopen(
                urllib.request.Request(ear, body, {"webhook-id": "m1"}), timeout=10
            ).close()
            wait_until(lambda: got)

    headers, body = got[0]
    small = {name.lower(): value for name, value in headers.items()}
    assert "ci: hello" == standardwebhooks.Webhook(SECRET).verify(body, small)["text"]
    assert SECRET not in (tmp_path / "log").read_text()


def test_without_the_credential_the_line_for_the_unit_is_named(tmp_path):
    """And systemd does not try again: exit code 78."""
    with_credential(tmp_path, "http://127.0.0.1:1/")

    ended = command("run", folder=tmp_path, environ={"CREDENTIALS_DIRECTORY": ""})

    assert 78 == ended.returncode
    assert "LoadCredential=ci_secret:/path" in ended.stderr
