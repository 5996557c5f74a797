"""Hostile input that is well proven: every field of every real body with every wrong value."""

import json

from tests.contract.test_wire import NASTY_VALUES, changed, places
from tests.drivers.dingtalk import wire_files as dingtalk_files
from tests.drivers.webhook import wire_files as webhook_files
from tests.hostile.bodies import posted
from tests.hostile.house import CANARY, CORP
from tests.hostile.listeners import (
    IGNORED,
    STREAM,
)
from tests.hostile.reasons import NO_BODY, NOT_JSON
from tests.hostile.table import Hostile, Try

LETTERS = (
    {"to": {"mouth": {"conversation": "c"}}, "text": CANARY, "format": "markdown", "title": "t",
     "buttons": [{"label": "l", "url": "https://example.com/"}],
     "attachments": [{"kind": "image", "url": "https://example.com/a.png", "filename": "a.png", "media_type": "image/png"}]},
    {"to": {"dt": {"open_conversation_id": "cidNowhere=="}}, "text": CANARY,
     "raw": {"name": "sampleText", "parameters": {"content": "x"}}},
)  # fmt: skip
LINES = (
    {"verb": "send", "args": {"instance": "mouth", "conversation": "c", "text": CANARY, "markdown": True, "title": "t", "key": "k"}},
    {"verb": "hold", "args": {"choice": {"ids": ["x"], "instance": "nobody", "reason": "x", "rule": "r", "since": "1", "until": "2"}}},
    {"verb": "drop", "args": {"choice": {"ids": ["none"]}, "among": ["held"]}},
    {"verb": "replay", "args": {"choice": {"instance": "nobody"}, "rate": "5"}},
    {"verb": "explain", "args": {"message": "m", "instance": "dt", "lang": "zh"}},
    {"verb": "outcome", "args": {"delivery": "d"}},
    {"verb": "status", "args": {"lang": "en"}},
    {"verb": "pause", "args": {"instance": "nobody"}},
    {"verb": "reload", "args": {"dry": True, "lang": "zh"}},
)  # fmt: skip


def real_bodies(name):
    """What each listener gets in real life."""
    if name in ("robot", "stream"):
        found = [dingtalk_files.wire(f"inbound/{one}.json") for one in dingtalk_files.inbound_names()]
        given = {"robotCode": "normal", "chatbotCorpId": CORP, "sessionWebhookExpiredTime": 0}
        return [{**body, **given} for body in found]
    if name == "webhook":
        return [webhook_files.wire(f"inbound/{one}.json") for one in webhook_files.names("inbound")]
    if name == "event":
        cases = dingtalk_files.wire("events.json")
        return [json.loads(one["http_push"]["plaintext"]) for one in cases]
    if name == "frame":
        return list(dingtalk_files.wire("stream_frames.json")["frames"].values())
    return list(LETTERS if name == "status" else LINES)


def field_tries(name, values):
    """Every place of every real body; each with the next of the values, or with all of them."""
    nasty = list({**NASTY_VALUES, "nothing": ...}.values())
    turn = 0
    for body in real_bodies(name):
        for path in places(body):
            for value in nasty if values == "all" else (nasty[turn % len(nasty)],):
                turn += 1
                yield Try(
                    _changed(name, body, path, value), PERMITTED[name], what=f"{path} {value!r:.40}"
                )


PERMITTED = {
    "robot": frozenset({"200", "400", "403"}),
    "event": frozenset({"200", "400", "403"}),
    "webhook": frozenset({"200", "400"}),
    "status": frozenset({"202", "400", "404", "422"}),
    "control": frozenset({"result", "malformed", "unknown", "unclear", "unable", "conflict"}),
    "stream": frozenset({"200", "400", "403", "404"}),
    "frame": frozenset({"200", "400", "403", "404", IGNORED, "reconnects"}),
}


def _changed(name, body, path, value):
    raw = changed(body, path, value)

    return lambda house: sent_to(name, house, raw)


def sent_to(name, house, raw):
    """A body as its listener gets it, proven as it should be."""
    if name == "stream":
        return STREAM.request(house, raw)
    return raw.decode() if name == "frame" else posted(name, house, raw)


def fields():
    def cell(name, values="each in turn"):
        if name == "stream":
            return lambda _: [*field_tries("stream", values), *field_tries("frame", values)]
        return lambda _: list(field_tries(name, values))

    names = ("robot", "event", "webhook", "status", "control", "stream")
    for full in (False, True):
        cells = {name: cell(name, "all" if full else "each in turn") for name in names}
        yield Hostile(
            "every field of every real body, every wrong type", "每个真实内容的每个字段，每种错误类型",
            {**cells, "links": NO_BODY, "fetched": NOT_JSON}, bulk="✓", full=full,
        )  # fmt: skip
