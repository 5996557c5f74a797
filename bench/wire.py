"""
HTTP/1.1 in as few microseconds as Python allows.

The load and the sink share one core and must not be the limit, so they speak HTTP over bare asyncio
protocols. Only what the subjects really send is understood: bodies with a Content-Length.
"""

import asyncio
import re
from collections.abc import Mapping

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)
_END_OF_HEAD = b"\r\n\r\n"
_REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


class Framed(asyncio.Protocol):
    """Cuts the bytes of one connection into messages; a subclass says what a message means."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        rest = self._rest + data if self._rest else data
        while (end := rest.find(_END_OF_HEAD)) >= 0:
            length = _LENGTH.search(rest, 0, end)
            stop = end + len(_END_OF_HEAD) + (int(length[1]) if length else 0)
            if len(rest) < stop:
                break
            self.message_received(rest[:end], rest[end + len(_END_OF_HEAD) : stop])
            rest = rest[stop:]
        self._rest = rest

    def message_received(self, head: bytes, body: bytes) -> None:
        """One whole message: its start line with the headers, and its body."""
        raise NotImplementedError


def status_of(head: bytes) -> int:
    """The status of an answer's head: ``HTTP/1.1 200 OK`` is 200."""
    return int(head[9:12])


def target_of(head: bytes) -> str:
    """The target of a request's head: ``POST /in HTTP/1.1`` is ``/in``."""
    return head.split(b" ", 2)[1].decode("ascii", "replace")


def request(
    target: str, port: int, body: bytes, headers: Mapping[str, str], *, method: str = "POST"
) -> bytes:
    """A request as it goes over the wire, kept alive."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def answer(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A JSON answer as it goes over the wire, kept alive."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n"
        f"Content-Type: application/json\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _OneAnswer(Framed):
    def __init__(self) -> None:
        super().__init__()
        self.answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def message_received(self, head: bytes, body: bytes) -> None:
        if not self.answered.done():
            self.answered.set_result((status_of(head), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError("closed without an answer"))


async def get(port: int, target: str, *, seconds: float = 5.0) -> tuple[int, bytes]:
    """
    Status and body of one GET on 127.0.0.1.

    Raises `OSError` when nobody answers, `TimeoutError` after ``seconds``.
    """
    async with asyncio.timeout(seconds):
        loop = asyncio.get_running_loop()
        transport, exchange = await loop.create_connection(_OneAnswer, "127.0.0.1", port)
        try:
            transport.write(request(target, port, b"", {}, method="GET"))
            return await exchange.answered
        finally:
            transport.close()
