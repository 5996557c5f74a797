"""Text on its way to Telegram and from there: laws for whatever people type."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.model import Mention, TextFormat, UserId
from bridge.text import flatten, from_spans, read_markdown, write_markdown
from bridge.text.spans import Span, SpanKind, units
from drivers.telegram import heard, said, updates
from drivers.telegram.insertions import inserted
from drivers.telegram.simulated_text import checked
from tests.builders import an_outgoing
from tests.drivers.telegram.bot_api import complaints
from tests.trees import DOCUMENTS

UNSEEN = said.UNSEEN


TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"]),
        st.sampled_from("@/_*[]()<>`\\ \n😀汉#.:-ab"),
    ),
    max_size=200,
)


PIECES = st.lists(
    st.sampled_from(
        ["@ada", "@", "/start", "/", "https://", "http://x/", "https://a.example/", "a@b.example", " ", "。", "x", "汉", "_", "`",
         "@bot_b", "tg://user?id=7", "<", ">", "(", ")", "\n", "😀", "//", "www.", ":"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


def as_shown(text: str, format_: TextFormat) -> tuple[str, list]:
    """What Telegram shows, with what it finds in it by itself."""
    made = said.said(an_outgoing(text, format=format_))
    params = {"chat_id": 1, "text": made.text, "entities": list(made.entities)}
    assert not complaints("sendMessage", params)
    return checked(params, "text", 10**6)


@given(PIECES, st.sampled_from(TextFormat))
@example("@ada", TextFormat.PLAIN)
@example("https://x/@ada", TextFormat.PLAIN)
@example("[x](tg://user?id=7)", TextFormat.MARKDOWN)
@example("`@ada`@ada", TextFormat.MARKDOWN)
@example("/@ada", TextFormat.PLAIN)
@example("/start@ada", TextFormat.PLAIN)
def test_nothing_that_was_typed_pings_or_commands(text: str, format_: TextFormat) -> None:
    """
    Telegram finds no mention and no command in it, and no entity of ours is one.
    """
    _, entities = as_shown(text, format_)

    kinds = {one["type"] for one in entities}
    assert not kinds & {"mention", "bot_command", "text_mention"}
    assert not [
        one for one in entities if one.get("url", "https://").partition(":")[0] not in ("http", "https")
    ]


@given(TEXTS)
def test_plain_text_comes_through_unchanged(text: str) -> None:
    """
    But for the invisible character, and the blanks around it that Telegram cuts off.
    """
    shown, entities = as_shown(text, TextFormat.PLAIN)

    assert shown.replace(UNSEEN, "") == text.replace(UNSEEN, "").strip()
    assert not entities


@given(TEXTS)
def test_what_is_measured_is_enough(text: str) -> None:
    """
    A message never has more units than were counted for it.
    """
    assert units(said.said(an_outgoing(text)).text) <= said.measure(text)


@settings(max_examples=30)
@given(DOCUMENTS)
def test_markdown_never_grows_beyond_what_telegram_takes(document) -> None:
    """
    The Markdown of a part is counted, its words are sent: they are no more, up to the room that is left.
    """
    text = write_markdown(document)

    assert units(said.said(an_outgoing(text, format=TextFormat.MARKDOWN)).text) <= said.measure(text) + 96


@settings(max_examples=30)
@given(DOCUMENTS)
def test_what_we_post_reads_back_as_what_was_meant(document) -> None:
    """
    A bridge behind us hears the same words.
    """
    made = said.said(an_outgoing(write_markdown(document), format=TextFormat.MARKDOWN))

    again = heard.heard(made.text, updates.read(json.dumps(made.entities).encode()))

    plain = again.format is TextFormat.PLAIN
    words = again.text if plain else flatten(read_markdown(again.text))[0]
    assert [one for one in made.text if one.isalnum()] == [one for one in words if one.isalnum()]


def test_a_link_to_a_file_pings_nobody() -> None:
    """
    Its URL is a stranger's text as well.
    """
    made = said.with_links(said.Said("look"), ["https://x/@ada", "https://files.example/@ada\n/start"])

    _, entities = checked({"text": made.text}, "text", 4096)

    assert f"look\nhttps://x/@{UNSEEN}ada\nhttps://files.example/@ada /{UNSEEN}start" == made.text
    assert not entities


def test_only_a_rule_pings() -> None:
    """
    By username as Telegram itself would find it, by number with an entity.
    """
    calling = an_outgoing(
        "@eve: failed", mentions=(Mention(UserId("ada_l")), Mention(UserId("1002"), "Bob"))
    )

    made = said.said(calling)

    shown, entities = checked({"text": made.text, "entities": list(made.entities)}, "text", 4096)
    assert f"@ada_l Bob @{UNSEEN}eve: failed" == shown
    assert {("text_mention", 7, 3), ("mention", 0, 6)} == {
        (one["type"], one["offset"], one["length"]) for one in entities
    }


@given(TEXTS, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=4), st.integers(0, 60))
def test_what_is_put_in_leaves_spans_on_their_words(text: str, ranges: list, at: int) -> None:
    """
    Whatever stands in front of them, and between surrogates of no character.
    """
    size = units(text)
    raw = text.encode("utf-16-le")
    whole = {units(text[:n]) for n in range(len(text) + 1)}
    spans = [
        Span(a, n, SpanKind.STRONG) for a, n in ranges if a + n <= size and a in whole and a + n in whole
    ]
    at = min(at, size)
    while at not in whole:
        at -= 1

    longer, moved = inserted(text, spans, [(at, "<😀>")])

    after = longer.encode("utf-16-le")
    for before, now in zip(spans, moved, strict=True):
        word = raw[2 * before.offset : 2 * (before.offset + before.length)].decode("utf-16-le")
        found = after[2 * now.offset : 2 * (now.offset + now.length)].decode("utf-16-le")
        assert word == found.replace("<😀>", "")


def test_entities_without_sense_do_no_harm() -> None:
    """
    Outside of the text, in the middle of a character, of no known type: the words stay.
    """
    odd = [
        {"type": "bold", "offset": 1, "length": 1},
        {"type": "bold", "offset": -5, "length": 10**9},
        {"type": "italic", "offset": 90, "length": 5},
        {"type": ["bold"], "offset": "x", "length": None},
        {"type": "text_link", "offset": 0, "length": 2},
        {"type": "text_mention", "offset": 70, "length": 2, "user": {"id": 10**40}},
        "bold",
        None,
    ]

    found = heard.heard("😀 hi", updates.read(json.dumps(odd).encode()))

    assert "😀 hi" == found.text.replace("*", "")


def test_spans_that_we_hear_are_those_that_we_say() -> None:
    """
    The names of both sides agree.
    """
    kinds = {heard._KINDS[name] for name in said._TYPES.values()}

    assert set(SpanKind) == kinds
    assert from_spans("", ()).blocks == ()
