"""The near end, over real sockets: what strangers send, and what they are answered."""

import asyncio
import json
import random
from contextlib import asynccontextmanager

import pytest
from multidict import CIMultiDict

from bridge.acceptor import Acceptor
from bridge.clock import SystemClock
from bridge.courier import Courier
from bridge.delivery import Lanes
from bridge.errors import Forbidden, JournalFull, Malformed, Unsupported, Unverified
from bridge.ingress import Ingress, Limits
from bridge.journal import Capacity, Retention
from bridge.journal.memory import MemoryJournal
from bridge.listening import listen
from bridge.metrics import Metrics
from bridge.model import Inbound, InboundResponse, InstanceId, Status
from bridge.routing import Router, Rule, Target
from bridge.wild import Wild
from tests.builders import a_journal, a_place, a_route, an_envelope


class Letterbox:
    """A platform whose signature is the header ``who: me``."""

    def verify(self, request):
        if request.headers.get("who") != "me":
            raise Unverified("who are you?")

    def normalize(self, request):
        body = Wild.parse(request.body)
        match body["kind"].text(""):
            case "foreign":
                raise Forbidden("not for us")
            case "odd":
                raise Unsupported("a hologram", reason="hologram")
        ids = [one.identifier() for one in body["ids"]]
        if not ids:
            raise Malformed("$.ids: nothing there")
        return Inbound(tuple(an_envelope(body["text"].text(""), id=one) for one in ids))

    def reply(self, request, inbound, *, now, nonce):
        return InboundResponse(200, CIMultiDict({"Content-Type": "application/json"}), b'{"ok":1}')


class Curt(Letterbox):
    """A platform that is always told the same."""

    told = InboundResponse(200, CIMultiDict({"Content-Type": "application/json"}), b'{"ok":1}')

    def reply(self, request, inbound, *, now, nonce):
        return self.told


RULE = Rule(
    id="all",
    sources=(a_place("here/room"),),
    targets=(Target(a_place("there/room"), a_route().plan),),
)


@asynccontextmanager
async def a_door(*, journal=None, limits=None, webhook=None, **listening):
    """A listening ingress; yields its port and its journal."""
    clock = SystemClock()
    journal = journal or a_journal(clock)
    metrics = Metrics("test")
    courier = Courier(journal=journal, outlets={}, clock=clock, metrics=metrics, random=random.Random(1))
    lanes = Lanes(journal, courier, clock, metrics)
    router = Router.of([RULE], {InstanceId("here"): lambda _: "room"})
    acceptor = Acceptor(lambda: router, journal, lanes, metrics)
    ingress = Ingress(
        {"/in": (InstanceId("here"), webhook or Letterbox())},
        acceptor,
        clock,
        metrics,
        limits or Limits(),
    )
    async with listen(ingress.answer, "127.0.0.1", 0, **listening) as port:
        yield port, journal


async def exchange(port, raw):
    """Send bytes; the whole answer, or what came within five seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    try:
        async with asyncio.timeout(5):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as e:
        return e.partial
    finally:
        writer.close()


def a_request(
    body=b'{"ids": ["m1"], "text": "hi"}', *, method=b"POST", path=b"/in", headers=b"who: me\r\n"
):
    return (
        method
        + b" "
        + path
        + b" HTTP/1.1\r\nHost: x\r\n"
        + headers
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
    )


def status(answer):
    return int(answer.split()[1])


def test_an_accepted_message_is_in_the_journal_with_its_delivery():
    """The answer is the platform's own, and comes after the commit."""

    async def scenario():
        async with a_door() as (port, journal):
            answer = await exchange(port, a_request())
            rows = await journal.rows(Status.WAITING)
        return answer, rows

    answer, rows = asyncio.run(scenario())
    assert 200 == status(answer)
    assert b"application/json" in answer
    assert ["there/room"] == [str(row.delivery.route.destination) for row in rows]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (a_request(headers=b""), 401),
        (a_request(headers=b"who: you\r\n"), 401),
        (a_request(b"not json"), 400),
        (a_request(b"{}"), 400),
        (a_request(b"[" * 100_000), 400),
        (a_request(b'{"ids": [7]}'), 400),
        (a_request(b'{"kind": "foreign"}'), 403),
        (a_request(b'{"kind": "odd"}'), 200),
        (a_request(method=b"GET", body=b""), 405),
        (a_request(method=b"PUT"), 405),
        (a_request(path=b"/elsewhere"), 404),
        (a_request(b"x" * 300_000), 413),
        (a_request(headers=b"who: me\r\nContent-Encoding: gzip\r\n"), 415),
        (a_request(headers=b"who: me\r\nX: " + b"x" * 20_000 + b"\r\n"), 400),
        (b"POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"rubbish\r\n\r\n", 400),
    ],
)
def test_strangers_get_a_status_and_a_good_message_behind_them_gets_through(request_, expected):
    """Every refusal has its own status, no body that explains, and harms nobody else."""

    async def scenario():
        async with a_door() as (port, journal):
            answer = await exchange(port, request_)
            good = await exchange(port, a_request())
            return answer, good, await journal.rows(Status.WAITING)

    answer, good, rows = asyncio.run(scenario())
    assert expected == status(answer)
    assert b"Traceback" not in answer
    assert 200 == status(good)
    assert 1 == len(rows)


def test_a_chunked_body_is_limited_too():
    """Without a length the limit is found while reading."""
    head = b"POST /in HTTP/1.1\r\nHost: x\r\nwho: me\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    async def scenario():
        async with a_door() as (port, _):
            return await exchange(port, head + chunk * 8)

    assert 413 == status(asyncio.run(scenario()))


def test_a_body_that_does_not_come_is_not_waited_for():
    request = b"POST /in HTTP/1.1\r\nHost: x\r\nwho: me\r\nContent-Length: 10\r\n\r\n{"

    async def scenario():
        async with a_door(limits=Limits(body_timeout=0.2)) as (port, _):
            return await exchange(port, request)

    assert 408 == status(asyncio.run(scenario()))


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (b"", b""),
        (b"", b"POST /in HTTP/1.1\r\nHost:"),
        (a_request(), b"POST /in HTTP/1.1\r\nHost:"),
    ],
    ids=["silent", "dripping", "dripping after a good one"],
)
def test_headers_that_do_not_come_are_not_waited_for(before, said):
    """Neither on a new connection nor on one that has served a request; a good one goes on."""

    async def scenario():
        async with a_door(header_timeout=0.3) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if before:
                writer.write(before)
                await reader.readuntil(b"}")
            writer.write(said)
            async with asyncio.timeout(5):
                rest = await reader.read()
            writer.close()
            return rest, await exchange(port, a_request())

    rest, good = asyncio.run(scenario())
    assert b"" == rest
    assert 200 == status(good)


def test_an_idle_connection_does_not_hold_up_the_end():
    """It is closed when the listener goes, and nobody waits for it."""

    async def scenario():
        loop = asyncio.get_running_loop()
        async with a_door() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(a_request())
            await reader.readuntil(b"}")
            ending = loop.time()
        writer.close()
        return loop.time() - ending

    assert asyncio.run(scenario()) < 1.5


def test_the_same_message_again_is_answered_alike_and_delivered_once():
    """A platform repeats what it thinks was lost."""

    async def scenario():
        async with a_door() as (port, journal):
            answers = [await exchange(port, a_request()) for _ in range(3)]
            return answers, await journal.rows(Status.WAITING)

    answers, rows = asyncio.run(scenario())
    assert [200] * 3 == [status(answer) for answer in answers]
    assert 1 == len(rows)


def test_a_full_journal_asks_for_patience():
    """Never 200-and-drop: 503, and when to come again."""

    class Full(MemoryJournal):
        async def accept(self, envelope, routes, then=None):
            raise JournalFull("95 % of the disk", retry_after=30)

    async def scenario():
        async with a_door(
            journal=Full(clock=SystemClock(), capacity=Capacity(), retention=Retention())
        ) as (port, _):
            return await exchange(port, a_request())

    answer = asyncio.run(scenario())
    assert 503 == status(answer)
    assert b"Retry-After: 30" in answer


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8"])
def test_behind_a_trusted_proxy_the_log_names_the_client(capsys, trusted):
    """The last hop that is no proxy of ours; what a client claims before it does not count."""
    request = a_request(headers=b"X-Forwarded-For: 1.1.1.1, 203.0.113.7\r\n")

    async def scenario():
        async with a_door(limits=Limits(trusted_proxies=(trusted,))) as (port, _):
            await exchange(port, request)

    asyncio.run(scenario())
    assert "203.0.113.7" in capsys.readouterr().out


def test_ten_thousand_refusals_are_not_ten_thousand_lines(capsys):
    """One line a second at most, which says how many were not said."""
    count = 300

    async def scenario():
        async with a_door() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(count):
                writer.write(a_request(b"junk"))
                assert 400 == status(await reader.readuntil(b"\r\n\r\n"))
            writer.close()

    started = asyncio.run(_timed(scenario()))
    lines = capsys.readouterr().out.count("request.refused")
    assert 1 <= lines <= started + 2


async def _timed(scenario):
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await scenario
    return loop.time() - begin


def test_json_survives_its_answer():
    """The reply of the driver is what the platform gets, byte for byte."""

    async def scenario():
        async with a_door() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(a_request())
            await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(8)
            writer.close()
            return body

    assert {"ok": 1} == json.loads(asyncio.run(scenario()))


def _headers(answer):
    """Names and values, without the two that only aiohttp's own answers have or whose value varies."""
    lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    named = [tuple(line.split(b": ", 1)) for line in lines[1:] if not line.startswith(b"Server")]
    return lines[0], sorted((name, b"" if name == b"Date" else value) for name, value in named)


def test_an_answer_that_was_put_together_once_says_what_the_others_said():
    """From the third on it is the same bytes, but for the date; all over one connection."""

    async def scenario():
        async with a_door(webhook=Curt()) as (port, journal):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answers = []
            for number in range(4):
                writer.write(a_request(b'{"ids": ["m%d"], "text": "hi"}' % number))
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
                answers.append(head + await asyncio.wait_for(reader.readexactly(8), 5))
            writer.close()
            return answers, len(await journal.rows(Status.WAITING))

    answers, kept = asyncio.run(scenario())
    assert 4 == kept
    assert b"Server" in answers[0]
    assert b"Server" not in answers[3]
    assert 1 == len({str(_headers(answer)) for answer in answers})
    assert {b'{"ok":1}'} == {answer[-8:] for answer in answers}


@pytest.mark.parametrize("asked", [b"Connection: close\r\n", b"1.0"])
def test_who_wants_the_connection_closed_has_it_closed(asked):
    """Also where the answer is one that is kept ready."""
    last = a_request(b'{"ids": ["last"], "text": "hi"}', headers=b"who: me\r\n")
    if asked == b"1.0":
        last = last.replace(b"HTTP/1.1", b"HTTP/1.0")
    else:
        last = last.replace(b"who: me\r\n", b"who: me\r\n" + asked)

    async def scenario():
        async with a_door(webhook=Curt()) as (port, _journal):
            for number in range(3):
                await exchange(port, a_request(b'{"ids": ["m%d"], "text": "hi"}' % number))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(last)
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return answer

    answer = asyncio.run(scenario())
    assert 200 == status(answer)
    assert answer.endswith(b'{"ok":1}')
