"""One connection from its first line to its last, without I/O: lines in, bytes out, time as a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from irctokens.line import Line

from bridge import __version__
from bridge.errors import Transient

from . import failures, wire
from .channels import Channels
from .network import Network
from .posts import Posts
from .registration import Registration

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from bridge.model import MessageId

    from .posts import Post
    from .settings import Account

REGISTERED_WITHIN = 60.0
"""Seconds for a server to greet us; some look up our name and wait for ident first."""
QUIET, DEAF = 60.0, 30.0
"""Seconds without a line until we ask, and from then until the connection counts as dead."""
_REGAIN_EVERY = 60.0
_VERSION_EVERY = 10.0
_PLAYBACK = frozenset({"chathistory", "znc.in/playback", "draft/chathistory"})
_LABELS = frozenset({"echo-message", "labeled-response"})
_MOST_BATCHES = 64
_USER, _HOST = 12, 64
"""Bytes that a user (with its ``~``) and a host may have, while we do not know ours."""


class Session:
    """
    `start`, then `receive` and `tick`, each giving bytes to send. Both raise a `DeliveryError` when
    the connection is of no more use. ``heard`` collects what was said to us, until somebody takes it.
    """

    def __init__(
        self, account: Account, random: Random, report: Callable[[str], None], now: float
    ) -> None:
        self.network = Network()
        self.channels = Channels(self.network, account.channels, account.channel_keys, random, report)
        self.posts = Posts(self.network.fold, self.mask)
        self.heard: list[Line] = []
        self.ready = False
        self.capabilities: frozenset[str] = frozenset()
        self.login = ""
        self._account = account
        self._report = report
        self._registration = Registration(account, self.network, self.mask)
        self._userhost = ""
        self._playback: set[str] = set()
        self._began = now
        self._last_heard = now
        self._asked = False
        self._next_regain = now + _REGAIN_EVERY
        self._next_version = now

    # --- what it knows ---

    @property
    def nick(self) -> str:
        """As the server knows us."""
        return self._registration.nick

    @property
    def nick_is_ours(self) -> bool:
        wanted = self.network.fold(self._account.nick)
        return self.network.fold(self.nick) in (wanted, wanted[: self.network.nick_length])

    @property
    def prefix(self) -> str:
        """What the server puts before our lines; as long as it may be, while we have not seen it."""
        return f"{self.nick}!{self._userhost or 'u' * _USER + '@' + 'h' * _HOST}"

    def mask(self, said: str) -> str:
        """A server's words without our secrets: some repeat what they do not understand."""
        for secret in self._account.secrets:
            said = said.replace(secret, "***")
        return said

    def is_us(self, nick: str) -> bool:
        return self.network.fold(nick) == self.network.fold(self.nick)

    # --- time ---

    @property
    def next_due(self) -> float:
        """When `tick` should be called, if nothing comes before."""
        due = [self._last_heard + QUIET + (DEAF if self._asked else 0.0)]
        if not self.ready:
            due.append(self._began + REGISTERED_WITHIN)
        elif (joining := self.channels.next_due) is not None:
            due.append(joining)
        if self.ready and not self.nick_is_ours:
            due.append(self._next_regain)
        return min(due)

    def tick(self, now: float) -> list[bytes]:
        """Raises a `DeliveryError`."""
        if not self.ready and now >= self._began + REGISTERED_WITHIN:
            raise Transient("the server did not greet us in time", reason="no_greeting")
        said = []
        if now >= self._last_heard + QUIET + DEAF:
            raise Transient("the server says nothing any more", reason="silent")
        if now >= self._last_heard + QUIET and not self._asked:
            self._asked = True
            said.append(wire.write("PING", "are-you-there"))
        if self.ready:
            said += self.channels.tick(now)
            if not self.nick_is_ours and now >= self._next_regain:
                self._next_regain = now + _REGAIN_EVERY
                said.append(wire.write("NICK", self._account.nick))
        return said

    # --- out ---

    def start(self) -> list[bytes]:
        return self._registration.start()

    def post(
        self, verb: str, target: str, texts: list[str], reply_to: MessageId | None
    ) -> tuple[Post, bytes]:
        """Only when ``ready``."""
        tagged = reply_to if "message-tags" in self.capabilities else None
        return self.posts.write(verb, target, texts, tagged)

    # --- in ---

    def receive(self, line: Line, now: float) -> list[bytes]:
        """Raises a `DeliveryError`."""
        self._last_heard, self._asked = now, False
        if line.command == "PING":
            return [wire.write("PONG", *line.params[:1])] if line.params else []
        if not self.ready:
            said = self._registration.receive(line)
            return said + self._greeted(now) if self._registration.done else said
        return self._later(line, now)

    def _greeted(self, now: float) -> list[bytes]:
        self.ready = True
        self.capabilities = self._registration.capabilities
        self.login = self._registration.authenticated
        self.posts.labels = self.capabilities >= _LABELS
        self.channels.start(now)
        said = []
        if self.network.bot_mode:
            said.append(wire.write("MODE", self.nick, f"+{self.network.bot_mode}"))
        if self._account.nickserv_password:
            words = f"IDENTIFY {self._account.nickserv_password}"
            said.append(wire.write("PRIVMSG", "NickServ", words))
        return said + self.channels.tick(now)

    def _later(self, line: Line, now: float) -> list[bytes]:
        nick, _, userhost = (line.source or "").partition("!")
        ours = bool(userhost) and self.is_us(nick)
        if ours:
            self._userhost = userhost
        if line.command in ("PRIVMSG", "NOTICE"):
            return self._said(line, nick, now, ours=ours) if len(line.params) > 1 else []
        if not self._about_posts(line) and not self.channels.refused(line, now):
            self._about_us(line, nick, now, ours=ours)
            self.channels.observe(line, nick, now, is_us=self.is_us)
        return []

    def _about_posts(self, line: Line) -> bool:
        """Whether it was."""
        match line.command:
            case "PONG" if line.params:
                self.posts.ponged(line.params[-1])
            case "ACK":
                self.posts.acknowledged(line)
            case "BATCH":
                self._batch(line)
            case _:
                return self.posts.refused(self._from_outside(line))
        return True

    def _from_outside(self, line: Line) -> Line:
        """A 404 from a channel that we were thrown out of is a 442: we come back by ourselves."""
        match line.command, line.params:
            case "404", [_, name, *_] if (channel := self.channels.get(name)) and not channel.joined:
                return Line(line.tags, line.source, "442", line.params)
        return line

    def _about_us(self, line: Line, nick: str, now: float, *, ours: bool) -> None:
        match line.command, line.params:
            case "ERROR", said:
                raise failures.of_the_end(self.mask(" ".join(said)))
            case "CAP", _:
                self._registration.receive(line)
                self.capabilities = self._registration.capabilities
                self.posts.labels = self.capabilities >= _LABELS
            case "005", [_, *tokens, _]:
                self.network.learn(tokens)
            case "396", [_, host, *_] if self._userhost:
                self._userhost = f"{self._userhost.partition('@')[0]}@{host.rpartition('@')[2]}"
            case "CHGHOST", [user, host, *_] if ours:
                self._userhost = f"{user}@{host}"
            case "NICK", [new, *_] if ours and wire.is_word(new):
                self._registration.nick = new
            case (("NICK" | "QUIT" | "KILL"), _):
                if self.network.fold(nick) == self.network.fold(self._account.nick):
                    self._next_regain = now
            case "KICK", [_, whom, *_] if self.is_us(whom):
                self._report("kicked")

    def _said(self, line: Line, nick: str, now: float, *, ours: bool) -> list[bytes]:
        if ours:
            if "echo-message" in self.capabilities:
                self.posts.echoed(line)
            return []
        if (line.tags or {}).get("batch") in self._playback:
            self._report("playback_ignored")
            return []
        asked = wire.ctcp(line.params[-1])
        if asked is None or (asked[0] == "ACTION" and line.command == "PRIVMSG"):
            self.heard.append(line)
        elif asked[0] == "VERSION" and line.command == "PRIVMSG" and now >= self._next_version:
            self._next_version = now + _VERSION_EVERY
            if wire.is_word(nick):
                return [wire.write("NOTICE", nick, wire.as_ctcp("VERSION", f"msgbridge {__version__}"))]
        return []

    def _batch(self, line: Line) -> None:
        reference = line.params[0] if line.params else ""
        if reference.startswith("+") and line.params[1:2] and line.params[1] in _PLAYBACK:
            if len(self._playback) < _MOST_BATCHES:
                self._playback.add(reference[1:])
        elif reference.startswith("-"):
            self._playback.discard(reference[1:])
        self.posts.batch(line)
