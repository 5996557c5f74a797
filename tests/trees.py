"""Texts and trees of all kinds, for laws."""

from hypothesis import strategies as st

from bridge.text.tree import (
    Code,
    CodeBlock,
    Document,
    Emphasis,
    Heading,
    Image,
    ItemList,
    LineBreak,
    Link,
    Paragraph,
    Quote,
    Strike,
    Strong,
    Text,
)

PIECES = [
    *"ab 1.-+*_~`#>=|!()[]{}<>\\/&:;@%$^'\"\t\n",
    "  ",
    "\n\n",
    "\n\n\n",
    "\u3000",
    "\u00a0",
    "。",
    "，",
    "（",
    "）",
    "“",
    "你好",
    "世",
    "é",
    "😀",
    "👨‍👩‍👧",
    "snake_case",
    "https://e.org/a_b_c?x=1&copy=2",
    "http://e.org/_x_*y*",
    "www.e.org",
    "<b>x</b>",
    "<script>",
    "&amp;",
    "&#64;all",
    "@all",
    "1. ",
    "2) ",
    "- ",
    "* ",
    "# ",
    "###### x",
    "> ",
    "---",
    "***",
    "===",
    "| a | b |\n|---|---|",
    "```",
    "~~~",
    "~~",
    "**",
    "__",
    "\\",
    "[a](http://e.org)",
    "[a]: http://e.org",
    "![i](http://e.org/i.png)",
    "<http://e.org>",
    "<a@e.org>",
    "**b**",
    "~~s~~",
    "    ",
    "/me waves",
    "\u200b",
    "\u200f",
]
TYPED = st.lists(
    st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs", "Cc"]), max_size=12
).map("".join)
"""What people type, and what the malicious do; line ends and blanks included."""

URLS = st.sampled_from(
    [
        "http://e.org",
        "https://e.org/a_b_?x=1&copy;=2",
        "mailto:a@e.org",
        "http://e.org/(x)",
        "https://e.org/%20*",
    ]
)
_SHORT = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
_LINE = _SHORT.map(lambda text: text.replace("\n", " "))
_LANGUAGES = st.sampled_from(["", "py", "c++", "objective-c"])


def _inlines(children: st.SearchStrategy) -> st.SearchStrategy:
    several = st.lists(children, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        several.map(Strong),
        several.map(Emphasis),
        several.map(Strike),
        st.builds(Link, URLS, several),
    )


INLINES = st.lists(
    st.recursive(
        st.one_of(
            _LINE.map(Text),
            st.just(LineBreak()),
            _LINE.map(Code),
            st.builds(Image, URLS, _LINE),
        ),
        _inlines,
        max_leaves=6,
    ),
    max_size=5,
).map(tuple)


def _blocks(children: st.SearchStrategy) -> st.SearchStrategy:
    several = st.lists(children, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        several.map(Quote),
        st.builds(
            ItemList,
            st.lists(several, min_size=1, max_size=3).map(tuple),
            ordered=st.booleans(),
            start=st.integers(0, 12),
        ),
    )


BLOCKS = st.recursive(
    st.one_of(
        INLINES.map(Paragraph),
        st.builds(Heading, st.integers(1, 6), INLINES),
        st.builds(CodeBlock, _SHORT, _LANGUAGES),
    ),
    _blocks,
    max_leaves=5,
)
DOCUMENTS = st.lists(BLOCKS, max_size=3).map(lambda blocks: Document(tuple(blocks)))
"""Any tree, tidy or not."""
