"""Answers on kept connections: whatever a peer says, each request gets its own, or an error in time."""

import asyncio
import gzip
import random

import pytest

from bridge.errors import Indeterminate, Transient
from bridge.exchange import MAX_ANSWER
from tests.peer import GOOD, Peer, a_toolbox, answer, failing, post, reset, run, says, turns

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BIG = bytes(2 * MAX_ANSWER)
PACKED = gzip.compress(b"y" * 1000)
BOMB = gzip.compress(bytes(40 * MAX_ANSWER))
LATER = answer(b"of another", status="500 No")


@pytest.mark.parametrize(
    ("reply", "status", "body", "connections"),
    [
        (says(answer(b"you", "X-Which: 2")), 200, b"you", 1),
        (says(*[bytes([byte]) for byte in answer(b"you", "X-Which: 2")]), 200, b"you", 1),
        (says(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(status="201 Made")), 201, b"ok", 1),
        (
            says(b"HTTP/1.1 103 H\r\nLink: x\r\n\r\n" * 3, b"HTTP/1.1 102 P\r\n\r\n", answer()),
            200,
            b"ok",
            1,
        ),
        (says(CHUNKED + b"2\r\nab\r\n", b"1;x=y\r\nc", b"\r\n0\r\n", b"\r\n"), 200, b"abc", 1),
        (says(CHUNKED + b"2\r\nab\r\n0\r\nTrailer: x\r\n\r\n"), 200, b"ab", 1),
        (says(answer(PACKED, "Content-Encoding: gzip")), 200, b"y" * 1000, 1),
        (says(answer(b"", status="204 Nothing").replace(b"Content-Length: 0\r\n", b"")), 204, b"", 1),
        (says(answer(b"you", status="304 Same")[:-3]), 304, b"", 1),
        (says(answer(b"you", status="099 Odd")), 99, b"you", 1),
        (says(answer(b"you", "Connection: close", status="429 Slowly")), 429, b"you", 2),
        (says(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyou"), 200, b"you", 2),
        (says(b"HTTP/1.1 200 OK\r\n\r\nuntil ", b"I go", then="close"), 200, b"until I go", 2),
        (says(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello"), 101, b"", 2),
        (says(answer() + LATER), 200, b"ok", 2),
        (says(answer() + LATER[:-3]), 200, b"ok", 2),
        (says(answer(), LATER), 200, b"ok", 2),
        (says(answer(), b"?"), 200, b"ok", 2),
        (says(answer(), b"HTTP/1.1 500 N"), 200, b"ok", 1),
        (says(answer() + b"HTTP/1.1 101 S\r\n\r\n"), 200, b"ok", 2),
    ],
)
def test_an_answer_on_a_kept_connection_is_read_to_its_end(reply, status, body, connections):
    """And the one of the next request is its own, on the same connection only where that is fit."""

    async def scenario():
        last = says(answer(b"mine", "X-Which: 3"))
        async with Peer(GOOD, reply, last).listening() as peer, a_toolbox() as (toolbox, by_aiohttp):
            await post(toolbox, peer.url)
            second = await post(toolbox, peer.url)
            assert ["POST"] == by_aiohttp
            await turns()
            third = await post(toolbox, peer.url)
        assert (status, body) == (second.status, second.body)
        assert (200, b"mine", "3") == (third.status, third.body, third.headers["x-which"])
        assert (3, connections) == (len(peer.asked), len(peer.writers))

    run(scenario)


@pytest.mark.parametrize(
    "reply",
    [
        says(answer(BIG)),
        says(answer(BIG)[: MAX_ANSWER + 1000]),
        says(CHUNKED + b"%x\r\n" % len(BIG) + BIG),
        says(b"HTTP/1.1 200 OK\r\n\r\n" + BIG),
        says(answer(BOMB, "Content-Encoding: gzip")),
    ],
)
def test_no_more_than_a_little_of_a_large_answer_is_read(reply):
    """What is left of it is no answer to anything."""

    async def scenario():
        async with Peer(GOOD, reply).listening() as peer, a_toolbox() as (toolbox, _):
            await post(toolbox, peer.url)
            assert bytes(MAX_ANSWER) == (await post(toolbox, peer.url)).body
            assert b"ok" == (await post(toolbox, peer.url)).body
        assert [0, 0, 1] == [asked.connection for asked in peer.asked]

    run(scenario)


@pytest.mark.parametrize("size", [300_000, MAX_ANSWER - 1])
def test_a_large_answer_leaves_its_connection_as_it_was(size):
    """Whatever was paused while it came goes on."""

    async def scenario():
        async with Peer(GOOD, says(answer(bytes(size)))).listening() as peer, a_toolbox() as (toolbox, _):
            await post(toolbox, peer.url)
            assert bytes(size) == (await post(toolbox, peer.url)).body
            assert b"ok" == (await post(toolbox, peer.url)).body
        assert [0, 0, 0] == [asked.connection for asked in peer.asked]

    run(scenario)


def test_an_answer_has_its_body_whatever_was_asked_before():
    """To HEAD there is none, whatever its length says; the next one is to a POST."""

    async def scenario():
        headers_only = says(answer(b"hello").removesuffix(b"hello"))
        async with Peer(headers_only).listening() as peer, a_toolbox() as (toolbox, by_aiohttp):
            assert b"" == (await post(toolbox, peer.url, b"", method="HEAD")).body
            assert b"ok" == (await post(toolbox, peer.url)).body
        assert [0, 0] == [asked.connection for asked in peer.asked]
        assert ["HEAD"] == by_aiohttp

    run(scenario)


def test_the_fields_of_an_answer_are_there_by_any_case():
    async def scenario():
        peer = Peer(GOOD, says(answer(b"", "Retry-After: 7", "X-A: 1", "x-a: 2", status="429 No")))
        async with peer.listening(), a_toolbox() as (toolbox, _):
            await post(toolbox, peer.url)
            got = await post(toolbox, peer.url)
        assert "7" == got.headers["retry-after"]
        assert ["1", "2"] == got.headers.getall("X-a")

    run(scenario)


@pytest.mark.parametrize(
    "reply",
    [
        says(then="close"),
        says(then="reset"),
        says(b"HTTP/1.1 100 Continue\r\n\r\n", then="close"),
        says(b"HTTP/1.1 200 OK\r\nConte", then="close"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyo", then="close"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyo", then="reset"),
        says(CHUNKED + b"2\r\nab\r\n", then="close"),
        says(CHUNKED + b"2\r\nab\r\nzz\r\n"),
        says(answer(b"no gzip", "Content-Encoding: gzip")),
        says(b"SSH-2.0-OpenSSH_9.6\r\n"),
        says(b"\x16\x03\x01\x00\x05hello", then="close"),
        says(b"<html>hello</html>", then="close"),
        says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"),
        says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    ],
)
def test_what_is_no_answer_leaves_it_open_what_became_of_the_request(reply):
    """It left once; the next one gets a new connection, and the answer to itself."""

    async def scenario():
        async with Peer(GOOD, reply).listening() as peer, a_toolbox() as (toolbox, by_aiohttp):
            await post(toolbox, peer.url)
            with failing(Indeterminate):
                await post(toolbox, peer.url)
            assert ["POST"] == by_aiohttp
            assert 2 == len(peer.asked)
            assert b"ok" == (await post(toolbox, peer.url)).body
        assert [0, 0, 1] == [asked.connection for asked in peer.asked]

    run(scenario)


async def says_100_for_ever(writer, _asked):
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await turns()


@pytest.mark.real_time
@pytest.mark.parametrize(
    "reply",
    [
        says(),
        says(b"HTTP/1.1 200 OK\r\nContent-Le"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyo"),
        says(b"HTTP/1.1 200 OK\r\n\r\nuntil I go, which I do not"),
        says(CHUNKED + b"2\r\nab\r\n", b"no chunk"),
        says_100_for_ever,
    ],
)
def test_what_never_comes_to_its_end_is_given_up_in_time(reply):
    """Within the time of the session, and what comes later is no answer to anything."""

    async def scenario():
        loop = asyncio.get_running_loop()
        async with Peer(GOOD, reply).listening() as peer, a_toolbox(0.2) as (toolbox, by_aiohttp):
            await post(toolbox, peer.url)
            before = loop.time()
            with failing(Indeterminate):
                await post(toolbox, peer.url)
            assert 0.15 < loop.time() - before < 2.0
            assert ["POST"] == by_aiohttp
            peer.writers[0].write(answer(b"too late"))
            await turns()
            assert b"ok" == (await post(toolbox, peer.url)).body
        assert [0, 0, 1] == [asked.connection for asked in peer.asked]

    run(scenario)


@pytest.mark.parametrize("how", [asyncio.StreamWriter.close, reset])
def test_a_connection_that_was_closed_meanwhile_is_not_written_to(how):
    """Nothing is lost: a new one is made."""

    async def scenario():
        async with Peer().listening() as peer, a_toolbox() as (toolbox, by_aiohttp):
            await post(toolbox, peer.url)
            how(peer.writers[0])
            await turns()
            assert b"ok" == (await post(toolbox, peer.url)).body
        assert [0, 1] == [asked.connection for asked in peer.asked]
        assert 2 == len(by_aiohttp)

    run(scenario)


@pytest.mark.parametrize("how", [asyncio.StreamWriter.close, reset])
def test_a_request_that_crossed_its_peers_goodbye_is_not_sent_again(how):
    """It was written before we could know; whether it arrived nobody can say."""

    async def scenario():
        async with Peer().listening() as peer, a_toolbox() as (toolbox, by_aiohttp):
            await post(toolbox, peer.url)
            await peer.hang_up_unseen(0, how)
            with failing(Indeterminate):
                await post(toolbox, peer.url)
            await turns()
        assert (1, 1, 1) == (len(peer.asked), len(peer.writers), len(by_aiohttp))

    run(scenario)


def test_what_cannot_be_reached_again_was_not_sent():
    """The platform is gone with its port: a new connection would be needed."""

    async def scenario():
        async with a_toolbox() as (toolbox, _):
            async with Peer().listening() as peer:
                await post(toolbox, peer.url)
            await turns()
            with failing(Transient):
                await post(toolbox, peer.url)

    run(scenario)


@pytest.mark.parametrize("so_far", [b"", b"HTTP/1.1 20", answer(b"old")[:-1]])
def test_the_answer_to_a_cancelled_request_is_nobody_elses(so_far):
    """Whatever had come of it when it was cancelled."""
    rest = answer(b"old")[len(so_far) :]

    async def scenario():
        async with Peer(GOOD, says(so_far)).listening() as peer, a_toolbox() as (toolbox, _):
            await post(toolbox, peer.url)
            asking = asyncio.create_task(post(toolbox, peer.url))
            while len(peer.asked) < 2:
                await peer.heard.get()
            await turns()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            peer.writers[0].write(rest)
            assert b"ok" == (await post(toolbox, peer.url)).body
        assert [0, 0, 1] == [asked.connection for asked in peer.asked]

    run(scenario)


def test_a_session_that_is_closed_ends_what_waits_in_it():
    async def scenario():
        async with Peer(GOOD, says()).listening() as peer, a_toolbox() as (toolbox, _):
            await post(toolbox, peer.url)
            asking = asyncio.create_task(post(toolbox, peer.url))
            while len(peer.asked) < 2:
                await peer.heard.get()
            await toolbox.http.close()
            with failing(Indeterminate):
                await asking

    run(scenario)


def test_many_at_once_keep_their_answers_apart():
    """Each on a connection of its own, answered in another order than asked, in pieces."""
    crowd, rounds, dice = 50, 3, random.Random(7)
    waiting = []

    async def in_any_order(writer, asked):
        waiting.append((writer, asked))
        if len(waiting) < crowd:
            return
        now = list(waiting)
        waiting.clear()
        dice.shuffle(now)
        for there, one in now:
            echo, cut = answer(one.body), dice.randrange(1, 40)
            await says(echo[:cut], echo[cut:])(there, one)

    async def scenario():
        peer = Peer(*[in_any_order] * crowd * rounds)
        async with peer.listening(), a_toolbox() as (toolbox, by_aiohttp):
            for lap in range(rounds):
                bodies = [b"%d of lap %d" % (number, lap) for number in range(crowd)]
                got = await asyncio.gather(*(post(toolbox, peer.url, body) for body in bodies))
                assert bodies == [each.body for each in got]
        assert (crowd, crowd) == (len(peer.writers), len(by_aiohttp))

    run(scenario)
