"""The rules of the house that no linter knows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = [
    path
    for folder in ("bridge", "drivers", "tests", "bench")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
PRODUCT = [path for path in OURS if path.parts[len(ROOT.parts)] in ("bridge", "drivers")]
LONGEST = 500


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", OURS, ids=name)
def test_no_file_is_two_ideas(path):
    """A file past 500 lines is split by idea, not by size."""
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= LONGEST, f"{name(path)} has {lines} lines: which two ideas are in it?"


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_what_is_ignored_has_its_reason(path):
    """``type: ignore`` and ``noqa`` name their rule, and say why on the same line."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for mark in re.finditer(r"# (type: ignore|noqa)(.*)", line):
            rest = mark.group(2)
            assert re.match(r"(\[[a-z-]+(, ?[a-z-]+)*\]|: ?[A-Z0-9]+(, ?[A-Z0-9]+)*) +[#(]", rest), (
                f"{name(path)}:{number}: name the rule and the reason: {mark.group()}"
            )


SEEN_BY_DRIVERS = {
    "clock",
    "driver",
    "errors",
    "exchange",
    "loopback",
    "model",
    "retry_after",
    "text",
    "wild",
}


@pytest.mark.parametrize(
    "path", [one for one in PRODUCT if one.parts[len(ROOT.parts)] == "drivers"], ids=name
)
def test_a_driver_sees_these_rooms_and_no_other(path):
    """What is new in the core is shut to drivers until somebody opens it here."""
    text = path.read_text(encoding="utf-8")
    seen = {room for _, room in re.findall(r"^( *)(?:from|import) bridge\.(\w+)", text, re.MULTILINE)}

    assert seen <= SEEN_BY_DRIVERS, f"{name(path)}: {seen - SEEN_BY_DRIVERS}"


def test_every_platform_stands_in_the_readme_and_none_that_is_not_there():
    """The table of platforms is held against the folders of ``drivers/``."""
    folders = {path.parent.name for path in (ROOT / "drivers").glob("*/__init__.py")}
    table = set(
        re.findall(r"\[`(\w+)`\]\(drivers/\w+/README\.md\)", (ROOT / "README.md").read_text("utf-8"))
    )

    assert folders == table


def test_only_drivers_that_are_used_are_imported():
    """Unused platforms cost nothing: starting the command line imports no driver at all."""
    code = "import sys, bridge.cli; print([m for m in sys.modules if m.startswith('drivers.')])"

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert "[]" == said.stdout.strip()


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=name)
def test_links_in_the_docs_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        if not link.startswith(("http://", "https://")):
            assert (path.parent / link).exists(), f"{name(path)} links to {link}"
