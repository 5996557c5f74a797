"""msgbridge users and conversations, as a person runs them, against a simulated platform."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from bridge.journal import Capacity, Retention
from bridge.journal.reading import open_reader
from bridge.journal.sqlite import open_journal
from drivers.dingtalk.simulator import Simulator
from tests.builders import a_route, a_sender, an_envelope
from tests.clock import FakeClock
from tests.drivers.dingtalk.threaded import simulated

GROUP, OTHER = "cidSimGroup0000000001==", "cidSimGroup0000000002=="
SECRET = "sim-app-secret"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def dingtalk() -> Iterator[Simulator]:
    with simulated() as simulator:
        yield simulator


@pytest.fixture
def files(tmp_path: Path, dingtalk: Simulator) -> list[str]:
    return written(tmp_path, dingtalk.base_url)


def written(folder: Path, base_url: str, **more: Any) -> list[str]:
    robot = {
        "app_key": "dingsimappkey0000001",
        "app_secret": SECRET,
        "signing_secret": SECRET,
        "allowed_users": "*",
        "api_base_url": base_url,
        "oapi_base_url": base_url,
    }
    config = {
        "global": {"data_dir": str(folder / "data")},
        "dingtalk": {"dt": robot},
        "webhook": {"ci": {"url": "http://127.0.0.1:9/in"}},
        **more,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "rules.json").write_text(json.dumps({"rules": "broken"}))
    return ["--config", str(folder / "config.json")]


def keep(folder: Path, *envelopes: Any, to: tuple[str, ...] = ()) -> None:
    """A journal that has accepted these messages."""

    async def scenario() -> None:
        async with open_journal(
            folder / "data" / "journal.db",
            clock=FakeClock(),
            capacity=Capacity(),
            retention=Retention(),
        ) as journal:
            for envelope in envelopes:
                await journal.accept(envelope, [a_route(place) for place in to])

    asyncio.run(scenario())


def test_people_are_listed_with_addresses_to_paste(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also while rules.json is wrong: this is how one finds out what to write there."""
    assert 0 == main(["users", "dt", *files])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('{"user_id": "manager1001"}')
    assert "张三" in lines[0]
    assert lines[1].endswith("研发")


def test_json_is_for_programs(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One object for each person."""
    assert 0 == main(["users", "dt", "--json", *files])

    first, _ = json.loads(capsys.readouterr().out)
    assert {"address": {"user_id": "manager1001"}, "title": "张三", "detail": ""} == first


def test_a_missing_permission_is_said_with_its_link(
    dingtalk: Simulator, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, the scope, and where to apply for it."""
    dingtalk.directory.missing.add("qyapi_get_department_member")

    assert 1 == main(["users", "dt", *files])

    said = capsys.readouterr().err
    assert "qyapi_get_department_member" in said
    assert "https://open-dev.dingtalk.com/appscope/apply?content=" in said


def test_an_account_that_lists_nobody_says_so(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A webhook has no people."""
    assert 1 == main(["users", "ci", *files])

    assert "lists nobody" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["users", "conversations"])
def test_a_slip_in_the_name_is_asked_about(
    command: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and "did you mean"."""
    assert 2 == main([command, "dtt", *files])

    assert "did you mean 'dt'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["users", "dt"], ["conversations", "dt"], ["doctor"]])
def test_a_wrong_config_is_shown(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As check shows it, and nobody is asked anything."""
    files = written(tmp_path, "not a url")

    assert 1 == main([*command, *files])

    captured = capsys.readouterr()
    assert "api_base_url" in captured.out + captured.err


def test_what_was_seen_is_listed_with_titles(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The latest first, by its latest title; a direct chat by the person's name."""
    keep(
        tmp_path,
        an_envelope(id="1", at=f"dt/{GROUP}", conversation_title="old name"),
        an_envelope(id="2", at="dt/user:manager1001", direct=True, user="张三"),
        an_envelope(id="3", at=f"dt/{GROUP}", conversation_title="new name"),
        an_envelope(id="4", at="dt/dm:cidStranger", direct=True, sender=a_sender("Eve")),
        an_envelope(id="5", at="elsewhere/room", conversation_title="not ours"),
    )

    assert 0 == main(["conversations", "dt", "--json", *files])

    found = json.loads(capsys.readouterr().out)
    assert [
        ({}, "Eve", True, 1),
        ({"open_conversation_id": GROUP}, "new name", False, 2),
        ({"user_id": "manager1001"}, "张三", True, 1),
    ] == [(one["address"], one["title"], one["direct"], one["messages"]) for one in found]
    assert "2026-11-20T12:00:00Z" == found[0]["last_at"]


def test_what_was_only_written_to_is_listed_too(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind the others, without a time; each line begins with what rules.json wants."""
    keep(tmp_path, an_envelope(at=f"dt/{GROUP}", conversation_title="Team"), to=(f"dt/{OTHER}",))

    assert 0 == main(["conversations", "dt", *files])

    first, second = capsys.readouterr().out.splitlines()
    assert f'{{"open_conversation_id": "{GROUP}"}}' == first.partition("  ")[0]
    assert "Team" in first
    assert f'{{"open_conversation_id": "{OTHER}"}}' == second


def test_before_the_first_message_there_is_advice(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No journal is no error."""
    assert 0 == main(["conversations", "dt", *files])

    captured = capsys.readouterr()
    assert "" == captured.out
    assert "write to the account once" in captured.err


def test_titles_cannot_move_the_cursor(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal may hold what somebody else once wrote into it."""
    keep(tmp_path, an_envelope(at=f"dt/{GROUP}", conversation_title="a\x1b[2Jb\u202ec"))

    main(["conversations", "dt", *files])

    assert capsys.readouterr().out.replace("\n", "").isprintable()


def test_a_damaged_row_is_passed_over(tmp_path: Path) -> None:
    """The rest is listed; what is damaged is not guessed at."""
    import sqlite3
    from contextlib import closing

    keep(tmp_path, *(an_envelope(id=n, at=f"dt/{n}") for n in "123"))
    path = tmp_path / "data" / "journal.db"
    with closing(sqlite3.connect(path)) as db:
        for damaged in ("2", "3"):
            body = b"\x00" if damaged == "3" else db.execute("SELECT body FROM messages").fetchone()[0]
            db.execute("UPDATE messages SET body = ? WHERE event_id = ?", (body, damaged))
        db.commit()

    with open_reader(path) as reader:
        (seen,) = reader.seen_conversations("dt")
        assert ("1", 1) == (seen.conversation, seen.messages)
