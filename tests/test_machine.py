"""What doctor says of the machine: each judgement on plain values, then all of it in its place."""

import errno
import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.files import read_files
from bridge.journal import Capacity
from bridge.machine import disk, files, host, machine, procfs
from tests.daemon import command, free_port, running, write_files

GIB = 1 << 30


def only(findings):
    (finding,) = findings
    return finding


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "plain", "ok"),
    [
        (0o600, True, True),
        (0o640, True, True),
        (0o644, True, False),
        (0o644, False, True),
        (0o602, False, False),
    ],
)
def test_plain_secrets_and_open_files_do_not_go_together(mode, plain, ok):
    """Others may read a file without secrets, and change none."""
    found = list(files.config_file(Path("config.json"), mode, plain=plain))

    assert ok == all(one.ok for one in found)
    assert all(one.hint for one in found if not one.ok)


@pytest.mark.parametrize(("mode", "ok"), [(0o400, True), (0o640, True), (0o644, False), (0o602, False)])
def test_the_file_of_a_secret_is_closed(mode, ok):
    assert ok == (not list(files.secret_file(Path("app.secret"), mode)))


def read(folder, secret):
    """config.json with one webhook whose secret is written as ``secret``."""
    (folder / "app.secret").write_text("an-app-secret\n")
    (folder / "config.json").write_text(
        json.dumps({"webhook": {"ci": {"url": "https://example.com/", "secret": secret}}})
    )
    (folder / "rules.json").write_text('{"rules": []}')
    reading = read_files(
        folder / "config.json", folder / "rules.json", environ={"CI_SECRET": "an-env-secret"}
    )
    assert reading.config is not None
    return reading.config


@pytest.mark.parametrize(
    ("secret", "plain"),
    [('quoted "secret"', True), ({"env": "CI_SECRET"}, False), ({"file": "app.secret"}, False)],
)
def test_a_reference_is_no_secret(tmp_path, secret, plain):
    """Only what stands in the file itself counts, as JSON writes it too."""
    assert plain == files.has_plain(read(tmp_path, secret))


def test_files_that_references_name_are_found(tmp_path):
    """Beside config.json, as the reader finds them."""
    assert {tmp_path / "app.secret"} == files.secret_files(read(tmp_path, {"file": "app.secret"}))


def test_the_data_directory_is_for_one_user(tmp_path):
    """0700 is well, anything more is not; one that is not there yet will be made."""
    assert only(files.folder(tmp_path / "none")).ok
    tmp_path.chmod(0o700)
    assert only(files.folder(tmp_path)).ok
    tmp_path.chmod(0o750)
    assert "chmod 700" in only(files.folder(tmp_path)).hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user_are_named(tmp_path):
    """Somebody ran a command as root, say: the daemon cannot write its own files any more."""
    tmp_path.chmod(0o700)
    (tmp_path / "journal.db").touch()
    os.chown(tmp_path / "journal.db", 12345, 12345)

    found = [one for one in files.folder(tmp_path) if not one.ok]

    assert "journal.db" in only(found).what
    assert "chown" in only(found).hint


# --- disk -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "ok", "word"),
    [
        (100 * GIB, True, "there is room"),
        (2 * GIB, True, "there is room"),
        (80 << 20, False, "nearly too full"),
        (66 << 20, False, "nothing is accepted"),
        (0, False, "nothing is accepted"),
    ],
)
def test_room_is_judged_as_the_journal_judges_it(free, ok, word):
    """By min_free_disk, with the same marks of 80 and 95 per cent."""
    found = disk.room(free, 0, Capacity())

    assert ok == found.ok
    assert word in found.what
    assert bool(found.hint) == (free != 100 * GIB)


@pytest.mark.parametrize(
    ("took", "ok", "hint"), [(0.001, True, False), (0.05, True, True), (0.2, False, True)]
)
def test_a_slow_disk_is_explained(took, ok, hint):
    found = disk.sync(took)

    assert (ok, hint) == (found.ok, bool(found.hint))


def test_writes_are_measured_and_leave_nothing(tmp_path):
    begin = time.monotonic()

    assert 0 < disk.measured_sync(tmp_path) < 60
    assert [] == list(tmp_path.iterdir())
    assert time.monotonic() - begin < 60


@pytest.mark.parametrize(
    ("kind", "bad"), [("ext4", 0), ("overlay", 0), ("", 0), ("tmpfs", 1), ("nfs4", 1)]
)
def test_a_journal_belongs_on_a_local_disk(kind, bad):
    assert bad == len(list(disk.file_system(kind)))


# --- clock, ports, limits -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "ok"), [("yes\n", True), ("no\n", False), ("", True), ("nonsense", True)]
)
def test_a_clock_that_cannot_be_judged_is_no_fault(answer, ok):
    found = host.clock(answer)

    assert ok == found.ok
    assert bool(found.hint) == (answer != "yes\n")


def test_a_free_port_is_free_and_a_taken_one_names_the_command_to_look():
    """By binding only: nobody can connect meanwhile."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        taken = host.port("127.0.0.1", number, host.bound("127.0.0.1", number), None)
    freed = host.port("127.0.0.1", number, host.bound("127.0.0.1", number), None)

    assert not taken.ok
    assert f"sport = :{number}" in taken.hint
    assert freed.ok


@pytest.mark.parametrize(
    ("error", "word"), [(errno.EACCES, "so low a port"), (errno.EADDRNOTAVAIL, "nobody can listen")]
)
def test_other_reasons_have_their_own_words(error, word):
    found = host.port("192.0.2.1", 80, OSError(error, os.strerror(error)), None)

    assert word in found.what
    assert not found.ok


def test_an_address_of_another_machine_cannot_be_listened_at():
    error = host.bound("192.0.2.1", free_port())

    assert error is not None
    assert errno.EADDRNOTAVAIL == error.errno


@pytest.mark.parametrize(
    ("limit", "running", "ok"), [(5000, True, True), (1024, True, False), (1024, False, True)]
)
def test_only_the_limit_of_the_daemon_itself_is_a_fault(limit, running, ok):
    """A shell's limit says nothing of what systemd gives."""
    found = host.descriptors(limit, 2200, running=running)

    assert ok == found.ok
    assert bool(found.hint) == (limit < 2200)


def test_the_score_of_the_unit_is_read_from_what_systemd_prints():
    line = "→ Overall exposure level for msgbridge.service: {} OK\n"

    assert only(host.exposure(line.format("1.1"))).ok
    assert not only(host.exposure(line.format("9.2"))).ok
    assert [] == list(host.exposure("nothing of the kind"))


def test_a_program_that_is_not_there_or_fails_says_nothing():
    assert "" == host.said_by("no-such-program-anywhere")
    assert "" == host.said_by("false")
    assert "yes\n" == host.said_by("echo", "yes")


# --- what the kernel says -------------------------------------------------------------------------


def test_the_deepest_mount_holds_the_folder(tmp_path):
    """Spaces are written as \\040 there."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mounts").write_text(
        "/dev/a / ext4 rw 0 0\ntmpfs /tmp/with\\040space tmpfs rw 0 0\n/dev/b /var xfs rw 0 0\n"
    )

    assert "tmpfs" == procfs.file_system(Path("/tmp/with space/data"), tmp_path)
    assert "xfs" == procfs.file_system(Path("/var/lib/msgbridge"), tmp_path)
    assert "ext4" == procfs.file_system(Path("/opt"), tmp_path)


@pytest.mark.parametrize(("state", "listening"), [("0A", True), ("01", False)])
def test_a_connection_is_not_a_listener(tmp_path, state, listening):
    """0A is LISTEN; the port stands in hexadecimal, the socket's inode at the end."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        f"   0: 0100007F:1F92 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 4711 1\n"
    )
    (tmp_path / "7/fd").mkdir(parents=True)
    (tmp_path / "7/fd/3").symlink_to("socket:[4711]")

    assert listening == procfs.listens(7, 0x1F92, tmp_path)
    assert not procfs.listens(7, 0x1F93, tmp_path)


def test_without_proc_nothing_is_known(tmp_path):
    """Not known is not a fault, and never a crash."""
    (tmp_path / "lock").touch()

    assert procfs.lock_holder(tmp_path / "lock", tmp_path) is None
    assert procfs.listens(1, 80, tmp_path) is None
    assert procfs.open_files_limit(1, tmp_path) is None
    assert "" == procfs.file_system(Path("/"), tmp_path)


# --- all of it ------------------------------------------------------------------------------------


def test_a_running_daemon_is_recognised_and_not_disturbed(tmp_path):
    """Its ports are its own; what another program takes is told apart although a daemon runs."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        strange = other.getsockname()[1]
        write_files(tmp_path, url="http://127.0.0.1:1/")
        with running(tmp_path) as process:
            said = command("doctor", "--json", folder=tmp_path).stdout
            config = json.loads((tmp_path / "config.json").read_text())
            config["webhook"]["ear"]["listen_port"] = strange
            (tmp_path / "other.json").write_text(json.dumps(config))
            changed = command("doctor", "--json", "--config", "other.json", folder=tmp_path).stdout
            assert process.poll() is None
    found = {one["what"].partition(": ")[0]: one for one in json.loads(said)["machine"]}
    other_found = {one["what"].partition(": ")[0]: one for one in json.loads(changed)["machine"]}

    assert f"process {process.pid}" in found["the running msgbridge listens there"]["what"]
    assert "another program listens there" not in found
    assert str(strange) in other_found["another program listens there"]["what"]
    assert found["the data directory is closed to others"]["ok"]


def test_everything_is_looked_at_without_a_daemon(tmp_path):
    """And what is not there yet is no fault."""
    config = read(tmp_path, {"file": "app.secret"})
    (tmp_path / "app.secret").chmod(0o600)

    found = list(machine(config, [config.file, tmp_path / "rules.json"]))

    said = "\n".join(one.what for one in found)
    for words in (
        "versions",
        "SQLite",
        "config.json",
        "rules.json",
        "data directory",
        "clock",
        "port",
        "open",
    ):
        assert words in said
    assert "an-app-secret" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_who_may_see_nothing_of_the_daemon_is_told_so_and_no_more(tmp_path, monkeypatch):
    """A healthy bridge is healthy for everybody: what cannot be seen is no fault, and no crash."""
    monkeypatch.setenv("PATH", "")  # what timedatectl says of this machine's clock is not our matter
    config = read(tmp_path, {"file": "app.secret"})
    closed = tmp_path / "closed"
    for data_dir in (closed, closed / "data"):
        data_dir.mkdir(mode=0o700)
        status = replace(config.global_.status, port=free_port())
        there = replace(config, global_=replace(config.global_, data_dir=data_dir, status=status))
        (data_dir / "journal.db").touch()
        os.seteuid(65534)
        try:
            with socket.socket() as daemon:
                daemon.bind(("127.0.0.1", there.global_.status.port))
                daemon.listen()
                found = list(machine(there, [config.file]))
        finally:
            os.seteuid(0)
        (told,) = [one for one in found if "data directory" in one.what]
        assert "cannot be looked into" in told.what
        assert "as it should while msgbridge runs" in "".join(one.what for one in found)
        assert [] == [one for one in found if not one.ok]


def test_who_asks_for_one_account_is_not_told_of_the_machine(tmp_path, capsys):
    write_files(tmp_path, url="http://127.0.0.1:1/")
    main(["doctor", "ear", "--config", str(tmp_path / "config.json")])

    assert "this machine\n" not in capsys.readouterr().out
