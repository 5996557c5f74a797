"""Which conversation goes where by which rule: as SVG, as a flowchart, as a tree. All of it is pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bridge.analysis.rounds import Round
from bridge.i18n import Speak
from bridge.model import ConversationRef
from bridge.routes_picture.chart import Mark, Names, chart
from bridge.routes_picture.svg import drawing
from bridge.routing import Router

MOST_RULES = 200
"""Rules of one picture; more are counted below it."""


def picture(
    router: Router,
    names: Names,
    health: Mapping[ConversationRef, Mark] | None = None,
    *,
    rounds: Collection[Round] = (),
    speak: Speak = str,
    most: int = MOST_RULES,
) -> str:
    """
    An ``<svg>`` element: without a script, without anything from elsewhere, the same for the same
    values. It brings `svg.STYLE`; a page with a strict Content-Security-Policy names its hash.

    ``health`` marks destinations by colour and sign; ``rounds`` (see `find_rounds`) are marked, too.
    """
    return drawing(chart(router, rounds, most=most), names, health or {}, speak)
