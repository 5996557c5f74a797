"""Files from servers that mean no good: what is sent, what is believed, and when it ends."""

import asyncio
import gzip
import socket

import pytest

from bridge.errors import Transient
from tests.strangers import FILE, Host, Names, answer, fetch_from, fetcher, read, refused, transient


def test_a_file_arrives_with_what_it_claims_to_be():
    """Type, name and size are told before the first byte is read."""
    (opened, content), _ = fetch_from(
        answer(Content_Type="image/PNG; x=y", Content_Disposition='inline; filename="../季度 图.png"')
    )

    assert FILE == content
    assert ("image/png", "季度 图.png", len(FILE)) == (opened.media_type, opened.filename, opened.size)


def test_without_a_disposition_the_path_gives_the_name():
    (opened, _), _ = fetch_from(answer(), url="http://127.0.0.1:PORT/x/%E5%9B%BE%2F%E5%83%8F.png?a=/b")

    assert "像.png" == opened.filename
    assert "" == opened.media_type


def test_the_request_gives_nothing_away_and_keeps_the_signature():
    """No cookie, no referrer, no credentials, no content type; the URL letter by letter."""
    path = "/lQ~!$&'()*,;=:@%2f%2F%7e?Expires=1&Signature=a%2Bb/c+d%3D&x=%E5%9b"

    _, host = fetch_from(
        answer(b"", status="302 Found", Location=path, Set_Cookie="a=b; Path=/"),
        answer(),
        url="http://127.0.0.1:PORT/start",
    )

    assert ["/start", path] == host.paths
    head = host.asked[1].lower()
    for name in ("cookie:", "referer:", "authorization:", "content-type:"):
        assert name not in head
    assert "accept-encoding: identity" in head


def test_a_url_written_for_people_is_quoted():
    _, host = fetch_from(answer(), url="http://127.0.0.1:PORT/图 1.png")

    assert ["/%E5%9B%BE%201.png"] == host.paths


def test_an_announced_size_is_believed_when_it_is_too_large():
    """Not a byte of it is read."""
    outcome, _ = fetch_from(answer(b"", length=10**12), max_size=1000)

    assert "too_large" == refused(outcome)
    assert "0.001 MB" in str(outcome)


def test_an_endless_body_ends_at_the_limit():
    sent = 0

    async def flood(writer):
        nonlocal sent
        writer.write(answer(b"", length=False))
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    outcome, _ = fetch_from(flood, max_size=100_000)

    assert "too_large" == refused(outcome)
    assert sent < 20_000_000


def test_a_file_of_exactly_the_limit_is_taken():
    (_, content), _ = fetch_from(answer(), max_size=len(FILE))

    assert FILE == content


def test_a_slow_drip_ends_in_time():
    async def drip(writer):
        writer.write(answer(b"", length=1000))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    outcome, _ = fetch_from(drip, total=0.3)

    assert "too_slow" == transient(outcome)


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 200 OK\r\nContent-"], ids=["nothing", "half a header"])
def test_silence_ends_in_time(says):
    async def hang(writer):
        writer.write(says)
        await writer.drain()
        await asyncio.Event().wait()

    outcome, _ = fetch_from(hang, total=0.2)

    assert "too_slow" == transient(outcome)


def test_redirects_do_not_start_the_time_anew():
    async def hesitate(writer):
        await asyncio.sleep(0.15)
        writer.write(answer(b"", status="302 X", Location="/again"))

    outcome, host = fetch_from(hesitate, total=0.3)

    assert "too_slow" == transient(outcome)
    assert len(host.asked) <= 3


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x-gzip", "identity, gzip"])
def test_a_compressed_answer_is_refused_unread(encoding):
    """A megabyte of zeros in a kilobyte: nobody asked for it."""
    bomb = gzip.compress(bytes(1_000_000))

    outcome, _ = fetch_from(answer(bomb, Content_Encoding=encoding), max_size=10_000)

    assert "encoded" == refused(outcome)


def test_a_file_that_is_compressed_itself_is_left_alone():
    archive = gzip.compress(bytes(1000))

    (opened, content), _ = fetch_from(answer(archive, Content_Type="application/gzip"))

    assert archive == content
    assert "application/gzip" == opened.media_type


def test_a_body_that_ends_too_early_is_no_file():
    outcome, _ = fetch_from(answer(length=len(FILE) + 1))

    assert "broke_off" == transient(outcome)


def test_of_a_body_that_is_longer_than_announced_no_more_than_that_is_taken():
    outcome, _ = fetch_from(answer(length=5))

    assert isinstance(outcome, Transient) or FILE[:5] == outcome[1]


@pytest.mark.parametrize(
    ("says", "told", "reason"),
    [
        (answer(status="404 X"), refused, "no_file"),
        (answer(status="403 X"), refused, "no_file"),
        (answer(status="206 X"), refused, "no_file"),
        (answer(b"", status="302 X"), refused, "too_many_redirects"),
        (answer(status="500 X"), transient, "server_error"),
        (answer(status="503 X"), transient, "server_error"),
        (answer(status="429 X"), transient, "server_error"),
        (b"", transient, "no_answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", transient, "no_answer"),
        (answer(X_Long="x" * 9000), transient, "no_answer"),
        (answer(**{f"X_{n}": "x" for n in range(2000)}), transient, "no_answer"),
    ],
)
def test_every_other_answer_has_its_class(says, told, reason):
    """For good, or worth another try."""
    outcome, _ = fetch_from(says)

    assert reason == told(outcome)


def test_endless_interim_answers_end_in_time():
    async def chatter(writer):
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 10)
            await writer.drain()
            await asyncio.sleep(0.01)

    outcome, _ = fetch_from(chatter, total=0.3)

    assert transient(outcome) in ("too_slow", "no_answer")


def test_a_closed_port_is_worth_another_try():
    async def scenario():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            async with fetcher() as fetch:
                with pytest.raises(Transient) as caught:
                    await read(fetch, f"http://127.0.0.1:{taken.getsockname()[1]}/?sig=SECRET")
                return caught.value

    assert "connect_failed" == transient(asyncio.run(scenario()))


def test_who_stops_reading_hangs_up():
    """A driver that has seen enough leaves no connection behind."""
    gone = asyncio.Event()

    async def flood(writer):
        writer.write(answer(b"", length=10**7))
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        finally:
            gone.set()

    async def scenario():
        async with Host(flood).running() as host, fetcher() as fetch, asyncio.timeout(5):
            async with fetch(f"http://127.0.0.1:{host.port}/") as opened:
                await anext(aiter(opened.chunks))
            await gone.wait()

    asyncio.run(scenario())


def test_a_name_server_that_never_answers_costs_the_time_of_a_connection():
    """Not that of a whole file."""

    class Mute(Names):
        async def resolve(self, host, port=0, family=0):
            await asyncio.Event().wait()

    async def scenario():
        async with asyncio.timeout(5), fetcher(names=Mute(), connect=0.1) as fetch:
            with pytest.raises(Transient) as caught:
                await read(fetch, "http://slow.example/?sig=SECRET")
            return caught.value

    assert "too_slow" == transient(asyncio.run(scenario()))
