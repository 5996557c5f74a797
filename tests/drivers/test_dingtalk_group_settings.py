"""The keys of a group robot, and how the two kinds of account are told apart."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bridge.driver import Complaint
from bridge.files import Reading, read_files
from drivers.dingtalk import DRIVER
from drivers.dingtalk.group_settings import read
from drivers.dingtalk.settings import check, listen

URL = "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef"
LEAST: dict[str, Any] = {"webhook_url": URL}
VALIDATOR = Draft202012Validator(DRIVER.schema)


def reading_of(folder: Path, config: dict[str, Any]) -> Reading:
    """Both files, the rules empty."""
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "rules.json").write_text('{"rules": []}')
    return read_files(folder / "config.json", folder / "rules.json", environ={})


def complaints(**settings: Any) -> list[Complaint]:
    return list(check({**LEAST, **settings}))


def test_a_webhook_url_is_all_that_it_needs() -> None:
    """
    And nothing is wrong with it, nor with the defaults of all other keys, which the core fills in.
    """
    defaults = {k: v["default"] for k, v in DRIVER.schema["properties"].items() if "default" in v}

    assert VALIDATOR.is_valid(LEAST)
    assert complaints() == []
    assert complaints(**{**defaults, "signature_window": 300.0}) == []
    assert read({**defaults, **LEAST}) == read(LEAST)
    assert listen({**defaults, **LEAST}) is None


@pytest.mark.parametrize(
    ("settings", "valid"),
    [
        ({}, False),
        ({"app_key": "a"}, False),
        ({"app_key": "a", "app_secret": "b"}, True),
        ({"webhook_url": ""}, False),
        ({"webhook_url": None}, False),
        ({**LEAST, "keyword": ""}, False),
        ({**LEAST, "sign_secret": ""}, False),
        ({**LEAST, "keyword": "x" * 101}, False),
        ({**LEAST, "sign_secret": "SEC1", "keyword": "告警"}, True),
    ],
)
def test_the_schema_tells_the_two_kinds_apart(settings: dict[str, Any], valid: bool) -> None:
    """
    By the presence of webhook_url.
    """
    assert VALIDATOR.is_valid(settings) == valid


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("app_key", "ding1"),
        ("app_secret", "s"),
        ("robot_code", "ding1"),
        ("signing_secret", "s"),
        ("receive", "none"),
        ("listen_port", 9000),
        ("allowed_users", []),
        ("corp_id", "c"),
        ("send_via", "session"),
        ("card_template_id", "t"),
    ],
)
def test_a_key_of_an_app_robot_is_an_error_at_its_place(key: str, value: object) -> None:
    """
    It would do nothing.
    """
    (complaint,) = complaints(**{key: value})

    assert (complaint.path, complaint.code, complaint.warning) == ((key,), "mixed-account", False)
    assert complaint.args == {"key": key}


@pytest.mark.parametrize("key", ["sign_secret", "keyword"])
def test_a_key_of_a_group_robot_is_an_error_in_an_app_robot(key: str) -> None:
    """
    Somebody forgot the webhook_url.
    """
    app: dict[str, Any] = {"app_key": "a", "app_secret": "b", "receive": "none"}

    (complaint,) = check({**app, key: "SEC-hunter2"})

    assert (complaint.path, complaint.code) == ((key,), "mixed-account")
    assert "hunter2" not in repr(complaint)


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        (URL, []),
        ("http://127.0.0.1:8080/robot/send?access_token=x", []),
        ("http://localhost/robot/send", []),
        ("http://[::1]:8080/x", []),
        ("https://gateway.example.com/ding?to=ops", []),
        ("http://oapi.dingtalk.com/robot/send?access_token=x", ["insecure-url"]),
        ("http://192.168.1.1/x", ["insecure-url"]),
        ("http://localhost.example.com/x", ["insecure-url"]),
        ("ftp://oapi.dingtalk.com/x", ["bad-url"]),
        ("oapi.dingtalk.com/robot/send", ["bad-url"]),
        ("https://", ["bad-url"]),
        ("https://[", ["bad-url"]),
        ("https://h:99999/x", ["bad-url"]),
        ("https://h/a b", ["bad-url"]),
        ("https://h/x#access_token=1", ["bad-url"]),
        ("https://user:hunter2@h/x", ["bad-url"]),
    ],
)
def test_the_webhook_url_is_safe(url: str, codes: list[str]) -> None:
    """
    Encrypted, or not beyond this machine; any host, for there are private gateways. And it is never
    repeated, for it is a secret.
    """
    found = complaints(webhook_url=url)

    assert [one.code for one in found] == codes
    assert "hunter2" not in repr(found)


def test_the_webhook_url_is_masked_whole_and_in_parts(tmp_path: Path) -> None:
    """
    Whoever knows the token can post.
    """
    assert {"webhook_url", "sign_secret"} <= DRIVER.secrets
    config = {"dingtalk": {"alerts": {**LEAST, "sign_secret": "SECabcdef"}}}
    reading = reading_of(tmp_path, config)
    assert reading.config is not None
    assert {URL, "0123456789abcdef", "SECabcdef"} <= reading.config.secrets


def test_what_is_missing_or_mixed_is_said_with_its_place(tmp_path: Path) -> None:
    """
    One sentence for each, at the key that it is about.
    """
    config = {"dingtalk": {"none": {}, "both": {**LEAST, "app_key": "ding1"}}}
    said = [str(problem.message) for problem in reading_of(tmp_path, config).problems]

    assert sum("app_key belongs to an app robot" in one for one in said) == 1
    assert sum('no "app_key"' in one for one in said) == 1
    assert sum('no "app_secret"' in one for one in said) == 1


def test_a_group_robot_has_one_conversation() -> None:
    """
    ``{}`` in rules.json.
    """
    (form,) = DRIVER.addresses(LEAST)

    assert (form.required, form.optional) == ((), ())
    assert form.conversation({}) == "default"
    assert DRIVER.form_of(form.conversation({})) == form.name


def test_a_person_can_be_named_by_union_id() -> None:
    """
    A conversation of its own, until somebody asks DingTalk whose it is.
    """
    forms = {form.name: form for form in DRIVER.addresses({"app_key": "a", "app_secret": "b"})}

    assert forms["union"].conversation({"union_id": "abc"}) == "union:abc"
    assert DRIVER.form_of(forms["union"].conversation({"union_id": "abc"})) == "union"
