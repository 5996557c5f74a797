"""Servers that mean no good, names that lie, and a fetch that must cope with them."""

import asyncio
import socket
from contextlib import asynccontextmanager

from aiohttp.abc import AbstractResolver

from bridge.errors import Refused, Transient
from bridge.fetch import FetchLimits, open_fetcher
from bridge.networks import network

HERE = (network("127.0.0.1"),)
"""One address of this machine; 127.0.0.2 is as private as any other."""

FILE = b"\x89PNG" + bytes(range(256)) * 40


def answer(body=FILE, *, status="200 OK", length=None, **headers):
    """An HTTP answer, byte by byte; header names are written with underscores."""
    lines = [f"HTTP/1.1 {status}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    if length is not False:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Host:
    """A server that says what it is told, whoever asks; ``asked`` are the heads of the requests."""

    def __init__(self, *says):
        self.says = says
        self.asked = []
        self.port = 0

    @asynccontextmanager
    async def running(self, address="127.0.0.1", port=0):
        open_ = set()

        async def serve(reader, writer):
            open_.add(asyncio.current_task())
            try:
                self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
                says = self.says[min(len(self.asked), len(self.says)) - 1]
                if callable(says):
                    await says(writer)
                else:
                    writer.write(says.replace(b"PORT", b"%d" % self.port))
                    await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # they had enough
            finally:
                writer.close()
                open_.discard(asyncio.current_task())

        server = await asyncio.start_server(serve, address, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in open_:
                task.cancel()
            await asyncio.gather(*open_, return_exceptions=True)

    @property
    def paths(self):
        return [head.split()[1] for head in self.asked]


class Names(AbstractResolver):
    """What a name's addresses are, lookup by lookup; the last answer stays."""

    def __init__(self, **addresses):
        self.addresses = {name.replace("_", "."): list(each) for name, each in addresses.items()}

    async def resolve(self, host, port=0, family=socket.AF_INET):
        if host not in self.addresses:
            raise OSError(f"no such name: {host}")
        answers = self.addresses[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            {"hostname": host, "host": address, "port": port, "family": 0, "proto": 0, "flags": 0}
            for address in found
        ]

    async def close(self):
        pass


@asynccontextmanager
async def fetcher(*, allowed=HERE, proxy="", names=None, **limits):
    async with open_fetcher(
        FetchLimits(allow_networks=allowed, **limits), proxy=proxy, resolver=names
    ) as fetch:
        yield fetch


async def read(fetch, url):
    async with fetch(url) as opened:
        return opened, b"".join([chunk async for chunk in opened.chunks])


def fetch_from(*says, url="http://127.0.0.1:PORT/a.png?sig=SECRET", **more):
    """What comes of one fetch: the opened file and its bytes, or the error; and the host."""
    host = Host(*says)

    async def scenario():
        async with host.running(), fetcher(**more) as fetch, asyncio.timeout(10):
            try:
                return await read(fetch, url.replace("PORT", str(host.port)))
            except (Refused, Transient) as e:
                return e

    return asyncio.run(scenario()), host


def refused(outcome):
    assert isinstance(outcome, Refused), outcome
    assert "SECRET" not in str(outcome)
    assert outcome.__cause__ is None
    return outcome.reason


def transient(outcome):
    assert isinstance(outcome, Transient), outcome
    assert "SECRET" not in str(outcome)
    assert outcome.__cause__ is None
    return outcome.reason
