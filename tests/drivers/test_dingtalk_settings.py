"""The keys of one DingTalk instance: what the schema says, and what it cannot say."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bridge.driver import Listen
from drivers.dingtalk import DRIVER
from drivers.dingtalk.settings import check, listen, read

KEYS = DRIVER.schema["properties"]
VALIDATOR = Draft202012Validator(DRIVER.schema)
LEAST: dict[str, Any] = {"app_key": "ding1", "app_secret": "s"}
QUIET: dict[str, Any] = {**LEAST, "signing_secret": "s", "allowed_users": "*"}


def codes(**settings: Any) -> list[str]:
    return [complaint.code for complaint in check({**QUIET, **settings})]


def test_the_schema_is_a_schema() -> None:
    """
    Of the draft that editors know, and closed: a misspelt key is an error.
    """
    Draft202012Validator.check_schema(DRIVER.schema)
    assert DRIVER.schema["additionalProperties"] is False
    assert VALIDATOR.is_valid(LEAST)
    assert not VALIDATOR.is_valid({**LEAST, "app_kee": "x"})


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_explains_itself(key: str) -> None:
    """
    With a description, examples that are valid, and a default unless it is required.
    """
    schema = KEYS[key]

    assert schema["description"].endswith(".")
    assert schema["examples"]
    for example in schema["examples"]:
        assert VALIDATOR.is_valid({**LEAST, key: example}), example
    assert ("default" in schema) != (key in {"app_key", "app_secret", "webhook_url"})
    if "default" in schema:
        assert VALIDATOR.is_valid({**LEAST, key: schema["default"]})


def test_every_secret_is_a_key() -> None:
    """
    A name that is masked but does not exist protects nothing.
    """
    assert set(KEYS) >= DRIVER.secrets


@pytest.mark.parametrize("key", ["signing_secret", "robot_code", "corp_id", "app_secret"])
def test_an_empty_value_is_an_error(key: str) -> None:
    """
    An empty environment variable must not switch verification off in silence.
    """
    assert not VALIDATOR.is_valid({**LEAST, key: ""})


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [
        ("listen_path", "dingtalk", False),
        ("listen_path", "/a?b", False),
        ("listen_path", "/a/b", True),
        ("listen_port", 0, False),
        ("listen_port", 65535, True),
        ("receive", "stream", True),
        ("receive", "smoke signals", False),
        ("receive", "none", True),
        ("allowed_users", [], True),
        ("allowed_users", "*", True),
        ("allowed_users", [""], False),
        ("allowed_users", 5, False),
    ],
)
def test_the_schema_tells_right_from_wrong(key: str, value: object, valid: bool) -> None:
    """
    What one key can know by itself.
    """
    assert valid == VALIDATOR.is_valid({**LEAST, key: value})


def test_what_is_left_out_has_its_meaning() -> None:
    """
    The robot's code is the app's key, everybody may write, nothing is verified.
    """
    robot = read(LEAST)

    assert robot.robot_code == "ding1"
    assert robot.signing_secret == ""
    assert robot.signature_window == 300
    assert robot.allowed_users is None
    assert robot.api_base_url == "https://api.dingtalk.com"
    assert robot == read({**LEAST, **{k: KEYS[k]["default"] for k in ("robot_code", "corp_id")}})


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, None),
        ("*", None),
        (["*"], None),
        (["a", "*"], None),
        ([], frozenset()),
        (["a"], frozenset({"a"})),
        ("a*b", frozenset({"a*b"})),
    ],
)
def test_allowed_users(allowed: object, expected: frozenset[str] | None) -> None:
    """
    Absent is everybody, an empty list nobody, and a star inside a name is no star.
    """
    assert read({**LEAST, "allowed_users": allowed}).allowed_users == expected


def test_a_trailing_slash_of_the_base_url_does_no_harm() -> None:
    """
    People paste it with and without.
    """
    assert read({**LEAST, "api_base_url": "https://h/x/"}).api_base_url == "https://h/x"


def test_nothing_is_wrong_with_a_careful_instance() -> None:
    """
    Signed, and said who may write.
    """
    assert codes() == []


def test_what_is_open_is_shouted() -> None:
    """
    As warnings, because existing configurations are open; not for an instance that only sends.
    """
    complaints = list(check(LEAST))

    assert [c.code for c in complaints] == ["callbacks-unverified", "everybody-allowed"]
    assert all(c.warning for c in complaints)
    assert list(check({**LEAST, "receive": "none"})) == []


@pytest.mark.parametrize(
    ("window", "expected"),
    [(300.0, []), (3600.0, []), (3600.1, ["signature-window"]), (0, ["signature-window"])],
)
def test_the_window_has_bounds(window: float, expected: list[str]) -> None:
    """
    One hour is the vendor's own limit.
    """
    assert codes(signature_window=window) == expected


@pytest.mark.parametrize("key", ["api_base_url", "oapi_base_url"])
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.dingtalk.com", []),
        ("https://api.dingtalk.io/", []),
        ("http://127.0.0.1:8080", []),
        ("http://127.9.9.9", []),
        ("http://[::1]:8080", []),
        ("http://localhost:8080", []),
        ("http://api.dingtalk.com", ["insecure-url"]),
        ("http://localhost.example.com", ["insecure-url"]),
        ("http://127.0.0.1.example.com", ["insecure-url"]),
        ("http://192.168.0.1", ["insecure-url"]),
        ("http://0.0.0.0", ["insecure-url"]),
        ("ftp://api.dingtalk.com", ["bad-url"]),
        ("api.dingtalk.com", ["bad-url"]),
        ("https://", ["bad-url"]),
        ("https://[", ["bad-url"]),
        ("https://host:99999", ["bad-url"]),
        ("https://user:pass@host", ["bad-url"]),
        ("https://host/?x=1", ["bad-url"]),
        ("", ["bad-url"]),
    ],
)
def test_base_urls_are_safe(key: str, url: str, expected: list[str]) -> None:
    """
    The app's secret goes there: encrypted, or not beyond this machine.
    """
    assert codes(**{key: url}) == expected


def test_complaints_do_not_repeat_the_url() -> None:
    """
    Somebody may have put a password into it.
    """
    (complaint,) = check({**QUIET, "api_base_url": "https://user:hunter2@host"})

    assert "hunter2" not in repr(complaint)


def test_where_it_listens() -> None:
    """
    The vendor's users know these defaults; "none" listens nowhere.
    """
    assert listen(LEAST) == Listen(8082, "/dingtalk/event")
    assert listen({**LEAST, "listen_port": 1, "listen_path": "/x"}) == Listen(1, "/x")
    assert listen({**LEAST, "receive": "none"}) is None


def test_addresses_become_conversations() -> None:
    """
    A group is its id, a person is a lane of their own; both ways round.
    """
    forms = {form.name: form for form in DRIVER.addresses(LEAST)}

    group = forms["group"].conversation({"open_conversation_id": "cidA=="})
    person = forms["person"].conversation({"user_id": "manager1001"})

    assert (group, person) == ("cidA==", "user:manager1001")
    assert (DRIVER.form_of(group), DRIVER.form_of(person)) == ("group", "person")
    assert DRIVER.form_of("dm:cidB=") == "person"
