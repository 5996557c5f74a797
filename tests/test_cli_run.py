"""``msgbridge run``, ``queue`` and ``dead`` as an operator uses them, on a real process."""

import json
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.daemon import command, free_port, running, wait_until, write_files


@contextmanager
def a_receiver(*statuses):
    """A webhook that answers with ``statuses`` in turn, then 200; yields its URL and what it got."""
    got, answers = [], list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = answers.pop(0) if answers else 200
            if status == 200:
                got.append(body["text"])
            self.send_response(status)
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


def post(url, text, name):
    request = urllib.request.Request(
        url, json.dumps({"text": text, "sender": {"name": "ci"}}).encode(), {"webhook-id": name}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status


def test_a_message_goes_through_and_the_daemon_ends_well(tmp_path):
    """Exit code 0 after SIGTERM, and a line in the log for every step."""
    with a_receiver() as (url, got):
        ear = write_files(tmp_path, url=url)
        with running(tmp_path) as process:
            assert 200 == post(ear, "hello", "m1")
            wait_until(lambda: got)
        assert 0 == process.returncode
    assert ["ci: hello"] == got
    events = [
        json.loads(line)["event"]
        for line in (tmp_path / "log").read_text().splitlines()
        if line.startswith("{")
    ]
    for event in ("daemon.started", "message.accepted", "delivery.sent", "daemon.stopped"):
        assert event in events


def test_a_dead_letter_is_listed_shown_and_replayed_while_the_daemon_runs(tmp_path):
    with a_receiver(400) as (url, got):
        ear = write_files(tmp_path, url=url)
        with running(tmp_path):
            post(ear, "refused at first", "m1")
            wait_until(lambda: json.loads(command("dead", "list", "--json", folder=tmp_path).stdout))
            (dead,) = json.loads(command("dead", "list", "--json", folder=tmp_path).stdout)
            shown = command("dead", "show", dead["id"], folder=tmp_path)
            replayed = command("dead", "replay", dead["id"], folder=tmp_path)
            wait_until(lambda: got)
            wait_until(lambda: "sent" in command("queue", "show", dead["id"], folder=tmp_path).stdout)
        empty = command("dead", "list", folder=tmp_path)

    assert ("dead", "ear/default", "mouth/default") == (dead["status"], dead["from"], dead["to"])
    assert "refused at first" in shown.stdout
    assert dead["reason"] in shown.stdout
    assert (0, "1 waiting again\n") == (replayed.returncode, replayed.stdout)
    assert ["ci: refused at first"] == got
    assert "no dead letters\n" == empty.stdout


def test_what_waits_is_listed_with_its_reason_also_without_a_daemon(tmp_path):
    ear = write_files(tmp_path, url=f"http://127.0.0.1:{free_port()}/")
    with running(tmp_path):
        post(ear, "patience", "m1")
        wait_until(lambda: "connect_failed" in command("queue", "list", folder=tmp_path).stdout)
    listed = command("queue", "list", folder=tmp_path)
    (row,) = json.loads(command("queue", "list", "--json", folder=tmp_path).stdout)

    assert 0 == listed.returncode
    assert "ear/default → mouth/default  ci: patience" in listed.stdout
    assert "planned 1 = 1 waiting + 0 held" in listed.stdout
    assert ("waiting", "connect_failed") == (row["status"], row["reason"])
    assert row["next_attempt_at"]


def test_a_dry_run_prints_and_sends_nothing(tmp_path):
    with a_receiver() as (url, got):
        ear = write_files(tmp_path, url=url)
        with running(tmp_path, "--dry-run"):
            post(ear, "only a rehearsal", "m1")
            wait_until(lambda: "would send" in (tmp_path / "log").read_text())
    assert [] == got
    assert "would send to mouth/default:\nci: only a rehearsal" in (tmp_path / "log").read_text()
    assert not (tmp_path / "data").exists()


def test_wrong_files_end_it_with_78_so_that_systemd_does_not_try_again(tmp_path):
    write_files(tmp_path, url="http://127.0.0.1:1/")
    (tmp_path / "rules.json").write_text('{"rules": [{"chanels": {}}]}')

    ended = command("run", folder=tmp_path)

    assert 78 == ended.returncode
    assert 'did you mean "channels"' in ended.stderr


def test_a_port_that_is_taken_ends_it_with_74_and_names_the_port(tmp_path):
    with a_receiver() as (url, _):
        taken = int(url.rstrip("/").rpartition(":")[2])
        write_files(tmp_path, url=url, port=taken)

        ended = command("run", folder=tmp_path)

    assert 74 == ended.returncode
    assert f"127.0.0.1:{taken}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_journal_that_is_none_ends_it_with_74_and_says_what_to_do(tmp_path):
    write_files(tmp_path, url="http://127.0.0.1:1/")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "journal.db").write_bytes(b"garbage" * 1000)

    ended = command("run", folder=tmp_path)

    assert 74 == ended.returncode
    assert "not a journal" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [("queue", "list"), ("dead", "list"), ("dead", "replay", "x")])
def test_without_a_journal_the_commands_say_so(tmp_path, arguments):
    write_files(tmp_path, url="http://127.0.0.1:1/")

    ended = command(*arguments, folder=tmp_path)

    assert 74 == ended.returncode
    assert "there is no journal" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("dead", "replay"), 2), (("dead", "replay", "--all", "x"), 2), (("runn",), 2), (("--version",), 0)],
)
def test_usage_is_told(tmp_path, arguments, code):
    assert code == command(*arguments, folder=tmp_path).returncode
