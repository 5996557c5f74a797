"""Texts with ranges, as Telegram speaks of them."""

import pytest

from bridge.text import Span, SpanKind, flatten, from_spans, read_markdown, write_markdown

STRONG, EMPHASIS, CODE, LINK, QUOTE = (
    SpanKind.STRONG,
    SpanKind.EMPHASIS,
    SpanKind.CODE,
    SpanKind.LINK,
    SpanKind.QUOTE,
)


def test_offsets_count_utf16_units():
    """An emoji is two, https://core.telegram.org/api/entities#entity-length."""
    text, spans = flatten(read_markdown("😀 **bold 😀** `x`"))

    assert "😀 bold 😀 x" == text
    assert (Span(3, 7, STRONG), Span(11, 1, CODE)) == spans
    assert "😀 **bold 😀** `x`" == write_markdown(from_spans(text, spans))


def test_every_kind_goes_both_ways():
    markdown = "**s** *e* ~~d~~ `c` [l](https://e.org)\n\n> quoted  \n> lines\n\n```py\nx = 1\n```\n\nend"

    text, spans = flatten(read_markdown(markdown))

    assert "s e d c l\n\nquoted\nlines\n\nx = 1\n\nend" == text
    assert [*SpanKind] == sorted({span.kind for span in spans}, key=list(SpanKind).index)
    assert markdown == write_markdown(from_spans(text, spans))


@pytest.mark.parametrize(
    ("spans", "markdown"),
    [
        ([Span(0, 4, STRONG), Span(2, 4, EMPHASIS)], "**a&#98;_cd_**_ef_"),
        ([Span(0, 6, STRONG), Span(1, 2, STRONG)], "**abcdef**"),
        ([Span(0, 3, STRONG), Span(3, 3, STRONG)], "**abcdef**"),
        ([Span(0, 3, LINK, "http://e.org"), Span(2, 4, CODE)], "[ab`c`](http://e.org)`def`"),
        ([Span(0, 99, STRONG)], "**abcdef**"),
        ([Span(-5, 7, STRONG)], "**ab**cdef"),
        ([Span(9, 2, STRONG)], "abcdef"),
        ([Span(2, 0, STRONG)], "abcdef"),
        ([Span(0, 3, QUOTE), Span(2, 4, QUOTE)], "> abc\n\n> def"),
    ],
)
def test_spans_that_overlap_are_put_in_order(spans, markdown):
    assert from_spans("abcdef", spans) == read_markdown(write_markdown(from_spans("abcdef", spans)))
    assert markdown == write_markdown(from_spans("abcdef", spans))


def test_what_is_typed_between_the_spans_stays_what_it_is():
    document = from_spans("*a* _b_ <c>\n# d", [Span(4, 3, STRONG)])

    assert "\\*a\\* **\\_b\\_** \\<c>  \n\\# d" == write_markdown(document)


def test_blanks_at_the_edges_of_a_span_are_outside():
    """People select more than the word."""
    assert "a **bold** b" == write_markdown(from_spans("a bold b", [Span(1, 6, STRONG)]))
