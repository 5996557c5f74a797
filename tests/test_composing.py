"""Plain text and Markdown put together: what is whose, and what stays what it is."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings

from bridge.model import (
    Attachment,
    AttachmentKind,
    Button,
    Capabilities,
    EventKind,
    MessageId,
    Quote,
    Replacement,
    TextFormat,
)
from bridge.render import Resolved, Style, render
from bridge.text import read_markdown, write_plain
from tests.builders import a_delivery, a_message, a_route, an_envelope
from tests.clock import NOON
from tests.test_text_laws import LENIENT, kinds, only_words
from tests.trees import TYPED

PLAIN, MARKDOWN = TextFormat.PLAIN, TextFormat.MARKDOWN
BOTH = Capabilities(max_text=1000, formats=frozenset(TextFormat))
WORDS_ONLY = Capabilities(max_text=1000)
ENGLISH = Style(zone=UTC)


def rendered(
    said,
    capabilities=BOTH,
    *,
    in_=PLAIN,
    user="Ada",
    now=NOON,
    resolved=(),
    message=None,
    kind=None,
    **plan,
):
    """What goes out for ``said``; ``plan`` are the rule's fields."""
    envelope = an_envelope(
        user=user,
        message=a_message(said, format=in_, **(message or {})),
        kind=kind or EventKind.MESSAGE,
    )
    delivery = a_delivery(envelope=envelope, route=a_route(**plan))
    return render(delivery, capabilities, platform="x", style=ENGLISH, now=now, resolved=resolved)


def text(said, capabilities=BOTH, **more):
    (outgoing,) = rendered(said, capabilities, **more)
    return outgoing.text


# --- who writes Markdown ----------------------------------------------------------------------------


def test_markdown_becomes_plain_words_where_there_is_none():
    """Before it is put into the template, so braces and marks of the template stay."""
    said = "**bold** [a](http://e.org)\n\n- one\n- two"

    assert "*Ada*: bold a (http://e.org)\n- one\n- two" == text(
        said, WORDS_ONLY, in_=MARKDOWN, template="*{user}*: {msg}"
    )
    assert "Ada: bold" == text("**bold**", BOTH, in_=MARKDOWN, format=PLAIN)


def test_a_plain_text_in_a_markdown_rule_stays_what_was_typed():
    """The template is Markdown, what people choose and write is not."""
    said = text("*no* <b> `x` [a](b)", format=MARKDOWN, user="_Eve_", template="**{user}**: {msg}")

    assert r"**\_Eve\_**: \*no\* \<b> \`x\` \[a\](b)" == said


def test_a_template_is_markdown_only_if_its_rule_says_so():
    """Around a Markdown message it is as plain as it always was."""
    assert r"\*Ada\*: **x**" == text("**x**", in_=MARKDOWN, template="*{user}*: {msg}")
    assert "*Ada*: **x**" == text("**x**", in_=MARKDOWN, template="*{user}*: {msg}", format=MARKDOWN)


def test_a_markdown_rule_for_a_platform_without_markdown_says_plain_words():
    """Its own marks are not shown, and what people type is."""
    assert "Ada: 2*3*4" == text("2*3*4", WORDS_ONLY, format=MARKDOWN, template="**{user}**: {msg}")


def test_a_template_and_what_fills_it_make_no_link_together():
    """Neither a link of a label in brackets, nor a picture of a link behind an exclamation mark."""
    label = text("(http://evil.example)", format=MARKDOWN, template="[{user}]{msg}")
    picture = text("hi!", format=MARKDOWN, template="{msg}[x](http://e.org)")

    assert only_words(read_markdown(label))
    assert "image" not in kinds(LENIENT, picture)


def test_ordinary_words_are_not_escaped():
    """Most messages look in Markdown as they do in plain text."""
    said = "Hello, it's 5 - 3 = 2 (really!). See snake_case; e-mail me & wait~ #tag 100% 你好，“世界”。"

    assert f"Ada: {said}" == text(said, format=MARKDOWN)


@pytest.mark.parametrize(
    ("said", "out"),
    [
        ("# Head\nwords", "Ada:\n\n# Head\n\nwords"),
        ("- one\n- two", "Ada:\n\n- one\n- two"),
        ("> who said", "Ada:\n\n> who said"),
        ("```py\nx\n```", "Ada:\n\n```py\nx\n```"),
        ("```\nnever closed", "Ada:\n\n```\nnever closed\n```"),
        ("**never closed", r"Ada: \*\*never closed"),
        ("one\ntwo", "Ada: one  \ntwo"),
    ],
)
def test_blocks_stand_apart_from_the_name(said, out):
    """Behind a name on the same line they would be no blocks; what is open is closed."""
    assert out == text(said, in_=MARKDOWN)


def test_what_follows_a_block_is_not_part_of_it():
    assert "- one\n\nby Ada" == text("- one", in_=MARKDOWN, template="{msg} by {user}").replace(
        "\n\n by", "\n\nby"
    )


def test_transforms_see_what_was_written():
    steps = (Replacement("secret", "**x**"),)

    assert r"Ada: \*\*x\*\*" == text("secret", format=MARKDOWN, transform=steps)
    assert "Ada: **x**" == text("secret", in_=MARKDOWN, transform=steps)


@settings(max_examples=60, deadline=None)
@given(TYPED, TYPED, TYPED)
@example("1", "x", ". y")
@example("[a]", "(http://evil.example)", "x")
@example("hi!", "[x](y)", "")
@example("", "# x", "# y")
def test_nothing_that_people_choose_is_markup(user, title, said):
    """Names, titles and texts, in whatever order a template has them."""
    user = " ".join(user.split()) or "u"
    for template, more in (("{user}{title}{msg}", {}), ("{title}\n{msg}", {}), ("{user}. {msg}", {})):
        delivery = a_delivery(
            envelope=an_envelope(user=user, message=a_message(said), conversation_title=title),
            route=a_route(template=template, format=MARKDOWN),
        )
        (outgoing,) = render(
            delivery, replace(BOTH, max_text=9999), platform="x", style=ENGLISH, now=NOON, **more
        )

        assert only_words(read_markdown(outgoing.text))
        assert not kinds(LENIENT, outgoing.text)


# --- what is added ----------------------------------------------------------------------------------


def test_marks_stay_marks_and_headings_headings():
    late = NOON + timedelta(hours=1)

    assert r"\[edited\] Ada: x" == text("x", in_=MARKDOWN, kind=EventKind.EDIT)
    assert "\\[edited\\] \n\n# x" == text("# x", in_=MARKDOWN, kind=EventKind.EDIT, template="{msg}")
    assert r"\[written 11-20 12:00\] Ada: x" == text("x", in_=MARKDOWN, now=late)


def test_a_quoted_line_does_not_swallow_the_answer():
    quote = Quote(MessageId("m0"), "*Li*", "# what\nis it")

    said = text("this", in_=MARKDOWN, message={"quote": quote})

    assert "> \\*Li\\*: # what is it\n\nAda: this" == said


def test_links_of_attachments_and_buttons_are_links():
    """Whatever stands in the URL, and also below a list."""
    picture = Attachment(AttachmentKind.IMAGE, url="https://files.example/_a_*b*.png")
    button = Button("Open [it]", "https://e.org/_x_")
    lost = Resolved(picture, "it is *gone*")

    said = text(
        "- item",
        in_=MARKDOWN,
        template="{msg}",
        resolved=(Resolved(picture), lost),
        message={"buttons": (button,)},
    )

    assert (
        "- item\n\n[Open \\[it\\]](https://e.org/_x_)\n\n<https://files.example/_a_*b*.png>  \n"
        "\\[image not available: it is \\*gone\\*\\]"
    ) == said


# --- platforms of single lines ----------------------------------------------------------------------

LINES = replace(WORDS_ONLY, one_line=True)


def test_where_a_post_is_a_line_every_line_is_a_part():
    """Blank lines vanish, links are lines, and each part has a key of its own."""
    picture = Attachment(AttachmentKind.IMAGE, url="https://files.example/a.png")
    parts = rendered("one\n\n  \ntwo", LINES, resolved=(Resolved(picture),))

    assert ["Ada: one", "two", "https://files.example/a.png"] == [part.text for part in parts]
    assert 3 == len({part.idempotency_key for part in parts})
    assert ["Ada: one"] == [part.text for part in rendered("one", LINES)]


def test_markdown_lines_keep_their_stress_each():
    """Stress over several lines is in each; code comes line by line, without its fences."""
    said = "**a\nb**\n\n- x\n\n```py\nif y:\n    z()\n```"
    native = replace(LINES, formats=frozenset(TextFormat))

    assert ["Ada: **a**", "**b**", r"\- x", "`if y:`", "`    z()`"] == [
        part.text for part in rendered(said, native, in_=MARKDOWN)
    ]
    assert ["Ada: a", "b", "- x", "if y:", "    z()"] == [
        part.text for part in rendered(said, LINES, in_=MARKDOWN)
    ]


def test_a_long_line_is_cut_and_a_late_mark_stands_on_the_first():
    """And no part has a line end or is too long."""
    short = replace(LINES, max_text=60)
    parts = rendered("word " * 40 + "\nend", short, now=NOON + timedelta(hours=1))

    assert parts[0].text.startswith("[written 11-20 12:00] Ada: word")
    assert parts[-1].text == "end"
    assert all(len(part.text) <= 60 and "\n" not in part.text for part in parts)


def test_an_interrupted_message_of_lines_goes_on_where_it_stopped():
    """Late or not, the lines are the same."""
    said = "one\ntwo " + "x" * 90 + "\nthree"
    short = replace(LINES, max_text=60)

    first = [part.text for part in rendered(said, short)]
    later = [part.text for part in rendered(said, short, now=NOON + timedelta(hours=1))]

    assert first[1:] == later[1:]
    assert later[0].endswith(first[0])


# --- limits and costs -------------------------------------------------------------------------------


def test_markdown_is_measured_as_the_platform_will_write_it():
    """Where its own form is longer, there are more parts."""
    said = "word " * 60
    wide = replace(BOTH, max_text=200, measure_markdown=lambda text: 3 * len(text))

    plain, marked = rendered(said, wide), rendered(said, wide, in_=MARKDOWN)

    assert len(plain) < len(marked)
    assert all(3 * len(part.text) <= 200 for part in marked)


def test_plain_text_to_plain_text_reads_no_markdown():
    """Nearly every message: the parser is not even loaded."""
    script = (
        "import sys; from datetime import UTC; from tests.builders import a_delivery; from tests.clock import NOON\n"
        "from bridge.model import Capabilities, TextFormat; from bridge.render import Style, render\n"
        "able = Capabilities(max_text=99, formats=frozenset(TextFormat))\n"
        "render(a_delivery('*x* <b>\\n# y'), able, platform='x', style=Style(zone=UTC), now=NOON)\n"
        "assert 'markdown_it' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[1])


def test_every_word_of_a_markdown_message_arrives_in_plain_words():
    said = "# T\n\n1. **a** `b`\n2. ~~c~~\n\n> d\n\n![e](http://i.example/e.png)"

    assert write_plain(read_markdown(said)) in text(said, WORDS_ONLY, in_=MARKDOWN)
