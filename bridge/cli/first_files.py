"""The first two files of a new bridge, and what stands beside them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROBOT, HOOK = "dt_main", "ci"
"""The names that the two accounts are given."""

PLACEHOLDER = "replace-me"
"""Stands in a secret's file, or for a key, until the operator knows it."""

_SECRET_VARIABLE = "DT_APP_SECRET"  # noqa: S105 (the name of a variable, no secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """
    What a new operator knows. Empty: every group is a source; there is no second group; ``app_secret``
    stands in the environment. ``allowed_users`` are staff ids, or empty for everybody.
    """

    app_key: str = PLACEHOLDER
    app_secret: str = PLACEHOLDER
    allowed_users: tuple[str, ...] = ()
    group: str = ""
    other_group: str = ""
    webhook_url: str = "https://example.com/in"


def config_of(answers: Answers, *, language: str, stream: bool) -> dict[str, Any]:
    """config.json. With ``stream`` DingTalk needs no public address to reach us."""
    secret = {"file": secret_file(ROBOT)} if answers.app_secret else {"env": _SECRET_VARIABLE}
    robot: dict[str, Any] = {
        "app_key": answers.app_key,
        "app_secret": secret,
        "allowed_users": list(answers.allowed_users) or "*",
    }
    if stream:
        robot["receive"] = "stream"
    else:
        robot |= {"signing_secret": secret, "listen_port": 8082, "listen_path": "/dingtalk/event"}
    config: dict[str, Any] = {
        "$schema": "./config.schema.json",
        "global": {"language": language, "status": {"host": "127.0.0.1", "port": 8089}},
        "dingtalk": {ROBOT: robot},
    }
    if not answers.other_group:
        hook = {"url": answers.webhook_url, "secret": {"file": secret_file(HOOK)}}
        config["webhook"] = {HOOK: hook}
    return config


def rules_of(answers: Answers) -> dict[str, Any]:
    """rules.json: two groups that hear each other, or one that a webhook hears; and a test of it."""
    here = {"open_conversation_id": answers.group or "*"}
    given = {ROBOT: {"open_conversation_id": answers.group or "cidAnyGroup=="}}
    test = {"given": {"from": given, "user": "Li", "text": "hello"}}
    if answers.other_group:
        there = {"open_conversation_id": answers.other_group}
        rule: dict[str, Any] = {"id": "team-room", "type": "connect", "channels": {ROBOT: [here, there]}}
        expect = {"to": ROBOT, "conversation": answers.other_group, "text": "Li: hello"}
    else:
        rule = {"id": "to-webhook", "type": "forward", "from": {ROBOT: here}, "to": {HOOK: {}}}
        expect = {"to": HOOK, "text": "Li: hello"}
    return {
        "$schema": "./rules.schema.json",
        "rules": [rule],
        "tests": [{"name": "a greeting arrives", **test, "expect": [expect]}],
    }


def secret_file(instance: str) -> str:
    """Where an instance's secret stands, from config.json."""
    return f"secrets/{instance}.secret"


def as_text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
