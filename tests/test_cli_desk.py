"""Every verb of the desk, as an operator types it, on a real process."""

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from bridge.cli import main
from tests.daemon import ROOT, free_port, running, wait_until, write_files
from tests.receiver import a_receiver, post


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


def command(*arguments, folder):
    """``msgbridge …`` typed in ``folder``: the code of the command, without a new interpreter."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = main(list(arguments))
    return Ended(code, out.getvalue(), err.getvalue())


@contextmanager
def started(folder, *arguments):
    """A command that goes on until it is stopped."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def ask(folder, *arguments):
    """The JSON that a command of a running daemon answers."""
    done = command(*arguments, "--json", folder=folder)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


def waiting(folder):
    return ask(folder, "status")["journal"]["ledger"]["by_status"]["waiting"]


def rules(folder, *ids):
    """All rules connect the same two ends; only their ids tell."""
    made = [{"id": name, "from": {"ear": {}}, "to": {"mouth": {}}} for name in ids]
    (folder / "rules.json").write_text(json.dumps({"rules": made}))


def events(folder, name):
    lines = [line for line in (folder / "log").read_text().splitlines() if line.startswith("{")]
    return [event for line in lines if (event := json.loads(line))["event"] == name]


def test_status_shows_what_passed_and_what_is_wrong(tmp_path):
    """A screen for people, JSON for programs, one line and a code for monitors; in both languages."""
    with a_receiver(400) as receiver:
        ear = write_files(tmp_path, url=receiver.url)
        with running(tmp_path):
            calm = command("status", "--check", folder=tmp_path)
            post(ear, "refused", "m1")
            post(ear, "taken", "m2")
            wait_until(lambda: receiver.got)
            wait_until(lambda: not waiting(tmp_path))
            shown = ask(tmp_path, "status")
            screen = command("status", folder=tmp_path)
            chinese = command("status", "--lang", "zh", folder=tmp_path)
            checked = command("status", "--check", folder=tmp_path)

    sources = {one["instance"]: one for one in shown["sources"]}
    (destination,) = shown["destinations"]
    assert 2 == sources["ear"]["received"]
    assert sources["ear"]["last"]
    assert ("mouth/default", "ok", 1) == (
        destination["destination"],
        destination["state"],
        destination["sent"],
    )
    assert "refused" in destination["last_failure"]["detail"] or destination["last_failure"]["reason"]
    assert {"all": 2} == {one["id"]: one["matches"] for one in shown["rules"]}
    assert 1 == sum(shown["dead"].values())
    assert shown["journal"]["ledger"]["balanced"]
    assert shown["events"]
    assert "mouth/default" in screen.stdout
    assert "planned 2 = " in screen.stdout
    assert "mouth/default" in chinese.stdout
    assert 0 <= calm.returncode <= 1
    assert 1 == checked.returncode
    assert checked.stdout.startswith("LOOK: ")


def test_watching_shows_the_screen_again_and_again(tmp_path):
    """Until Ctrl-C."""
    write_files(tmp_path, url="http://127.0.0.1:1/")
    with running(tmp_path), started(tmp_path, "status", "--watch", "0.05") as watching:
        screens = (line for line in watching.stdout if line.startswith("msgbridge "))
        assert [next(screens), next(screens)]
        watching.send_signal(signal.SIGINT)
        assert 130 == watching.wait(10)


def test_a_letter_goes_through_the_journal_once_for_each_key(tmp_path):
    """The test button says how it ended; the same key again sends nothing."""
    with a_receiver() as receiver:
        write_files(tmp_path, url=receiver.url)
        with running(tmp_path):
            sent = ask(tmp_path, "send", "mouth", "--text", "hello", "--key", "k1")
            again = ask(tmp_path, "send", "mouth", "--text", "hello", "--key", "k1")
            other = command("send", "mouth", "--text", "other", "--key", "k1", folder=tmp_path)
            plain = command("send", "mouth", "--text", "once more", folder=tmp_path)
            missing = command("send", "mout", "--text", "x", folder=tmp_path)
            shown = command("queue", "show", sent["delivery"], folder=tmp_path)

    assert ["hello", "once more"] == receiver.got
    assert ("sent", "mouth/default") == (sent["status"], sent["to"])
    assert sent["delivery"] == again["delivery"]
    assert (1, True) == (other.returncode, "new key" in other.stderr)
    assert (0, True) == (plain.returncode, "sent" in plain.stdout)
    assert (1, True) == (missing.returncode, "did you mean mouth" in missing.stderr)
    assert "hello" in shown.stdout


def test_deliveries_are_held_released_and_dropped(tmp_path):
    """By id and by filter; what is dropped is never sent, what is released is."""
    with a_receiver(status=503) as receiver:
        ear = write_files(tmp_path, url=receiver.url)
        with running(tmp_path):
            for number in range(4):
                post(ear, f"{number}", f"m{number}")
            wait_until(lambda: receiver.asked)
            rows = json.loads(command("queue", "list", "--json", folder=tmp_path).stdout)
            by_text = {row["text"]: row["id"] for row in rows}
            wait_until(lambda: ask_hold(tmp_path, by_text["0"], by_text["2"]) == 2)
            dropped = command("queue", "drop", by_text["1"], folder=tmp_path)
            held = {
                row["text"]
                for row in json.loads(command("queue", "list", "--json", folder=tmp_path).stdout)
                if row["status"] == "held"
            }
            nothing = command("queue", "hold", folder=tmp_path)
            none = command("queue", "hold", "0123456789abcdef", folder=tmp_path)
            receiver.status = 200
            replayed = command("dead", "replay", by_text["2"], folder=tmp_path)
            released = command("queue", "release", "--instance", "mouth", folder=tmp_path)
            wait_until(lambda: len(receiver.got) == 3, within=30)
            ledger = ask(tmp_path, "status")["journal"]["ledger"]

    assert {"0", "2"} == held
    assert (0, "1 dropped\n") == (dropped.returncode, dropped.stdout)
    assert (2, True) == (nothing.returncode, "--all" in nothing.stderr)
    assert 1 == none.returncode
    assert (0, "1 waiting again\n") == (replayed.returncode, replayed.stdout)
    assert (0, "1 waiting again\n") == (released.returncode, released.stdout)
    assert {"ci: 0", "ci: 2", "ci: 3"} == set(receiver.got)
    assert (1, 3) == (ledger["by_status"]["dropped"], ledger["by_status"]["sent"])
    verbs = [event["verb"] for event in events(tmp_path, "operator.acted")]
    assert {"hold", "drop", "release"} <= set(verbs)
    assert all(event["who"] == f"uid {os.getuid()}" for event in events(tmp_path, "operator.acted"))


def ask_hold(folder, *ids):
    """How many of these are held by now; what is being sent just now cannot be."""
    command("queue", "hold", *ids, folder=folder)
    rows = json.loads(command("queue", "list", "--json", folder=folder).stdout)
    return sum(row["status"] == "held" for row in rows)


def test_dead_letters_are_replayed_at_a_rate_and_dropped(tmp_path):
    with a_receiver(*[400] * 6) as receiver:
        ear = write_files(tmp_path, url=receiver.url)
        with running(tmp_path):
            for number in range(6):
                post(ear, f"{number}", f"m{number}")
            wait_until(lambda: receiver.asked == 6)
            wait_until(lambda: not waiting(tmp_path))
            dead = json.loads(command("dead", "list", "--json", folder=tmp_path).stdout)
            dropped = command("dead", "drop", dead[0]["id"], folder=tmp_path)
            replayed = ask(tmp_path, "dead", "replay", "--rule", "all", "--rate", "20")
            none = command("dead", "replay", "--until", "1h", folder=tmp_path)
            wait_until(lambda: len(receiver.got) == 5)
            left = command("dead", "list", folder=tmp_path)

    assert (0, "1 dropped\n") == (dropped.returncode, dropped.stdout)
    assert {"replayed": 5} == replayed
    assert (1, "0 waiting again\n") == (none.returncode, none.stdout)
    assert [f"ci: {number}" for number in range(1, 6)] == receiver.got
    assert "no dead letters\n" == left.stdout


def test_a_paused_instance_waits_also_after_a_restart(tmp_path):
    with a_receiver() as receiver:
        ear = write_files(tmp_path, url=receiver.url)
        with running(tmp_path):
            paused = command("instance", "pause", "mouth", folder=tmp_path)
            post(ear, "patience", "m1")
            state = ask(tmp_path, "status")
        with running(tmp_path):
            again = ask(tmp_path, "status")
            heard = list(receiver.got)
            resumed = command("instance", "resume", "mouth", folder=tmp_path)
            wait_until(lambda: receiver.got)
            wrong = command("instance", "pause", "moth", folder=tmp_path)

    assert (0, 0) == (paused.returncode, resumed.returncode)
    assert {"ear": "running", "mouth": "paused"} == {i["id"]: i["state"] for i in state["instances"]}
    assert {"ear": "running", "mouth": "paused"} == {i["id"]: i["state"] for i in again["instances"]}
    assert ["paused_by_operator"] == [one["state"] for one in again["destinations"]]
    assert [] == heard
    assert ["ci: patience"] == receiver.got
    assert (1, True) == (wrong.returncode, "did you mean mouth" in wrong.stderr)


def test_a_journaled_message_is_explained_by_the_running_rules(tmp_path):
    """Not by the files on disk: they may have been refused."""
    with a_receiver() as receiver:
        ear = write_files(tmp_path, url=receiver.url)
        with running(tmp_path):
            post(ear, "why?", "m1")
            wait_until(lambda: receiver.got)
            (tmp_path / "rules.json").write_text("{broken")
            said = command("route", "m1", folder=tmp_path)
            asked = ask(tmp_path, "route", "m1")
            unknown = command("route", "m2", folder=tmp_path)

    assert 0 == said.returncode
    assert "+ all: matched" in said.stdout
    assert "| ci: why?" in said.stdout
    assert ["sent"] == [row["status"] for row in asked["deliveries"]]
    assert ["all"] == [row["rule"] for row in asked["routes"]]
    assert (1, True) == (unknown.returncode, "no message m2" in unknown.stderr)


def test_tail_shows_live_messages_and_hides_what_was_said(tmp_path):
    with a_receiver() as receiver:
        ear = write_files(tmp_path, url=receiver.url)
        with running(tmp_path):
            some = ("tail", "--json", "--count", "6")
            with started(tmp_path, *some) as quiet, started(tmp_path, *some, "--text") as loud:
                number = 0
                while quiet.poll() is None or loud.poll() is None:
                    post(ear, "the secret plan", f"m{number}")
                    number += 1
                shown = [tail.communicate(timeout=10)[0] for tail in (quiet, loud)]

    hidden, open_ = [[json.loads(line) for line in said.splitlines()] for said in shown]
    assert {"message.accepted", "delivery.sent"} >= {event["name"] for event in hidden}
    assert "the secret plan" not in shown[0]
    assert "the secret plan" in shown[1]
    assert 6 == len(open_)


def test_a_reload_says_what_changes_and_then_changes_it(tmp_path):
    with a_receiver() as receiver:
        write_files(tmp_path, url=receiver.url)
        rules(tmp_path, "one", "two")
        with running(tmp_path):
            rules(tmp_path, "two", "three")
            before = command("reload", "--diff", folder=tmp_path)
            taken = command("reload", folder=tmp_path)
            shown = ask(tmp_path, "status")
            (tmp_path / "rules.json").write_text('{"rules": [{"id": "x", "chanels": {}}]}')
            refused = command("reload", folder=tmp_path)
            after = ask(tmp_path, "status")
            checked = command("status", "--check", folder=tmp_path)

    for line in ("+ rule three", "- rule one"):
        assert line in before.stdout
    assert 0 == before.returncode
    assert (0, True) == (taken.returncode, "generation" in taken.stdout)
    assert ["two", "three"] == [one["id"] for one in shown["rules"]]
    assert 1 == refused.returncode
    assert 'did you mean "channels"' in refused.stdout
    assert shown["generation"] == after["generation"]
    assert not after["last_reload"]["ok"]
    assert 'did you mean "channels"' in after["last_reload"]["report"]
    assert 2 == checked.returncode
    assert events(tmp_path, "config.reloaded")
    assert "rules.json:1:" in events(tmp_path, "config.reload_refused")[0]["why"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("tail",),
        ("reload",),
        ("send", "mouth", "--text", "x"),
        ("route", "m1"),
        ("queue", "hold", "--all"),
        ("queue", "release", "--all"),
        ("queue", "drop", "--all"),
        ("dead", "drop", "--all"),
        ("instance", "pause", "mouth"),
        ("instance", "resume", "mouth"),
    ],
    ids=" ".join,
)
def test_without_a_daemon_the_exit_code_is_69(tmp_path, arguments):
    """And the way out is said: which socket was tried, and how a daemon is started."""
    write_files(tmp_path, url="http://127.0.0.1:1/")

    ended = command(*arguments, folder=tmp_path)

    assert 69 == ended.returncode
    assert "control.sock" in ended.stderr
    assert "msgbridge run" in ended.stderr


def test_dead_letters_of_a_stopped_daemon_are_replayed_in_its_journal(tmp_path):
    with a_receiver(400) as receiver:
        ear = write_files(tmp_path, url=receiver.url)
        with running(tmp_path):
            post(ear, "later", "m1")
            wait_until(lambda: receiver.asked)
            wait_until(lambda: not waiting(tmp_path))
        replayed = command("dead", "replay", "--all", folder=tmp_path)
        with running(tmp_path):
            wait_until(lambda: receiver.got)

    assert (0, "1 waiting again\n") == (replayed.returncode, replayed.stdout)
    assert ["ci: later"] == receiver.got


def test_a_second_daemon_finds_its_socket_in_use_or_its_ports(tmp_path):
    """One that died leaves a socket behind; the next takes its place."""
    write_files(tmp_path, url=f"http://127.0.0.1:{free_port()}/")
    with running(tmp_path) as process:
        process.kill()
        process.wait(10)
        left = (tmp_path / "data" / "control.sock").exists()
    (tmp_path / "log").unlink()
    with running(tmp_path):
        shown = ask(tmp_path, "status")
        mode = (tmp_path / "data" / "control.sock").stat().st_mode & 0o777

    assert left
    assert 1 == shown["generation"]
    assert 0o660 == mode
    assert not (tmp_path / "data" / "control.sock").exists()
