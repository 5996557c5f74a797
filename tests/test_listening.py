"""The door of a listening port: who is let in, who gives way, and who is shown out."""

import asyncio
import logging
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bridge.listening import listen

GOOD = b"GET /good HTTP/1.1\r\nHost: x\r\n\r\n"
HELD = b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
LONG = 32_000_000
SOON = 5.0
"""Seconds in which anything happens here, if it happens at all."""

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class House:
    """
    A listening port with three rooms. ``/held`` is answered when ``released`` is set, after it was
    noted in ``holding``; ``/long`` with more than any buffer takes, ``/body`` when the body is there,
    everything but these and ``/good`` with 404.
    """

    def __init__(self) -> None:
        self.port = 0
        self.released = asyncio.Event()
        self.holding: asyncio.Queue[None] = asyncio.Queue()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.path:
            case "/good":
                return web.Response()
            case "/held":
                self.holding.put_nowait(None)
                await self.released.wait()
                return web.Response()
            case "/long":
                return web.Response(body=bytes(LONG))
            case "/body":
                await request.read()
                return web.Response()
            case "/broken":
                raise RuntimeError("our own")
        return web.Response(status=404)

    async def dial(self, said: bytes = b"") -> Line:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(said)
        return reader, writer

    async def ask(self, said: bytes = GOOD, *, on: Line | None = None) -> int:
        """The status of an answer; 0 when the connection ends without one."""
        reader, writer = on or await self.dial()
        try:
            async with asyncio.timeout(SOON):
                writer.write(said)
                head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0
        finally:
            if on is None:
                writer.close()
        return int(head.split()[1])


@asynccontextmanager
async def a_house(*, rooms: int = 3, header_timeout: float = 60.0) -> AsyncIterator[House]:
    house = House()
    async with listen(
        house.answer, "127.0.0.1", 0, max_connections=rooms, header_timeout=header_timeout
    ) as house.port:
        yield house


def play(scenario: Callable[[], Awaitable[object]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(within())


async def is_out(line: Line) -> bool:
    """Whether the connection was ended from the other side."""
    try:
        async with asyncio.timeout(SOON):
            await line[0].read()
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


WAITED_FOR = {
    "silent": b"",
    "dripping headers": b"GET /good HTTP/1.1\r\nHo",
    "dripping a body": b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    "dripping chunks": b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "idle after a 404": b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
    "deaf to a long answer": b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("said", WAITED_FOR.values(), ids=WAITED_FOR)
def test_who_keeps_us_waiting_gives_way_when_the_house_is_full(said: bytes) -> None:
    """
    Three who say nothing useful, then a good one: it is served, and one of the three is out.
    """

    async def scenario() -> None:
        async with a_house() as house:
            lines = [await house.dial(said) for _ in range(3)]
            assert await house.ask() == 200
            looking = [asyncio.create_task(is_out(one)) for one in lines]
            done, others = await asyncio.wait(looking, return_when=asyncio.FIRST_COMPLETED)
            assert any(one.result() for one in done)
            for task in others:
                task.cancel()
            assert await house.ask() == 200
            for _, writer in lines:
                writer.transport.abort()

    play(scenario)


def test_a_stranger_gives_way_before_a_guest() -> None:
    """
    One who had a good answer keeps an idle connection; three strangers after it cost it nothing.
    """

    async def scenario() -> None:
        async with a_house() as house:
            guest = await house.dial()
            assert await house.ask(on=guest) == 200
            strangers = [await house.dial() for _ in range(5)]
            assert await house.ask(on=guest) == 200
            assert [await is_out(one) for one in strangers[:3]] == [True] * 3
            for _, writer in [guest, *strangers]:
                writer.close()

    play(scenario)


def test_who_is_being_served_never_gives_way() -> None:
    """
    With three of them inside the fourth is turned away with 503, and all three get their answer.
    """

    async def scenario() -> None:
        async with a_house() as house:
            served = [await house.dial(HELD) for _ in range(3)]
            for _ in served:
                await house.holding.get()
            assert await house.ask() == 503
            house.released.set()
            for reader, writer in served:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                writer.close()

    play(scenario)


def test_a_burst_is_not_let_in_beyond_the_bound() -> None:
    """
    Fifty that come in one instant leave three inside.
    """

    async def scenario() -> None:
        async with a_house() as house:
            async with asyncio.TaskGroup() as tasks:
                dialled = [tasks.create_task(house.dial(HELD)) for _ in range(50)]
            lines = [task.result() for task in dialled]
            house.released.set()
            heads = []
            for reader, writer in lines:
                try:
                    heads.append(await reader.readuntil(b"\r\n\r\n"))
                except (asyncio.IncompleteReadError, ConnectionError):
                    heads.append(b"")
                writer.close()
            assert sum(head.startswith(b"HTTP/1.1 200") for head in heads) == 3

    play(scenario)


def test_who_takes_nothing_of_an_answer_is_shown_out() -> None:
    """
    Nobody may hold a connection, and the memory of an answer, by not reading it.
    """

    async def scenario() -> None:
        async with a_house(header_timeout=0.3) as house:
            with socket.create_connection(("127.0.0.1", house.port)) as deaf:
                deaf.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
                ended = select.poll()
                ended.register(deaf, 0)
                ((_, how),) = await asyncio.to_thread(ended.poll, SOON * 1000)
                assert how & (select.POLLHUP | select.POLLERR)

    play(scenario)


@pytest.mark.real_time
def test_a_slow_reader_that_goes_on_taking_is_left_alone() -> None:
    """
    A long answer over a slow line arrives whole, however long that is.
    """

    async def scenario() -> None:
        async with a_house(header_timeout=0.4) as house:
            reader, writer = await house.dial(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            size = 0
            while size < LONG:
                chunk = await reader.read(2_000_000)
                assert chunk, f"cut after {size} bytes"
                size += len(chunk)
                await asyncio.sleep(0.008)
            writer.close()

    play(scenario)


@pytest.mark.parametrize(
    "said",
    [WAITED_FOR["dripping a body"], b"\x16\x03\x01 no HTTP\r\n\r\n", b"GET / HTTP/1.1\r\nA b: c\r\n\r\n"],
    ids=["hangs up in a body", "no HTTP", "bad header"],
)
def test_no_stranger_writes_a_traceback_into_our_log(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What a peer says, or breaks off, is no fault of ours.
    """

    async def scenario() -> None:
        async with a_house() as house:
            reader, writer = await house.dial(said)
            await writer.drain()
            if b"Content-Length" in said:
                assert await house.ask() == 200  # by now the headers have been read
                writer.transport.abort()
            else:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.0 400")
                writer.close()
            assert await house.ask() == 200

    with caplog.at_level(logging.WARNING):
        play(scenario)
    assert [] == caplog.records


def test_a_fault_of_ours_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """
    Only strangers' mistakes are passed over.
    """

    async def scenario() -> None:
        async with a_house() as house:
            assert await house.ask(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n") == 500

    play(scenario)
    assert "our own" in caplog.text
