"""Whatever is typed on any platform pings nobody and is no markup on any other."""

import unicodedata
from functools import cache

import pytest

from bridge.errors import BridgeError
from bridge.model import ReactionMode, TextFormat
from bridge.render import Resolved, Style, render
from tests.builders import a_delivery, a_route
from tests.clock import NOON
from tests.smuggling.destinations import DESTINATIONS
from tests.smuggling.hostile import END, TEXTS
from tests.smuggling.readers import irc_page
from tests.smuggling.sources import SOURCES

TEMPLATE = "{user} ({title}): {msg}"

PAIRS = [(f"{text} {END}", TEXTS[(7 * n + 3) % len(TEXTS)]) for n, text in enumerate(TEXTS)]
"""What somebody says, and how he is called meanwhile."""


@cache
def typed(source, text, name):
    """Each body is read once, for all destinations; None for what is no message there."""
    try:
        return SOURCES[source].typed(text, name)
    except BridgeError:
        return None


def shown(envelope, destination, format_):
    """What stands in the room at the far end, part by part."""
    route = a_route(template=TEMPLATE, format=format_, reactions=ReactionMode.SAY)
    lost = [Resolved(attachment, "it is gone") for attachment in envelope.message.attachments]
    parts = render(
        a_delivery(envelope=envelope, route=route),
        DESTINATIONS[destination].capabilities,
        platform="somewhere",
        style=Style(),
        now=NOON,
        resolved=lost,
    )
    return [DESTINATIONS[destination].shows(part) for part in parts]


def controls(text):
    """What no text may hold: controls, and halves of characters."""
    return [
        hex(ord(one)) for one in text if unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t"
    ]


def bare(text):
    """The characters that a reader could tell apart, without blanks."""
    text = text.replace("＠", "@")
    return "".join(one for one in text if unicodedata.category(one)[0] not in "CZ")


def asked_for(source, text, name):
    """The markup that its writer meant, by what his own platform has for it."""
    marks = SOURCES[source].marks
    if SOURCES[source].platform != "irc":
        return marks
    return marks | irc_page(text).marks


def complaints(source, destination, text, name, format_):
    envelope = typed(source, text, name)
    if envelope is None:
        return
    pages = shown(envelope, destination, format_)
    for one in pages:
        if one.pings:
            yield f"pings {one.pings}"
        if extra := one.page.marks - asked_for(source, text, name):
            yield f"markup {extra}"
        if found := controls(one.page.seen):
            yield f"controls {found}"
    seen = "".join(one.page.seen for one in pages)
    if END not in seen and not SOURCES[source].shortened:
        yield "it is not all there"
    if SOURCES[source].whole and bare(text) not in bare(seen):
        yield f"reads otherwise: {seen!r}"


@pytest.mark.parametrize("format_", [None, TextFormat.MARKDOWN], ids=["as it comes", "in Markdown"])
@pytest.mark.parametrize("destination", DESTINATIONS)
@pytest.mark.parametrize("source", SOURCES)
def test_nothing_is_smuggled(source, destination, format_):
    """
    Of everything hostile, in the text and in the name of who wrote it: nobody is pinged, nothing is
    markup but what the writer's own platform said is, no control gets through, and all of it is there.
    """
    wrong = [
        f"{text!r} by {name!r}: {complaint}"
        for text, name in PAIRS
        for complaint in complaints(source, destination, text, name, format_)
    ]

    assert not wrong, f"{len(wrong)} times; the first:\n" + "\n".join(wrong[:12])
