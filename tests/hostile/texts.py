"""Hostile input that people can type: long lines, and names that play tricks."""

import json
import re

from tests.hostile.house import CANARY
from tests.hostile.listeners import (
    CONTROL,
    EVENT,
    ROBOT,
    STATUS,
    STREAM,
    WEBHOOK,
    a_letter,
    an_event,
)
from tests.hostile.reasons import NO_BODY, NO_NAMES, NOT_JSON, tries
from tests.hostile.table import Hostile
from tests.hostile.wire import Caller, Request


def _arrives(make, end):
    """A long text is on its way in pieces; the last of them arrives."""

    def said(house):
        house.end = house.news()
        return make(house, end(house.end))

    async def arrived(house):
        await house.heard(house.end)

    return said, arrived


def texts():
    def cells(text, wanted):
        makers = {
            "robot": lambda h, t: ROBOT.request(h, _utf8(h.message(t))).wire(),
            "event": lambda h, t: EVENT.request(h, _utf8(an_event(h, title=t))).wire(),
            "webhook": lambda h, t: WEBHOOK.request(h, _utf8({"text": t})).wire(),
            "status": lambda h, t: STATUS.request(h, _utf8(a_letter(t))).wire(),
            "control": lambda h, t: _utf8({"verb": "send", "args": CONTROL.arguments(t)}) + b"\n",
            "stream": lambda h, t: STREAM.request(h, _utf8(h.message(t))),
        }
        made = {}
        for name, make in makers.items():
            said, arrived = _arrives(make, lambda end: f"{text}\n{end}")
            gets_through = name != "event" and wanted[name] in ("200", "202", "result")
            made[name] = tries(said, want=wanted[name], then=arrived if gets_through else None)
        return {**made, "links": NO_BODY, "fetched": NOT_JSON}

    fits = {
        "robot": "200",
        "event": "200",
        "webhook": "200",
        "status": "202",
        "control": "result",
        "stream": "200",
    }
    large = {
        **dict.fromkeys(("robot", "event", "webhook", "status"), "413"),
        "control": "malformed closed",
        "stream": "200",
    }
    yield Hostile("a line of 1 MB", "1 MB 的一行", cells(CANARY + "x" * 1_000_000, large))
    marks = "a" + "\u0301" * 100_000
    event_fits = {**fits, "event": "413", "status": "400"}  # base64 is longer; a letter has a limit
    yield Hostile("100,000 combining marks", "10 万个组合符", cells(marks, event_fits))
    family = "\U0001f468\u200d" * 20_000
    yield Hostile("20,000 joined emoji, no blank", "2 万个相连的 emoji", cells(family, fits))


def _utf8(body):
    """As long on the wire as it is."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


NAMES = (
    ("names with line breaks", "带换行的名字", "Ada\nBob: pay me\r\nEve\u2028x"),
    ("with direction marks", "带方向控制符", "Ada\u202egro.lapyap\u2066x\u200f\u061c"),
    ("with ANSI sequences", "带 ANSI 序列", "Ada\x1b[31m\x1b]0;title\x07\x9b2J"),
    ("with HTML", "带 HTML", "<img src=x onerror=alert(1)></script><b>Ada"),
    ("with braces of templates", "带模板花括号", "{msg}{user.__class__}{0}{}%s${x}{{"),
)


def names():
    for english, chinese, name in NAMES:
        seen = {}

        def said(house, make, name=name, seen=seen):
            seen["text"] = house.news()
            return make(house, seen["text"], name)

        async def plain(house, name=name, seen=seen):
            got = await house.heard(seen["text"])
            before = got["text"].partition(seen["text"])[0]
            for shown in (before, got["title"], (got["sender"] or {}).get("name", "")):
                assert shown.isprintable(), shown
            if "{" in name and before:
                assert name in before, before
            await _page_is_safe(house)

        makers = {
            "robot": (lambda h, t, n: ROBOT.request(h, h.message(t, nick=n, title=n)).wire(), "200"),
            "event": (lambda h, t, n: EVENT.request(h, an_event(h, title=f"{n[:60]} {t}")).wire(), "200"),
            "webhook": (lambda h, t, n: WEBHOOK.request(h, {"text": t, "title": n, "sender": {"name": n}}).wire(), "200"),
            "status": (lambda h, t, n: STATUS.request(h, a_letter(t, title=n)).wire(), "202"),
            "control": (lambda h, t, n: CONTROL.request(h, CONTROL.arguments(t, title=n)), "result"),
            "stream": (lambda h, t, n: STREAM.request(h, h.message(t, nick=n, title=n)), "200"),
        }  # fmt: skip
        cells = {
            key: tries(lambda h, m=make, s=said: s(h, m), want=want, then=plain)
            for key, (make, want) in makers.items()
        }
        if name.isprintable() and "{" not in name:  # as the name of a room, which the page shows
            to = {"mouth": {"conversation": name}}
            rooms = tries(lambda h, to=to: STATUS.request(h, {"to": to, "text": "x"}).wire(), want="202")
            cells["status"] = rooms + cells["status"]
        yield Hostile(english, chinese, {**cells, "links": NO_NAMES, "fetched": NO_NAMES})


async def _page_is_safe(house):
    """Nothing of a stranger is markup on the status page, or controls whatever shows it."""
    page = Request(b"/", STATUS.request(house).headers, method=b"GET")
    async with await Caller.at(house.ports["status"]) as caller:
        got = await caller.ask(page.wire())
    assert "200" == got.status
    text = got.body.decode()
    assert not re.search("<img|<script|</script|\x1b|\u202e|\u2066", text)
