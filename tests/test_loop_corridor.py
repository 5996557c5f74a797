"""From the door to the books: what a loop's messages leave behind when they are stopped."""

import asyncio

import aiohttp
from aiohttp import web

from bridge.acceptor import Acceptor
from bridge.loop_guard import TURNS, LoopGuard
from bridge.metrics import Metrics
from bridge.model import Inbound, Plan, Status
from bridge.routing import Router, Rule, Target
from tests.builders import a_place, an_envelope
from tests.far_half import a_bridge, scenario
from tests.running_app import a_daemon, config, rules

TEXT = "the build of Tuesday has failed, who looks?"


def both_ways() -> Router:
    rules = [
        Rule(id=id_, sources=(a_place(here),), targets=(Target(a_place(there), Plan(id_)),))
        for id_, here, there in (
            ("over", "there/left", "there/right"),
            ("back", "there/right", "there/left"),
        )
    ]
    return Router.of(rules, {})


@scenario
async def test_what_goes_round_is_skipped_and_booked_and_the_rest_goes_on():
    """
    Another robot says in each room what we posted in the other: planned is still the sum of all ends,
    the skipped ones say why, and a person's message behind them is posted.
    """
    async with a_bridge() as bridge:
        metrics = Metrics("test")
        guard = LoopGuard(bridge.clock, metrics)
        courier = bridge.lanes._courier
        object.__setattr__(courier, "stopped", guard.stopped)
        acceptor = Acceptor(both_ways, bridge.journal, bridge.lanes, metrics, None, guard)

        async def hears(room: str, who: str, text: str, n: int) -> None:
            envelope = an_envelope(
                text, id=f"m{n}", at=f"there/{room}", user=who, received_at=bridge.clock.now()
            )
            await acceptor.take(envelope.source.instance, Inbound((envelope,)))
            await bridge.settled()

        await hears("left", "Ada", TEXT, 0)
        for n in range(1, 12):
            await hears(("left", "right")[n % 2], "Robot", bridge.there.texts[-1], n)
            await asyncio.sleep(1)
        posts = len(bridge.there.posted)
        await hears("left", "Eve", "and what is for lunch today?", 99)

        assert posts <= 2 * TURNS
        assert "Eve: and what is for lunch today?" == bridge.there.texts[-1]
        skipped = await bridge.journal.rows(Status.SKIPPED)
        ledger = await bridge.journal.ledger()
        assert len(skipped) == 12 - posts
        assert {row.reason for row in skipped} == {"loop"}
        assert "Robot in there/" in skipped[0].detail
        assert ledger.balanced
        assert (13, posts + 1) == (ledger.planned, ledger.by_status[Status.SENT])
        setback = bridge.lanes.tallies.destination(a_place("there/left")).setback
        assert setback is not None
        assert setback.reason == "loop"
    page = metrics.page().decode()
    assert 'msgbridge_loops_tripped_total{instance="there"} ' in page


def test_our_own_post_is_known_when_it_comes_back_under_our_own_name(tmp_path):
    """
    A receiver that gives a post no name of its own, and gives it back as it was: also after a restart.
    """

    async def comes_back(port: int, posts: list[dict[str, str]]) -> None:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}/right"
            async with session.post(url, json=posts[0]) as answer:
                assert answer.status == 200

    async def one_day(posts: list[dict[str, str]], url: str) -> dict[str, int]:
        instances = {
            room: {"listen_port": 8083, "listen_path": f"/{room}", "url": f"{url}/{room}"}
            for room in ("left", "right")
        }
        files = (
            config(tmp_path, instances),
            rules(("over", "left", ["right"], "{msg}"), ("back", "right", ["left"], "{msg}")),
        )
        async with a_daemon(tmp_path, *files, any_port=True) as daemon:
            port = daemon.app.ports[8083]
            await daemon.say("hello from the left", port=port, path="/left")
            await daemon.until(lambda: posts)
            await comes_back(port, posts)
            await daemon.settled()
            return (await daemon.status())["journal"]["ledger"]["by_status"]

    async def scenario() -> list[int]:
        posts: list[dict[str, str]] = []

        async def take(request: web.Request) -> web.Response:
            said = await request.json()
            posts.append({"id": said["id"], "text": said["text"]})
            return web.Response()

        app = web.Application()
        app.router.add_post("/{room}", take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            sent = [(await one_day(posts, url))["sent"] for _ in range(2)]
        finally:
            await runner.cleanup()
        return [*sent, len(posts)]

    assert [1, 1, 1] == asyncio.run(scenario())
