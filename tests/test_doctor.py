"""msgbridge doctor, as a person runs it, against a simulated platform."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from bridge.config import Config, Global, Instance
from bridge.doctor import examine, said
from bridge.driver import DriverSpec
from bridge.i18n import speaker
from bridge.metrics import Metrics
from bridge.model import AddressForm, ConversationId, Finding, InstanceId
from drivers.dingtalk.simulator import Simulator
from tests.clock import FakeClock, run_virtual
from tests.daemon import free_port
from tests.drivers.dingtalk.threaded import simulated
from tests.loopback import Loopback

SECRET = "sim-app-secret"
TOKEN = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")  # what timedatectl says of this machine's clock is not our matter


@pytest.fixture
def dingtalk() -> Iterator[Simulator]:
    with simulated() as simulator:
        yield simulator


def written(folder: Path, dingtalk: Simulator, **more: Any) -> list[str]:
    """Both files; ``more`` are keys of the app robot, and ``global_``."""
    config = {
        "global": {
            "data_dir": str(folder / "data"),
            "status": {"port": free_port()},
            **more.pop("global_", {}),
        },
        "dingtalk": {
            "dt": {
                "app_key": "dingsimappkey0000001",
                "app_secret": SECRET,
                "signing_secret": SECRET,
                "allowed_users": "*",
                "api_base_url": dingtalk.base_url,
                "oapi_base_url": dingtalk.base_url,
                "listen_port": free_port(),
                **more,
            },
            "alerts": {"webhook_url": f"{dingtalk.base_url}/robot/send?access_token={TOKEN}"},
        },
    }
    rules = {"rules": [{"from": {"dt": {"open_conversation_id": "cidA=="}}, "to": {"alerts": {}}}]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "config.json").chmod(0o600)
    (folder / "rules.json").write_text(json.dumps(rules))
    return ["--config", str(folder / "config.json")]


def test_a_good_account_is_well(
    tmp_path: Path, dingtalk: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every finding has its mark, and nothing was posted."""
    files = written(tmp_path, dingtalk, global_={"public_url": "https://bridge.example.com"})

    assert 0 == main(["doctor", *files])

    out = capsys.readouterr().out
    assert "dt (dingtalk)" in out
    assert "alerts (dingtalk)" in out
    assert "✗" not in out
    assert "the callback address is this: https://bridge.example.com/dingtalk/event" in out
    assert SECRET not in out
    assert TOKEN not in out
    assert [] == dingtalk.received


def test_what_is_wrong_comes_with_what_to_do(
    tmp_path: Path, dingtalk: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, the cross, and an arrow below it."""
    files = written(tmp_path, dingtalk, app_secret="wrong-secret")

    assert 1 == main(["doctor", "dt", *files])

    out = capsys.readouterr().out
    assert "✗ no access token" in out
    assert "→ compare app_key and app_secret" in out
    assert "wrong-secret" not in out
    assert "alerts" not in out, "only dt was asked for"


def test_without_a_public_url_the_port_is_named(
    tmp_path: Path, dingtalk: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator knows what the proxy must lead to."""
    main(["doctor", "dt", *written(tmp_path, dingtalk, listen_port=8099)])

    out = capsys.readouterr().out
    assert "https://YOUR-HOST/dingtalk/event" in out
    assert "0.0.0.0:8099/dingtalk/event" in out


def test_a_callback_address_without_tls_is_not_well(
    tmp_path: Path, dingtalk: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """What travels on it is not signed as a whole."""
    files = written(tmp_path, dingtalk, global_={"public_url": "http://127.0.0.1:8082"})

    assert 1 == main(["doctor", "dt", *files])
    assert "TLS" in capsys.readouterr().out


def test_a_test_message_goes_out_only_when_asked(
    tmp_path: Path, dingtalk: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """And only where there is no choice of a conversation."""
    robot = dingtalk.webhooks.add(TOKEN)
    files = written(tmp_path, dingtalk)

    assert 0 == main(["doctor", *files])
    assert [] == robot.texts
    assert 0 == main(["doctor", "--send-test", *files])

    assert ["A test of msgbridge: this conversation can be reached."] == robot.texts
    assert [] == dingtalk.received
    assert "the test message was taken" in capsys.readouterr().out


def test_a_test_message_that_is_refused_is_not_well(
    tmp_path: Path, dingtalk: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token that the platform does not know is found by no other means."""
    assert 1 == main(["doctor", "alerts", "--send-test", *written(tmp_path, dingtalk)])

    out = capsys.readouterr().out
    assert "✗ the test message was not taken" in out
    assert TOKEN not in out


def test_json_is_for_programs(
    tmp_path: Path, dingtalk: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Problems of the files, findings by instance, one verdict."""
    assert 1 == main(["doctor", "--json", *written(tmp_path, dingtalk, app_secret="wrong-secret")])

    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert ["dt", "alerts"] == [one["instance"] for one in told["instances"]]
    assert {"ok", "what", "hint"} == set(told["instances"][0]["findings"][0])


def test_wrong_rules_do_not_hide_the_accounts(
    tmp_path: Path, dingtalk: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are shown first, and the verdict is bad."""
    files = written(tmp_path, dingtalk)
    (tmp_path / "rules.json").write_text('{"rules": 7}')

    assert 1 == main(["doctor", "dt", *files])

    out = capsys.readouterr().out
    assert "rules.json" in out
    assert "✓ DingTalk grants an access token" in out


def test_an_unknown_instance_is_asked_about(
    tmp_path: Path, dingtalk: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and the nearest name."""
    assert 2 == main(["doctor", "alert", *written(tmp_path, dingtalk)])
    assert "did you mean 'alerts'?" in capsys.readouterr().err


# --- one account, without sockets ----------------------------------------------------------------


class Silent(Loopback):
    """A platform that never answers a probe."""

    async def probe(self) -> tuple[Finding, ...]:
        await asyncio.sleep(1e6)
        return ()


def examined(driver: Any, *, enabled: bool = True) -> tuple[Finding, ...]:
    @asynccontextmanager
    async def opened(_id: object, _settings: object, _toolbox: object):
        yield driver

    spec = DriverSpec(
        platform="loop",
        schema={},
        secrets=frozenset(),
        addresses=lambda _settings: (AddressForm("it", (), lambda _keys: ConversationId("default")),),
        form_of=lambda _conversation: "it",
        open=opened,
    )
    instance = Instance(id=InstanceId("x"), platform="loop", spec=spec, settings={}, enabled=enabled)
    folder = Path("/nowhere")
    config = Config(
        global_=Global(data_dir=folder, control_socket=folder),
        instances={instance.id: instance},
        secrets=frozenset(),
        file=folder,
    )
    return run_virtual(examine(instance, config, FakeClock(), Metrics("test")))


def test_a_platform_that_hangs_is_a_finding() -> None:
    """After half a minute, with a place to look at."""
    (finding,) = examined(Silent())

    assert not finding.ok
    assert "30 s" in finding.what
    assert "firewall" in finding.hint


def test_what_is_switched_off_is_not_tried() -> None:
    """And is no fault."""
    (finding,) = examined(Silent(), enabled=False)

    assert finding.ok


def test_a_sentence_is_translated_and_its_details_are_not() -> None:
    """What stands behind the first colon is shown as it is, braces and all."""
    speak = speaker("zh")

    assert "no such {sentence}: x{y}: z" == said("no such {sentence}: x{y}: z", speak)
    assert "错误: detail {0}" == said("error: detail {0}", speak)
    assert "错误" == said("error", speak)
