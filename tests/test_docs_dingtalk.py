"""What the DingTalk pages tell an operator to write is what the bridge reads."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from bridge.files import read_files

DOCS = Path(__file__).parent.parent / "docs"
ENGLISH = [
    DOCS / f"dingtalk-{subject}.md" for subject in ("stream", "http", "group-robot", "troubleshooting")
]
PAGES = [*ENGLISH, *(page.with_suffix(".zh.md") for page in ENGLISH)]
ENVIRONMENT = {
    "DT_APP_SECRET": "an-app-secret",
    "DT_CALLBACK_TOKEN": "aTokenOf20Characters",
    "DT_CALLBACK_AES_KEY": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "DT_ALERTS_URL": "https://oapi.dingtalk.com/robot/send?access_token=" + "0123456789abcdef" * 4,
    "DT_ALERTS_SECRET": "SEC0123456789abcdef",
    "CI_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLw==",
}


def snippets(page: Path) -> list[Any]:
    return [
        json.loads(text) for text in re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]


def pairs(page: Path) -> list[tuple[Any, Any]]:
    """Each config with no rules, each rules with the config before it."""
    found: list[tuple[Any, Any]] = []
    config: Any = None
    for snippet in snippets(page):
        if "rules" in snippet:
            assert config is not None, f"{page.name}: rules before any config"
            found.append((config, snippet))
        else:
            config = snippet
            found.append((config, {"rules": []}))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_can_be_pasted(page: Path, tmp_path: Path) -> None:
    """Without an error once the variables that it names are set."""
    for config, rules in pairs(page):
        paths = [tmp_path / "config.json", tmp_path / "rules.json"]
        for path, value in zip(paths, (config, rules), strict=True):
            path.write_text(json.dumps(value), encoding="utf-8")

        reading = read_files(*paths, environ=ENVIRONMENT)

        assert [] == [str(p.message) for p in reading.problems if not p.warning], page.name
        assert reading.good


@pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.name)
def test_both_languages_say_the_same(page: Path) -> None:
    """The same snippets, as many headings, and a link from one to the other."""
    chinese = page.with_name(page.name.replace(".md", ".zh.md"))
    texts = [one.read_text("utf-8") for one in (page, chinese)]

    assert snippets(page) == snippets(chinese)
    headings = [[len(mark) for mark in re.findall(r"^(#+) ", text, re.MULTILINE)] for text in texts]
    assert headings[0] == headings[1]
    rows = [len(re.findall(r"^\|", text, re.MULTILINE)) for text in texts]
    assert rows[0] == rows[1]
    assert chinese.name in texts[0]
    assert page.name in texts[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_pages_exist(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each ``msgbridge <word>`` of a page has a ``--help``."""
    words = set(re.findall(r"(?:`|^)msgbridge ([a-z]+)", page.read_text("utf-8"), re.MULTILINE))

    assert words
    for word in words:
        assert 0 == main([word, "--help"]), f"{page.name}: msgbridge {word}"


def test_the_pages_are_linked() -> None:
    """From the front page of each language, or nobody finds them."""
    english = (DOCS.parent / "README.md").read_text("utf-8")
    chinese = (DOCS / "README.zh.md").read_text("utf-8")

    for page in PAGES:
        text = chinese if page.name.endswith(".zh.md") else english
        assert page.name in text, page.name
