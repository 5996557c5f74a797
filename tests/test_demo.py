"""The first thing that a new user runs."""

import pytest

from tests.daemon import command


@pytest.mark.parametrize(
    ("lang", "sentences"),
    [
        ("en", ["Nothing is lost", "planned 6, sent 6, waiting 0, dead 0", "Forged events are refused"]),
        ("zh", ["李雷 (Team A): @Ada 构建通过了 ✅", "没有丢失任何消息"]),
    ],
)
def test_the_demo_shows_the_whole_bridge_and_ends_well(tmp_path, lang, sentences):
    """Three messages arrive at both places, two forged ones are refused, nothing waits at the end."""
    shown = command("demo", "--lang", lang, folder=tmp_path)

    assert 0 == shown.returncode, shown.stdout + shown.stderr
    assert "✗" not in shown.stdout
    assert 13 == shown.stdout.count("✓")
    assert "http://127.0.0.1" in shown.stdout
    for sentence in sentences:
        assert sentence in shown.stdout
