"""One account's view of the world: its session, its time limits, its proxy."""

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bridge.clock import SystemClock
from bridge.config import Instance
from bridge.errors import Indeterminate, Transient
from bridge.instances import open_toolbox
from bridge.metrics import Metrics
from bridge.model import InstanceId
from bridge.registry import installed


def an_instance(**more):
    spec = installed().load("webhook")
    return Instance(id=InstanceId("one"), platform="webhook", spec=spec, settings={}, **more)


@asynccontextmanager
async def a_server(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
    """Records the request lines and answers; with None it never does."""
    lines, serving = [], []

    async def serve(reader, writer):
        serving.append(asyncio.current_task())
        lines.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode())
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lines
    finally:
        server.close()
        if serving:
            await asyncio.wait(serving, timeout=5)


async def ask(instance, url):
    async with open_toolbox(instance, SystemClock(), Metrics("test")) as toolbox:
        return await toolbox.request("POST", url, body=b"x", headers={})


@pytest.mark.parametrize("base", ["http://api.dingtalk.io.invalid", "http://api.example.invalid"])
def test_a_proxy_is_asked_instead_of_the_platform(base):
    """Names are resolved by the proxy: ours need not know them."""

    async def scenario():
        async with a_server() as (proxy, lines):
            answer = await ask(an_instance(proxy=proxy), f"{base}/v1.0/x")
            return answer.status, lines

    assert (200, [f"POST {base}/v1.0/x HTTP/1.1"]) == asyncio.run(scenario())


def test_redirects_are_not_followed():
    """A platform that moved is a thing to be told, not to be chased with our credentials."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"

    async def scenario():
        async with a_server(moved) as (url, _):
            return (await ask(an_instance(), url)).status

    assert 302 == asyncio.run(scenario())


def test_what_never_answers_is_given_up_in_time():
    """The request left, so nobody knows what became of it."""

    async def scenario():
        async with a_server(None) as (url, _):
            await ask(an_instance(send_timeout=0.3), url)

    with pytest.raises(Indeterminate):
        asyncio.run(scenario())


def test_what_cannot_be_reached_was_not_sent():
    with pytest.raises(Transient, match="could not connect"):
        asyncio.run(ask(replace(an_instance(), send_timeout=5.0), "http://127.0.0.1:1/"))


def test_a_handshake_that_nobody_answers_was_no_lost_answer():
    """However short the limit: nothing of the message has left, so it may be sent again."""

    async def scenario():
        async with a_server(None) as (url, _):
            await ask(an_instance(send_timeout=0.5), url.replace("http:", "https:"))

    with pytest.raises(Transient, match="could not connect"):
        asyncio.run(scenario())


@pytest.mark.real_time
@pytest.mark.parametrize("stale", [b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b"?"])
def test_what_nobody_asked_for_is_no_answer_to_the_next_message(stale):
    """A gateway that is tired of an idle connection says so on it; the next message gets a new one."""
    told = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\nx")
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        if not told.is_set():
            await asyncio.sleep(0.05)
            writer.write(stale)
            await writer.drain()
            told.set()
        await reader.read()
        writer.close()

    async def scenario():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_toolbox(an_instance(), SystemClock(), Metrics("test")) as toolbox:
            first = await toolbox.request("POST", url, body=b"x", headers={})
            await told.wait()
            await asyncio.sleep(0.05)
            second = await toolbox.request("POST", url, body=b"x", headers={})
        server.close()
        return first.status, second.status

    assert (201, 201) == asyncio.run(scenario())


@pytest.mark.real_time
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_request_leaves_once_whatever_becomes_of_its_connection(method):
    """Whether to send again is for the core to say: only it knows what the operator wants."""
    requests = []

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\nx")
                requests.append(writer)
                if len(requests) > 1:
                    break  # taken, and hung up on
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async def scenario():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_toolbox(an_instance(), SystemClock(), Metrics("test")) as toolbox:
            await toolbox.request(method, url, body=b"x", headers={})
            with pytest.raises(Indeterminate):
                await toolbox.request(method, url, body=b"x", headers={})
        server.close()

    asyncio.run(scenario())
    assert 2 == len(requests)


def test_a_name_that_is_none_could_not_be_connected_to():
    """Nothing was sent, so it is no bug that ends the message."""
    with pytest.raises(Transient, match="could not connect"):
        asyncio.run(ask(an_instance(), f"http://{'a' * 64}.example/"))
