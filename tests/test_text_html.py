"""HTML as other people's clients write it, and as platforms take it."""

import pytest

from bridge.text import (
    MATRIX,
    TELEGRAM,
    read_html,
    read_markdown,
    write_html,
    write_markdown,
    write_plain,
)
from bridge.text.tree import (
    Code,
    CodeBlock,
    Document,
    Emphasis,
    Image,
    LineBreak,
    Link,
    Paragraph,
    Strong,
    Text,
)


def said(html):
    return write_plain(read_html(html))


def marked(html):
    return write_markdown(read_html(html))


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<b>b</b> <strong>s</strong> <i>i</i> <em>e</em>", "**b** **s** *i* *e*"),
        ("<del>d</del> <s>s</s> <code>a*b</code>", "~~d~~ ~~s~~ `a*b`"),
        ('<a href="https://e.org/_x">label</a>', "[label](https://e.org/_x)"),
        ("<p>one</p><p>two<br>three</p>", "one\n\ntwo  \nthree"),
        ("<h2>head</h2>text", "## head\n\ntext"),
        ("<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>", "- a\n- b\n  - c"),
        ('<ol start="3"><li>a</li><li><p>b</p></li></ol>', "3. a\n4. b"),
        ("<blockquote><p>q</p></blockquote>a", "> q\n\na"),
        (
            '<pre><code class="language-py">if x:\n    y &lt; 1\n</code></pre>',
            "```py\nif x:\n    y < 1\n```",
        ),
        ("a<hr>b", "a\n\n———\n\nb"),
        ("<b>bold <i>both</i></b> &amp; <u>under</u>", "**bold _both_** & under"),
    ],
)
def test_what_clients_write_is_understood(html, markdown):
    """https://spec.matrix.org/v1.16/client-server-api/#mroommessage-msgtypes"""
    assert markdown == marked(html)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<mx-reply><blockquote>old <b>words</b></blockquote></mx-reply>new", "new"),
        ("<mx-reply>old", ""),
        ("a<script>alert(1)</script><style>x</style>b", "ab"),
        (
            "<font color='red'>red</font> <foo>kept</foo> <details><summary>s</summary>d</details>",
            "red kept\n\ns\n\nd",
        ),
        ("  many \n  blanks <b> are </b> one ", "many blanks are one"),
        ("two&nbsp;&nbsp;blanks", "two  blanks"),
        ("<li>alone</li>", "- alone"),
        ("<b>never <i>closed", "never closed"),
        ("</b></p></ul>closed</i>", "closed"),
        ("<b><p>across</p></b>", "across"),
        ("a < b && c > d", "a < b && c > d"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\n\nc"),
        (
            '<img src="mxc://e.org/x" alt=":smile:"> <img src="https://e.org/i.png" alt="pic">',
            ":smile: pic (https://e.org/i.png)",
        ),
        ("<!-- hidden --><?php x ?><![CDATA[y]]>z", "z"),
        ("<a href='javascript:alert(1)'>x</a>", "x (javascript:alert%281%29)"),
    ],
)
def test_words_are_kept_and_what_is_not_said_is_not(html, text):
    """Replies are quoted by the journal, not by what the client repeats of them; scripts say nothing."""
    assert text == said(html)


def test_stress_between_marks_and_letters_is_seen():
    """Where CommonMark would see none, a neighbour is written as a reference, and read as itself."""
    tree = read_html("<b>注意：</b>请<b>（马上）</b>看")
    latin = read_html("<b>hey!</b>you see<i>(now)</i>this")

    assert tree == read_markdown(write_markdown(tree))
    assert "注意：请（马上）看" == write_plain(tree)
    assert latin == read_markdown(write_markdown(latin))
    assert "**hey!**&#121;ou se&#101;*(now)*&#116;his" == write_markdown(latin)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**注意：**请看", "<b>注意：</b>请看"),
        ("请**（马上）**看", "请<b>（马上）</b>看"),
        ("*「引」*と", "<i>「引」</i>と"),
        ("**a：** b", "<b>a：</b> b"),
        ("2 * 3 * 4，五 * 六", "2 * 3 * 4，五 * 六"),
        ("**a!**b", "**a!**b"),
    ],
)
def test_stress_beside_chinese_is_read_as_people_mean_it(markdown, html):
    """CommonMark would show the stars; elsewhere it is followed to the letter."""
    assert html == write_html(read_markdown(markdown), TELEGRAM)


TREE = Document(
    (
        Paragraph(
            (Text("<b> & "), Strong((Text("bold"), Emphasis((Text("both"),)))), LineBreak(), Code("a<b"))
        ),
        Paragraph((Link('https://e.org/?a=1&b="', (Text("l"),)), Link("javascript:x", (Text("js"),)))),
        CodeBlock("x < 1\ny", "py"),
        CodeBlock("z", 'evil" onclick="x'),
        Paragraph((Image("https://e.org/i.png", "pic"),)),
    )
)


def test_telegram_gets_its_subset():
    """Lines are lines there. https://core.telegram.org/bots/api#html-style"""
    assert (
        "&lt;b&gt; &amp; <b>bold<i>both</i></b>\n<code>a&lt;b</code>\n\n"
        '<a href="https://e.org/?a=1&amp;b=%22">l</a>js (javascript:x)\n'
        '<pre><code class="language-py">x &lt; 1\ny</code></pre>\n\n'
        "<pre>z</pre>\n\n"
        '<a href="https://e.org/i.png">pic</a>'
    ) == write_html(TREE, TELEGRAM)


def test_matrix_gets_paragraphs():
    assert (
        "<p>&lt;b&gt; &amp; <strong>bold<em>both</em></strong><br><code>a&lt;b</code></p>"
        '<p><a href="https://e.org/?a=1&amp;b=%22">l</a>js (javascript:x)</p>'
        '<pre><code class="language-py">x &lt; 1\ny</code></pre>'
        "<pre><code>z</code></pre>"
        '<p><a href="https://e.org/i.png">pic</a></p>'
    ) == write_html(TREE, MATRIX)


def test_lists_and_quotes_where_there_are_no_tags_for_them():
    """They are said as in plain words; a quote in a quote too, which Telegram does not have."""
    tree = read_markdown("1. a\n2. b\n   - c\n\n> q\n> > r\n\n# H")

    assert "1. a\n2. b\n   - c\n\n<blockquote>q\n\n&gt; r</blockquote>\n\n<b>H</b>" == write_html(
        tree, TELEGRAM
    )
    assert (
        "<ol><li>a</li><li>b<ul><li>c</li></ul></li></ol><blockquote><p>q</p><blockquote><p>r</p></blockquote>"
        "</blockquote><h1>H</h1>"
    ) == write_html(tree, MATRIX)
