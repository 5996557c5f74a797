"""What a network says of itself (RPL_ISUPPORT), and how it compares names. Pure."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_RFC1459 = str.maketrans(string.ascii_uppercase + "[]\\~", string.ascii_lowercase + "{}|^")
_RFC1459_STRICT = str.maketrans(string.ascii_uppercase + "[]\\", string.ascii_lowercase + "{}|")
_CASES = {"ascii": _LOWER, "rfc1459": _RFC1459, "rfc1459-strict": _RFC1459_STRICT}
_SHORTEST_NICK = 9  # RFC 1459's; who says nothing may still hold to it
_MOST = 64


def lowered(name: str) -> str:
    """ASCII in small letters, as every network compares at least."""
    return name.translate(_LOWER)


@dataclass(slots=True)
class Network:
    """
    https://modern.ircdocs.horse/#rplisupport-parameters

    Until the server has spoken, what nearly all of them say.
    """

    name: str = ""
    casemapping: str = "rfc1459"
    channel_types: str = "#&"
    status_prefixes: str = "@+"
    """In front of a channel: only who has such a status hears it."""
    nick_length: int = _SHORTEST_NICK
    membership: str = "~&@%+"
    bot_mode: str = ""
    features: dict[str, str] = field(default_factory=dict)

    def learn(self, tokens: Iterable[str]) -> None:
        """The middle parameters of a 005."""
        for token in tokens:
            key, _, value = token.partition("=")
            match key:
                case "NETWORK":
                    self.name = value[:_MOST]
                case "CASEMAPPING":
                    self.casemapping = value.lower()
                case "CHANTYPES":
                    self.channel_types = value or "#&"
                case "STATUSMSG":
                    self.status_prefixes = value
                case "NICKLEN" if value.isascii() and value.isdecimal():
                    self.nick_length = min(max(int(value), 1), _MOST)
                case "PREFIX" if found := re.fullmatch(r"\([A-Za-z]*\)(\S*)", value):
                    self.membership = found[1] or self.membership
                case "BOT" if len(value) == 1 and value.isalpha():
                    self.bot_mode = value

    def fold(self, name: str) -> str:
        """The same for two names that are one."""
        return name.translate(_CASES.get(self.casemapping, _RFC1459))

    def is_channel(self, target: str) -> bool:
        return target[:1] in self.channel_types and len(target) > 1

    def bare(self, member: str) -> str:
        """A nick of RPL_NAMREPLY without the signs of its status, and without user and host."""
        return member.lstrip(self.membership).partition("!")[0]


def alternatives(nick: str, longest: int) -> Iterator[str]:
    """Other nicks, when one is taken; each fits into ``longest``."""
    for tail in ("_", "__", *(f"_{number}" for number in range(2, 10)), *map(str, range(10, 100))):
        yield nick[: longest - len(tail)] + tail
