"""What a rule may change in a text."""

import pytest
import re2

from bridge.transform import BadReplacement, compile_step


@pytest.mark.parametrize(
    ("pattern", "replacement", "before", "after"),
    [
        (r"token=\S+", "token=…", "a token=x b", "a token=… b"),
        ("失败", "不行", "构建失败了😀", "构建不行了😀"),
        (r"(\w+)@(\w+)", r"\2 at \1 \0 \\", "li@home", "home at li li@home \\"),
        ("(a)|(b)", r"[\2]", "ab", "[][b]"),
        ("x*", "-", "abc", "-a-b-c-"),
    ],
)
def test_a_step_replaces_every_match(pattern, replacement, before, after):
    """Also Chinese and emoji, and groups that took no part."""
    assert after == compile_step(pattern, replacement)(before)


@pytest.mark.parametrize(("replacement", "at"), [(r"a\2", 1), ("\\", 0), (r"\n", 0), (r"\g<1>", 0)])
def test_a_replacement_that_means_nothing_is_told_with_its_place(replacement, at):
    with pytest.raises(BadReplacement) as caught:
        compile_step("(x)", replacement)

    assert at == caught.value.at


def test_a_pattern_that_needs_backtracking_does_not_compile():
    """RE2 has neither look-around nor back-references: that is why it is linear."""
    with pytest.raises(re2.error):
        compile_step(r"(?=x)", "")
