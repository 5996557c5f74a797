"""A long Markdown text becomes parts each of which says its words as the whole did."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.model import TextFormat
from bridge.text import lines, read_markdown, split, write_markdown
from bridge.text.tree import Code, Emphasis, Inlines, Paragraph, Strike, Strong, Text

MARKDOWN = TextFormat.MARKDOWN


def octets(text: str) -> int:
    return len(text.encode())


STRESSED = st.lists(
    st.sampled_from(
        [
            "**",
            "*",
            "_",
            "~~",
            "a",
            "消息",
            " ",
            " ",
            "word ",
            ". ",
            "\n",
            "\n\n",
            "(x)",
            "- ",
            "1. ",
            "# ",
            "> ",
            "`c`",
        ]
    ),
    max_size=60,
).map("".join)


@given(text=STRESSED, limit=st.integers(40, 80), measure=st.sampled_from([len, octets]))
@example(text="*" * 16 + "word - _**", limit=40, measure=len)
def test_stressed_words_are_stressed_in_every_part(
    text: str, limit: int, measure: Callable[[str], int]
) -> None:
    """
    Of what the bridge itself writes: each part by itself says its words as the whole did, and no word
    is stressed, listed or a heading that was not.
    """
    text = write_markdown(read_markdown(text))

    parts = split(text, limit, measure, MARKDOWN)

    assert all(measure(part) <= limit for part in parts)
    assert manners(text) == [one for part in parts for one in manners(part)]


def manners(text: str) -> list[tuple[str, frozenset[str]]]:
    """Each letter with the stress that it has."""
    found = []
    for line in lines(read_markdown(text)):
        found += _manners(line, frozenset())
    return found


def _manners(inlines: Inlines, around: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for inline in inlines:
        if isinstance(inline, Text | Code):
            yield from ((letter, around) for letter in inline.text if letter.isalpha())
        elif isinstance(inline, Strong | Emphasis | Strike):
            yield from _manners(inline.children, around | {type(inline).__name__})


def test_bold_words_that_fit_are_not_cut() -> None:
    """
    They move to the next part, as a link does.
    """
    assert ("some words here", "**and bold ones** too") == split(
        "some words here **and bold ones** too", 24, len, MARKDOWN
    )


def test_bold_words_longer_than_a_part_are_bold_in_all_of_them() -> None:
    """
    The marks are closed at the end of a part and opened again in the next.
    """
    parts = split(f"so: **{'bold words ' * 8}end** and after", 40, len, MARKDOWN)

    assert len(parts) == 3
    assert all(part.count("**") == 2 for part in parts)
    assert parts[0].startswith("so: **bold words")
    assert parts[0].endswith("words**")
    assert parts[-1].endswith("end** and after")


@pytest.mark.parametrize("mark", ["- ", "1. ", "# ", "> ", "+ "])
def test_a_part_begins_no_list_that_was_none(mark: str) -> None:
    """
    Where a line did not begin with it, neither does a part; or it is escaped.
    """
    for padding in range(20):
        parts = split(f"{'x' * padding} word {mark}word and so on and on", 20, len, MARKDOWN)

        assert all(isinstance(read_markdown(part).blocks[0], Paragraph) for part in parts)
