"""The bridge's Markdown as DingTalk's."""

import json

import pytest

from bridge.model import Button, TextFormat
from bridge.text import read_markdown
from drivers.dingtalk import openapi, robot_send
from drivers.dingtalk.markdown import in_dialect, in_markdown
from tests.builders import an_outgoing

MARKDOWN = TextFormat.MARKDOWN


def written(text, **more):
    return in_dialect(an_outgoing(text, format=MARKDOWN, **more), openapi.measure, openapi.MAX_TEXT)


@pytest.mark.parametrize(
    ("markdown", "theirs"),
    [
        ("# T\n\n**b** *i* [l](https://e.org)", "# T\n\n**b** *i* [l](https://e.org)"),
        ("- a\n- b\n\n1. c\n\n> q", "- a\n- b\n\n1. c\n\n> q"),
        ("![](https://e.org/i.png)", "![](https://e.org/i.png)"),
        ("one\ntwo", "one  \ntwo"),
        ("~~s~~ `c_d` <https://e.org>", "s c_d https://e.org"),
        ("```py\nif x:\n    y()\n```", "if x:  \n&nbsp;&nbsp;&nbsp;&nbsp;y()"),
        (
            "[open](dingtalk://dingtalkclient/page/link?url=x)",
            "[open](dingtalk://dingtalkclient/page/link?url=x)",
        ),
        ("[x](tel:110)", "x (tel:110)"),
        ("**a _b_ c**", "**a b c**"),
        ("**注意。**&#35831;", "**注意。** 请"),
    ],
)
def test_what_dingtalk_documents_is_kept_and_the_rest_is_words(markdown, theirs):
    assert theirs == written(markdown).text


@pytest.mark.parametrize(
    ("typed", "theirs"),
    [
        ("*a* _b_ [c](d) <e>", r"\*a\* \_b\_ \[c\](d) \<e>"),
        ("# a\n- b\n1. c\n> d", "\\# a  \n\\- b  \n1\\. c  \n\\> d"),
        ("snake_case 2 - 3", "snake_case 2 - 3"),
        ("  indented", "&nbsp;&nbsp;indented"),
        ("https://e.org/_a_", r"[https://e.org/\_a\_](https://e.org/_a_)"),
        ("https://e.org/a_b", "https://e.org/a_b"),
        ("&#64;all", r"\&#64;all"),
    ],
)
def test_what_is_typed_stays_what_it_is(typed, theirs):
    """In a card too, which takes Markdown only; URLs stay links."""
    assert theirs == in_markdown(typed)


def test_the_title_is_in_plain_words():
    """It stands in the list of chats, where nothing is rendered."""
    assert "Up **now**" == written("# Up \\*\\*now\\*\\*\n\nx").title
    assert "given" == written("x", title="given").title
    assert "x" == json.loads(openapi.Encoder("d", "M").send(written("**x**"))[1])["msgParam"][10:11]


def test_plain_text_is_not_touched():
    plain = an_outgoing("**x**")

    assert in_dialect(plain, openapi.measure, openapi.MAX_TEXT) is plain


@pytest.mark.parametrize(
    "text",
    ["```\n" + "*[_" * 4000 + "\n```", "> " * 12 + "a\n" * 900, "消" * 4800],
    ids=["code", "quotes", "chinese"],
)
def test_what_grows_beyond_the_limit_goes_out_as_words_that_fit(text):
    """Neither refused by DingTalk nor cut."""
    sent = written(text)

    assert openapi.measure(sent.text) <= openapi.MAX_TEXT
    assert sent.title.strip()


def test_the_measure_leaves_room_for_the_dialect():
    """A long document cut by it stays Markdown in every part."""
    from bridge.text import split

    code = "```\n" + "    call(*x)\n" * 2000 + "```\n\n"
    text = (
        code
        + (
            "## Head *x*\n\n- **item** `code` and words, 你好\n- another [link](https://e.org/a)\n\nline\nline\n\n"
        )
        * 400
    )
    parts = split(text, openapi.MAX_TEXT, openapi.measure_markdown, MARKDOWN)

    assert len(parts) > 2
    assert all(written(part).format is MARKDOWN for part in parts)


def test_a_card_that_escapes_make_too_long_loses_its_buttons_not_its_text():
    """Plain text has no room problem: it is not escaped there."""
    outgoing = an_outgoing("*" * 18_000, buttons=(Button("open", "https://e.org"),))

    posted = robot_send.encode(outgoing, robot_send.Wording())

    assert json.loads(posted.body)["text"]["content"] == "*" * 18_000
    assert posted.notes == ("1 buttons left out: there is no room for them",)


def test_the_group_robot_is_read_as_it_was_written():
    posted = robot_send.encode(
        in_dialect(
            an_outgoing("**a** ~~b~~\n\n@all", format=MARKDOWN), robot_send.measure, robot_send.MAX_TEXT
        ),
        robot_send.Wording(),
    )

    body = json.loads(posted.body)["markdown"]
    assert {"title": "a b", "text": "**a** b\n\n＠all"} == body
    assert read_markdown(body["text"]).blocks
