"""What the documentation tells people to type exists."""

import re
import shlex
from pathlib import Path

import pytest

from bridge.cli import _parser

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("drivers/*/README.md")]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def typed():
    """Every line of a shell block, and every command in the running text, with its page."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
            yield str(page.relative_to(ROOT)), line.partition("  #")[0].strip()
        for line in re.findall(r"`((?:msgbridge|make) [^`]*)`", text):
            yield str(page.relative_to(ROOT)), line


COMMANDS = sorted({(page, line) for page, line in typed() if re.match(r"(msgbridge|make) ", line)})


def understood(line, page):
    """Fails unless the command line takes ``line``; a word in capitals stands for something."""
    program, *words = shlex.split(line)
    if program == "make":
        targets = [word for word in words if "=" not in word]
        assert set(targets) <= TARGETS, f"{page}: {line}"
        return
    if len(words) == 1 or words[-1] in ("queue", "dead"):
        choices = _parser()._subparsers._group_actions[0].choices
        assert words[0] in choices, f"{page}: {line}"
        return
    _parser().parse_args([word for word in words if word != "…"])


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda value: value)
def test_a_command_in_the_docs_is_understood(page, line):
    """Subcommand and options exist."""
    understood(line, page)
