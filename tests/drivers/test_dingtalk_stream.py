"""Stream mode against the simulated gateway: what is taken, what is answered, and when."""

import asyncio
import json
import traceback

import pytest

from bridge.driver import Listener, Webhook
from bridge.errors import JournalBroken, JournalError, JournalFull
from drivers.dingtalk.stream_frames import CARD_TOPIC, EVENT_LATER, ROBOT_TOPIC
from drivers.dingtalk.stream_link import MAX_AT_ONCE
from tests.drivers.dingtalk.streaming import streaming

GROUP = "cidSimGroup0000000001=="


def test_a_message_is_acknowledged_when_it_is_durable_and_not_before():
    """What is not acknowledged comes again; what is, never does."""

    async def scenario():
        async with streaming() as it:
            it.store.open.clear()
            message = await it.gateway.say(it.body("hello"))
            await it.until(lambda: it.store.entered)
            pong = await it.gateway.ping("are you there?")
            await it.gateway.acked(pong)
            before = [ack.message_id for ack in it.gateway.acks]
            it.store.open.set()
            ack = await it.gateway.acked(message)
            return before, message, ack, it.store.texts

    before, message, ack, texts = asyncio.run(scenario())
    assert message not in before
    assert (200, "OK", '{"response": null}') == (ack.code, ack.message, ack.data)
    assert ["hello"] == texts


def test_it_is_a_listener_and_no_webhook():
    async def scenario():
        async with streaming() as it:
            return it.driver

    driver = asyncio.run(scenario())
    assert isinstance(driver, Listener)
    assert not isinstance(driver, Webhook)


def test_a_ping_is_sent_back_as_it_came():
    async def scenario():
        async with streaming() as it:
            return await it.gateway.acked(await it.gateway.ping("123-dsfs"))

    assert {"opaque": "123-dsfs"} == json.loads(asyncio.run(scenario()).data)


def test_what_the_journal_cannot_keep_is_not_acknowledged():
    """An event is asked for again in DingTalk's own word; both are taken when they come again."""

    async def scenario():
        async with streaming() as it:
            it.store.answers = [JournalError("no"), JournalError("no")]
            message = await it.gateway.say(it.body("hello"))
            event = await it.gateway.happen(
                "chat_update_title", {"title": "t", "openConversationId": GROUP}
            )
            later = await it.gateway.acked(event)
            unacked = list(it.gateway.unacked)
            await it.gateway.redeliver()
            await it.gateway.until(lambda gateway: not gateway.unacked)
            return later, unacked, [message, event], it.store.texts, it.reported

    later, unacked, both, texts, reported = asyncio.run(scenario())
    assert EVENT_LATER == later.data
    assert both == unacked
    assert "hello" == texts[0]
    assert 2 == len(texts)
    assert 2 == reported.count("stream_not_stored")


def test_while_the_journal_is_full_nothing_more_is_read_and_nothing_is_lost():
    """What was read already waits here, in order: the platform may never send it again."""

    async def scenario():
        async with streaming() as it:
            it.store.answers = [JournalFull("full", retry_after=2.0)] * 3
            sent = [await it.gateway.say(it.body(f"{n}")) for n in range(20)]
            await it.gateway.until(lambda gateway: not gateway.unacked)
            return sent, [ack.message_id for ack in it.gateway.acks], it.store.texts, it.clock.slept

    sent, acked, texts, slept = asyncio.run(scenario())
    assert [f"{n}" for n in range(20)] == texts
    assert sorted(sent) == sorted(acked)
    assert 2.0 in slept


def test_a_full_journal_stops_the_reading_itself():
    """But for the one frame that was waited for already, what is behind stays with the platform."""

    async def scenario():
        async with streaming() as it:
            it.store.full = True
            await it.gateway.say(it.body("first"))
            await it.until(lambda: it.store.entered)
            for _ in range(5):
                await it.gateway.ping("op")
            await it.gateway.say(it.body("second"))
            await it.until(lambda: len(it.store.entered) > 1000)
            asked = {one.message.text for inbound in it.store.entered for one in inbound.envelopes}
            acks = list(it.gateway.acks)
            it.store.full = False
            await it.gateway.until(lambda gateway: len(gateway.acks) == 7)
            return asked, acks, it.store.texts

    asked, acks, texts = asyncio.run(scenario())
    assert {"first"} == asked
    assert len(acks) <= 1
    assert ["first", "second"] == texts


def test_a_broken_journal_ends_the_stream():
    """The daemon must stop, and nothing of it tells the secret or the ticket."""

    acks = []

    async def scenario():
        async with streaming() as it:
            acks.append(it.gateway.acks)
            it.store.answers = [JournalBroken("EIO")]
            await it.gateway.say(it.body())
            await asyncio.wait([it.listening], timeout=10)

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(scenario())
    assert caught.group_contains(JournalBroken, depth=1)
    assert [[]] == acks
    said = "".join(traceback.format_exception(caught.value))
    assert "ticket=" not in said
    assert "sim-app-secret" not in said


def test_a_bug_that_one_message_meets_is_answered_with_500_and_ends_nothing():
    async def scenario():
        met = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: met.append(context))
        async with streaming() as it:
            it.store.answers = [RuntimeError("a bug")]
            bad = await it.gateway.acked(await it.gateway.say(it.body("bad")))
            good = await it.gateway.acked(await it.gateway.say(it.body("good")))
            return bad.code, good.code, it.store.texts, it.reported, met

    bad, good, texts, reported, met = asyncio.run(scenario())
    assert (500, 200) == (bad, good)
    assert ["good"] == texts
    assert ["stream_failed"] == reported
    assert isinstance(met[0]["exception"], RuntimeError)


def test_what_is_not_wanted_is_acknowledged_and_counted():
    """Somebody who may not speak, a type that cannot be carried, DingTalk's word about the quota."""

    async def scenario():
        async with streaming(allowed_users=["manager1001"]) as it:
            body = it.body()
            unknown = {**it.body(), "msgtype": "unknownMsgType", "content": {}}
            quota = {key: value for key, value in it.body().items() if key != "text"}
            for one in (it.body(staff_id="stranger"), unknown, {**quota, "errorCode": "20001"}, body):
                ack = await it.gateway.acked(await it.gateway.say(one))
                assert 200 == ack.code
            return it.store.ignored, it.store.texts, it.reported

    ignored, texts, reported = asyncio.run(scenario())
    assert ["sender_not_allowed", "unsupported_type", "quota_exhausted"] == ignored
    assert ["hello"] == texts
    assert ["quota_exhausted"] == reported


def test_what_cannot_be_read_is_refused_as_over_http_and_counted():
    async def scenario():
        async with streaming() as it:
            gateway = it.gateway
            codes = []
            for data in ("not JSON", "{}", {**it.body(), "robotCode": "another"}):
                frame = gateway.frame("CALLBACK", ROBOT_TOPIC, data)
                codes.append((await gateway.acked(await gateway.push(frame))).code)
            await gateway.acked(await gateway.say(it.body()))
            return codes, it.store.ignored, it.store.texts

    codes, ignored, texts = asyncio.run(scenario())
    assert [400, 400, 403] == codes
    assert ["malformed", "malformed", "forbidden"] == ignored
    assert ["hello"] == texts


def test_cards_are_answered_with_nothing_and_events_are_notices():
    async def scenario():
        async with streaming() as it:
            card = await it.gateway.acked(await it.gateway.press({"type": "actionCallback"}))
            event = await it.gateway.happen(
                "chat_update_title", {"title": "新的名字", "openConversationId": GROUP}
            )
            other = await it.gateway.happen("user_add_org", {})
            acks = [await it.gateway.acked(one) for one in (event, other)]
            return card, acks, it.store

    card, acks, store = asyncio.run(scenario())
    assert '{"response": {}}' == card.data
    assert ["SUCCESS", "SUCCESS"] == [json.loads(ack.data)["status"] for ack in acks]
    assert ["card_callback", "event_user_add_org"] == store.ignored
    (notice,) = [one for inbound in store.taken for one in inbound.envelopes]
    assert "新的名字" in notice.message.text
    assert GROUP == notice.source.conversation


def test_an_unknown_topic_is_not_found():
    async def scenario():
        async with streaming() as it:
            frame = it.gateway.frame("CALLBACK", "/v1.0/graph/api/invoke", {})
            to = await it.gateway.connection()
            ack = await it.gateway.acked(await it.gateway.push(frame, to=to))
            return ack.code, it.reported, it.store.entered

    assert (404, ["stream_unknown_topic"], []) == asyncio.run(scenario())


@pytest.mark.parametrize(
    "bad",
    [
        "not JSON",
        "null",
        "[[[[",
        '{"type":"CALLBACK"}',
        '{"type":7,"headers":7,"data":7}',
        b"\x00\xff",
        b"",
        "",
        "x" * ((4 << 20) - 1),
        '{"type":"CALLBACK","headers":{"messageId":"m","topic":"t"},"data":"' + "x" * 4_000_000,
    ],
    ids=[
        "text",
        "null",
        "brackets",
        "no headers",
        "numbers",
        "binary",
        "no bytes",
        "empty",
        "4 MiB",
        "open",
    ],
)
def test_a_bad_frame_is_survived(bad):
    """On the same connection: what comes behind it is taken."""

    async def scenario():
        async with streaming() as it:
            connection = await it.gateway.connection()
            await connection.send(bad)
            ack = await it.gateway.acked(await it.gateway.say(it.body("good")))
            return ack.code, ack.connection == connection.id, it.gateway.accepted, it.reported

    assert (200, True, 1, ["stream_bad_frame"]) == asyncio.run(scenario())


def test_what_comes_twice_is_told_apart_by_the_journal_and_acknowledged_twice():
    """Only the journal still knows after a restart."""

    async def scenario():
        async with streaming() as it:
            body = it.body()
            for _ in range(2):
                ack = await it.gateway.acked(await it.gateway.say(body))
                assert 200 == ack.code
            return [one.id for inbound in it.store.taken for one in inbound.envelopes]

    ids = asyncio.run(scenario())
    assert [ids[0]] * 2 == ids


def test_a_burst_waits_for_the_journal_together_and_keeps_its_order():
    """One commit for many; but never more than a bound of them."""

    async def scenario():
        async with streaming() as it:
            it.store.open.clear()
            for n in range(2 * MAX_AT_ONCE):
                await it.gateway.say(it.body(f"{n}"))
            await it.until(lambda: len(it.store.entered) == MAX_AT_ONCE)
            it.store.open.set()
            await it.gateway.until(lambda gateway: not gateway.unacked)
            return it.store

    store = asyncio.run(scenario())
    assert MAX_AT_ONCE == store.most_at_once
    assert [f"{n}" for n in range(2 * MAX_AT_ONCE)] == [
        one.message.text for inbound in store.entered for one in inbound.envelopes
    ]


def test_what_was_received_before_a_stop_is_finished_and_acknowledged():
    async def scenario():
        async with streaming() as it:
            it.store.open.clear()
            for n in range(10):
                await it.gateway.say(it.body(f"{n}"))
            await it.until(lambda: len(it.store.entered) == 10)
            it.listening.cancel()
            await asyncio.sleep(0.05)
            it.store.open.set()
            await it.gateway.until(lambda gateway: not gateway.connections)
            return it.gateway.unacked, it.store.texts

    unacked, texts = asyncio.run(scenario())
    assert {} == unacked
    assert 10 == len(texts)


def test_the_credentials_and_the_way_in_are_proven_without_posting():
    async def scenario():
        async with streaming() as it:
            await it.gateway.connection()
            fine = (await it.driver.probe())[-1]
            it.gateway.app_secret = "another"
            wrong = (await it.driver.probe())[-1]
            return fine, wrong, it.simulator.received, it.gateway.accepted

    fine, wrong, received, accepted = asyncio.run(scenario())
    assert fine.ok
    assert not wrong.ok
    assert "authFailed" in wrong.what
    assert "Stream mode" in wrong.hint
    assert ([], 1) == (received, accepted)


def test_a_gateway_is_asked_for_what_we_take():
    async def scenario():
        async with streaming() as it:
            return (await it.gateway.connection()).subscriptions

    expected = {("CALLBACK", ROBOT_TOPIC), ("CALLBACK", CARD_TOPIC), ("EVENT", "*")}
    assert expected == asyncio.run(scenario())
