"""A small IRC server that says what it is told: for what a real one cannot be made to do."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

Answer = Callable[["Guest", str, list[str]], "Iterable[str] | None"]
"""For a client's command: the lines to say instead of what the server would say, None to go on."""


class Guest(asyncio.Protocol):
    """One client. ``said`` are its lines, without their ends."""

    def __init__(self, server: Scripted) -> None:
        self.nick = "*"
        self.said: list[str] = []
        self.user = False
        self.negotiating = False
        self.greeted = False
        self.gone = False
        self._server = server
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.guests.append(self)

    def data_received(self, given: bytes) -> None:
        *lines, self._rest = (self._rest + given).split(b"\n")
        for line in lines:
            self.said.append(line.decode("utf-8", "backslashreplace").rstrip("\r"))
            self._server.take(self, self.said[-1])

    def connection_lost(self, _error: Exception | None) -> None:
        self.gone = True
        self._server.changed.set()

    @property
    def mask(self) -> str:
        return f"{self.nick}!~u@example.test"

    def say(self, *lines: str) -> None:
        for line in lines:
            self.transport.write(line.encode() + b"\r\n")

    def hang_up(self) -> None:
        self.transport.abort()


class Scripted:
    """``capabilities`` as CAP LS says them; ``accounts`` for SASL PLAIN; ``taken`` nicks are somebody's."""

    def __init__(
        self,
        answer: Answer = lambda _guest, _verb, _params: None,
        *,
        capabilities: str = "",
        password: str = "",
        accounts: dict[str, str] | None = None,
        taken: tuple[str, ...] = (),
        isupport: str = "NETWORK=Scripted CASEMAPPING=rfc1459 CHANTYPES=# NICKLEN=30",
    ) -> None:
        self.port = 0
        self.guests: list[Guest] = []
        self.taken = set(taken)
        self._answer = answer
        self._capabilities = capabilities
        self._password = password
        self._accounts = accounts or {}
        self._isupport = isupport
        self.changed = asyncio.Event()

    @property
    def guest(self) -> Guest:
        """The last who came."""
        return self.guests[-1]

    def said(self, verb: str) -> list[str]:
        """All lines of all guests that begin with ``verb``, tags taken off."""
        bare = [
            line.partition(" ")[2] if line.startswith("@") else line
            for guest in self.guests
            for line in guest.said
        ]
        return [line for line in bare if line.split(" ")[0] == verb]

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that a client does. Raises TimeoutError."""
        async with asyncio.timeout(10):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Scripted]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Guest(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for guest in self.guests:
                guest.hang_up()

    def take(self, guest: Guest, line: str) -> None:
        self.changed.set()
        tags = ""
        if line.startswith("@"):
            tags, _, line = line.partition(" ")
        head, colon, last = line.partition(" :")
        verb, *params = [*head.split(), *([last] if colon else [])]
        scripted = self._answer(guest, verb.upper(), params)
        if scripted is not None:
            guest.say(*scripted)
            return
        guest.say(*self._usual(guest, verb.upper(), params, tags))

    def _usual(self, guest: Guest, verb: str, params: list[str], tags: str) -> Iterable[str]:
        yield from self._registering(guest, verb, params)
        match verb, params:
            case "NICK", [nick]:
                yield from self._name(guest, nick)
            case "JOIN", [channel, *_]:
                yield f":{guest.mask} JOIN {channel}"
                yield f":irc.test 353 {guest.nick} = {channel} :{guest.nick} @ada"
                yield f":irc.test 366 {guest.nick} {channel} :End"
            case "PING", [token]:
                yield f":irc.test PONG irc.test :{token}"
            case "QUIT", _:
                guest.hang_up()
            case (("PRIVMSG" | "NOTICE"), [target, text]) if (
                tags and "echo-message" in self._capabilities
            ):
                yield f"{tags};msgid=id{len(guest.said)} :{guest.mask} {verb} {target} :{text}"
        if not guest.greeted and guest.user and guest.nick != "*" and not guest.negotiating:
            guest.greeted = True
            yield f":irc.test 001 {guest.nick} :Welcome"
            yield f":irc.test 005 {guest.nick} {self._isupport} :are supported"
            yield f":irc.test 422 {guest.nick} :No MOTD"

    def _registering(self, guest: Guest, verb: str, params: list[str]) -> Iterable[str]:
        match verb, params:
            case "CAP", ["LS", *_]:
                guest.negotiating = True
                yield f":irc.test CAP * LS :{self._capabilities}"
            case "CAP", ["REQ", wanted]:
                yield f":irc.test CAP * ACK :{wanted}"
            case "CAP", ["END"]:
                guest.negotiating = False
            case "AUTHENTICATE", ["PLAIN" | "EXTERNAL"]:
                yield "AUTHENTICATE +"
            case "AUTHENTICATE", [given]:
                yield from self._log_in(guest, given)
            case "PASS", [given] if given != self._password:
                yield ":irc.test 464 * :Password incorrect"
            case "USER", _:
                guest.user = True

    def _log_in(self, guest: Guest, given: str) -> Iterable[str]:
        if given == "+":
            yield f":irc.test 900 {guest.nick} {guest.mask} by-certificate :You are now logged in"
            yield f":irc.test 903 {guest.nick} :SASL authentication successful"
            return
        _, user, password = base64.b64decode(given).decode().split("\0")
        if self._accounts.get(user) == password:
            yield f":irc.test 900 {guest.nick} {guest.mask} {user} :You are now logged in as {user}"
            yield f":irc.test 903 {guest.nick} :SASL authentication successful"
        else:
            yield f":irc.test 904 {guest.nick} :SASL authentication failed, not with {password}"

    def _name(self, guest: Guest, nick: str) -> Iterable[str]:
        if nick in self.taken:
            yield f":irc.test 433 {guest.nick} {nick} :Nickname is already in use"
        elif guest.greeted:
            yield f":{guest.mask} NICK {nick}"
            guest.nick = nick
        else:
            guest.nick = nick
