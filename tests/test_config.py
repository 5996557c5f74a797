"""config.json: everything that can be wrong with it, each at its place, with the way out, in two languages."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.config import Config
from bridge.driver import Listen
from bridge.i18n import speaker
from bridge.model import InstanceId, RateLimit
from bridge.problems.show import show_all
from tests.reading import CONFIG, errors, read, unmarked

MISTAKES = {
    "unknown platform": (
        '{«"chta"»: {"here": {"token": "x", "sign": "s"}}}',
        "E201", 'did you mean "chat"?', '是不是想写 "chat"？',
    ),
    "misspelt key": (
        '{"chat": {"here": {\n  «"tokn"»: "x", "sign": "s"}}}',
        "E102", 'did you mean "token"?', '是不是想写 "token"？',
    ),
    "a key of another name": (
        '{"chat": {"here": {\n  «"apikey"»: "x", "sign": "s"}}}',
        "E102", 'did you mean "token"?', '是不是想写 "token"？',
    ),
    "unknown key": (
        '{"chat": {"here": {"token": "x", "sign": "s", «"zzzzz"»: 1}}}',
        "E102", "msgbridge schema", "msgbridge schema",
    ),
    "missing key": (
        '{"chat": {«"here"»: {"sign": "s"}}}',
        "E103", 'add "token": {"env": "NAME"}', '加上 "token": {"env": "NAME"}',
    ),
    "wrong type": (
        '{"chat": {"here": {"token": «5», "sign": "s"}}}',
        "E101", 'put it in quotes: "5"', '加上引号："5"',
    ),
    "a port in quotes": (
        '{"chat": {"here": {"token": "x", "sign": "s", "listen_port": «"80"»}}}',
        "E101", "must be a number, not a text", "必须是 数，而不是 文本",
    ),
    "a port too large": (
        '{"chat": {"here": {"token": "x", "sign": "s", "listen_port": «65536»}}}',
        "E105", "at most 65535", "不能大于 65535",
    ),
    "a port with a fraction": (
        '{"chat": {"here": {"token": "x", "sign": "s", "listen_port": «80.5»}}}',
        "E101", "a number with a fraction", "小数",
    ),
    "a choice that is none": (
        '{"chat": {"here": {"token": "x", "sign": "s", "team": «"bleu"»}}}',
        "E104", 'did you mean "blue"?', '是不是想写 "blue"？',
    ),
    "a duration that is none": (
        '{"chat": {"here": {"token": "x", "sign": "s", "window": «"5 fortnights"»}}}',
        "E106", '"90s", "5m" or "24h"', '"90s"、"5m"、"24h"',
    ),
    "no time at all": (
        '{"chat": {"here": {"token": "x", "sign": "s", "send_timeout": «0»}}}',
        "E106", '"15s" or "1m"', '"15s" 或 "1m"',
    ),
    "a size that is none": (
        '{"global": {"http": {"max_body": «"big"»}}, "hook": {"a": {}}}',
        "E106", '"256KiB"', '"256KiB"',
    ),
    "a rate that is none": (
        '{"chat": {"here": {"token": "x", "sign": "s", "max_rate": «"20 a minute"»}}}',
        "E106", '"20/1m"', '"20/1m"',
    ),
    "a URL that is none": (
        '{"chat": {"here": {"token": "x", "sign": "s", "url": «"chat.example"»}}}',
        "E107", "https://host/path", "https://主机/路径",
    ),
    "a URL in the clear": (
        '{"chat": {"here": {"token": "x", "sign": "s", "url": «"http://10.0.0.1/"»}}}',
        "E209", "write https://", "改用 https://",
    ),
    "white space behind a credential": (
        '{"chat": {"here": {"token": "x« »", "sign": "s"}}}',
        "E208", "remove the white space inside the quotes", "删去引号内首尾的空白",
    ),
    "a tab before a credential": (
        '{"chat": {"here": {"token": "«\\t»x", "sign": "s"}}}',
        "E208", "remove the white space inside the quotes", "删去引号内首尾的空白",
    ),
    "an environment variable that is not set": (
        '{"chat": {"here": {"token": {"env": «"NOT_SET"»}, "sign": "s"}}}',
        "E205", "export NOT_SET=…", "export NOT_SET=…",
    ),
    "an environment variable that is empty": (
        '{"chat": {"here": {"token": {"env": «"EMPTY"»}, "sign": "s"}}}',
        "E205", "is empty", "是空的",
    ),
    "a line break in an environment variable": (
        '{"chat": {"here": {"token": {"env": «"BROKEN"»}, "sign": "s"}}}',
        "E208", "printf %s", "printf %s",
    ),
    "a file that is not there": (
        '{"chat": {"here": {"token": {"file": «"no/such/file"»}, "sign": "s"}}}',
        "E206", "let the user of the daemon read it", "运行守护进程的用户可读",
    ),
    "a device in place of a file": (
        '{"chat": {"here": {"token": {"file": «"/dev/zero"»}, "sign": "s"}}}',
        "E206", "no regular file", "no regular file",
    ),
    "a credential without systemd": (
        '{"chat": {"here": {"token": {"credential": «"app"»}, "sign": "s"}}}',
        "E206", "LoadCredential=app:", "LoadCredential=app:",
    ),
    "a misspelt reference": (
        '{"chat": {"here": {"token": {«"enf"»: "X"}, "sign": "s"}}}',
        "E207", 'did you mean "env"?', '是不是想写 "env"？',
    ),
    "what the driver complains of": (
        '{"chat": {"here": {"token": "x", "sign": "s", "team": «"nobody"»}}}',
        "chat-nobody", "team nobody is nobody", "team nobody is nobody",
    ),
    "a name with a slash": (
        '{"hook": {«"a/b"»: {}}}',
        "E211", "letters, digits, - and _", "字母、数字、- 和 _",
    ),
    "a list of instances": (
        '{"hook": «[»{}]}',
        "E101", '{"a-name-of-yours": {…}}', '{"自取的名字": {…}}',
    ),
    "a misspelt global": (
        '{«"globl"»: {}, "hook": {"a": {}}}',
        "E201", 'did you mean "global"?', '是不是想写 "global"？',
    ),
    "a misspelt key of global": (
        '{"global": {"http": {«"hots"»: "::"}}, "hook": {"a": {}}}',
        "E102", 'did you mean "host"?', '是不是想写 "host"？',
    ),
    "a proxy that is no network": (
        '{"global": {"http": {"trusted_proxies": ["::1", «"nginx"»]}}, "hook": {"a": {}}}',
        "E106", '"10.0.0.0/8"', '"10.0.0.0/8"',
    ),
    "the status server's port": (
        '{"chat": {"here": {"token": "x", "sign": "s", "listen_port": «8089»}}}',
        "E204", 'another "listen_port"', '换一个 "listen_port"',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_every_single_mistake_is_shown_at_its_place_with_the_way_out(tmp_path: Path, name: str) -> None:
    """One mistake is one problem: code, line, column, length, and a suggestion in both languages."""
    marked, code, english, chinese = MISTAKES[name]
    text, line, column, length = unmarked(marked)

    found = read(tmp_path, text, {"rules": []}, environ={"EMPTY": "", "BROKEN": "x\n"})

    problems = [p for p in found.problems if p.code != "W303"]
    assert [(code, line, column, length)] == [(p.code, p.line, p.column, p.length) for p in problems]
    assert english in show_all(problems, speaker("en"))
    assert chinese in show_all(problems, speaker("zh"))
    assert found.config is None


def test_two_instances_of_one_name_show_both_places(tmp_path: Path) -> None:
    """Names are one space over all platforms; the second one is checked all the same."""
    text = '{"hook": {"same": {}},\n "chat": {"same": {"tokn": "x", "sign": "s"}}}'

    duplicate, misspelt = errors(read(tmp_path, text, {"rules": []}))

    assert ("E202", 2, 11) == (duplicate.code, duplicate.line, duplicate.column)
    assert duplicate.second is not None
    assert (1, 11) == (duplicate.second.line, duplicate.second.column)
    assert "E102" == misspelt.code


def test_the_first_of_two_of_one_name_is_the_one_that_rules_mean(tmp_path: Path) -> None:
    """So that one duplicate does not make every address of it look wrong."""
    config = {"hook": {"same": {}}, "chat": {"same": {"token": "x", "sign": "s"}}}
    rules = {"rules": [{"from": {"same": {}}, "to": {"same": {"conversation": "b"}}}]}

    assert ["E202"] == [p.code for p in errors(read(tmp_path, config, rules))]


def test_two_instances_on_one_port_and_path_are_shown_a_free_path(tmp_path: Path) -> None:
    """The path that is proposed is free, and taking it mends the file."""
    chat = {name: {"token": "x", "sign": "s"} for name in ("one", "two")}

    (problem,) = errors(read(tmp_path, {"chat": chat}, {"rules": []}))

    assert "E203" == problem.code
    assert problem.second is not None
    assert 'write "listen_path": "/chat/two"' == str(problem.hints[0])
    chat["two"]["listen_path"] = "/chat/two"
    assert read(tmp_path, {"chat": chat}, {"rules": []}).config is not None


def test_a_disabled_instance_listens_nowhere(tmp_path: Path) -> None:
    """So it cannot be in anybody's way."""
    chat = {"one": {"token": "x", "sign": "s"}, "two": {"token": "x", "sign": "s", "enabled": False}}

    config = _good(read(tmp_path, {"chat": chat}, {"rules": []}).config)

    assert config.instances[InstanceId("two")].listen is None
    assert Listen(9001, "/chat") == config.instances[InstanceId("one")].listen


def test_settings_arrive_ready_for_use(tmp_path: Path) -> None:
    """Defaults are filled in, durations are seconds, sizes bytes, references their values."""
    (tmp_path / "secret").write_text("from-file\n", encoding="utf-8")
    (tmp_path / "cred").write_text("from-systemd", encoding="utf-8")
    config = {
        "global": {"language": "zh", "proxy": "http://proxy:3128", "delivery": {"late_after": 60}},
        "chat": {
            "a": {
                "token": {"file": "secret"},
                "sign": {"env": "SIGN"},
                "headers": {"X-Key": {"credential": "cred"}},
                "window": "1.5h",
                "max_rate": "20/1m",
                "send_timeout": "30s",
                "proxy": "",
                "keyword": " spaces are mine ",
            }
        },
        "hook": {"b": {"language": "en"}},
    }
    environ = {"SIGN": "from-env", "CREDENTIALS_DIRECTORY": str(tmp_path), "STATE_DIRECTORY": "/s:/t"}

    found = _good(read(tmp_path, config, {"rules": []}, environ=environ).config)

    a, b = found.instances.values()
    assert "from-file" == a.settings["token"]
    assert "from-env" == a.settings["sign"]
    assert {"X-Key": "from-systemd"} == a.settings["headers"]
    assert (5400.0, 1024, "red") == tuple(a.settings[k] for k in ("window", "largest", "team"))
    assert " spaces are mine " == a.settings["keyword"]
    assert (RateLimit(20, 60.0), 30.0, "zh", "") == (a.max_rate, a.send_timeout, a.language, a.proxy)
    assert ("en", "http://proxy:3128", 15.0) == (b.language, b.proxy, b.send_timeout)
    assert "max_rate" not in a.settings
    assert {"from-file", "from-env", "from-systemd"} == found.secrets
    assert (Path("/s"), Path("/s/control.sock")) == (found.global_.data_dir, found.global_.control_socket)
    assert (60.0, 86400.0) == (found.global_.delivery.late_after, found.global_.delivery.give_up_after)
    assert (262144, 5.0) == (found.global_.http.max_body, found.global_.http.body_timeout)
    assert 4 << 30 == found.global_.capacity.max_bytes


def test_no_shown_line_gives_a_secret_away(tmp_path: Path) -> None:
    """Not a misspelt key's, not a URL's, not one beside a mistake, not one in a broken file, in no form."""
    secret = "S3cr3tV4lue"
    bad = [
        {"chat": {"a": {"zzz": secret, "token": "x", "sign": "s"}}},
        {"chat": {"a": {"tokn": secret, "sing": secret, "listen_port": "x"}}},
        {"chat": {"a": {"token": [secret], "sign": {"envv": secret}}}},
        {"chta": {"a": {"token": secret}}},
        {"unheard": {"a": {"of": {"deep": [secret]}}}},
        {"chat": {"a": {"token": "x", "sign": secret + " ", "bad": 1}}},
        {"chat": {"a": secret}},
        {"chat": {"a": {"token": "x", "sign": "s", "proxy": f"http://me:{secret}@proxy/path"}}},
        {
            "chat": {
                "a": {"token": "x", "sign": "s", "url": f"http://chat.example/?access_token={secret}"}
            }
        },
        {"global": {"http": f"ftp://me:{secret}@x"}},
    ]
    texts = [json.dumps(value) for value in bad]
    texts += [text[:-1] for text in texts]
    texts += [text.replace('": "', '" "', 1) for text in texts]

    for text in texts:
        found = read(tmp_path, text)

        shown = show_all(found.problems, speaker("en"))
        assert errors(found), text
        assert secret not in shown, shown


def test_a_secret_from_elsewhere_is_masked_in_the_other_file(tmp_path: Path) -> None:
    """A token that was pasted into rules.json is known by its value."""
    config = {"chat": {"here": {"token": {"env": "TOKEN"}, "sign": "s"}}, "hook": {"there": {}}}
    rules = {
        "rules": [{"from": {"here": {"room": "r"}}, "to": {"there": {}}, "id": "pasted-value", "x": 1}]
    }

    found = read(tmp_path, config, rules, environ={"TOKEN": "pasted-value"})

    assert ["E102"] == [p.code for p in errors(found)]
    assert "pasted-value" not in found.problems[0].place.source


def test_complaints_that_are_warnings_do_not_stop(tmp_path: Path) -> None:
    """They are shown, and the config is good."""
    found = read(tmp_path, {"chat": {"here": {"token": "x"}}, "hook": {"there": {}}})

    assert [("chat-unsigned", True)] == [(p.code, p.warning) for p in found.problems]
    assert found.good


def test_nothing_of_a_good_config_prints_a_secret(tmp_path: Path) -> None:
    """Values that may be logged by accident have no secret in their repr."""
    config = _good(read(tmp_path).config)

    assert "t0p-secret" not in repr(config)


_NASTY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["env", "file", "\x00", "/", "*", "{user}", "5m", "20/1m", "http://[", "\ud83d\ude00"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["global", "chat", "hook", "here", "token", "url", "http", "env", "file", "headers", "listen_port",
             "listen_path", "max_rate", "users", "status", "port", "", "$schema", "credential", "send_timeout"]
        )
        | st.text(max_size=5),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=_NASTY, rules=_NASTY)
def test_no_value_crashes_the_reading(
    tmp_path_factory: pytest.TempPathFactory, value: object, rules: object
) -> None:
    """Whatever stands in the files, there is an answer: a config, or problems that can be shown."""
    folder = tmp_path_factory.mktemp("nasty")

    found = read(
        folder, json.dumps({"chat": {"here": value}, "global": value}), json.dumps({"rules": [rules]})
    )
    again = read(folder, json.dumps(value), json.dumps(rules))

    for reading in (found, again):
        assert reading.good or errors(reading)
        show_all(reading.problems, speaker("zh"))


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b'{"a": "\xff"}', b"[]", b"\x00"]
)
def test_a_file_that_is_no_text_is_told_from_one_that_is_wrong(tmp_path: Path, content: bytes) -> None:
    """Each gets an error of its own, never a traceback."""
    assert errors(read(tmp_path, content))


def test_files_that_cannot_be_read_are_problems(tmp_path: Path) -> None:
    """A folder, a missing file: E001, once for each file."""
    (tmp_path / "config.json").mkdir()

    from bridge.files import read_files

    found = read_files(tmp_path / "config.json", tmp_path / "rules.json", environ={})

    assert ["E001", "E001"] == [p.code for p in found.problems]
    assert "rules.json.example" in str(found.problems[1].hints[0])


def test_yaml_is_read_alike(tmp_path: Path) -> None:
    """The same content in YAML is the same config; a YAML date or yes is the text that was written."""
    text = (
        "chat:\n  here:\n    token: 2026-01-05\n    sign: yes\n    listen_port: 9002\nhook: {there: {}}\n"
    )
    rules = 'rules:\n  - from: {here: {room: "r1"}}\n    to: {there: {}}\n'

    found = read(tmp_path, text, rules, suffix=".yaml")

    here = _good(found.config).instances[InstanceId("here")]
    assert ("2026-01-05", "yes", 9002) == tuple(
        here.settings[k] for k in ("token", "sign", "listen_port")
    )
    assert found.rules is not None


def test_the_example_value_of_this_kit_is_good(tmp_path: Path) -> None:
    """Or every test above would fail for the wrong reason."""
    assert [] == list(read(tmp_path, CONFIG).problems)


def _good(config: Config | None) -> Config:
    assert config is not None
    return config
