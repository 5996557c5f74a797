"""rules.json: what it compiles to, and everything that can be wrong with it, at its place."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bridge.config.schemas import rules_schema
from bridge.i18n import speaker
from bridge.model import AttachmentMode, EventKind, Replacement, TextFormat
from bridge.problems.show import show_all
from bridge.routing import AnyOf, FromMessage
from bridge.rules import RulesFile
from bridge.rules.expectations import run_tests
from bridge.rules.reading import FIELDS
from tests.builders import a_place, an_envelope
from tests.reading import CONFIG, REGISTRY, errors, read, unmarked

OFF = {
    "chat": {"here": {"token": "x", "sign": "s"}, "off": {"token": "x", "sign": "s", "enabled": False, "listen_path": "/o"}},
    "hook": {"there": {}},
}  # fmt: skip


def rule(marked: str, *, to: str = '{"there": {}}') -> str:
    """A rules file whose only rule has one thing more."""
    return f'{{"rules": [\n  {{"from": {{"here": {{"room": "r"}}}}, "to": {to}, {marked}}}]}}'


def ends(from_: str = '{"here": {"room": "r"}}', to: str = '{"there": {}}') -> str:
    return f'{{"rules": [{{"from": {from_},\n "to": {to}}}]}}'


MISTAKES = {
    "a misspelt field": (rule('«"stopp"»: true'), "E102", 'did you mean "stop"?', '是不是想写 "stop"？'),
    "an unknown field": (rule('«"priority"»: 1'), "E102", "msgbridge schema", "msgbridge schema"),
    "no ends at all": ('{"rules": [«{»"id": "a"}]}', "E103", 'add "channels"', '加上 "channels"'),
    "no destination": ('{"rules": [«{»"from": {"here": {"room": "r"}}}]}', "E103", 'add "to"', '加上 "to"'),
    "an unknown instance": (ends(to='{«"thare"»: {}}'), "E301", 'did you mean "there"?', '是不是想写 "there"？'),
    "an unknown instance like none": (ends(to='{«"zz"»: {}}'), "E301", "instances: here, there", "实例：here, there"),
    "a block without instances": (ends(to="«{»}"), "E103", "names no instance", "没有写任何实例"),
    "a text in place of a block": (ends(to='«"there"»'), "E101", '{"instance": {…}}', '{"实例": {…}}'),
    "a misspelt key of an address": (ends('{"here": {«"rom"»: "r"}}'), "E102", 'did you mean "room"?', '是不是想写 "room"？'),
    "an empty address": (ends('{"here": «{»}}'), "E309", '{"room": "…"}, {"user_id": "…"}', '{"room": "…"}'),
    "an incomplete address": (ends('{"here": «{»"desk": "d"}}'), "E302", "user_id is missing", "缺少 user_id"),
    "two addresses in one": (ends('{"here": «{»"room": "r", "user_id": "u"}}'), "E302", "a list […]", "列表 […]"),
    "an address that is a text": (ends('{"here": «"r"»}'), "E101", '{"room": "…"}', '{"room": "…"}'),
    "an address that is null": (ends('{"here": {"room": «null»}}'), "E101", "must be a text, not null", "必须是 文本"),
    "an empty id": (ends('{"here": {"room": «""»}}'), "E208", "case-sensitive", "区分大小写"),
    "a space behind an id": (ends('{"here": {"room": «"r "»}}'), "E208", "case-sensitive", "区分大小写"),
    "a wildcard in to": (ends(to='{"here": {"room": «"*"»}}'), "E303", '"{conversation}"', '"{conversation}"'),
    "a wildcard in channels": (
        '{"rules": [{"channels": {"here": {"room": «"*"»}, "there": {}}}]}',
        "E303", 'write "from" and "to"', '"from" 和 "to"',
    ),
    "half a wildcard": (ends('{"here": {"user_id": «"*"», "desk": "d"}}'), "E303", "one by one", "逐个列出"),
    "a field of a message in from": (ends('{"here": {"room": "«{conversation}»"}}'), "E304", "id of the conversation", "会话的 ID"),
    "an unknown field of a message": (ends(to='{"here": {"user_id": "«{userid}»"}}'), "E304", "did you mean {user_id}?", "是不是想写 {user_id}？"),
    "msg in from": (ends('{"here": {"room": "r", «"msg"»: {}}}'), "E102", "move it to the rule", "移到规则里"),
    "an unknown field of a template": (rule('"msg": {"msg_format": "「《{user}》」«{mgs}»"}'), "E304", "did you mean {msg}?", "是不是想写 {msg}？"),
    "a brace alone": (rule('"msg": {"msg_format": "a«}»"}'), "E304", "{{ or }}", "{{ 或 }}"),
    "a bad template of one target": (
        rule('"stop": true', to='{"there": {"msg": {"msg_format": "«{}»"}}}'),
        "E304", "fields of a template: user", "模板的字段：user",
    ),
    "msg as a text": (rule('"msg": «"{user}"»'), "E101", '{"msg_format": "{user}: {msg}"}', '{"msg_format": "{user}: {msg}"}'),
    "look-ahead": (rule('"when": {"text_matches": "a«(?=»b)"}'), "E305", '"unless"', '"unless"'),
    "look-behind": (rule('"unless": {"text_matches": "«(?<!»a)b"}'), "E305", "look-around", "环视"),
    "a back-reference": (rule('"when": {"text_matches": "(a)«\\\\1»"}'), "E305", "back-references", "反向引用"),
    "an open bracket": (rule('"when": {"text_matches": "«(»a"}'), "E305", 'a ")" is missing', '缺少 ")"'),
    "an open class": (rule('"when": {"text_matches": "x«[»]a"}'), "E305", 'a "]" is missing', '缺少 "]"'),
    "nothing to repeat": (rule('"when": {"text_matches": "«*»a"}'), "E305", "nothing here to repeat", "没有可以重复的内容"),
    "a repetition too large": (rule('"when": {"text_matches": "a«{2000}»"}'), "E305", "1000", "1000"),
    "a group that is not there": (rule('"transform": [{"replace": "a(b)", "with": "«\\\\2»"}]'), "E306", "has no group 2", "没有第 2 个分组"),
    "an escape that is none": (rule('"transform": [{"replace": "a", "with": "x«\\\\g»<1>"}]'), "E306", "\\1 to \\9 are groups", "\\1 到 \\9 是分组"),
    "half a transform": (rule('"transform": [«{»"replace": "a"}]'), "E103", 'has no "with"', '缺少 "with"'),
    "one transform without a list": (rule('"transform": «{»"replace": "a", "with": "b"}'), "E101", "brackets: […]", "方括号：[…]"),
    "a flag as a text": (rule('"stop": «"yes"»'), "E101", "write true", "写成 true"),
    "a choice that is none": (rule('"attachments": «"links"»'), "E104", 'did you mean "link"?', '是不是想写 "link"？'),
    "a kind that is none": (rule('"when": {"kinds": ["message", «"edits"»]}'), "E104", 'did you mean "edit"?', '是不是想写 "edit"？'),
    "a misspelt condition": (rule('"when": {«"text_match"»: "a"}'), "E102", 'did you mean "text_matches"?', '是不是想写 "text_matches"？'),
    "a type that is none": (rule('"type": «"conect"»'), "E104", 'did you mean "connect"?', '是不是想写 "connect"？'),
    "a type that does not fit": (
        '{"rules": [{"type": "forward", "from": {"here": {"room": "r"}}, "to": {"there": {}}, «"channels"»: {"there": {}}}]}',
        "E308", '"connect" has "channels"', '"connect" 用 "channels"',
    ),
    "a connection with nothing": ('{"rules": [{«"channels"»: {"there": {}}}]}', "E310", "add a second conversation", "再加一个会话"),
    "an hour that is none": (rule('"when": {"hours": {"from": «"9:00"», "to": "18:00", "time_zone": "UTC"}}'), "E311", '"09:00"', '"09:00"'),
    "a time zone that is none": (rule('"when": {"hours": {"from": "09:00", "to": "18:00", "time_zone": «"Asia"»}}'), "E311", "Asia/Shanghai", "Asia/Shanghai"),
    "hours without a zone": (rule('"when": {«"hours"»: {"from": "09:00", "to": "18:00"}}'), "E103", 'has no "time_zone"', '缺少 "time_zone"'),
    "no hours at all": (rule('"when": {"hours": {"from": "09:00", "to": «"09:00"», "time_zone": "UTC"}}'), "E311", '"24:00"', '"24:00"'),
    "an empty word": (rule('"when": {"text_contains": «""»}'), "E105", "remove it", "删去它"),
    "an empty id of a rule": (rule('"id": «" "»'), "E105", "is empty", "是空的"),
    "no rules": ("«{»}", "E103", 'add "rules": []', '加上 "rules": []'),
    "a list alone": ("«[»]", "E101", '{"rules": […]}', '{"rules": […]}'),
    "a test without an expectation": (
        '{"rules": [], "tests": [«{»"given": {"from": {"there": {}}}}]}', "E103", 'has no "expect"', '缺少 "expect"',
    ),
    "a test of two messages": (
        '{"rules": [], "tests": [{"given": {"from": «{»"here": [{"room": "a"}, {"room": "b"}]}}, "expect": []}]}',
        "E312", "here/a, here/b", "here/a, here/b",
    ),
    "a test at no moment": (
        '{"rules": [], "tests": [{"given": {"from": {"there": {}}, "at": «"noon"»}, "expect": []}]}',
        "E312", "2026-01-05T09:30:00+08:00", "2026-01-05T09:30:00+08:00",
    ),
    "a test that expects an unknown instance": (
        '{"rules": [], "tests": [{"given": {"from": {"there": {}}}, "expect": [{"to": «"theer"»}]}]}',
        "E301", 'did you mean "there"?', '是不是想写 "there"？',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_every_single_mistake_is_shown_at_its_place_with_the_way_out(tmp_path: Path, name: str) -> None:
    """One mistake is one problem: code, line, column, length, and a suggestion in both languages."""
    marked, code, english, chinese = MISTAKES[name]
    text, line, column, length = unmarked(marked)

    found = read(tmp_path, rules=text)

    assert [(code, line, column, length)] == [(p.code, p.line, p.column, p.length) for p in errors(found)]
    assert english in show_all(errors(found), speaker("en"))
    assert chinese in show_all(errors(found), speaker("zh"))
    assert found.rules is None


WARNINGS = {
    "no rules": ('{"rules": «[»]}', "W303"),
    "a disabled instance": (
        '{"rules": [{"from": {«"off"»: {"room": "r"}}, "to": {"there": {}}}]}',
        "W301",
    ),
    "only back to its source": (
        '{"rules": [{"from": {"here": {"room": "r"}}, «"to"»: {"here": {"room": "r"}}}]}',
        "W302",
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_what_is_only_odd_is_a_warning(tmp_path: Path, name: str) -> None:
    """It is shown, and the rules are good."""
    marked, code = WARNINGS[name]
    text, line, column, length = unmarked(marked)

    found = read(tmp_path, OFF, text)

    assert [(code, line, column, length)] == [
        (p.code, p.line, p.column, p.length) for p in found.problems
    ]
    assert found.good


def test_a_rule_to_an_instance_with_a_mistake_is_not_called_an_echo(tmp_path: Path) -> None:
    """The mistake is told where it is; nothing can be said of the instance's addresses."""
    wrong = {"chat": {"here": {"token": "x", "sign": "s"}}, "hook": {"there": {"no_such_key": 1}}}

    found = read(tmp_path, wrong, ends())

    assert "W302" not in [problem.code for problem in found.problems]
    assert not found.good


def test_a_disabled_rule_warns_of_nothing(tmp_path: Path) -> None:
    """Who switched it off knows."""
    rules = {"rules": [{"enabled": False, "from": {"off": {"room": "r"}}, "to": {"off": {"room": "r"}}}]}

    assert () == read(tmp_path, OFF, rules).problems


def test_six_mistakes_are_six_problems_in_both_languages() -> None:
    """What `check` prints for the file of the golden folder, character by character."""
    from bridge.files import read_files

    folder = Path(__file__).parent / "golden/six"
    environ = {"DT_APP_SECRET": "x", "CI_SECRET": "y"}
    found = read_files(folder / "config.json", folder / "rules.json", environ=environ)

    for lang in ("en", "zh"):
        shown = show_all(found.problems, speaker(lang)).replace(f"{folder}/", "")
        assert (folder.parent / f"six.{lang}.txt").read_text(encoding="utf-8") == shown


def test_both_files_are_read_in_one_run(tmp_path: Path) -> None:
    """Problems of config.json come first, each file's in the order of its lines."""
    config = '{"hook": {"there": {"sekret": "x"}},\n "chat": {"here": {"sign": "s"}}}'

    found = read(tmp_path, config, '{"rules": [{"to": {"nowhere": {}}},\n {"from": {"there": {}}}]}')

    assert ["config.json:1", "config.json:2", "rules.json:1", "rules.json:1", "rules.json:2"] == [
        f"{Path(p.file).name}:{p.line}" for p in found.problems
    ]


def test_rules_are_checked_even_if_config_is_not_json(tmp_path: Path) -> None:
    """What needs no instance is checked; nothing is said of instances that nobody could read."""
    found = read(tmp_path, "{,", '{"rules": [{"from": {"a": {}}, "to": {"b": {}}, "stopp": 1}]}')

    assert ["E003", "E102", "E101"] == [p.code for p in found.problems]


def test_addresses_are_checked_even_if_a_secret_is_not_set(tmp_path: Path) -> None:
    """On a machine without the variables, the first run shows what is wrong with the rules, too."""
    config = {"chat": {"here": {"token": {"env": "NOT_SET"}, "sign": "s"}}, "hook": {"there": {}}}

    found = read(tmp_path, config, ends('{"here": {}}'))

    assert ["E205", "E309"] == [p.code for p in found.problems]


def _compiled(tmp_path: Path, *rules: Mapping[str, Any], **more: Any) -> RulesFile:
    found = read(tmp_path, CONFIG, {"rules": list(rules), **more})
    assert found.rules is not None, show_all(found.problems, speaker("en"))
    return found.rules


def test_the_whole_of_a_rule_is_compiled(tmp_path: Path) -> None:
    """Every field arrives where the router looks for it."""
    (rule_,) = _compiled(
        tmp_path,
        {
            "id": "r", "from": {"here": [{"room": "*"}, {"user_id": "*"}, {"room": 42}]},
            "to": {"there": {"msg": {"msg_format": "own"}}, "here": {"user_id": "{user_id}"}},
            "when": {"kinds": ["notice"], "text_contains": "a", "hours": {"from": "22:00", "to": "24:00", "time_zone": "UTC"}},
            "unless": {"senders": {"include": "bot"}, "direct": True, "mentions_bot": False, "has_attachments": True},
            "transform": [{"replace": "(a)", "with": "\\1\\1"}], "msg": {"msg_format": "all", "format": "markdown"},
            "attachments": "drop", "stop": True, "otherwise": True, "description": "d",
        },
    ).router.rules  # fmt: skip

    assert (AnyOf("here", "group"), AnyOf("here", "person"), a_place("here/42")) == rule_.sources  # type: ignore[arg-type]  # InstanceId is a str
    there, here = rule_.targets
    assert (a_place("there/default"), "own") == (there.where, there.plan.template)
    assert isinstance(here.where, FromMessage)
    assert "all" == here.plan.template
    assert (AttachmentMode.DROP, TextFormat.MARKDOWN) == (there.plan.attachments, there.plan.format)
    assert (Replacement("(a)", "\\1\\1"),) == there.plan.transform
    assert frozenset({EventKind.NOTICE}) == rule_.kinds
    assert ["kinds", "text_contains", "hours"] == [c.key for c in rule_.when]
    assert ["senders", "direct", "mentions_bot", "has_attachments"] == [c.key for c in rule_.unless]
    assert (True, True, True, "r", 1) == (
        rule_.stop,
        rule_.otherwise,
        rule_.enabled,
        rule_.id,
        rule_.line,
    )


def test_rules_of_nextbridge_load_unchanged(tmp_path: Path) -> None:
    """No id, no type, one address or several, msg_format per rule and per channel."""
    text = """{"rules": [
      {"channels": {"here": {"room": "a"}, "there": {"msg": {"msg_format": "{user} @ {platform}: {msg}"}}}},
      {"from": {"here": {"room": "b"}}, "to": {"there": {}}, "msg": {"msg_format": "{user}: {msg}"}}]}"""

    found = read(tmp_path, CONFIG, text)

    assert [] == list(found.problems)
    assert found.rules is not None
    assert ["#1", "#2"] == [r.id for r in found.rules.router.rules]
    (route,) = found.rules.router.route(an_envelope(at="here/a"))
    assert "{user} @ {platform}: {msg}" == route.plan.template


def test_two_groups_of_one_instance_are_connected(tmp_path: Path) -> None:
    """What is said in one is heard in the other, and not in itself."""
    router = _compiled(tmp_path, {"channels": {"here": [{"room": "a"}, {"room": "b"}]}}).router

    assert [a_place("here/b")] == [r.destination for r in router.route(an_envelope(at="here/a"))]
    assert [a_place("here/a")] == [r.destination for r in router.route(an_envelope(at="here/b"))]


def test_lines_are_the_files(tmp_path: Path) -> None:
    """Explanations point at the rule and at the condition."""
    text = '{"rules": [\n\n{"from": {"here": {"room": "a"}}, "to": {"there": {}},\n "when": {\n"direct": true}}]}'

    found = read(tmp_path, CONFIG, text)

    assert found.rules is not None
    (rule_,) = found.rules.router.rules
    assert (3, 5) == (rule_.line, rule_.when[0].line)


GIVEN = {"from": {"here": {"room": "r1"}}, "user": "Li", "text": "hi"}


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ([{"to": "there"}], ""),
        ([{"to": "there", "conversation": "default", "text": "hi!"}], ""),
        ([], "goes where none is expected"),
        ([{"to": "there"}, {"to": "here"}], "nothing goes to here"),
        ([{"to": "there", "text": "ho"}], 'the text for there is not "ho"'),
        ([{"to": "there", "conversation": "other"}], "nothing goes to there"),
    ],
)
def test_tests_of_the_rules_say_what_came_instead(tmp_path: Path, expect: list[Any], says: str) -> None:
    """All expected messages and no other, or E401 with what came."""
    rules = _compiled(
        tmp_path,
        {"from": {"here": {"room": "*"}}, "to": {"there": {}}},
        tests=[{"name": "t", "given": GIVEN, "expect": expect}],
    )

    problems = run_tests(rules, lambda _route, envelope: envelope.message.text + "!")

    assert ([says] if says else []) == [says for p in problems if says in str(p.message)]
    assert ["E401"] * bool(says) == [p.code for p in problems]
    if says.startswith("the text"):
        assert '"hi!"' in str(problems[0].hints[0])


def test_a_given_message_has_all_that_conditions_ask_for(tmp_path: Path) -> None:
    """So every condition can be tested by an operator."""
    given = {
        "from": {"there": {}}, "user": "Li", "user_id": "u1", "username": "li", "text": "t", "title": "T", "kind": "edit",
        "direct": True, "mentions_bot": True, "attachments": [{"kind": "image", "url": "https://x/y.png"}],
        "at": "2026-03-01T08:00:00+08:00",
    }  # fmt: skip
    (test,) = _compiled(tmp_path, tests=[{"given": given, "expect": []}]).tests

    envelope = test.envelope
    assert ("#1", "there/default", "u1", "li") == (
        test.name, str(envelope.source), envelope.sender.id, envelope.sender.username,
    )  # fmt: skip
    assert (EventKind.EDIT, True, True, "T") == (
        envelope.kind, envelope.direct, envelope.mentions_bot, envelope.conversation_title,
    )  # fmt: skip
    assert "2026-03-01T00:00:00+00:00" == envelope.received_at.isoformat()
    assert "https://x/y.png" == envelope.message.attachments[0].url


SCHEMA = Draft202012Validator(rules_schema())
# What a schema cannot know: instances, their address keys, syntax inside of texts, other rules.
ONLY_READER = {
    "E301", "E302", "E304", "E305", "E306", "E307", "E309", "E310", "E311", "E312",
}  # fmt: skip


PLATFORMS = ("a misspelt key of an address", "half a wildcard")  # address keys are the platform's


@pytest.mark.parametrize(
    "name", [name for name in MISTAKES if MISTAKES[name][1] not in ONLY_READER and name not in PLATFORMS]
)
def test_editors_see_what_the_reader_sees(name: str) -> None:
    """The schema refuses every file that the reader refuses, but for what only the reader can know."""
    assert not SCHEMA.is_valid(json.loads(unmarked(MISTAKES[name][0])[0]))


@pytest.mark.parametrize("name", WARNINGS)
def test_editors_take_what_the_reader_takes(name: str) -> None:
    """Warnings are no errors of the schema."""
    assert SCHEMA.is_valid(json.loads(unmarked(WARNINGS[name][0])[0]))


def test_editors_take_every_field_of_a_good_file() -> None:
    """Nothing that the reader knows is unknown to the schema: the examples of every field are good."""
    fields = rules_schema()["$defs"]["rule"]["properties"]
    whole = {name: schema["examples"][0] for name, schema in fields.items() if "examples" in schema}
    conditions = rules_schema()["$defs"]["conditions"]["properties"]
    asked = {name: schema["examples"][0] for name, schema in conditions.items()}
    ends = {name: whole.pop(name) for name in ("from", "to")}
    del whole["type"]

    assert set(FIELDS) == fields.keys()
    assert SCHEMA.is_valid({"rules": [{**whole, "when": asked, "unless": asked}]})
    assert SCHEMA.is_valid({"rules": [ends]})


def test_the_schema_describes_every_field() -> None:
    """Description and examples for each property, so that an editor can show them."""

    def bare(schema: object, path: str) -> list[str]:
        if isinstance(schema, list):
            return [p for item in schema for p in bare(item, path)]
        if not isinstance(schema, dict):
            return []
        found = []
        for name, inner in schema.get("properties", {}).items():
            if (
                isinstance(inner, dict)
                and "$ref" not in inner
                and "const" not in inner
                and not {"description", "examples"} <= inner.keys()
            ):
                found.append(f"{path}/{name}")
        return found + [
            p for key, inner in schema.items() if key != "examples" for p in bare(inner, f"{path}/{key}")
        ]

    assert [] == bare(rules_schema(), "")
    from bridge.config.schemas import config_schema

    assert [] == bare(config_schema([]), "")


def test_the_schemas_are_schemas() -> None:
    """Draft 2020-12, merged with platforms, and the example of this kit fits."""
    from bridge.config.schemas import config_schema

    merged = config_schema(REGISTRY.load(name) for name in REGISTRY.names)

    Draft202012Validator.check_schema(merged)
    Draft202012Validator.check_schema(rules_schema())
    validator = Draft202012Validator(merged)
    assert validator.is_valid(CONFIG)
    assert validator.is_valid({"chat": {"here": {"token": {"env": "X"}}}})
    assert not validator.is_valid({"chat": {"here": {"token": {"envv": "X"}}}})
    assert not validator.is_valid({"chat": {"here": {"token": "x", "misspelt": 1}}})


def test_five_thousand_rules_are_read_in_two_seconds(tmp_path: Path) -> None:
    """With patterns, templates, conditions and lists; half of that on a quiet machine."""
    rules = [
        {
            "id": f"r{n}", "type": "forward", "from": {"here": [{"room": f"a{n}"}, {"room": f"b{n}"}]},
            "when": {"text_matches": f"failed|失败{n % 50}", "senders": {"exclude": ["bot"]}},
            "to": {"there": {}, "here": {"room": f"c{n}", "msg": {"msg_format": "{user}: {msg}"}}},
            "transform": [{"replace": "token=\\S+", "with": "token=…"}], "msg": {"msg_format": "[{title}] {msg}"},
        }
        for n in range(5000)
    ]  # fmt: skip
    text = json.dumps({"rules": rules}, indent=2, ensure_ascii=False)
    started = time.process_time()

    found = read(tmp_path, CONFIG, text)

    spent = time.process_time() - started
    assert found.rules is not None
    assert spent < 2.0, f"{spent:.2f} s of CPU"
