"""The keys of an Apprise instance: what is complained about, and what is a secret."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.files import read_files
from bridge.registry import Registry
from drivers.apprise import DRIVER
from tests.drivers.apprise.receiving import HOOK, SECRET, a_driver

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "url",
    [f"nope://{SECRET}", f"{SECRET}", f"https://example.com/{SECRET}", "json://", f"mailto://{SECRET}"],
)
def test_a_url_that_apprise_does_not_understand_has_its_place_named_and_is_not_shown(url: str) -> None:
    """
    By `check`, before anything runs; and by the driver, should it come to that.
    """
    (complaint,) = DRIVER.check({"urls": ["json://127.0.0.1:9/", url]})

    assert ("bad-url", ("urls", 1)) == (complaint.code, complaint.path)
    assert SECRET not in repr(complaint)

    async def scenario() -> None:
        with pytest.raises(ConfigError, match=r"urls\[1\]") as caught:
            async with a_driver("json://127.0.0.1:9/", url):
                pass
        assert SECRET not in repr(caught.value)

    asyncio.run(scenario())


def test_the_same_url_twice_is_a_mistake() -> None:
    """
    Everything would arrive there twice.
    """
    (complaint,) = DRIVER.check({"urls": ["json://127.0.0.1:9/", "json://127.0.0.1:9/"]})

    assert ("double-url", ("urls", 1)) == (complaint.code, complaint.path)


def test_without_the_library_it_is_said_how_to_get_it() -> None:
    """
    The platform is known all the same, and who does not use it never loads the library.
    """
    program = """if True:
    import sys
    from drivers.apprise import DRIVER
    assert "apprise" not in sys.modules
    sys.modules["apprise"] = None  # as if it were not installed
    for complaint in DRIVER.check({"urls": ["json://127.0.0.1/"]}):
        print(complaint.code, complaint.hint)
    """

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )

    assert "library-missing pip install 'msgbridge[apprise]'\n" == done.stdout


def test_every_url_is_known_as_a_secret(tmp_path: Path) -> None:
    """
    One that stands in the file, and one that comes from elsewhere: the log masks both by value.
    """
    urls = ["json://127.0.0.1:9/one", "json://127.0.0.1:9/two"]
    files = {
        "config.json": {"apprise": {"pager": {"urls": [urls[0], {"env": "PAGER_URL"}]}}},
        "rules.json": {"rules": []},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))

    reading = read_files(
        *(tmp_path / name for name in files),
        environ={"PAGER_URL": urls[1]},
        registry=Registry.of(DRIVER),
    )

    assert reading.config is not None
    assert set(urls) <= reading.config.secrets
    assert urls == reading.config.instances[HOOK].settings["urls"]
