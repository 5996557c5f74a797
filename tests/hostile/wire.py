"""HTTP by hand: requests as values, and a connection that sends any bytes and reads what comes back."""

import asyncio
import contextlib
import re
from dataclasses import dataclass, replace

CLOSED = "closed"
"""The outcome where a connection ends without an answer."""

_WITHIN = 8.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``headers`` in order, with doubles if wanted. Its length is written by `wire`."""

    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    method: bytes = b"POST"
    host: bytes = b"127.0.0.1"

    def plus(self, *headers):
        return replace(self, headers=(*self.headers, *headers))

    def first(self, *headers):
        return replace(self, headers=(*headers, *self.headers))

    def head(self, *lines, version=b"HTTP/1.1"):
        """Everything before the body, without a length; ``lines`` are further header lines."""
        start = b"%s %s %s" % (self.method, self.target, version)
        named = [b"%s: %s" % header for header in self.headers]
        return b"\r\n".join([start, b"Host: " + self.host, *named, *lines]) + b"\r\n\r\n"

    def wire(self, *lines, version=b"HTTP/1.1"):
        """The whole, with its length."""
        return self.head(*lines, b"Content-Length: %d" % len(self.body), version=version) + self.body

    def chunked(self, *chunks):
        """The whole in chunks, ``body`` if none are given."""
        sent = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in chunks or (self.body,))
        return self.head(b"Transfer-Encoding: chunked") + sent + b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """``stays`` says whether the connection is still good for another request."""

    status: str
    headers: bytes = b""
    body: bytes = b""
    stays: bool = False


class Caller:
    """One connection."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    @classmethod
    async def at(cls, port):
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 24))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def send(self, raw):
        """Whatever the other side does meanwhile."""
        with contextlib.suppress(OSError):
            self._writer.write(raw)
            await self._writer.drain()

    async def ask(self, raw, *, head=False):
        """Send, and read one answer. ``head``: one without a body, whatever its length says."""
        sending = asyncio.create_task(self.send(raw))
        try:
            return await self.answer(head=head)
        finally:
            sending.cancel()
            await asyncio.wait([sending])

    async def rest(self):
        """Everything until the connection ends, or nothing more comes."""
        try:
            async with asyncio.timeout(1.5):
                return await self._reader.read()
        except (TimeoutError, OSError):
            return b""

    async def answer(self, *, head=False):
        try:
            async with asyncio.timeout(_WITHIN):
                headers = await self._reader.readuntil(b"\r\n\r\n")
                status = headers.split()[1].decode()
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", headers)
                size = int(length.group(1)) if length and not head else 0
                body = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            return Answer(CLOSED)
        closes = re.search(rb"(?i)\r\nconnection: *close", headers) or not headers.startswith(b"HTTP/1.1")
        return Answer(status, headers, body, stays=not closes)
