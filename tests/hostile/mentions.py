"""Hostile input that would ping people."""

import re

from drivers.dingtalk.simulated_webhooks import text_of
from tests.hostile.house import SMUGGLERS, TEAM
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
from tests.hostile.reasons import NO_BODY, NOT_JSON, tries
from tests.hostile.table import Hostile
from tests.hostile.wire import Caller

SMUGGLED = (
    "@all @所有人 @everyone @here @room <!channel> <@U0001> @13800000000 @manager1001 \x01ACTION x\x01"
)


_AT = {
    "at": {"isAtAll": True, "atUserIds": ["manager1001"]},
    "mentions": [{"user_id": "manager1001"}],
    "isAtAll": True,
}


def mentions():
    """Every listener says it to every platform that we have; nobody is pinged."""
    yield Hostile(
        "smuggled mentions, to every platform", "夹带的 @，发往每个平台",
        {
            "robot": _relayed(lambda h, t: ROBOT.request(h, _said(h, t)).wire()),
            "event": _relayed(lambda h, t: EVENT.request(h, _renamed(h, t)).wire()),
            "webhook": _relayed(
                lambda h, t: WEBHOOK.request(h, {"text": t, "conversation": "smugglers", **_AT}).wire()
            ),
            "stream": _relayed(lambda h, t: STREAM.request(h, _said(h, t))),
            "status": tries(lambda h: STATUS.request(h).wire(), want="202", then=_by_letters),
            "control": tries(CONTROL.request, want="result", then=_by_lines),
            "links": NO_BODY, "fetched": NOT_JSON,
        },
    )  # fmt: skip


def _said(house, text):
    return {**house.message(text, conversation_id=SMUGGLERS), **_AT}


def _renamed(house, text):
    return an_event(house, openConversationId=SMUGGLERS, title=text[-99:])


def _relayed(make):
    """By a rule, to all three."""
    seen = {}

    def said(house):
        seen["text"] = house.news()
        return make(house, f"{SMUGGLED} {seen['text']}")

    async def nobody_is_pinged(house):
        await _nobody_is_pinged(house, seen["text"])

    return tries(said, want="200", then=nobody_is_pinged)


async def _by_letters(house):
    text = house.news()
    async with await Caller.at(house.ports["status"]) as caller:
        for to in ("mouth", "dt", "dt_group"):
            letter = STATUS.request(house, a_letter(f"{SMUGGLED} {text}", to))
            assert "202" == (await caller.ask(letter.wire())).status
    await _nobody_is_pinged(house, text)


async def _by_lines(house):
    text = house.news()
    for to in ("mouth", "dt", "dt_group"):
        room = {"conversation": TEAM} if to == "dt" else {}
        line = CONTROL.request(house, {"instance": to, "text": f"{SMUGGLED} {text}", **room})
        outcome, _ = await CONTROL.meet(house, line)
        assert "result" == outcome
    await _nobody_is_pinged(house, text)


async def _nobody_is_pinged(house, text):
    """Of the generic webhook, the group robot and the app robot."""
    got = await house.heard(text)
    assert [] == got["mentions"]
    assert "\x01" not in got["text"]
    (posted,) = await house.until(
        lambda: [one for one in house.group_robot.received if text in text_of(one)]
    )
    assert not any(posted.get("at", {}).values()), posted
    assert not re.search("@(all|所有人|everyone|[0-9])", text_of(posted)), posted
    (taken,) = await house.until(lambda: [one for one in house.dingtalk.received if text in one.text])
    assert "at" not in taken.params
    assert "\x01" not in taken.text
