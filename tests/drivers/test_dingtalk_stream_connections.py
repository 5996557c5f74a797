"""Stream mode against the simulated gateway: how connections end, and how the next one comes."""

import asyncio
import json
import logging
from contextlib import suppress

import pytest

from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.gateway import TICKET_LIFETIME
from drivers.dingtalk.stream_frames import OPEN_PATH
from drivers.dingtalk.stream_link import LINGER
from tests.clock import NOON
from tests.drivers.dingtalk.streaming import streaming


def reconnects(it):
    """Why there were other connections, in order."""
    return [
        one.removeprefix("stream_reconnect_") for one in it.reported if one.startswith("stream_reconnect")
    ]


def test_who_is_asked_to_leave_opens_the_new_connection_first():
    """And goes on reading the old one: what is on its way there is taken and acknowledged."""

    async def scenario():
        async with streaming() as it:
            old = await it.gateway.connection()
            await it.until(lambda: "stream_connected_since" in it.shown)
            it.clock.advance(5)
            await it.gateway.disconnect(old)
            new = await it.gateway.connection()
            both = list(it.gateway.connections)
            late = await it.gateway.acked(await it.gateway.say(it.body("late"), to=old))
            fresh = await it.gateway.acked(await it.gateway.say(it.body("fresh")))
            return old, new, both, late, fresh, it.store.texts, reconnects(it), it.clock.slept

    old, new, both, late, fresh, texts, why, slept = asyncio.run(scenario())
    assert [old, new] == both
    assert (old.id, new.id) == (late.connection, fresh.connection)
    assert ["late", "fresh"] == texts
    assert ["disconnect"] == why
    assert [] == slept, "the first one that is announced needs no patience"


def test_a_disconnect_frame_is_not_acknowledged_and_the_old_connection_ends_in_time():
    """The gateway closes it itself, or we do."""

    async def scenario():
        async with streaming(quiet=0.05) as it:
            old = await it.gateway.connection()
            await it.until(lambda: "stream_connected_since" in it.shown)
            it.clock.advance(5)
            await it.gateway.disconnect(old)
            await it.gateway.until(lambda gateway: len(gateway.connections) == 2)
            it.clock.advance(LINGER - 1)
            await it.gateway.acked(await it.gateway.say(it.body("late"), to=old))
            still = list(it.gateway.connections)
            it.clock.advance(2)
            await it.gateway.until(lambda gateway: old not in gateway.connections)
            return still, it.gateway.acks, list(it.gateway.connections), it.gateway.nonsense

    still, acks, left, nonsense = asyncio.run(scenario())
    assert 2 == len(still)
    assert 1 == len(acks)
    assert 1 == len(left)
    assert [] == nonsense


def test_a_gateway_that_sends_everybody_away_is_not_stormed():
    """A connection that is announced to end at once is no reason to hurry."""

    async def scenario():
        async with streaming() as it:
            for n in range(1, 6):
                await it.gateway.until(lambda gateway, n=n: gateway.accepted >= n)
                await it.gateway.disconnect(it.gateway.connections[-1])
            await it.gateway.connection()
            return it.clock.slept

    slept = asyncio.run(scenario())
    assert 5 == len(slept)
    assert min(slept) >= 1.0


def test_a_gateway_that_closes_cleanly_at_once_is_not_stormed():
    """850 attempts in five seconds is what happens otherwise; and it is met again when it is well."""

    async def scenario():
        async with streaming() as it:
            await it.gateway.connection()
            it.gateway.close_at_once = True
            await it.gateway.connections[0].close()
            await it.gateway.until(lambda gateway: gateway.accepted >= 20)
            it.gateway.close_at_once = False
            ack = await it.gateway.acked(await it.gateway.say(it.body("back")))
            return ack, it.clock.slept, set(reconnects(it))

    ack, slept, why = asyncio.run(scenario())
    assert 200 == ack.code
    assert min(slept) >= 1.0
    assert max(slept) > 8.0
    assert {"closed"} == why


def test_after_a_minute_that_went_well_patience_begins_anew():
    async def scenario():
        async with streaming() as it:
            it.gateway.close_at_once = True
            await it.gateway.until(lambda gateway: gateway.accepted >= 15)
            it.gateway.close_at_once = False
            await it.gateway.acked(await it.gateway.say(it.body()))
            before = len(it.clock.slept)
            it.clock.advance(61)
            await it.gateway.connections[-1].close()
            await it.gateway.until(lambda gateway: not gateway.connections)
            await it.gateway.connection()
            return it.clock.slept[before:]

    (wait,) = asyncio.run(scenario())
    assert 1.0 <= wait <= 1.5


def test_a_cut_connection_is_replaced():
    async def scenario():
        async with streaming() as it:
            (await it.gateway.connection()).drop()
            await it.gateway.until(lambda gateway: gateway.accepted == 2)
            ack = await it.gateway.acked(await it.gateway.say(it.body()))
            return ack.code, reconnects(it)

    assert (200, ["lost"]) == asyncio.run(scenario())


def test_a_black_hole_is_noticed_without_any_traffic():
    """Nothing is closed, nothing is refused, nothing comes: three quiet times, and it is dead."""

    async def scenario():
        async with streaming(quiet=0.03) as it:
            hole = await it.gateway.connection()
            hole.deaf = hole.leaving = True
            new = await it.gateway.connection()
            ack = await it.gateway.acked(await it.gateway.say(it.body("alive")))
            return ack.connection == new.id, reconnects(it)

    assert (True, ["silent"]) == asyncio.run(scenario())


def test_a_quiet_connection_that_answers_pings_is_kept():
    async def scenario():
        async with streaming(quiet=0.03) as it:
            await it.gateway.connection()
            await asyncio.sleep(0.3)
            ack = await it.gateway.acked(await it.gateway.say(it.body("still here")))
            return ack.code, it.gateway.accepted, reconnects(it)

    assert (200, 1, []) == asyncio.run(scenario())


def test_the_gateways_own_pings_are_answered():
    """Those of the WebSocket, beside those that are frames."""

    async def scenario():
        async with streaming() as it:
            connection = await it.gateway.connection()
            await connection.socket.ping(b"op-1")
            await it.until(lambda: connection.pongs)
            return connection.pongs, it.reported

    assert (1, []) == asyncio.run(scenario())


def test_a_frame_that_is_too_big_costs_the_connection_and_no_more():
    async def scenario():
        async with streaming() as it:
            connection = await it.gateway.connection()
            with suppress(ConnectionError):  # it is cut while they still write
                await connection.send("x" * (5 << 20))
            await it.gateway.until(lambda gateway: gateway.accepted == 2)
            ack = await it.gateway.acked(await it.gateway.say(it.body("good")))
            return ack.code, reconnects(it)

    assert (200, ["frame_too_big"]) == asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (refusal(401, "authFailed"), "open_refused"),
        (refusal(403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"), "open_refused"),
        (refusal(503, "system.error"), "unreachable"),
        (Fault(200, b"<xml/>"), "open_refused"),
        (Fault(200, {"endpoint": "ws://gateway.example/", "ticket": "t"}), "unreachable"),
        (Fault(reset=True), "unreachable"),
        (Fault(200, b"x" * (2 << 20)), "open_refused"),
    ],
    ids=["401", "qps", "503", "xml", "not encrypted", "reset", "huge"],
)
def test_who_gets_no_ticket_asks_again_with_patience(fault, why):
    async def scenario():
        async with streaming() as it:
            first = await it.gateway.connection()
            it.simulator.fail_next(*[fault] * 3, path=OPEN_PATH)
            first.drop()
            await it.gateway.until(lambda gateway: gateway.accepted == 2)
            ack = await it.gateway.acked(await it.gateway.say(it.body()))
            return ack.code, reconnects(it), it.clock.slept

    code, reasons, slept = asyncio.run(scenario())
    assert 200 == code
    assert ["lost", why, why, why] == reasons
    assert min(slept) >= 1.0


def test_a_ticket_that_the_endpoint_does_not_take_is_replaced():
    async def scenario():
        async with streaming() as it:
            lapsed = {"endpoint": it.gateway.endpoint, "ticket": "lapsed"}
            first = await it.gateway.connection()
            it.simulator.fail_next(Fault(200, lapsed), path=OPEN_PATH)
            first.drop()
            await it.gateway.until(lambda gateway: gateway.accepted == 2)
            return reconnects(it)

    assert ["lost", "ticket_rejected"] == asyncio.run(scenario())


def test_neither_the_ticket_nor_the_secret_is_told_to_anybody(caplog):
    """Not by any library's log either, whatever goes wrong with the connection."""

    async def scenario():
        async with streaming() as it:
            first = await it.gateway.connection()
            lapsed = {"endpoint": it.gateway.endpoint, "ticket": "planted-ticket"}
            nowhere = {"endpoint": "ws://127.0.0.1:9/connect", "ticket": "planted-ticket"}
            it.simulator.fail_next(Fault(200, lapsed), Fault(200, nowhere), path=OPEN_PATH)
            first.drop()
            await it.gateway.until(lambda gateway: gateway.accepted == 2)
            (await it.gateway.connection()).drop()
            await it.gateway.until(lambda gateway: gateway.accepted == 3)
            return it.reported, it.shown

    with caplog.at_level(logging.DEBUG):
        said = str(asyncio.run(scenario())) + caplog.text

    assert "ticket_rejected" in said
    assert "unreachable" in said
    assert "planted-ticket" not in said
    assert "ticket=" not in said
    assert "sim-app-secret" not in said


def test_the_state_of_the_connection_can_be_seen():
    """Since when, and when it last said anything; 0 while there is none."""

    async def scenario():
        async with streaming() as it:
            await it.gateway.acked(await it.gateway.say(it.body()))
            up = dict(it.shown)
            it.simulator.fail_next(*[Fault(503, b"")] * 10_000, path=OPEN_PATH)
            it.gateway.connections[0].drop()
            await it.until(lambda: it.shown["stream_connected_since"] == 0.0)
            return up

    up = asyncio.run(scenario())
    assert NOON.timestamp() == up["stream_connected_since"]
    assert NOON.timestamp() == up["stream_last_frame"]


def test_the_simulated_gateway_is_as_strict_as_dingtalk():
    """One ticket, one connection, ninety seconds, twenty tickets a second, and JSON asked for."""

    async def scenario():
        async with streaming() as it:
            gateway, session = it.gateway, it.driver._toolbox.http
            url = it.simulator.base_url + OPEN_PATH
            right = {
                "clientId": it.simulator.app_key,
                "clientSecret": it.simulator.app_secret,
                "subscriptions": [{"type": "EVENT", "topic": "*"}],
            }

            async def ask(body, **headers):
                async with session.post(
                    url, json=body, headers={"Accept": "application/json", **headers}
                ) as response:
                    return response.status, await response.text()

            async def connect(ticket):
                async with session.get(gateway.endpoint, params={"ticket": ticket}) as response:
                    return response.status

            answers = [
                await ask({**right, "clientSecret": "wrong"}),
                await ask({**right, "subscriptions": []}),
                await ask({**right, "subscriptions": [{"type": "NONE", "topic": "*"}]}),
                await ask("not an object"),
                await ask(right),
            ]
            _, xml = await ask(right, Accept="*/*")
            gateway._tickets["lapsed"] = (gateway.clock.monotonic() - TICKET_LIFETIME, frozenset())
            once = json.loads(answers[-1][1])["ticket"]
            async with session.ws_connect(gateway.endpoint, params={"ticket": once}):
                pass
            refused = [await connect(ticket) for ticket in ("lapsed", "never given", once)]
            gateway.max_opens_per_second = 3
            fast = [(await ask(right))[0] for _ in range(5)]
            return [status for status, _ in answers], xml, refused, fast

    statuses, xml, refused, fast = asyncio.run(scenario())
    assert [401, 400, 400, 401, 200] == statuses
    assert xml.startswith("<?xml")
    assert [401, 401, 401] == refused
    assert 403 == fast[-1]
