"""The routes picture for the status page: the running rules, and how each destination is."""

from __future__ import annotations

from collections.abc import Callable

from bridge.desk import DestinationView, LaneState, Snapshot
from bridge.i18n import speaker
from bridge.routes_picture import picture
from bridge.routes_picture.chart import Mark
from bridge.routing import Router
from bridge.status.page import Picture

_STOPPED = (LaneState.SUSPENDED, LaneState.PAUSED_BY_OPERATOR, LaneState.REMOVED)


def routes_picture(router: Callable[[], Router]) -> Picture:
    """``router`` is the one that runs now. A destination that nothing was sent to has no sign."""

    def draw(snapshot: Snapshot, lang: str) -> str:
        running = router()
        if not running.rules:
            return ""
        health = {one.destination: _mark(one) for one in snapshot.destinations}
        return picture(running, {}, health, speak=speaker(lang))

    return draw


def _mark(one: DestinationView) -> Mark:
    if one.state in _STOPPED:
        return Mark.STOPPED
    return Mark.WELL if one.state is LaneState.OK and not one.waiting else Mark.WAITING
