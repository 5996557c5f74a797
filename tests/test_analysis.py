"""What is allowed in the two files, but hardly meant: each warning, its place, and what it leaves alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.analysis import analyse
from bridge.analysis.accounts import Ability
from bridge.analysis.coverage import unfired
from bridge.model import Capabilities, EventKind, InstanceId, Support, TextFormat
from bridge.problems import Problem
from tests.reading import read, unmarked

CONFIG = {
    "chat": {
        "here": {"token": "t0p-secret", "sign": "s1gn"},
        "also": {"token": "t0p-secret", "sign": "s1gn", "listen_path": "/also"},
        "off": {"token": "t0p-secret", "sign": "s1gn", "listen_path": "/off", "enabled": False},
    },
    "hook": {"there": {}, "ops": {}},
}
GOOD = {InstanceId(name): Ability(capabilities=Capabilities(max_text=20)) for name in ("here", "there")}


def found(
    folder: Path,
    rules: str,
    *,
    config: object = CONFIG,
    abilities: Mapping[InstanceId, Ability] | None = None,
    **more: Any,
) -> list[Problem]:
    """``rules`` is what stands in the list of rules. All of it must load."""
    reading = read(folder, config, f'{{"rules": [\n{rules}\n]}}', environ={})
    assert reading.config, reading.problems
    assert reading.rules, reading.problems
    return list(analyse(reading.config, reading.rules, abilities=abilities, **more))


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


TO = '"to": {"there": {}}'
FROM = '"from": {"here": {"room": "r1"}}'
SHADOWED = {
    "by a rule without conditions": (
        f'{{"id": "all", {FROM}, {TO}, "stop": true}},\n{{"id": «"late"», {FROM}, "when": {{"direct": true}}, {TO}}}'
    ),
    "by a wildcard": (
        f'{{"id": "all", "from": {{"here": {{"room": "*"}}}}, {TO}, "stop": true}},\n{{"id": «"late"», {FROM}, {TO}}}'
    ),
    "by two rules together": (
        f'{{"id": "one", {FROM}, {TO}, "stop": true}},\n{{"id": "two", "from": {{"ops": {{}}}}, {TO}, "stop": true}},\n'
        f'{{"id": «"late"», "from": {{"here": {{"room": "r1"}}, "ops": {{}}}}, {TO}}}'
    ),
    "by a rule that asks for less": (
        f'{{"id": "fail", {FROM}, "when": {{"text_matches": "fail"}}, {TO}, "stop": true}},\n'
        f'{{"id": «"late"», {FROM}, "when": {{"direct": true, "text_matches": "fail"}}, {TO}}}'
    ),
}


@pytest.mark.parametrize("rules", SHADOWED.values(), ids=SHADOWED.keys())
def test_a_rule_behind_a_stop_is_never_asked(tmp_path: Path, rules: str) -> None:
    """The warning stands at its id, and shows the "stop" that is in the way."""
    text, line, column, length = unmarked(rules)

    (problem,) = found(tmp_path, text)

    assert "W304" == problem.code
    assert (line + 1, column, length) == (problem.line, problem.column, problem.length)
    assert problem.second is not None
    assert '"stop"' == problem.second.source[problem.second.column - 1 :][: problem.second.length]


@pytest.mark.parametrize(
    "rules",
    [
        f"{{{FROM}, {TO}}}, {{{FROM}, {TO}}}",
        f'{{{FROM}, "when": {{"direct": true}}, {TO}, "stop": true}}, {{{FROM}, {TO}}}',
        f'{{{FROM}, "unless": {{"direct": true}}, {TO}, "stop": true}}, {{{FROM}, "when": {{"direct": true}}, {TO}}}',
        f'{{{FROM}, "when": {{"kinds": ["message"]}}, {TO}, "stop": true}}, {{{FROM}, {TO}}}',
        f'{{{FROM}, {TO}, "stop": true, "enabled": false}}, {{{FROM}, {TO}}}',
        f'{{{FROM}, {TO}, "stop": true, "otherwise": true}}, {{{FROM}, {TO}}}',
        f'{{{FROM}, {TO}, "stop": true}}, {{"from": {{"here": [{{"room": "r1"}}, {{"room": "r2"}}]}}, {TO}}}',
        f'{{"from": {{"here": {{"user_id": "*"}}}}, {TO}, "stop": true}}, {{{FROM}, {TO}}}',
        f'{{{FROM}, {TO}, "stop": true}}, {{{FROM}, {TO}, "enabled": false}}',
        f'{{{FROM}, {TO}, "stop": true}}, {{{FROM}, {TO}, "when": {{"kinds": ["notice"]}}}}',
    ],
)
def test_a_rule_that_can_still_be_reached_is_left_alone(tmp_path: Path, rules: str) -> None:
    """What only might be in the way is no warning."""
    assert [] == codes(found(tmp_path, rules))


def test_a_default_route_behind_a_catch_all_never_fires(tmp_path: Path) -> None:
    """ "otherwise" is for what nothing above took; a rule without conditions takes all."""
    text, line, column, _ = unmarked(
        f'{{"id": "all", {FROM}, {TO}}},\n{{"id": "rest", {FROM}, «"otherwise"»: true, "to": {{"ops": {{}}}}}}'
    )

    (problem,) = found(tmp_path, text)

    assert ("W306", line + 1, column) == (problem.code, problem.line, problem.column)


def test_a_default_route_behind_conditions_is_left_alone(tmp_path: Path) -> None:
    """Some message is left for it."""
    rules = f'{{{FROM}, "when": {{"direct": true}}, {TO}}}, {{{FROM}, "otherwise": true, "to": {{"ops": {{}}}}}}'

    assert [] == codes(found(tmp_path, rules))


def test_a_rule_whose_sources_are_silent_never_fires(tmp_path: Path) -> None:
    """Instances that are switched off or that only send; one that speaks is enough."""
    quiet = {InstanceId("there"): Ability(capabilities=Capabilities(max_text=20), emits=frozenset())}
    rules = [
        '{"id": "1", "from": {"off": {"room": "r1"}}, "to": {"ops": {}}}',
        '{"id": "2", "from": {"there": {}}, "to": {"ops": {}}}',
        '{"id": "3", "from": {"there": {}, "here": {"room": "r1"}}, "to": {"ops": {}}}',
        '{"id": "4", "channels": {"there": {}, "ops": {}}}',
    ]

    problems = found(tmp_path, ",\n".join(rules), abilities=quiet)

    assert [("W305", 2, 13), ("W305", 3, 13)] == [(p.code, p.line, p.column) for p in problems]


def test_a_kind_that_never_comes_is_told(tmp_path: Path) -> None:
    """The hint lists the kinds that do."""
    says = Ability(capabilities=Capabilities(max_text=20), emits=frozenset({EventKind.MESSAGE}))
    text, line, column, _ = unmarked(f'{{{FROM}, "when": {{«"kinds"»: ["edit"]}}, {TO}}}')

    (problem,) = found(tmp_path, text, abilities={InstanceId("here"): says})

    assert ("W305", line + 1, column) == (problem.code, problem.line, problem.column)
    assert "message" in str(problem.hints[0])


CONTRADICTIONS = {
    "the same test": '"when": {"direct": true}, "unless": {«"direct"»: true}',
    "a pattern and itself": '"when": {"text_matches": "a+"}, "unless": {«"text_matches"»: "a+"}',
    "a word in a word": '"when": {"text_contains": "Failure"}, "unless": {«"text_contains"»: ["x", "fail"]}',
    "kinds": '"when": {"kinds": ["edit"]}, "unless": {«"kinds"»: ["edit", "recall"]}',
    "a person": '"when": {"senders": {"include": ["li"]}}, "unless": {«"senders"»: {"include": ["li", "wu"]}}',
    "included and excluded": '"when": {«"senders"»: {"include": ["li"], "exclude": ["li"]}}',
    "nobody": '"when": {«"senders"»: {"include": []}}',
    "everybody": '"unless": {«"senders"»: {}}',
    "no day": '"when": {«"hours"»: {"from": "09:00", "to": "10:00", "time_zone": "UTC", "days": []}}',
}


@pytest.mark.parametrize("conditions", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_conditions_that_contradict_each_other_are_told(tmp_path: Path, conditions: str) -> None:
    """The caret is under the condition that takes everything away."""
    text, line, column, length = unmarked(f"{{{FROM}, {conditions}, {TO}}}")

    (problem,) = found(tmp_path, text)

    assert ("W307", line + 1, column, length) == (
        problem.code,
        problem.line,
        problem.column,
        problem.length,
    )


@pytest.mark.parametrize(
    "conditions",
    [
        '"when": {"direct": true}, "unless": {"direct": false}',
        '"when": {"text_contains": ["fail", "error"]}, "unless": {"text_contains": "fail"}',
        '"when": {"text_contains": "fail"}, "unless": {"text_contains": "failure"}',
        '"when": {"kinds": ["edit", "message"]}, "unless": {"kinds": ["edit"]}',
        '"when": {"senders": {"include": ["li", "wu"]}}, "unless": {"senders": {"include": ["li"]}}',
        '"when": {"senders": {"include": ["li"]}}, "unless": {"senders": {"exclude": ["wu"]}}',
        '"when": {"senders": {"include": ["li"]}}, "unless": {"senders": {"include": ["li"], "exclude": ["wu"]}}',
        '"when": {"text_matches": "a"}, "unless": {"text_matches": "b"}',
    ],
)
def test_conditions_that_leave_something_are_left_alone(tmp_path: Path, conditions: str) -> None:
    """A message that meets them can be thought of."""
    assert [] == codes(found(tmp_path, f"{{{FROM}, {conditions}, {TO}}}"))


LIMITS = {
    "W310": '"to": {«"there"»: {}}, "msg": {"msg_format": "all around the message: {msg}"}',
    "W309": '"to": {"there": {}}, «"attachments"»: "upload"',
    "W313": '"to": {«"there"»: {}}, "msg": {"format": "markdown"}',
    "W314": '"to": {«"there"»: {}}, "when": {"kinds": ["recall", "reaction"]}',
}


@pytest.mark.parametrize(("code", "rule"), LIMITS.items(), ids=LIMITS.keys())
def test_what_a_platform_cannot_do_is_told(tmp_path: Path, code: str, rule: str) -> None:
    """At the address, or at the field that asks for it."""
    text, line, column, length = unmarked(f"{{{FROM}, {rule}}}")

    (problem,) = found(tmp_path, text, abilities=GOOD)

    assert (code, line + 1, column, length) == (
        problem.code,
        problem.line,
        problem.column,
        problem.length,
    )


@pytest.mark.parametrize("rule", [text.replace("«", "").replace("»", "") for text in LIMITS.values()])
def test_what_a_platform_can_do_is_left_alone(tmp_path: Path, rule: str) -> None:
    """The same rules for a platform without these limits, and for one that nothing is known of."""
    able = Capabilities(
        max_text=1000,
        formats=frozenset(TextFormat),
        attachments=Support.NATIVE,
        recall=Support.NATIVE,
        reaction=Support.NATIVE,
    )
    for abilities in ({InstanceId("there"): Ability(capabilities=able)}, {}):
        assert [] == codes(found(tmp_path, f"{{{FROM}, {rule}}}", abilities=abilities))


def test_an_instance_that_only_hears_cannot_be_sent_to(tmp_path: Path) -> None:
    """At the second of two addresses in a list, it is told once."""
    deaf = {InstanceId("there"): Ability(capabilities=Capabilities(max_text=20), sends=False)}
    text, line, column, _ = unmarked(
        f'{{{FROM}, "to": {{"ops": {{}}, "there": [«{{»"conversation": "a"}}, {{"conversation": "b"}}]}}}}'
    )

    (problem,) = found(tmp_path, text, abilities=deaf)

    assert ("W308", line + 1, column) == (problem.code, problem.line, problem.column)


def test_secrets_in_a_file_that_everybody_may_read_are_told(tmp_path: Path) -> None:
    """config.json with a plain secret, and the file of a secret, each by its own mode."""
    (tmp_path / "the-file-of-a-key").write_text("s3cret-key\n", encoding="utf-8")
    rules = f"{{{FROM}, {TO}}}"
    config = {
        "chat": {"here": {"token": {"file": "the-file-of-a-key"}, "sign": "s1gn"}},
        "hook": {"there": {}},
    }
    modes = {"config.json": 0o644, "the-file-of-a-key": 0o604}

    def mode_of(path: Path) -> int:
        return modes[path.name]

    problems = found(tmp_path, rules, config=config, mode_of=mode_of)
    assert ["W204", "W205"] == codes(problems)
    assert "s1gn" not in problems[0].place.source

    modes = {"config.json": 0o640, "the-file-of-a-key": 0o600}
    assert [] == codes(found(tmp_path, rules, config=config, mode_of=mode_of))

    modes = {"config.json": 0o644, "the-file-of-a-key": 0o600}
    config["chat"]["here"]["sign"] = {"file": "the-file-of-a-key"}
    assert [] == codes(found(tmp_path, rules, config=config, mode_of=mode_of))


def test_links_that_nobody_serves_are_told(tmp_path: Path) -> None:
    """public_url needs a listener, and what it keeps needs public_url."""
    rules = '{"from": {"there": {}}, "to": {"ops": {}}}'
    hooks = {"there": {}, "ops": {}}

    def of(chat: object = None, **given: object) -> list[str]:
        return codes(found(tmp_path, rules, config={"global": given, "hook": hooks, "chat": chat or {}}))

    assert ["W202"] == of(public_url="https://bridge.example")
    assert [] == of({"here": {"token": "t", "sign": "s"}}, public_url="https://bridge.example")
    assert ["W203"] == of(media={"keep": "1d"})
    assert [] == of(media={"max_file": "1MB"})
    assert [] == of()


def test_a_status_page_for_others_without_a_token_is_told(tmp_path: Path) -> None:
    """Nobody elsewhere could see it, but for those behind a careless proxy on this machine."""
    rules = '{"from": {"there": {}}, "to": {"ops": {}}}'
    token = {"tokens": {"me": {"token": "a-token-for-the-page", "scopes": ["read"]}}}

    def of(**given: object) -> list[str]:
        config = {"global": given, "hook": {"there": {}, "ops": {}}, "chat": {}}
        return codes(found(tmp_path, rules, config=config))

    assert ["W206"] == of(status={"hosts": ["bridge.example.com"]})
    assert ["W206"] == of(status={"host": "0.0.0.0"})
    assert ["W206"] == of(status={"host": "::"})
    assert [] == of(status={"host": "::1"})
    assert [] == of(status={"hosts": ["bridge.example.com"]}, api=token)
    assert [] == of(status={"hosts": ["bridge.example.com"], "enabled": False})
    assert [] == of()


def test_rules_that_no_test_fires_are_named(tmp_path: Path) -> None:
    """A rule whose conditions fail has not been tested; one that is switched off need not be."""
    rules: dict[str, object] = {
        "rules": [
            {"id": "seen", "from": {"here": {"room": "*"}}, "to": {"there": {}}},
            {
                "id": "hidden",
                "from": {"here": {"room": "r1"}},
                "when": {"direct": True},
                "to": {"ops": {}},
            },
            {"id": "off", "from": {"there": {}}, "to": {"ops": {}}, "enabled": False},
            {"id": "other", "from": {"there": {}}, "to": {"ops": {}}},
        ],
        "tests": [{"given": {"from": {"here": {"room": "r1"}}}, "expect": [{"to": "there"}]}],
    }
    reading = read(tmp_path, CONFIG, rules)
    assert reading.config
    assert reading.rules

    assert ["hidden", "other"] == [rule.id for rule in unfired(reading.config, reading.rules)]
