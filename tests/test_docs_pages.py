"""The user's pages: both languages say the same, every page is found, and what they name exists."""

import json
import re
import runpy
from pathlib import Path

import pytest

from bridge import events
from bridge.config.schemas import global_schema
from bridge.files import read_files
from bridge.metrics import Metrics
from bridge.model import InstanceId

DOCS = Path(__file__).parent.parent / "docs"
SUBJECTS = (
    "quick-start",
    "delivery",
    "security",
    "systemd",
    "monitoring",
    "reference",
    "runbook-destination-down",
    "runbook-journal",
    "runbook-moving",
    "runbook-proxy",
    "runbook-secrets",
)
WRITTEN = [DOCS / f"{name}{end}" for name in SUBJECTS if name != "reference" for end in (".md", ".zh.md")]
ENVIRONMENT = {
    "DT_APP_SECRET": "an-app-secret",
    "CI_SECRET": "a-secret-of-ours",
    "PAGE_TOKEN": "a-token-for-the-page",
}


def name(page):
    return page.name


def fences(text):
    return re.findall(r"^ *```(\w+)\n(.*?)```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_both_languages_say_the_same(subject):
    """The same blocks to paste, as many headings, rows and points, and a link to the other."""
    english, chinese = DOCS / f"{subject}.md", DOCS / f"{subject}.zh.md"
    texts = [page.read_text("utf-8") for page in (english, chinese)]

    assert fences(texts[0]) == fences(texts[1])
    for mark in (r"^(#+) ", r"^(\|)", r"^( *- )", r"^( *\d\.)"):
        found = [re.findall(mark, text, re.MULTILINE) for text in texts]
        assert found[0] == found[1], mark
    assert f"({chinese.name})" in texts[0]
    assert f"({english.name})" in texts[1]


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_a_chinese_page_leads_to_chinese_pages(page):
    """And an English one to English ones, but for the way across at the top."""
    top, *rest = page.read_text("utf-8").split("\n\n", 2)[1:]
    chinese = page.name.endswith(".zh.md")

    for link in re.findall(r"\]\(([\w-]+(?:\.zh)?\.md)\)", "".join(rest)):
        other = DOCS / (link.removesuffix(".zh.md").removesuffix(".md") + ".zh.md")
        assert chinese == link.endswith(".zh.md") or not other.exists(), link
    assert top.startswith(("[中文](", "[English]("))


@pytest.mark.parametrize(("index", "end"), [("README.md", ".md"), ("README.zh.md", ".zh.md")])
def test_every_page_is_found_from_the_index(index, end):
    """Of each language; the front page of the project leads to the index."""
    text = (DOCS / index).read_text("utf-8")
    pages = [page.name for page in DOCS.glob("*.md")]
    mine = [one for one in pages if one.endswith(".zh.md") == (end == ".zh.md")]

    for page in mine:
        assert page.startswith("README") or f"({page})" in text, page
    assert f"docs/{index}" in (DOCS.parent / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_a_file_that_is_shown_can_be_pasted(page, tmp_path):
    """Each pair of config.json and rules.json, without an error."""
    config = {"webhook": {"ci": {"url": "https://example.com/"}}}
    (tmp_path / "dt_app_secret").write_text("an-app-secret\n")
    for language, text in fences(page.read_text("utf-8")):
        if language != "json":
            continue
        shown = json.loads(text)
        rules = shown if "rules" in shown else {"rules": []}
        config = config if "rules" in shown else shown
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "rules.json").write_text(json.dumps(rules))

        reading = read_files(
            tmp_path / "config.json",
            tmp_path / "rules.json",
            environ={**ENVIRONMENT, "CREDENTIALS_DIRECTORY": str(tmp_path)},
        )

        assert [] == [str(one.message) for one in reading.problems if not one.warning]


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_events_and_metrics_that_are_named_exist(page):
    """Else somebody waits for a line in the log that never comes."""
    text = page.read_text("utf-8")
    known = {event.name for event in events.ALL} | {
        f"{room}.{key}"
        for room, inner in global_schema()["properties"].items()
        for key in inner.get("properties", ())
    }
    rooms = "|".join({one.partition(".")[0] for one in known})
    metrics = Metrics("1")
    metrics.declare([InstanceId("dt")])

    for named in re.findall(rf"`((?:{rooms})\.[a-z_]+)`", text):
        assert named in known or named.endswith((".json", ".db", ".secret")), named
    for series in re.findall(r"`(msgbridge_\w+)`", text):
        assert f"# TYPE {series} " in metrics.page().decode(), series


def test_the_reference_is_what_the_schemas_say():
    """After a change of a schema: new Chinese into reference.zh.json, then `make docs`."""
    pages, untranslated = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
    chinese = json.loads((DOCS / "reference.zh.json").read_text("utf-8"))

    assert [] == untranslated
    for page, text in pages.items():
        assert text == page.read_text("utf-8"), f"{page.name} is old: make docs"
    said = pages[DOCS / "reference.md"].replace("\\|", "|")
    assert [] == [one for one in chinese if one not in said], "nothing says these any more"
