"""An IRC session without a socket: a server by hand."""

from __future__ import annotations

import random
from typing import Any

from drivers.irc import settings, wire
from drivers.irc.session import Session
from tests.drivers.irc.wire_files import GIVEN

ALL = "message-tags echo-message labeled-response batch server-time"


class Server:
    """What a session says and hears; ``now`` in seconds."""

    def __init__(self, **given: Any) -> None:
        self.reported: list[str] = []
        self.now = 0.0
        account = settings.read({**GIVEN, "channels": ["#team"], **given})
        self.session = Session(account, random.Random(1), self.reported.append, 0.0)
        self.start = [line.decode().rstrip() for line in self.session.start()]

    def says(self, *lines: str) -> list[str]:
        """What the session answers to all of them."""
        answers: list[bytes] = []
        for line in lines:
            parsed = wire.read(line.encode())
            assert parsed is not None
            answers += self.session.receive(parsed, self.now)
        return [line.decode().rstrip("\r\n") for line in answers]

    def welcome(self, nick: str = "bridge", capabilities: str = "") -> Server:
        if capabilities:
            self.says(f":s CAP * LS :{capabilities}", f":s CAP * ACK :{capabilities}")
        self.says(
            f":s 001 {nick} :Welcome",
            f":s 005 {nick} NETWORK=Net NICKLEN=30 CASEMAPPING=rfc1459 :are supported",
            f":s 422 {nick} :No MOTD",
        )
        assert self.session.ready
        return self

    def joined(self) -> Server:
        self.says(f":{self.session.nick}!~u@cloak.example JOIN #team")
        return self

    def after(self, seconds: float) -> list[str]:
        self.now += seconds
        return [line.decode().rstrip("\r\n") for line in self.session.tick(self.now)]
