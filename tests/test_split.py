"""A long text becomes parts that fit, and nothing but blanks is lost."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.model import TextFormat
from bridge.text import split
from bridge.text.graphemes import grapheme_floor

PLAIN, MARKDOWN = TextFormat.PLAIN, TextFormat.MARKDOWN


def octets(text: str) -> int:
    return len(text.encode())


def json_octets(text: str) -> int:
    return len(json.dumps({"content": text}))


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


MEASURES: list[Callable[[str], int]] = [len, octets, json_octets, utf16]
PIECES = st.sampled_from(
    [
        *"ab .\n!。，消息",
        "\n\n",
        "    ",
        "word",
        "```\n",
        "\n```py\n",
        "\n```\n",
        "~~~~\n",
        "https://example.com/a?b=c",
        "[label here](https://e.org)",
        "e\u0301",
        " \u0301",
        "👨‍👩‍👧",
        "🇩🇪🇫🇷",
        "각",
        "\u1100\u1161\u11a8",
        "न\u094dद\u093f",
        "\r\n",
        "\t",
        "\u3000",
    ]
)
TEXTS = st.lists(PIECES, max_size=60).map("".join)


def positions(text: str, parts: tuple[str, ...]) -> list[tuple[int, int]]:
    """Where each part stands in ``text``; fails where one is not a slice, or more than blanks is lost."""
    found, at = [], 0
    for part in parts:
        start = text.find(part, at)
        assert start >= 0, f"{part!r} is not what follows"
        assert not text[at:start].strip(), f"{text[at:start]!r} is lost"
        at = start + len(part)
        found.append((start, at))
    assert not text[at:].strip(), f"{text[at:]!r} is lost"
    return found


@given(text=TEXTS, limit=st.integers(30, 90), measure=st.sampled_from(MEASURES))
def test_plain_parts_are_slices_that_fit_and_lose_only_blanks(
    text: str, limit: int, measure: Callable[[str], int]
) -> None:
    """
    Every part fits and is a slice of the text, in order; between the slices there are only blanks.
    """
    parts = split(text, limit, measure, PLAIN)

    assert all(measure(part) <= limit for part in parts)
    assert all(part.strip() for part in parts)
    positions(text, parts)
    if text.strip() and measure(text) <= limit:
        assert (text,) == parts


@given(text=st.text(max_size=200), limit=st.integers(4, 30))
def test_any_text_at_all_is_split_without_loss(text: str, limit: int) -> None:
    """
    The same for whatever Unicode has, where only four bytes fit.
    """
    text = text.encode(errors="ignore").decode()

    plain, marked = (split(text, limit, octets, how) for how in (PLAIN, MARKDOWN))

    assert all(octets(part) <= limit for part in plain + marked)
    positions(text, plain)
    assert said(text) == said("".join(marked))


def said(text: str) -> str:
    """Without blanks, and the marks that closing and opening adds."""
    return re.sub(r"[\s*_~\\`]", "", text)


@given(text=TEXTS, limit=st.integers(8, 60))
@example(text="a \u0301aaaword", limit=8)
@example(text="aaaa  \u0301bbbb", limit=6)
def test_cuts_are_between_graphemes(text: str, limit: int) -> None:
    """
    A cut inside a visible character happens only where that character alone is too long.
    """
    parts = split(text, limit, utf16, PLAIN)
    boundaries = {0} | {found.end() for found in regex.finditer(r"\X", text)}

    if len(parts) > 1:
        for (_, end), (start, _) in pairwise(positions(text, parts)):
            assert end in boundaries
            assert start in boundaries


CLUSTERS = st.sampled_from(
    [
        "a",
        "e\u0301",
        "👨‍👩‍👧",
        "🇩",
        "🇪",
        "👍🏽",
        "\u1100",
        "\u1161",
        "\u11a8",
        "각",
        "\u200d",
        "\r",
        "\n",
        "\u094d",
        "न",
        "x" * 70,
    ]
)


@given(text=st.lists(CLUSTERS, min_size=1, max_size=150).map("".join), at=st.integers(1, 400))
def test_grapheme_boundaries_are_those_of_unicode(text: str, at: int) -> None:
    """
    Looking at small chunks finds the same boundary as one look at the whole text.
    """
    end = min(at, len(text))
    oracle = [found.end() for found in regex.finditer(r"\X", text) if found.end() <= end]

    assert (oracle[-1] if oracle else end) == grapheme_floor(text, 0, end)


def test_a_character_longer_than_any_chunk_is_found_whole() -> None:
    """
    Hundreds of marks on one letter are one character, which ends where they end.
    """
    letter = "a" + "\u0301" * 500

    assert 1 == grapheme_floor(f"x{letter}y", 0, 300)
    assert 502 == grapheme_floor(f"x{letter}yz", 0, 502)
    assert 300 == grapheme_floor(f"{letter}y", 0, 300)


@pytest.mark.parametrize(
    "cluster",
    [
        "👨‍👩‍👧‍👦",
        "🇩🇪",
        "\u1112\u1161\u11ab",
        "e\u0301\u0323",
        "👍🏽",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "न\u094dद\u093f",
    ],
    ids=["family", "flag", "hangul", "combining", "skin tone", "tag flag", "conjunct"],
)
def test_a_visible_character_is_never_torn(cluster: str) -> None:
    """
    A run of one character is cut between two of them, whatever the limit leaves over.
    """
    limit = 2 * octets(cluster) + octets(cluster) - 1

    assert (cluster * 2, cluster * 2, cluster) == split(cluster * 5, limit, octets, PLAIN)


def unfenced(text: str, parts: tuple[str, ...]) -> bool:
    """
    Is ``text`` what the parts give, with some of their first and last lines taken for added?

    Behind an added closing line the text's own may be missing: the added one stands for it.
    """

    def bodies(i: int) -> Iterator[tuple[str, str]]:
        part = parts[i]
        fronts = [part]
        if i > 0 and part.lstrip(" ").startswith(("```", "~~~")):
            fronts.append(part.partition("\n")[2])
        for front in fronts:
            yield front, r"\s*"
            head, _, last = front.rpartition("\n")
            if last.startswith(("```", "~~~")):
                yield head, rf"\s*({last[:3]}+\s*)?"

    def follows(i: int, at: int, gap: str) -> bool:
        if i == len(parts):
            return re.fullmatch(gap, text[at:]) is not None
        for body, behind in bodies(i):
            start = text.find(body, at)
            while start >= 0 and re.fullmatch(gap, text[at:start]):
                if follows(i + 1, start + len(body), behind):
                    return True
                start = text.find(body, start + 1)
        return False

    return follows(0, 0, r"\s*")


@given(text=TEXTS, limit=st.integers(44, 90), measure=st.sampled_from([len, octets, utf16]))
def test_markdown_parts_give_the_text_back_without_the_added_fences(
    text: str, limit: int, measure: Callable[[str], int]
) -> None:
    """
    Only fence lines at the ends of parts are new; all else is the text, in order, without loss.
    """
    parts = split(text, limit, measure, MARKDOWN)

    assert all(measure(part) <= limit for part in parts)
    assert all(part.strip() for part in parts)
    assert unfenced(text, parts)


def test_a_code_block_is_closed_and_opened_again() -> None:
    """
    Both parts show their half as code, in the same language, indented as it was.
    """
    text = "Look at this:\n\n```python\nif abcdef:\n    b()\n    c()\n\n    d()\n```\nDone."

    assert (
        "Look at this:\n\n```python\nif abcdef:\n    b()\n    c()\n```",
        "```python\n    d()\n```\nDone.",
    ) == split(text, 57, len, MARKDOWN)


def test_a_code_block_in_the_second_half_moves_to_the_next_part() -> None:
    """
    A block that fits into a part of its own is not torn.
    """
    block = "```sh\nmake test\nmake demo\n```"

    assert ("w" * 30, block) == split(f"{'w' * 30}\n{block}", 50, len, MARKDOWN)


def test_an_opening_line_is_not_left_alone() -> None:
    """
    A cut just behind it would leave a code block without code, and code without its block.
    """
    text = f"{'w' * 30}\n```longlanguage\n{'x' * 100}\n```"

    parts = split(text, 80, len, MARKDOWN)

    assert all(2 == part.count("```") for part in parts)
    assert all("x" in part for part in parts)


def test_a_closing_line_is_not_cut() -> None:
    """
    However long it is: its rest would open a block that nobody meant.
    """
    text = f"```\n{'x' * 20}\n{'`' * 100}\nafter"

    assert (f"```\n{'x' * 20}\n```", "after") == split(text, 80, len, MARKDOWN)


def test_no_part_is_an_empty_code_block() -> None:
    """
    A cut just before the closing line uses the added one, and the next part goes on behind it.
    """
    code = "x" * 20
    text = f"```\n{code}\n{code}\n```\n\nThe end, and some more of it."

    assert (f"```\n{code}\n{code}\n```", "The end, and some more of it.") == split(
        text, 51, len, MARKDOWN
    )


@pytest.mark.parametrize(
    ("mark", "other"),
    [("~~~", "```"), ("````", "```"), ("```", "~~~"), ("```", "``` x"), ("~~~ a`b", "~~~ x")],
    ids=str,
)
def test_only_its_own_mark_closes_a_block(mark: str, other: str) -> None:
    """
    A shorter or different fence inside a block is code, as CommonMark has it.
    """
    text = f"{mark}\n{other}\n" + "code line\n" * 8 + f"{mark[:4].strip()}\n"

    parts = split(text, 60, len, MARKDOWN)

    assert len(parts) > 1
    assert all(part.startswith(f"{mark}\n") for part in parts)
    assert all(part.rstrip().endswith(f"\n{mark[:4].strip()}") for part in parts)


def test_a_line_with_backticks_on_both_sides_opens_nothing() -> None:
    """
    It is code within a line, so what follows is no block.
    """
    parts = split("```a`b\n" + "some words\n" * 8, 60, len, MARKDOWN)

    assert not parts[0].endswith("```")
    assert not parts[1].startswith("```")


def test_plain_text_gets_no_fences() -> None:
    """
    Backticks in a plain text are only characters.
    """
    parts = split("```\n" + "code line\n" * 8 + "```", 60, len, PLAIN)

    assert not parts[0].endswith("```")
    assert not parts[1].startswith("```")


def test_a_fence_too_long_to_repeat_is_not_repeated() -> None:
    """
    An info string that would fill every part is not written into every part.
    """
    text = f"```{'i' * 40}\n" + "code line\n" * 20 + "```"

    parts = split(text, 60, len, MARKDOWN)

    assert all(len(part) <= 60 for part in parts)
    assert 1 == sum("i" * 40 in part for part in parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two three.\n\nfo\nur five six", ("one two three.", "fo\nur five six")),
        (f"{'a' * 12}\n\n{'b' * 6}\n\nccc", (f"{'a' * 12}\n\n{'b' * 6}", "ccc")),
        (
            "一二三四五六七八九十一二。三四五六七八九。十",
            ("一二三四五六七八九十一二。", "三四五六七八九。十"),
        ),
        ("one two. three\nfour five six seven", ("one two. three", "four five six seven")),
        ("one two three four. five six", ("one two three four.", "five six")),
        (
            "今天天气很好，我们去吧！好不好呢？走吧，一起出发去公园",
            ("今天天气很好，我们去吧！好不好呢？", "走吧，一起出发去公园"),
        ),
        ("one two three four fiveandmore", ("one two three four", "fiveandmore")),
        ("abcdefghijklmnopqrstuvwxyz", ("abcdefghijklmnopqrst", "uvwxyz")),
        (
            "张三: 一二三四五六七八九十一二三四五六七八九十百千万",
            ("张三: 一二三四五六七八九十一二三四五六", "七八九十百千万"),
        ),
    ],
    ids=[
        "paragraph",
        "paragraph at the edge",
        "sentence beyond the edge",
        "line",
        "sentence",
        "cjk sentence",
        "word",
        "letters",
        "no blanks in cjk",
    ],
)
def test_the_best_place_in_reach_is_taken(text: str, parts: tuple[str, ...]) -> None:
    """
    Paragraphs before lines before sentences before words before letters.
    """
    assert parts == split(text, 20, len, PLAIN)


@pytest.mark.parametrize(
    "whole", ["https://example.com/path?q=1", "[a label. of words](https://e.org/)"], ids=str
)
@pytest.mark.parametrize("before", ["请看这里", "see: ", "(("], ids=str)
@pytest.mark.parametrize("limit", [36, 38, 40])
def test_links_stay_whole(whole: str, before: str, limit: int) -> None:
    """
    A URL or Markdown link that fits into a part is not cut, wherever it stands.
    """
    for padding in range(40):
        parts = split(f"{'x' * padding}{before}{whole}，谢谢大家", limit, len, MARKDOWN)

        assert any(whole in part for part in parts)


def test_a_url_that_alone_is_too_long_is_cut_rather_than_lost() -> None:
    """
    Its pieces are in order and complete.
    """
    url = "https://example.com/" + "a" * 100

    parts = split(f"see {url}", 50, len, PLAIN)

    assert "see" == parts[0]
    assert url == "".join(parts[1:])


M = 1_000_000
HOSTILE = {
    "one line": "a" * M,
    "marks on one letter": "a" + "\u0301" * 100_000,
    "half flags": "🇩" * M,
    "joined emoji": "👨\u200d" * (M // 2),
    "chinese": "消" * M,
    "words": "hello world " * (M // 12),
    "lines": "a\n" * (M // 2),
    "brackets": "[" * M,
    "links": "[a](" * (M // 4),
    "urls": "https://" * (M // 8),
    "backticks": "`" * M,
    "open fences": "```\nx\n" * (M // 6),
    "one block": "```py\n" + "x = 1\n" * (M // 6),
    "full stops": "." * M,
    "quotes": "!" + ")" * M,
    "marks on blanks": " \u0301" * (M // 2),
    "jamo": "\u1100\u1161\u11a8" * (M // 3),
    "indents": ("\n" + " " * 50) * (M // 51) + "a",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_megabyte_is_split_in_a_second(text: str) -> None:
    """
    Time grows with the length only, every part fits, and no letter is lost.
    """
    started = time.process_time()
    parts = split(text, 15_000, octets, MARKDOWN)
    took = time.process_time() - started

    assert all(part.strip() and octets(part) <= 15_000 for part in parts)
    if "```" not in text:
        positions(text, parts)
    assert took < 1.0


def test_measuring_costs_as_much_as_the_text_not_its_square() -> None:
    """
    What is measured in all is a few times the text, however many parts it makes.
    """
    measured = 0

    def counted(text: str) -> int:
        nonlocal measured
        measured += len(text)
        return octets(text)

    text = "消息 and words 🇩🇪 " * 20_000
    split(text, 1000, counted, MARKDOWN)

    assert measured < 20 * len(text)


def test_a_text_that_fits_is_measured_once_and_imports_nothing() -> None:
    """
    Nearly every message: one look, the same object, and no library for graphemes.
    """
    script = (
        "import sys; from bridge.text import split; from bridge.model import TextFormat as F\n"
        "calls = []; text = 'short 🇩🇪'\n"
        "assert split(text, 20, lambda t: calls.append(t) or len(t), F.MARKDOWN)[0] is text\n"
        "assert len(calls) == 1 and 'regex' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.parametrize("text", ["", " ", " " * 50], ids=["empty", "blank", "too long"])
def test_a_text_without_letters_has_no_parts(text: str) -> None:
    """
    No platform takes a blank message, so none is made.
    """
    assert () == split(text, 10, len, PLAIN)


def test_a_limit_below_one_character_is_an_error() -> None:
    """
    A promise that cannot be kept is refused, not broken.
    """
    with pytest.raises(ValueError, match="a limit of 2"):
        split("消息消息", 2, octets, PLAIN)
