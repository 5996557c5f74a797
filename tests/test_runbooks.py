"""The runbooks, done as they are written: real proxies, a journal that is damaged, a backup."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from tests.daemon import ROOT, command, free_port, running, wait_until, write_files
from tests.test_cli_run import a_receiver, post

pytestmark = pytest.mark.full


def needs(program, package):
    return pytest.mark.skipif(
        not shutil.which(program), reason=f"{program} is not installed: apt-get install {package}"
    )


def block(page, language, *, holding=""):
    """The first block of that language in a page, or the first that holds a word."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    return next(one for one in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if holding in one)


# --- reverse proxies ------------------------------------------------------------------------------


@contextmanager
def a_bridge(folder):
    """Behind a proxy as the runbook says, with the webhook ear at DingTalk's path; yields its port."""
    port = free_port()
    write_files(folder, url="http://127.0.0.1:1/", port=port)
    config = json.loads((folder / "config.json").read_text())
    config["global"]["http"] = json.loads(block("runbook-proxy.md", "json"))["global"]["http"]
    config["webhook"]["ear"]["listen_path"] = "/dingtalk/event"
    (folder / "config.json").write_text(json.dumps(config))
    with running(folder):
        yield port


@contextmanager
def a_proxy(folder, *command_line):
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(
            command_line, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)}
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def answer(port, path, body=b"{}"):
    """The status of a POST from 127.0.0.2, as a stranger; 0 while nobody listens."""
    with socket.socket() as caller:
        caller.settimeout(10)
        caller.bind(("127.0.0.2", 0))
        try:
            caller.connect(("127.0.0.1", port))
            head = f"POST {path} HTTP/1.1\r\nHost: bridge.example.com\r\nConnection: close\r\n"
            caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            return int(caller.recv(4096).split()[1])
        except OSError:
            return 0


def passes_on(folder, proxy_port):
    """A message, its caller's address, what is refused, and what is nobody's business."""
    wait_until(lambda: answer(proxy_port, "/") == 404)
    good = json.dumps({"text": "through the proxy", "sender": {"name": "ci"}}).encode()
    assert 200 == answer(proxy_port, "/dingtalk/event", good)
    assert 400 == answer(proxy_port, "/dingtalk/event", b"no json")
    assert 404 == answer(proxy_port, "/metrics")
    assert 413 == answer(proxy_port, "/dingtalk/event", b"x" * 300_000)
    wait_until(lambda: "request.refused" in (folder / "log").read_text())
    lines = [
        json.loads(line) for line in (folder / "log").read_text().splitlines() if line.startswith("{")
    ]
    refused = next(line for line in lines if line["event"] == "request.refused")
    assert "127.0.0.2" == refused["remote"]
    assert "through the proxy" in command("queue", "list", folder=folder).stdout


@needs("nginx", "nginx-light")
def test_nginx_as_in_the_runbook(tmp_path):
    """Without its certificate, which is not ours to make; all else is as written."""
    proxy_port = free_port()
    with a_bridge(tmp_path) as port:
        site = block("runbook-proxy.md", "nginx").replace("127.0.0.1:8082", f"127.0.0.1:{port}")
        site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{proxy_port}")
        site = re.sub(r"^ *ssl_.*\n", "", site, flags=re.MULTILINE)
        folders = "\n".join(
            f"{name}_temp_path {tmp_path}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {folders}\n{site} }}\n"
        )
        options = ("-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", "stderr")
        tested = subprocess.run(["nginx", "-t", *options], capture_output=True, text=True, check=False)
        assert 0 == tested.returncode, tested.stderr
        with a_proxy(tmp_path, "nginx", *options):
            passes_on(tmp_path, proxy_port)


@needs("caddy", "caddy")
def test_caddy_as_in_the_runbook(tmp_path):
    """Without its certificate, which it would fetch from outside; all else is as written."""
    proxy_port = free_port()
    with a_bridge(tmp_path) as port:
        site = block("runbook-proxy.md", "caddy").replace("127.0.0.1:8082", f"127.0.0.1:{port}")
        site = site.replace("bridge.example.com {", f"http://bridge.example.com:{proxy_port} {{")
        (tmp_path / "Caddyfile").write_text(f"{{\n    admin off\n}}\n{site}")
        options = ("--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile")
        with a_proxy(tmp_path, "caddy", "run", *options):
            passes_on(tmp_path, proxy_port)


# --- the journal ----------------------------------------------------------------------------------


def waiting_for_ever(folder, count):
    """A stopped daemon with so many messages that nobody takes; its data directory."""
    ear = write_files(folder, url=f"http://127.0.0.1:{free_port()}/")
    with running(folder):
        for number in range(count):
            assert 200 == post(ear, f"message {number} {'x' * 500}", f"m{number}")
    return folder / "data"


def delivered_from(folder, journal):
    """What a daemon sends that finds ``journal`` in an empty data directory."""
    shutil.rmtree(folder / "data")
    (folder / "data").mkdir(mode=0o700)
    shutil.copy(journal, folder / "data" / "journal.db")
    with a_receiver() as (url, got):
        write_files(folder, url=url)
        with running(folder):
            wait_until(lambda: "planned" in (said := books(folder)) and " 0 waiting" in said)
    return got


def books(folder):
    return command("queue", "list", folder=folder).stdout.splitlines()[-1]


def test_what_is_left_of_a_damaged_journal_is_saved_and_sent(tmp_path):
    """One page in the middle is overwritten: all but what stood there arrives, in order."""
    data = waiting_for_ever(tmp_path, 60)
    middle = (data / "journal.db").read_bytes().index(b"message 30 ") // 4096 * 4096
    with (data / "journal.db").open("r+b") as file:
        file.seek(middle)
        file.write(b"\xff" * 4096)
    script = block("runbook-journal.md", "sh", holding="journal salvage")
    script = script.replace("/root/msgbridge-damaged", str(data)).replace("/root", str(tmp_path))
    script = script.replace("msgbridge journal", f"{sys.executable} -m bridge journal")
    done = subprocess.run(
        ["bash", "-c", script], check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1, done.stderr
    got = delivered_from(tmp_path, tmp_path / "saved" / "journal.db")
    numbers = [int(text.split()[2]) for text in got]
    assert 54 <= len(numbers) < 60, done.stdout
    assert sorted(numbers) == numbers


@needs("sqlite3", "sqlite3")
def test_a_backup_of_a_running_daemon_can_be_gone_back_to(tmp_path):
    """What waited then is sent."""
    ear = write_files(tmp_path, url=f"http://127.0.0.1:{free_port()}/")
    script = block("runbook-moving.md", "sh", holding=".backup")
    script = script.replace("/var/lib/msgbridge/", f"{tmp_path}/data/").replace(
        "/root/journal-backup.db", f"{tmp_path}/backup.db"
    )
    with running(tmp_path):
        post(ear, "before the backup", "m1")
        subprocess.run(["bash", "-c", script], check=True, timeout=60)
        post(ear, "after it", "m2")

    assert ["ci: before the backup"] == delivered_from(tmp_path, tmp_path / "backup.db")


def test_curl_shows_what_the_runbook_says(tmp_path):
    """An unsigned request is refused where a secret is set."""
    port = free_port()
    write_files(tmp_path, url="http://127.0.0.1:1/", port=port)
    config = json.loads((tmp_path / "config.json").read_text())
    config["webhook"]["ear"]["secret"] = "a-secret-of-ours"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with running(tmp_path), pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/in", b""), timeout=5)

    assert refused.value.code in (400, 401)
    refused.value.close()
