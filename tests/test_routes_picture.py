"""The picture of the routes: complete, harmless whatever stands in it, and the same every time."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bridge.analysis.rounds import find_rounds
from bridge.cli import main
from bridge.model import ConversationRef
from bridge.routes_picture import picture
from bridge.routes_picture.chart import Mark, chart
from bridge.routes_picture.svg import STYLE
from bridge.routes_picture.words import mermaid, tree
from bridge.routing import Router, Rule
from tests.builders import a_place
from tests.test_rounds import ACCOUNTS, ANY_GROUP, TO_SENDER, a_rule, connect

ROOT = Path(__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"
RULES = [
    connect("team", "here/a here/b"),
    a_rule("all", ANY_GROUP, "there/x", stop=True),
    a_rule("back", "there/x", TO_SENDER),
    a_rule("off", "here/hidden", "there/hidden", enabled=False),
]


def drawn(
    rules: list[Rule] = RULES, health: dict[ConversationRef, Mark] | None = None, **more: object
) -> ET.Element:
    text = picture(Router.of(rules, {}), {}, health, rounds=find_rounds(rules, ACCOUNTS), **more)  # type: ignore[arg-type]
    return ET.fromstring(text)


def texts(svg: ET.Element) -> list[str]:
    return [element.text or "" for element in svg.iter(f"{SVG}text")]


def kinds(svg: ET.Element, tag: str) -> list[str]:
    return [element.get("class", "") for element in svg.iter(f"{SVG}{tag}")]


def test_every_rule_and_place_is_there() -> None:
    """Text as text; a place that is source and destination stands on both sides, a rule once."""
    said = texts(drawn())

    assert [1, 1, 1] == [said.count(rule) for rule in ("team", "all", "back")]
    assert [2, 2] == [said.count(place) for place in ("a", "b")]
    assert {"* (group)", "{user_id}"} <= set(said)
    assert not {"off", "hidden"} & set(said)


def test_every_way_is_drawn() -> None:
    """One line for each source and each destination of a rule, each with its tip."""
    svg = drawn()

    assert 8 == sum(kind.startswith("way") for kind in kinds(svg, "path"))
    assert 8 == sum(kind.startswith("tip") for kind in kinds(svg, "path"))


def test_it_is_the_same_every_time() -> None:
    """So that a page can be compared and a file be committed."""
    assert ET.tostring(drawn()) == ET.tostring(drawn())


def test_rounds_are_marked_by_more_than_colour() -> None:
    """Dashes, a sign and words, on the ways round and on no other."""
    rules = [
        a_rule("out", "here/a", "there/b"),
        a_rule("in", "there/b", "here/a"),
        a_rule("else", "here/a", "there/c"),
    ]

    svg = drawn(rules)

    assert 4 == kinds(svg, "path").count("way round")
    assert 2 == sum("⟳ leads round" in text for text in texts(svg))
    assert "stroke-dasharray" in STYLE
    assert "way round" not in kinds(drawn(), "path")


def test_health_is_a_colour_and_a_sign() -> None:
    """Each with its own shape and words; what nothing is known of has none."""
    health = dict(zip([a_place("here/a"), a_place("here/b"), a_place("there/x")], Mark, strict=True))

    signs = [
        path
        for path in drawn(health=health).iter(f"{SVG}path")
        if (path.get("class") or "").startswith("sign")
    ]

    assert {f"sign {mark.value}" for mark in Mark} == {sign.get("class") for sign in signs}
    assert 3 == len({sign.get("d") for sign in signs}) == len({sign[0].text for sign in signs})
    assert all(f".{mark.value}{{stroke:var(--{mark.value})}}" in STYLE for mark in Mark)
    assert not [kind for kind in kinds(drawn(), "path") if kind.startswith("sign")]


def test_nothing_in_it_can_do_harm() -> None:
    """Names that strangers choose are text; no script, no link, nothing from elsewhere."""
    evil = '</text><script>alert(1)</script><a href="https://evil.example">"\'&\x1b[31m\u202e\ufffe\x00'
    place = a_place(f"here/{evil}")
    rules = [a_rule(evil, "there/x", "there/y"), Rule(id="x", sources=(place,), targets=())]

    text = picture(Router.of(rules, {}), {a_place("there/y"): evil})

    assert {"svg", "style", "rect", "text", "path", "g", "title"} == {
        e.tag.removeprefix(SVG) for e in ET.fromstring(text).iter()
    }
    assert "\x1b" not in text
    assert "\u202e" not in text
    svg = ET.fromstring(text)
    plain = {
        "class",
        "d",
        "transform",
        "x",
        "y",
        "width",
        "height",
        "rx",
        "viewBox",
        "role",
        "aria-label",
    }
    assert {name for element in svg.iter() for name in element.attrib} <= {*plain, "text-anchor"}
    assert not re.search(r"url\(|@import|http", STYLE)


def test_long_names_are_cut_and_told_in_full() -> None:
    """Wide characters take two columns; the whole name is shown by the pointer."""
    svg = drawn([a_rule("规" * 60, f"here/{'w' * 80}", "there/x")])

    shown = [text for text in texts(svg) if text.endswith("…")]
    assert [len(text) for text in shown] == [30, 12]
    assert {f"here/{'w' * 80}"} < {title.text for title in svg.iter(f"{SVG}title")}


def test_readable_in_light_and_dark() -> None:
    """Text, lines and signs keep the contrast that WCAG 2 asks for: 4.5 for text, 3 for all else."""
    blocks = re.findall(r"--paper:#.*?(?=font|\}\})", STYLE, re.DOTALL)
    assert 2 == len(blocks)
    for block in blocks:
        colours = dict(re.findall(r"--(\w+):(#\w+)", block))
        for name, least in [
            ("ink", 4.5),
            ("soft", 4.5),
            ("round", 4.5),
            ("line", 3),
            ("well", 3),
            ("waiting", 3),
            ("stopped", 3),
        ]:
            for below in ("paper", "box"):
                assert contrast(colours[name], colours[below]) >= least, (name, below, colours)


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""

    def light(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_what_has_no_room_is_counted() -> None:
    """A picture of thousands of rules would be no picture."""
    rules = [a_rule(f"r{n}", f"here/{n}", "there/x") for n in range(30)]

    said = texts(drawn(rules, most=10))

    assert "rules that are not shown: 20" in said
    assert "r9" in said
    assert "r10" not in said


def test_no_rule_is_a_picture_too() -> None:
    """It says so."""
    assert "no rule sends anything anywhere" in texts(drawn([]))
    assert "no rule sends anything anywhere" in tree(chart(Router.of([], {})), {}, str)


def test_the_tree_shows_each_source_with_its_rules() -> None:
    """Nothing goes back to where it came from; rounds are marked; long lists are counted."""
    rules = [
        connect("team", "here/a here/b"),
        a_rule("out", "here/b", "there/x"),
        a_rule("in", "there/x", "here/b"),
        a_rule("many", "also/z", " ".join(f"there/{n}" for n in range(20))),
    ]

    said = tree(
        chart(Router.of(rules, {}), find_rounds(rules, ACCOUNTS)), {a_place("here/a"): "Team A"}, str
    )

    assert (
        "here/a  Team A\n"
        "└── team (rules.json:0)\n"
        "    └─▶ here/b\n"
        "\n"
        "here/b\n"
        "├── team (rules.json:0)\n"
        "│   └─▶ here/a  Team A\n"
        "└── out (rules.json:0)\n"
        "    └─▶ there/x  ⟳ leads round\n"
    ) in said
    assert "└─▶ … and 9 more" in said


def test_the_flowchart_is_harmless_too() -> None:
    """Labels cannot end early; a connection goes both ways; the ways round are labelled."""
    rules = [
        connect("team", "here/a here/b"),
        a_rule('x"]; click r0 "https://evil.example"', "here/b", "there/x"),
        a_rule("in", "there/x", "here/b"),
    ]

    said = mermaid(chart(Router.of(rules, {}), find_rounds(rules, ACCOUNTS)), {}, str)

    assert said.startswith("flowchart LR\n")
    assert "r0 <--> c0" in said
    assert "c1 -. leads round .-> r1" in said
    assert all(
        re.fullmatch(r'flowchart LR|  \w+(\(\[|\[)"[^"]*"(\]\)|\])|  \w+ \S.*> \w+', line)
        for line in said.splitlines()
    )


@pytest.mark.parametrize("form", ["tree", "mermaid", "svg"])
def test_the_command_draws_the_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """To the terminal or to a file, in either language."""
    monkeypatch.setenv("DT_APP_SECRET", "d1ng-secret")
    monkeypatch.setenv("CI_SECRET", "ci-secret")
    files = ["--config", str(ROOT / "config.json.example"), "--lang", "en"]

    assert 0 == main(["routes", "--format", form, *files])
    shown = capsys.readouterr().out
    assert 0 == main(["routes", "--format", form, *files, "--output", str(tmp_path / "out")])

    assert "team-room" in shown
    assert shown == (tmp_path / "out").read_text(encoding="utf-8")


def test_the_command_shows_what_is_wrong_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and the problems on stderr."""
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "rules.json").write_text(json.dumps({"rulez": []}), encoding="utf-8")

    assert 1 == main(["routes", "--config", str(tmp_path / "config.json"), "--lang", "en"])
    assert "E102" in capsys.readouterr().err


def test_the_picture_in_the_docs_is_of_the_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """msgbridge routes --format svg --config config.json.example --output docs/routes.svg"""
    monkeypatch.setenv("DT_APP_SECRET", "d1ng-secret")
    monkeypatch.setenv("CI_SECRET", "ci-secret")
    monkeypatch.chdir(ROOT)

    assert 0 == main(["routes", "--format", "svg", "--config", "config.json.example", "--lang", "en"])

    assert (ROOT / "docs/routes.svg").read_text(encoding="utf-8") == capsys.readouterr().out
