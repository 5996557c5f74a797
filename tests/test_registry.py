"""Platforms are found by folder, and imported only when they are used."""

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.registry import Registry, installed
from tests.reading import CHAT, read

ROOT = Path(__file__).parent.parent


def test_every_folder_of_drivers_is_a_platform_that_loads() -> None:
    """The name of the folder is the platform's, and its DRIVER says the same."""
    registry = installed()

    folders = {path.parent.name for path in ROOT.glob("drivers/*/__init__.py")}
    assert folders <= set(registry.names)
    assert {"dingtalk", "webhook"} <= folders
    assert all(registry.load(name).platform == name for name in registry.names)


def test_names_cost_no_import() -> None:
    """A platform that no config uses is never imported."""
    program = (
        "import sys; from bridge.registry import installed; installed().names;"
        "print([m for m in sys.modules if m.startswith('drivers.')])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=ROOT
    )

    assert "[]" == said.stdout.strip()


def test_exactly_the_given_platforms() -> None:
    """A test, or a program, can say which."""
    registry = Registry.of(CHAT)

    assert ("chat",) == registry.names
    assert registry.load("chat") is CHAT


def _needs_a_library() -> object:
    raise ImportError("No module named 'chatlib'")


@pytest.mark.parametrize("loader", [_needs_a_library, object])
def test_a_driver_that_cannot_be_loaded_is_a_config_error(loader: object) -> None:
    """The operator is told what is missing."""
    with pytest.raises(ConfigError, match=r"chatlib|not a DriverSpec"):
        Registry({"chat": loader}).load("chat")  # type: ignore[dict-item]  # any callable


def test_a_driver_that_cannot_be_loaded_is_a_problem_with_a_place(tmp_path: Path) -> None:
    """E210 at the platform's name, with the way to install it."""
    from bridge.files import read_files

    read(tmp_path)
    found = read_files(
        tmp_path / "config.json",
        tmp_path / "rules.json",
        environ={},
        registry=Registry({"chat": _needs_a_library, "hook": _needs_a_library}),
    )

    assert ["E210", "E210"] == [p.code for p in found.problems]
    assert "pip install 'msgbridge[chat]'" in str(found.problems[0].hints[0])
