"""A platform that keeps connections and answers to the byte as told, and the toolbox that asks it."""

import asyncio
import socket
import struct
import traceback
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import aiohttp
import pytest

from bridge.clock import SystemClock
from bridge.config import Instance
from bridge.instances import open_toolbox
from bridge.metrics import Metrics
from bridge.model import InstanceId
from bridge.registry import installed

SECRET = "s3cret"
"""Stands in the URL, and must in no error."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came: on the how-manieth connection, and its parts."""

    connection: int
    line: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def said(self):
        return self.line, self.fields, self.body


Reply = Callable[[asyncio.StreamWriter, Asked], Awaitable[None]]


async def turns():
    """Loopback delivers at once; the loop has to look at what has come."""
    for _ in range(10):
        await asyncio.sleep(0)


def reset(writer):
    """Go away without a word; what was not sent yet never is."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def says(*pieces: bytes, then: str = "keep") -> Reply:
    """Each piece reaches the client by itself. ``then`` is "keep", "close" or "reset"."""

    async def reply(writer, _asked):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await turns()
        if then == "reset":
            reset(writer)
        elif then == "close":
            writer.close()

    return reply


def answer(body: bytes = b"ok", *fields: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


GOOD = says(answer())


class Peer:
    """``replies`` are for the next requests, in the order in which they come, then all is GOOD."""

    def __init__(self, *replies: Reply):
        self.replies = list(replies)
        self.asked: list[Asked] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.heard: asyncio.Queue[Asked] = asyncio.Queue()
        self.address = ("", 0)
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.address[1]}/send?token={SECRET}"

    async def _serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        connection = len(self.writers)
        self.writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                line, *lines = head.decode("utf-8")[:-4].split("\r\n")
                fields = {name.lower(): value for name, _, value in (it.partition(": ") for it in lines)}
                assert len(fields) == len(lines), "no field twice"
                if "expect" in fields:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                asked = Asked(connection, line, tuple(sorted(fields.items())), body)
                self.asked.append(asked)
                self.heard.put_nowait(asked)
                await (self.replies.pop(0) if self.replies else GOOD)(writer, asked)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def hang_up_unseen(self, connection, how):
        """Returns when the socket is gone, and before the client's side of the loop can have looked."""
        gone, loop = asyncio.Event(), asyncio.get_running_loop()
        how(self.writers[connection])
        loop.call_soon(gone.set)
        await gone.wait()

    @asynccontextmanager
    async def listening(self, host="127.0.0.1", ssl=None):
        server = await asyncio.start_server(self._serve, host, 0, ssl=ssl)
        self.address = server.sockets[0].getsockname()
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.close()
            if self._serving:
                await asyncio.wait(self._serving, timeout=5.0)


def count(session: aiohttp.ClientSession) -> list[str]:
    """The methods of the requests that go aiohttp's own way: only those are traced."""
    seen: list[str] = []

    async def started(_session, _context, params):
        seen.append(params.method)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)
    trace.freeze()
    session.trace_configs.append(trace)
    return seen


@asynccontextmanager
async def a_toolbox(within=5.0, **more):
    """As the core gives it, and the requests that aiohttp wrote."""
    spec = installed().load("webhook")
    instance = Instance(
        id=InstanceId("one"), platform="webhook", spec=spec, settings={}, send_timeout=within, **more
    )
    async with open_toolbox(instance, SystemClock(), Metrics("test")) as toolbox:
        yield toolbox, count(toolbox.http)


async def post(toolbox, url, body=b"x", headers=None, method="POST"):
    return await toolbox.request(method, url, body=body, headers=headers or {})


@contextmanager
def failing(kind):
    """With an error of this kind, which tells nobody the secret in the URL."""
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert SECRET not in repr(caught.value) + "".join(traceback.format_exception(caught.value))


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario(), 20))
