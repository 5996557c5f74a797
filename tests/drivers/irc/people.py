"""People on a real server: raw bytes from a socket, and a client library that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pydle


class Raw:
    """A client of a few lines: it answers PING and keeps every line as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines: list[bytes] = []
        self.gone = False
        self._reader = reader
        self._writer = writer
        self._changed = asyncio.Event()

    def say(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")

    async def until(self, true: Callable[[list[bytes]], object], *, within: float = 20.0) -> None:
        """Wait for what the server says. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not true(self.lines):
                self._changed.clear()
                await self._changed.wait()

    def said(self, target: str = "#team") -> list[bytes]:
        """The texts of the messages to ``target``, as bytes."""
        begin = b" PRIVMSG " + target.encode() + b" :"
        return [line.partition(begin)[2].rstrip(b"\r\n") for line in self.lines if begin in line]

    async def read(self) -> None:
        try:
            while line := await self._reader.readline():
                self.lines.append(line)
                if line.startswith(b"PING"):
                    self._writer.write(line.replace(b"PING", b"PONG"))
                self._changed.set()
        except ConnectionError:
            pass  # the server is gone; the test knows
        self.gone = True
        self._changed.set()


@asynccontextmanager
async def raw(port: int, nick: str, *channels: str) -> AsyncIterator[Raw]:
    """Somebody in these channels (``#x`` or ``#x key``)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Raw(reader, writer)
    reading = asyncio.create_task(client.read())
    try:
        client.say(f"NICK {nick}")
        client.say(f"USER {nick} 0 * :{nick}")
        await client.until(lambda lines: any(b" 001 " in line for line in lines))
        for channel in channels:
            client.say(f"JOIN {channel}")
        await client.until(lambda lines: sum(b" 366 " in line for line in lines) == len(channels))
        yield client
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        writer.transport.abort()


class Person(pydle.Client):
    """A client of the library pydle; ``heard`` are (target, by, text)."""

    RECONNECT_ON_ERROR = False

    def __init__(self, nick: str) -> None:
        super().__init__(nick, realname=nick)
        self.heard: list[tuple[str, str, str]] = []
        self.here = asyncio.Event()

    async def on_join(self, channel: str, user: str) -> None:
        await super().on_join(channel, user)
        if user == self.nickname:
            self.here.set()

    async def on_connect(self) -> None:
        await super().on_connect()
        await self.join("#team")

    async def on_message(self, target: str, by: str, message: str) -> None:
        await super().on_message(target, by, message)
        self.heard.append((target, by, message))

    async def on_ctcp_action(self, by: str, target: str, contents: str) -> None:
        self.heard.append((target, by, f"* {contents}"))


@asynccontextmanager
async def person(port: int, nick: str) -> AsyncIterator[Any]:
    """Somebody in #team."""
    client = Person(nick)
    await client.connect("127.0.0.1", port, tls=False)
    try:
        await asyncio.wait_for(client.here.wait(), 10)
        yield client
    finally:
        await client.disconnect(expected=True)
