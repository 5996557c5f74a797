"""The IRC side: a channel of a real InspIRCd, with lin in it."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.conversation.side import Shown
from tests.drivers.irc import ircds
from tests.drivers.irc.people import Raw, raw

CHANNEL = "#team"

_LINE = re.compile(rb":(?P<nick>[^!]+)!\S+ PRIVMSG #team :(?P<text>.*)\r\n")
_CODES = {"\x02": "‹b›", "\x1d": "‹i›", "\x1e": "‹s›", "\x11": "‹mono›", "\x0f": "‹off›"}
_STYLES = {"plain": "", "bold": "\x02", "italic": "\x1d", "struck": "\x1e", "code": "\x11", "link": ""}


class Irc:
    name = "irc"
    keeps = False

    def __init__(self, server: ircds.Server, lin: Raw) -> None:
        self._server = server
        self._lin = lin
        self._own: list[tuple[int, Shown]] = []
        self._pings = 0

    def settings(self) -> tuple[str, dict[str, Any]]:
        return "irc", {
            "host": "127.0.0.1",
            "port": self._server.port,
            "tls": False,
            "nick": "bridge",
            "channels": [CHANNEL],
            "max_rate": "1000/1s",
        }

    def address(self) -> dict[str, str]:
        return {"channel": CHANNEL}

    # --- what lin does ---

    async def says(self, text: str) -> int:
        await self._all_read()
        for line in text.split("\n"):
            self._own.append((len(self._lines()), Shown("lin", line)))
            self._lin.say(f"PRIVMSG {CHANNEL} :{line}")
        return text.count("\n") + 1

    async def says_formatted(self, *pieces: tuple[str, str]) -> int:
        return await self.says(
            "".join(f"{_STYLES[style]}{words}{_STYLES[style]}" for style, words in pieces)
        )

    async def acts(self, text: str) -> int:
        return await self.says(f"\x01ACTION {text}\x01")

    # --- what she sees ---

    async def _all_read(self) -> None:
        """What the server had for her before it answers."""
        self._pings += 1
        token = f"seen-{self._pings}"
        self._lin.say(f"PING {token}")
        await self._lin.until(lambda lines: any(token.encode() in line for line in lines))

    def _lines(self) -> list[Shown]:
        found = (_LINE.fullmatch(line) for line in self._lin.lines)
        return [Shown(one["nick"].decode(), one["text"].decode()) for one in found if one]

    async def heard(self) -> list[Shown]:
        await self._all_read()
        shown = self._lines()
        for before, own in reversed(self._own):
            shown.insert(before, own)
        return [Shown(one.who, _read(one.text)) for one in shown]


def _read(text: str) -> str:
    """Codes as words; `` /me`` as clients show it."""
    if text.startswith("\x01ACTION "):
        return f"‹does› {text[8:].rstrip(chr(1))}"
    return "".join(_CODES.get(character, character) for character in text)


@asynccontextmanager
async def irc(folder: Path):
    """Skips the test where there is no InspIRCd."""
    folder.mkdir()
    with ircds.running("inspircd", folder) as server:
        async with raw(server.port, "lin", CHANNEL) as lin:
            yield Irc(server, lin)
