"""Hostile input that was right once, or for somebody else."""

import copy

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
    dumped,
)
from tests.hostile.reasons import NO_BODY, ONE_ACCOUNT, OURS, WE_ASK, tries
from tests.hostile.table import Hostile
from tests.hostile.wire import Caller, Request


def replays():
    def once(listener, make):
        """Said again it is answered alike, and arrives once."""
        said = {}

        def first(house):
            said["text"] = house.news()
            said["raw"] = make(house, said["text"])
            return said["raw"]

        async def again(house):
            outcome, _ = await listener.meet(house, copy.deepcopy(said["raw"]))
            assert outcome in ("200", "202", "result")
            await listener.greet(house)
            assert 1 == sum(said["text"] in text for text in house.mail.texts)

        return first, again

    cells = {}
    for listener, make, want in (
        (ROBOT, lambda h, t: ROBOT.good(h, t).wire(), "200"),
        (EVENT, lambda h, t: EVENT.good(h, t).wire(), "200"),
        (WEBHOOK, lambda h, t: WEBHOOK.good(h, t).wire(), "200"),
        (
            STATUS,
            lambda h, t: STATUS.good(h, t).plus((b"Idempotency-Key", h.name().encode())).wire(),
            "202",
        ),
        (CONTROL, lambda h, t: CONTROL.request(h, CONTROL.arguments(t, key=h.name())), "result"),
        (STREAM, lambda h, t: STREAM.request(h, h.message(t)), "200"),
    ):
        first, again = once(listener, make)
        cells[listener.name] = tries(first, want=want, then=again)
    yield Hostile("a whole request again", "整个请求重放", {**cells, "links": NO_BODY, "fetched": WE_ASK})
    yield Hostile(
        "the same time and signature, another body", "相同的时间和签名，不同的内容",
        {
            "robot": tries(lambda h: ROBOT.request(h).wire(), want="200", then=_worn_out),
            "event": tries(lambda h: _with_body(EVENT.request(h), {"encrypt": "x" * 64}), want="401"),
            "webhook": tries(lambda h: _with_body(WEBHOOK.request(h), {"text": "other"}), want="401"),
            "status": tries(lambda h: STATUS.request(h).wire(), want="202", then=_other_letter),
            "control": tries(CONTROL.request, want="result", then=_other_line),
            "stream": OURS, "links": NO_BODY, "fetched": WE_ASK,
        },
    )  # fmt: skip


def _with_body(request, body):
    return Request(request.target, request.headers, dumped(body)).wire()


async def _worn_out(house):
    """One pair of headers vouches for 64 messages; what it vouched for already may come again."""
    first = ROBOT.request(house)
    bodies = [dumped(house.message(house.news())) for _ in range(64)]
    requests = [first, *(Request(first.target, first.headers, body) for body in bodies)]
    async with await Caller.at(house.ports["robot"]) as caller:
        statuses = [(await caller.ask(one.wire())).status for one in (*requests, requests[3])]
    assert [*["200"] * 64, "401", "200"] == statuses


async def _other_letter(house):
    key = (b"Idempotency-Key", house.name().encode())
    async with await Caller.at(house.ports["status"]) as caller:
        statuses = [(await caller.ask(STATUS.request(house).plus(key).wire())).status for _ in range(2)]
    assert ["202", "409"] == statuses


async def _other_line(house):
    key = house.name()
    lines = [CONTROL.request(house, CONTROL.arguments(house.news(), key=key)) for _ in range(2)]
    assert ["result", "conflict"] == [(await CONTROL.meet(house, line))[0] for line in lines]


def others():
    robots = [{"robotCode": "dingother"}, {"chatbotCorpId": "dingothercorp"}]
    kinds = [{"robotCode": 7}, {"chatbotCorpId": ["x"]}]
    yield Hostile(
        "another robot, organization or account", "别的机器人、组织或账号",
        {
            "robot": tries(*(robot_body(one) for one in robots), want="403")
            + tries(*(robot_body(one) for one in kinds), want="400"),
            "stream": tries(*(stream_body(one) for one in robots), want="403")
            + tries(*(stream_body(one) for one in kinds), want="400"),
            "event": tries(lambda h: EVENT.request(h, owner="dingother").wire(), want="401")
            + tries(lambda h: EVENT.request(h, an_event(h, CorpId="dingothercorp")).wire(), want="403"),
            "webhook": ONE_ACCOUNT,
            "status": tries(lambda h: STATUS.request(h, a_letter("x", to="nobody")).wire(), want="404"),
            "control": tries(lambda h: CONTROL.request(h, {"instance": "nobody", "text": "x"}), want="unknown"),
            "links": ONE_ACCOUNT, "fetched": WE_ASK,
        },
    )  # fmt: skip


def robot_body(more):
    return lambda house: ROBOT.request(house, {**house.message(CANARY), **more}).wire()


def stream_body(more):
    return lambda house: STREAM.request(house, {**house.message(CANARY), **more})
