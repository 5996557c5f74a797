"""msgbridge init, as a new operator runs it: at a terminal, and without one."""

import json
import os
import pty
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bridge.cli import main

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "STATE_DIRECTORY", "DT_APP_SECRET"):
        monkeypatch.delenv(name, raising=False)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def answered(folder: Path, answers: Sequence[str], *, lang: str = "en") -> tuple[int, str]:
    """Run it at a terminal; each answer is typed when the next question stands there."""
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "bridge",
        "init",
        "--config",
        str(folder / "config.json"),
        "--lang",
        lang,
    ]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT) as process:
        os.close(theirs)
        said = ""
        left = list(answers)
        end = time.monotonic() + 30
        try:
            while time.monotonic() < end:
                said += os.read(ours, 65536).decode(errors="replace")
                if left and said.endswith(": "):
                    os.write(ours, left.pop(0).encode() + b"\n")
                    said += "\n"
        except OSError:
            pass  # the other end is closed: it has ended
        os.close(ours)
        assert [] == left, said
        return process.wait(timeout=10), said


def test_without_a_question_it_writes_what_check_accepts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even a warning; every file that it wrote is named, and what is still to be filled in."""
    config = tmp_path / "new" / "config.json"

    assert 0 == main(["init", "--yes", "--config", str(config)])

    said = capsys.readouterr().out
    for name in (
        "config.json",
        "rules.json",
        "config.schema.json",
        "rules.schema.json",
        "secrets/ci.secret",
    ):
        assert f"{config.parent / name}\n" in said
    assert "app_key" in said
    assert f"msgbridge check --config {config}" in said
    assert 0 == main(["check", "--strict", "--config", str(config)]), capsys.readouterr().out


def test_secrets_stand_in_files_of_their_own(tmp_path: Path) -> None:
    """Readable for nobody else, and config.json holds none."""
    main(["init", "--yes", "--config", str(tmp_path / "config.json")])

    assert 0o700 == mode(tmp_path / "secrets")
    assert 0o644 == mode(tmp_path / "config.json")
    for name in ("dt_main", "ci"):
        assert 0o600 == mode(tmp_path / f"secrets/{name}.secret")
    key = (tmp_path / "secrets/ci.secret").read_text(encoding="utf-8").strip()
    assert key.startswith("whsec_")
    assert key not in (tmp_path / "config.json").read_text(encoding="utf-8")


def test_a_secret_in_the_environment_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is neither asked for nor written."""
    monkeypatch.setenv("DT_APP_SECRET", "d1ng-secret")

    assert 0 == main(["init", "--yes", "--config", str(tmp_path / "config.json")])

    robot = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["dingtalk"]["dt_main"]
    assert {"env": "DT_APP_SECRET"} == robot["app_secret"]
    assert not (tmp_path / "secrets/dt_main.secret").exists()
    assert all("d1ng-secret" not in p.read_text("utf-8") for p in tmp_path.rglob("*.*") if p.is_file())


def test_dingtalk_is_heard_without_a_public_address(tmp_path: Path) -> None:
    """ "stream" needs none, so it comes first."""
    main(["init", "--yes", "--config", str(tmp_path / "config.json")])

    robot = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["dingtalk"]["dt_main"]
    assert "stream" == robot["receive"]


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files in the way are named; --force replaces all of them but the secrets."""
    config = tmp_path / "config.json"
    main(["init", "--yes", "--config", str(config)])
    config.write_text("mine", encoding="utf-8")
    secret = tmp_path / "secrets/dt_main.secret"
    secret.write_text("the-real-one\n", encoding="utf-8")
    (tmp_path / "rules.json").unlink()
    capsys.readouterr()

    assert 2 == main(["init", "--yes", "--config", str(config)])
    assert str(config) in capsys.readouterr().err
    assert "mine" == config.read_text(encoding="utf-8")
    assert not (tmp_path / "rules.json").exists()

    assert 0 == main(["init", "--yes", "--force", "--config", str(config)])
    assert "mine" != config.read_text(encoding="utf-8")
    assert "the-real-one\n" == secret.read_text(encoding="utf-8")
    assert "app_secret" not in capsys.readouterr().out


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    """Exit code 2, and the way out; nothing is written."""
    said = subprocess.run(
        [sys.executable, "-m", "bridge", "init", "--config", str(tmp_path / "config.json"), "--lang", "en"],
        input="", capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip

    assert 2 == said.returncode
    assert "--yes" in said.stderr
    assert [] == list(tmp_path.iterdir())


def test_two_groups_are_connected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five questions; the secret is not shown, and the files are good."""
    code, said = answered(tmp_path, ["dingabc", "t0p-s3cret", "u1, u2，u3", "cidA==", "cidB=="])

    assert 0 == code, said
    assert "t0p-s3cret" not in said
    assert "t0p-s3cret\n" == (tmp_path / "secrets/dt_main.secret").read_text(encoding="utf-8")
    robot = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["dingtalk"]["dt_main"]
    assert ["u1", "u2", "u3"] == robot["allowed_users"]
    (rule,) = json.loads((tmp_path / "rules.json").read_text(encoding="utf-8"))["rules"]
    assert "connect" == rule["type"]
    assert 0 == main(["check", "--strict", "--config", str(tmp_path / "config.json")]), (
        capsys.readouterr().out
    )


def test_a_wrong_answer_is_asked_again(tmp_path: Path) -> None:
    """With what is wrong; here in Chinese, and six questions are the most."""
    code, said = answered(
        tmp_path, ["ding abc", "dingabc", "s", "", "cidA==", "", "http://example.com/in", "https://e.example/in"],
        lang="zh",
    )  # fmt: skip

    assert 0 == code, said
    hook = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["webhook"]["ci"]
    assert "https://e.example/in" == hook["url"]
    assert (
        "zh" == json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["global"]["language"]
    )


def test_a_dialog_that_is_left_writes_nothing(tmp_path: Path) -> None:
    """Control-D at a question."""
    code, said = answered(tmp_path, ["\x04"])

    assert 2 == code, said
    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_an_io_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 74, one line, no traceback."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    assert 74 == main(["init", "--yes", "--config", str(tmp_path / "file" / "config.json")])
    assert "msgbridge: " in capsys.readouterr().err
