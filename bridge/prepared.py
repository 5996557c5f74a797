"""
An answer that is the same for every request, put together once.

aiohttp builds each answer anew from its parts, which costs as much as verifying the request did. A
platform that calls us gets the same few bytes thousands of times.
"""

from __future__ import annotations

from email.utils import format_datetime
from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.client_exceptions import ClientConnectionResetError

from bridge.clock import Clock
from bridge.model import InboundResponse

_FRESH = 0.5
"""Seconds that the header ``Date`` is good for."""


class Prepared(web.StreamResponse):
    """``answer`` as it goes over a connection that is kept. One serves any number of requests."""

    def __init__(self, answer: InboundResponse, clock: Clock) -> None:
        super().__init__(status=answer.status)
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += [f"Content-Length: {len(answer.body)}", "Date: "]
        self._before = "\r\n".join(lines).encode("latin-1")
        self._after = b"\r\n\r\n" + answer.body
        self._clock = clock
        self._wire = b""
        self._fresh_until = float("-inf")

    @staticmethod
    def suits(request: web.BaseRequest) -> bool:
        """Whether the connection stays, so that no header has to speak of it."""
        return request.version == HttpVersion11 and request.keep_alive

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write all of it. Raises `ClientConnectionResetError` if the peer is gone."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("Cannot write to closing transport")
        monotonic = self._clock.monotonic()
        if monotonic >= self._fresh_until:
            self._fresh_until = monotonic + _FRESH
            date = format_datetime(self._clock.now(), usegmt=True)
            self._wire = self._before + date.encode() + self._after
        transport.write(self._wire)

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to be written."""
