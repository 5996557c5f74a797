"""Hostile input that is well proven: bodies that are no JSON, or odd JSON."""

import json
import math

from tests.hostile.again import robot_body, stream_body
from tests.hostile.house import CANARY
from tests.hostile.listeners import (
    CONTROL,
    EVENT,
    IGNORED,
    ROBOT,
    STATUS,
    STREAM,
    WEBHOOK,
    a_letter,
    an_event,
)
from tests.hostile.reasons import NO_BODY, NOT_JSON, tries
from tests.hostile.table import Hostile


def _everywhere(wanted, make):
    """One cell for each listener of ``wanted``: name → outcomes."""
    return {name: tries(*make(name), want=want) for name, want in wanted.items()}


_SECRET_LIKE = f'{{"text": "{CANARY}", "x": '.encode()
NO_JSON = (
    ("not JSON", "不是 JSON", (b"text=hello", b"<xml/>", b"{'text': 1}", b"{} {}", _SECRET_LIKE, b"\xff\xfe")),
    ("empty", "空", (b"", b" ", b"\t\t")),
    ("a byte order mark", "字节序标记", (b'\xef\xbb\xbf{"text": "x"}',)),
    ("UTF-16 and UTF-32", "UTF-16 与 UTF-32", ('{"text": "x"}'.encode("utf-16"), '{"a": 1}'.encode("utf-32-be"))),
    (
        "100,000 nested arrays and objects", "10 万层嵌套",
        (b"[" * 100_000, b'{"a":' * 40_000, b"[" * 100_000 + b"]" * 100_000, b'{"text": ' + b"[" * 90_000),
    ),
    ("NaN and Infinity", "NaN 与 Infinity", (b'{"text": NaN}', b'{"text": -Infinity}', b"NaN")),
    ("numbers of 5,000 digits", "5000 位的数", (b'{"text": ' + b"9" * 5_000 + b"}", b"-" + b"1" * 5_000)),
)  # fmt: skip


def bodies():
    for english, chinese, raws in NO_JSON:
        cells = _everywhere(
            {
                "robot": "400",
                "event": "400 413",
                "webhook": "400 401",
                "status": "400",
                "control": "malformed",
            },
            lambda name, raws=raws: [
                (lambda house, raw=raw, name=name: posted(name, house, raw)) for raw in raws
            ],
        )
        cells["event"] += tries(*(lambda h, r=raw: EVENT.outer(h, r).wire() for raw in raws), want="400")
        cells["stream"] = tries(
            *(lambda h, r=raw: STREAM.request(h, r) for raw in raws), want="400"
        ) + tries(*(lambda _, r=raw: r.decode("utf-8", "replace") for raw in raws), want=IGNORED)
        if "NaN" in english:
            cells["robot"] += tries(
                lambda h: ROBOT.request(h, _beside(h.message("x"))).wire(), want="400"
            )
            cells["event"] += tries(lambda h: EVENT.request(h, _beside(an_event(h))).wire(), want="400")
            cells["webhook"] += tries(
                lambda h: WEBHOOK.request(h, _beside({"text": "x"})).wire(), want="400"
            )
            cells["stream"] += tries(lambda h: STREAM.request(h, _beside(h.message("x"))), want="400")
            letter = b'{"to": {"mouth": {}}, "text": "x", "raw": {"name": "n", "parameters": {"a": NaN}}}'
            cells["status"] += tries(lambda h, b=letter: STATUS.request(h, b).wire(), want="400")
        yield Hostile(english, chinese, {**cells, "links": NO_BODY, "fetched": NOT_JSON})
    yield _doubled_keys()
    yield _surrogates()


def _beside(body):
    """Where nobody would look for it."""
    return {**body, "beside": math.nan}


def posted(name, house, raw):
    if name == "control":
        return raw + b"\n"
    listener = {"robot": ROBOT, "event": EVENT, "webhook": WEBHOOK, "status": STATUS}[name]
    return listener.request(house, raw).wire()


def _doubled_keys():
    """The last one counts, for the proof and for the meaning alike."""

    def doubled(body, key, other):
        text = json.dumps(body)
        return f'{{"{key}": {json.dumps(other)}, {text[1:]}'.encode()

    def robot(house):
        return doubled(house.message(house.news()), "robotCode", "dingother")

    def worse(house):
        return json.dumps(house.message("x"))[:-1].encode() + b', "robotCode": "dingother"}'

    cells = {
        "robot": tries(lambda h: ROBOT.request(h, robot(h)).wire(), want="200")
        + tries(lambda h: ROBOT.request(h, worse(h)).wire(), want="403"),
        "event": tries(lambda h: EVENT.request(h, doubled(an_event(h), "CorpId", "x")).wire(), want="200"),
        "webhook": tries(lambda h: WEBHOOK.request(h, b'{"text": 7, "text": "x"}').wire(), want="200")
        + tries(lambda h: WEBHOOK.request(h, b'{"text": "x", "text": 7}').wire(), want="400"),
        "status": tries(
            lambda h: STATUS.request(h, doubled(a_letter("x"), "to", {"dt": {}})).wire(), want="202"
        ),
        "control": tries(lambda h: doubled(json.loads(CONTROL.request(h)), "verb", "x") + b"\n", want="result"),
        "stream": tries(lambda h: STREAM.request(h, robot(h)), want="200"),
    }  # fmt: skip
    return Hostile("doubled keys", "重复的键", {**cells, "links": NO_BODY, "fetched": NOT_JSON})


def _surrogates():
    """Cleaned out of texts; an id with one is no id."""
    text = f"{CANARY} \ud800 \udfff\ud800"

    def cleaned(make, listener):
        def said(house):
            house.surrogate = house.news()
            return make(house, f"\udcff{house.surrogate}\ud800")

        async def arrived(house):
            got = await house.heard(house.surrogate)
            assert got["text"].isprintable() or "\n" in got["text"]

        return tries(said, want=listener, then=arrived)

    def robot(house, text):
        return {**house.message(text), "senderNick": "a\ud800b"}

    cells = {
        "robot": cleaned(lambda h, t: ROBOT.request(h, robot(h, t)).wire(), "200")
        + tries(robot_body({"msgId": "a\ud800"}), robot_body({"conversationId": "\udfff"}), want="400"),
        "event": cleaned(lambda h, t: EVENT.request(h, an_event(h, title=t)).wire(), "200")
        + tries(lambda h: EVENT.request(h, an_event(h, eventId="\ud800")).wire(), want="400"),
        "webhook": cleaned(lambda h, t: WEBHOOK.request(h, {"text": t}).wire(), "200")
        + tries(lambda h: WEBHOOK.request(h, {"text": text, "id": "\ud800"}).wire(), want="400"),
        "status": cleaned(lambda h, t: STATUS.request(h, a_letter(t)).wire(), "202")
        + tries(lambda h: STATUS.request(h, {"to": {"mouth": {"conversation": "\ud800"}}, "text": "x"}).wire(), want="400"),
        "control": cleaned(lambda h, t: CONTROL.request(h, CONTROL.arguments(t)), "result")
        + tries(lambda h: CONTROL.request(h, {"instance": "\ud800", "text": "x"}), want="malformed"),
        "stream": cleaned(lambda h, t: STREAM.request(h, robot(h, t)), "200")
        + tries(stream_body({"msgId": "a\ud800"}), want="400"),
    }  # fmt: skip
    return Hostile("lone surrogates", "孤立的代理码", {**cells, "links": NO_BODY, "fetched": NOT_JSON})
