"""Reading text with places, and showing what is wrong with it."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.i18n import speaker
from bridge.phrases import phrase
from bridge.problems import Place, Problem, did_you_mean
from bridge.problems.document import BadSyntax, Document, plain
from bridge.problems.scan_json import MAX_DEPTH
from bridge.problems.scan_json import scan as scan_json
from bridge.problems.scan_yaml import scan as scan_yaml
from bridge.problems.show import as_json, show, width
from tests.reading import errors, read, unmarked

SYNTAX = {
    "a trailing comma": ('{"rules": [1«,»]}', "E003", "remove this comma", "删去这个逗号"),
    "a trailing comma in an object": ('{"rules": []«,»\n}', "E003", "remove this comma", "删去这个逗号"),
    "a missing comma": ('{"rules": [«]»\n "tests": []}', "E003", 'add a "," here', '在这里加上 ","'),
    "a missing colon": ('{«"rules"» []}', "E003", '"name": value', '"名字": 值'),
    "a missing value": ('{"rules": «}»', "E003", "write a value", "补上值"),
    "a name without quotes": ("{«rules»: []}", "E003", 'write "rules"', '写成 "rules"'),
    "single quotes": ("{«'»rules': []}", "E003", 'write " in its place', '改成 "'),
    "a comma of Chinese": ('{"rules": []«，» "tests": []}', "E003", "write , in its place", "改成 ,"),
    "a colon of Chinese": ('{"rules"«：» []}', "E003", "write : in its place", "改成 :"),
    "a comment": (
        '{\n  «// all our rules»\n  "rules": []}',
        "E003",
        "JSON has no comments",
        "JSON 没有注释",
    ),
    "a block comment": ('{"rules": [] «/* none */}»', "E003", "JSON has no comments", "JSON 没有注释"),
    "not a number": ('{"rules": «NaN»}', "E003", "write a number", "写一个数"),
    "a number with a zero before it": ('{"rules": «007»}', "E003", 'put it in "quotes"', '放在 "引号"'),
    "a number too large": ('{"rules": «1e999»}', "E003", "too large", "太大"),
    "a number too long": ('{"rules": «' + "9" * 31 + "»}", "E003", "too long", "太长"),
    "a word of Python": ('{"rules": [«True»]}', "E003", "write true", "写成 true"),
    "a text without quotes": ('{"rules": «all»}', "E003", '"all"', '"all"'),
    "a text without its end": ('{"rules": «"all}»\n}', "E003", "no closing quote", "缺少结尾的引号"),
    "a text without its end before a name": (
        '{"$schema": «"x, "»rules": []}',
        "E003",
        "no closing quote",
        "缺少结尾的引号",
    ),
    "a tab in a text": ('{"rules": "a«\t»b"}', "E003", "write \\t in its place", "改成 \\t"),
    "a backslash alone": (
        '{"rules": [{"id": "a«\\d»+", "channels": 1}]}',
        "E003",
        "a backslash is written twice",
        "反斜杠要写两个",
    ),
    "half a character": (
        '{"rules": [], "$schema": "a«\\ud83d»b"}',
        "E006",
        "the character itself",
        "直接写这个字符",
    ),
    "the other half": ('{"rules": [], "$schema": "\\ud83d\\ude00«\\ude00»"}', "E006", "itself", "直接写"),
    "the wrong bracket": ('{"rules": [«}»}', "E003", 'write "]" here', '这里写 "]"'),
    "an open bracket": ('{"rules": [«]»', "E003", 'add the missing "}"', '补上缺少的 "}"'),
    "something behind the end": ('{"rules": []}\n«}»', "E003", "a bracket too many", "多了一个括号"),
    "a name twice": ('{"rules": [],\n «"rules"»: []}', "E005", "remove one of the two", "删去其中一个"),
    "too many brackets": ('{"rules": ' + "[" * (MAX_DEPTH - 1) + "«[»", "E007", "not closed", "没关闭"),
}


@pytest.mark.parametrize("name", SYNTAX)
def test_each_mistake_of_syntax_is_shown_at_its_place_with_the_way_out(tmp_path: Path, name: str) -> None:
    """The exact characters, and what to write instead, in both languages."""
    marked, code, english, chinese = SYNTAX[name]
    text, line, column, length = unmarked(marked)

    problem = next(p for p in errors(read(tmp_path, rules=text)) if p.code == code)

    assert (line, column, length) == (problem.line, problem.column, problem.length)
    assert english in show(problem, speaker("en"))
    assert chinese in show(problem, speaker("zh"))


YAML = {
    "a tab": ("rules:\n«\t»- 1\n", "E004", "never by tabs"),
    "a name twice": ("rules: []\n«rules»: []\n", "E005", "remove one of the two"),
    "a tag": ("rules: «!!python/object:os.system x»\n", "E004", "is not allowed here"),
    "two documents": ("rules: []\n«---»\nrules: []\n", "E004", "one document"),
    "an alias of nothing": ("rules: «*gone»\n", "E004", "&gone"),
    "a list as a name": ("«[»a]: 1\n", "E004", "must be a text"),
    "too deep": ("rules: " + "[" * (MAX_DEPTH - 1) + "«[»" + "]" * MAX_DEPTH, "E007", "nested"),
    "a yes": ("rules: []\ntests: «yes»\n", "E101", "must be a list"),
}


@pytest.mark.parametrize("name", YAML)
def test_each_mistake_of_yaml_is_shown_at_its_place(tmp_path: Path, name: str) -> None:
    """YAML has places as exact as JSON."""
    marked, code, english = YAML[name]
    text, line, column, length = unmarked(marked)

    found = read(tmp_path, "hook: {}\n", text, suffix=".yaml")

    problem = next(p for p in errors(found) if p.code == code)
    assert (line, column, length) == (problem.line, problem.column, problem.length)
    assert english in show(problem, speaker("en"))


def test_a_billion_laughs_is_not_funny() -> None:
    """Aliases of aliases are bounded, and the refusal is quick; a circle is no exception."""
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
    )
    with pytest.raises(BadSyntax) as caught:
        scan_yaml(laughs, [])

    assert "E008" == caught.value.code


def test_an_alias_of_what_is_not_finished_ends() -> None:
    """A circle cannot be JSON; it is cut where it closes."""
    json.dumps(plain(scan_yaml("a: &a [*a, *a]", [])))


def test_an_alias_is_its_anchors_value() -> None:
    """What YAML users share among rules arrives in each of them."""
    assert {"a": {"b": [1]}, "c": {"b": [1]}} == plain(scan_yaml("a: &x {b: [1]}\nc: *x\n", []))


def test_one_run_shows_what_is_behind_a_slip_of_syntax(tmp_path: Path) -> None:
    """A trailing comma, a duplicate name and a missing comma do not hide a misspelt field."""
    text = '{"rules": [{"from": {"here": {"room": "r"}},"to": {"there": {}}, "stopp": true,}] "tests": [], "tests": []}'

    found = errors(read(tmp_path, rules=text))

    assert ["E102", "E003", "E003", "E005"] == [p.code for p in found]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(value=_JSON, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_good_json_is_read_as_the_standard_library_reads_it(
    value: object, indent: int | None, ascii_only: bool
) -> None:
    """And every text value knows where each of its characters stands."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    mistakes: list[BadSyntax] = []

    assert value == plain(scan_json(text, mistakes))
    assert [] == mistakes


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}[]\",:\\ntrue01.-eE u\n\t\ud7ff，#/'", max_size=30) | st.text(max_size=30))
def test_whatever_is_read_is_json_and_whatever_is_not_is_explained(text: str) -> None:
    """No text makes the scanner crash, and it is exactly as strict as the standard."""
    mistakes: list[BadSyntax] = []
    try:
        value = plain(scan_json(text, mistakes))
    except BadSyntax as e:
        mistakes.append(e)
    document = Document("f", text)
    for mistake in mistakes:
        show(
            Problem(place=document.place(mistake.span), code=mistake.code, message=mistake.message),
            speaker("zh"),
        )
    assert _is_json(text) == (not mistakes)
    if not mistakes:
        assert value == json.loads(text)


def _is_json(text: str) -> bool:
    """By the standard library, which must be told of duplicates, NaN and halves of characters."""
    try:
        json.dumps(
            json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_refuse), ensure_ascii=False
        ).encode()
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab: -[]{}&*!|>'\"\n\t#,%@`?é😀0", max_size=40))
def test_no_yaml_crashes_the_reading(text: str) -> None:
    """It is a value of JSON, or a problem with a place in the file."""
    mistakes: list[BadSyntax] = []
    try:
        json.dumps(plain(scan_yaml(text, mistakes)))
    except BadSyntax as e:
        mistakes.append(e)

    assert all(0 <= mistake.span[0] <= len(text) for mistake in mistakes)


def test_json_is_yaml_with_the_same_places() -> None:
    """Wide characters and emoji do not shift what stands behind them."""
    text = '{"键": ["😀", {"id": "值"}]}'

    nodes = [scan(text, []).value["键"].value[1].value["id"] for scan in (scan_json, scan_yaml)]  # type: ignore[index,union-attr,call-overload]  # known shape

    assert nodes[0].span == nodes[1].span
    assert '"值"' == text[nodes[1].start : nodes[1].end]


def test_a_caret_points_into_a_text_with_escapes() -> None:
    r"""``\u4e2d`` and ``\n`` are one character each, however many are written."""
    text = '"\\u4e2d\\n{usr}"'
    node = scan_json(text, [])

    start, end = Document("f", text, node).within(node, 2, 5)

    assert "{usr}" == text[start:end]


def _problem(source: str, token: str, **more: object) -> Problem:
    place = Place("f.json", 7, source.index(token) + 1, len(token), source)
    return Problem(place=place, code="E999", message=phrase("wrong"), **more)  # type: ignore[arg-type]  # fields of Problem


@pytest.mark.parametrize("before", ["", "中文", "😀😀", "\t", "e\u0301", "a" * 300, "宽" * 300])
def test_the_caret_stands_under_the_very_characters(before: str) -> None:
    """Wide characters are two columns, joined ones none, tabs are spaces, long lines are cut."""
    shown = show(_problem(before + "token" + "z" * 300, "token"), speaker("en")).split("\n")

    line, carets = shown[3], shown[4]
    column = width(carets[: carets.index("^")])
    assert column == width(line[: line.index("token")])
    assert 5 == carets.count("^")
    assert width(line) < 120


def test_a_line_cannot_play_tricks_on_the_terminal() -> None:
    """No escape sequence and no turn of direction leaves the file."""
    shown = show(_problem("a\x1b[2J\u202etoken\x9b", "token"), speaker("en"))

    assert not {"\x1b", "\u202e", "\x9b"} & set(shown)


def test_colours_only_when_asked() -> None:
    """The words are the same with and without."""
    problem = _problem("a token", "token", hints=(phrase("do"),), label=phrase("this"))
    plain_text, coloured = show(problem, speaker("en")), show(problem, speaker("en"), colour=True)

    assert "\x1b" not in plain_text
    assert "\x1b[1;31merror[E999]\x1b[0m" in coloured


def test_two_places_of_two_files_both_show_their_name() -> None:
    """The second one's header says which file."""
    other = Place("g.json", 12, 1, 1, "there")
    shown = show(
        _problem("a token", "token", second=other, second_label=phrase("first here")), speaker("en")
    )

    assert "::: g.json:12:1" in shown
    assert "- first here" in shown


def test_what_programs_read_is_never_translated() -> None:
    """--json has codes, numbers and English."""
    assert {
        "code": "E999", "severity": "warning", "file": "f.json", "line": 7, "column": 3, "length": 5,
        "message": "wrong", "hints": ["do"], "second": None,
    } == as_json(_problem("a token", "token", hints=(phrase("do"),), warning=True))  # fmt: skip


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("chanels", "channels"),
        ("CHANNELS", "channels"),
        ("form", "from"),
        ("to_", "to"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(word: str, meant: str) -> None:
    """The nearest word, or none when none is near."""
    assert meant == did_you_mean(word, ["channels", "from", "to"])


def test_a_beginning_is_enough() -> None:
    """A name with something behind it means the name, if there is only one."""
    assert "ci" == did_you_mean("ci_alerts", ["ci", "dt_main"])


def test_a_pattern_that_speaks_of_tokens_is_no_secret(tmp_path: Path) -> None:
    """Rules hold no secrets by name: what is wrong with them must be seen."""
    rules = '{"rules": [{"from": {"here": {"room": "r"}}, "to": {"there": {}}, "when": {"text_matches": "token=(a"}}]}'

    (problem,) = errors(read(tmp_path, rules=rules))

    assert "token=(a" in problem.place.source
