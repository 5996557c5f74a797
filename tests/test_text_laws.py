"""The laws of text: what is typed stays what it is, and what a tree says is read back as it was."""

import time
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bridge.text import (
    MATRIX,
    TELEGRAM,
    Flavour,
    Span,
    SpanKind,
    escape,
    flatten,
    from_spans,
    lines,
    read_html,
    read_markdown,
    write_html,
    write_markdown,
    write_plain,
)
from bridge.text.spans import units
from bridge.text.tidy import tidy, words
from bridge.text.tree import Document, Emphasis, LineBreak, Paragraph, Strong, Text, paragraphs
from drivers.dingtalk.markdown import DIALECT
from tests.trees import DOCUMENTS, TYPED

few = settings(max_examples=50, deadline=None)
fewer = settings(max_examples=20, deadline=None)
STRICT = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
LENIENT = MarkdownIt("commonmark", {"html": True}).enable(["strikethrough", "table"])
ORDINARY = [
    "<tag> & </tag>",
    "2 * 3 * 4",
    "snake_case and __init__ and _this_",
    "C:\\temp\\*.txt \\o/",
    "https://example.com/a_b_c?x=1&y=_2_",
    "1. not a list",
    "2024) neither",
    "# not a heading",
    "#hashtag",
    "> not a quote",
    "- not an item\n+ nor this\n* nor that",
    "=====\n-----\n***\n~~~",
    "| a | b |\n|---|---|\n| c | d |",
    "```\ncode?\n```",
    "    indented",
    "“你好”**世界**，“再见”。",
    "  blanks around  ",
    "\n\nempty lines\n\n\n\naround\n",
    "[label](http://evil.example) ![x](y) [a]: b",
    "a  \nb\\\nc",
    "&amp; &#64; &copy;",
    "~~~ ~~ ~5 min~",
    "!\u200b[x](y) `tick",
    "*** bold? ***",
]


def only_words(document):
    """Paragraphs of words and line ends, and nothing else."""
    return all(
        isinstance(block, Paragraph)
        and all(isinstance(inline, Text | LineBreak) for inline in block.children)
        for block in document.blocks
    )


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.said = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.said.append(data)


def kinds(parser, markdown):
    """Every kind of token but those of words."""
    found = set()
    for token in parser.parse(markdown):
        found.add(token.type)
        found.update(child.type for child in token.children or ())
    return found - {"paragraph_open", "paragraph_close", "inline", "text", "softbreak", "hardbreak"}


# --- what is typed stays what it is -----------------------------------------------------------------


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_comes_through_every_dialect_unchanged(text):
    """To the last blank and line end, and nothing in it becomes markup."""
    assert text == write_plain(read_markdown(escape(text)))
    assert text == write_plain(paragraphs(text))
    assert (text, ()) == flatten(paragraphs(text))
    assert text == write_plain(from_spans(text, ()))
    assert text == "".join(Seen(write_html(paragraphs(text), TELEGRAM)).said)
    assert text.rstrip("\n") == write_plain(read_html(write_html(paragraphs(text), MATRIX)))


@few
@given(TYPED)
def test_typed_text_is_only_words_in_markdown(text):
    """
    Read by our reader it is the text; to the library, strict as CommonMark or lenient with HTML and
    tables, it has no markup at all.
    """
    markdown = escape(text)

    assert text == write_plain(read_markdown(markdown))
    assert only_words(read_markdown(markdown))
    assert not kinds(STRICT, markdown)
    assert not kinds(LENIENT, markdown)


@few
@given(TYPED, TYPED, TYPED)
@example("1", ". x", "")
@example("[a]", "(http://evil.example)", "")
@example("hi!", "[x](http://evil.example)", "")
@example("~", "~x~~", "")
@example("a_", "b_", "")
@example("- ", "# x", "")
def test_pieces_escaped_one_after_the_other_are_only_words(one, two, three):
    """What stands before and behind is looked at, so two harmless pieces make no harmful whole."""
    markdown = escape(one, "", two[:1] or three[:1])
    markdown += escape(two, markdown, three[:1])
    markdown += escape(three, markdown)

    assert only_words(read_markdown(markdown))
    assert not kinds(LENIENT, markdown)


@few
@given(TYPED)
def test_typed_text_is_only_words_in_dingtalks_markdown(text):
    """Nothing but links that show their own URL; blanks at the edges may be ``&nbsp;``."""
    markdown = write_markdown(paragraphs(text), DIALECT)
    document = read_markdown(markdown)

    assert kinds(LENIENT, markdown) <= {"link_open", "link_close"}
    said = words(inline for block in document.blocks for inline in block.children)
    assert "".join(text.split()) == "".join(said.split())


@few
@given(TYPED, st.sampled_from([TELEGRAM, MATRIX, frozenset()]))
def test_typed_text_makes_no_tag(text, tags):
    """Whatever it holds: the only tags are those of paragraphs and line ends."""
    seen = Seen(write_html(paragraphs(text), tags))

    assert set(seen.tags) <= {"p", "br"}
    assert "".join(text.split()) == "".join("".join(seen.said).split())


# --- what a tree says is read back ------------------------------------------------------------------


@fewer
@given(DOCUMENTS)
def test_the_bridges_markdown_gives_the_tree_back(document):
    """Every tidy tree can be written, and is read as it was; a tidy tree stays as it is."""
    tree = tidy(document)

    assert tree == tidy(tree)
    assert tree == read_markdown(write_markdown(tree))


@fewer
@given(DOCUMENTS)
def test_no_word_is_lost_on_any_way(document):
    """Links, pictures, code and all: every dialect says the same words."""
    tree = tidy(document)
    said = letters(words_of(tree))
    in_dialect = read_markdown(write_markdown(tree, DIALECT))

    assert said == letters(flatten(tree)[0])
    assert said == letters(words_of(in_dialect).replace("(mailto:a@e.org)", ""))
    assert letters(write_plain(tree)) == letters("".join(Seen(write_html(tree, frozenset())).said))


def words_of(document):
    """What all its lines say."""
    return "".join(words(line) for line in lines(document))


def letters(text):
    """Without blanks, and the marks of lists and quotes, whose places differ."""
    return "".join(character for character in text if character.isalpha() and character not in "nbsp")


@fewer
@given(DOCUMENTS)
def test_html_has_the_tags_of_the_platform_and_no_attribute_that_acts(document):
    """No ``style``, no event, no ``javascript:``; what is open is closed in order."""
    for tags in (TELEGRAM, MATRIX):
        html = write_html(document, tags)
        seen = Seen(html)
        assert set(seen.tags) <= tags
        for name, value in seen.attributes:
            assert name in ("href", "class", "start")
            assert name != "href" or value.startswith(("http://", "https://", "mailto:"))
            assert name != "class" or value.startswith("language-")
        assert html == write_html(document, tags)


@few
@given(
    TYPED,
    st.lists(
        st.builds(
            Span,
            st.integers(-3, 60),
            st.integers(-3, 30),
            st.sampled_from(SpanKind),
            st.just("http://q.example"),
        ),
        max_size=6,
    ),
)
def test_spans_however_they_overlap_lose_no_word_and_come_back(text, spans):
    """Also where they end outside of the text, or in the middle of an emoji."""
    document = from_spans(text, spans)
    flat, found = flatten(document)

    assert "".join(text.split()) == "".join(flat.replace("http://q.example", "").split())
    assert tidy(document) == document
    assert all(0 <= span.offset and span.offset + span.length <= units(flat) for span in found)


@fewer
@given(DOCUMENTS)
def test_single_lines_say_every_line_with_its_stress(document):
    """None is blank, none has a line end, and together they say what the whole says."""
    found = lines(document)

    assert all(words(line).strip() and "\n" not in words(line) for line in found)


# --- hostile ----------------------------------------------------------------------------------------

N, M = 100_000, 20_000
FLOODS = {
    "brackets": "[" * N,
    "stars": "*" * N,
    "quotes": ">" * N,
    "ticks": "`" * M,
    "links": "[a](" * (M // 4),
    "half tags": "<a" * (M // 2),
    "comments": "<!--" * (M // 4),
    "comments that seem to end": "<!-- >" * (M // 6),
    "declarations": "<![x>" * (M // 5),
    "instructions": "<?" * (M // 4),
    "tags without an end": "<a " * (M // 4),
    "attributes without an end": '<a b="' * (M // 4),
    "a tag of attributes": "<a" + " b" * M + ">",
    "a number": "&#" + "1" * M + ";",
    "labels and words": "[a@b.c " * (M // 8),
    "bold tags": "<b>" * (M // 3),
    "nested quotes": "<blockquote>" * (N // 12) + "x",
    "nested lists": "".join("  " * depth + "- x\n" for depth in range(200)),
    "deep stress": "*" * 1400 + "a" + "*" * 1400,
    "ampersands": "&" * M,
    "line ends": "a" + "\n" * M + "b",
    "bullets": "- " * (M // 2) + "x",
}


@pytest.mark.parametrize("text", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_is_read_and_written_in_no_time_and_kept(text):
    """Time grows with the length, nothing recurses too deep, and every word is still there."""
    for read in (read_markdown, read_html, paragraphs):
        started = time.process_time()
        document = read(text)
        assert time.process_time() - started < 0.5
        for write in (write_plain, write_markdown, flatten):
            write(document)
        write_html(document, MATRIX)
    assert letters(text) == letters(write_plain(read_markdown(text)))
    assert letters(text) == letters(write_plain(read_markdown(escape(text))))


_BITS = ["<", "<!", "<!--", "-->", "<?", "<![", "<![CDATA[", "]]>", "</", "/>", ">", "&", "&#", "&#x"]
_BITS += [
    *"ab =\"'/;\n\0[]-!?",
    "script",
    "pre",
    "p",
    "ol",
    "start",
    "href",
    "mx-reply",
    "1" * 5000,
    "D800",
]


@given(st.lists(st.sampled_from(_BITS), max_size=30).map("".join))
@example("<![x>")
@example("&#" + "1" * 5000)
def test_no_html_raises_whatever_it_is_made_of(html):
    """Python's parser does, for some of it."""
    write_markdown(read_html(html))


def test_what_is_nested_too_deep_keeps_its_words():
    """Fifty quotes, or fifty stresses, in each other."""
    quotes = read_markdown("> " * 50 + "deep")
    inline = Text("deep")
    for kind in (Strong, Emphasis) * 25:
        inline = kind((inline,))
    stresses = tidy(Document((Paragraph((inline,)),)))

    assert write_plain(quotes).endswith("deep")
    assert "deep" == write_plain(stresses)
    assert "deep" in write_markdown(stresses)


def test_a_flavour_without_anything_is_plain_words():
    """What a platform lacks is said, not shown as marks."""
    nothing = Flavour(
        strike=False,
        code=False,
        code_blocks=False,
        images=False,
        autolinks=False,
        references=False,
        blank=" ",
    )

    said = write_markdown(
        read_markdown("~~a~~ `b` <http://e.org>\n\n```py\n  c*\n```\n\n![d](http://i.e)"), nothing
    )

    assert "a b http://e.org\n\n  c\\*\n\nd (http://i.e)" == said
