"""
From the first byte to the end of the server's greeting: capabilities, SASL, a nick. No I/O.

https://modern.ircdocs.horse/#connection-registration, https://ircv3.net/specs/extensions/capability-negotiation
and https://ircv3.net/specs/extensions/sasl-3.2
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from bridge.errors import Broken, DeliveryError, Scope, Transient

from . import failures, wire
from .network import Network, alternatives

if TYPE_CHECKING:
    from collections.abc import Callable

    from irctokens.line import Line

    from .settings import Account

WANTED = (
    "account-tag",
    "batch",
    "chghost",
    "echo-message",
    "labeled-response",
    "message-tags",
    "multi-prefix",
    "server-time",
    "userhost-in-names",
)
_SASL_CHUNK = 400
_NICK_BAD = "432"
_NICK_NOT_OURS = frozenset({"433", "436", "437", _NICK_BAD})
_SASL_FAILED = ("sasl_failed", "SASL failed, check sasl_user and sasl_password")
_FATAL = {
    "464": ("bad_password", "the server refused server_password"),
    "465": ("banned", "the server does not let us in"),
    **dict.fromkeys(("902", "904", "905", "906", "908"), _SASL_FAILED),
}
_LONGEST_BAD_NICK = 9


class Registration:
    """
    One connection's registration: feed it lines, send what it gives back, until it is ``done``.

    `receive` raises a `DeliveryError` where it cannot succeed.
    """

    def __init__(self, account: Account, network: Network, mask: Callable[[str], str]) -> None:
        self.nick = account.nick
        self.capabilities: frozenset[str] = frozenset()
        self.authenticated = ""
        """The account that SASL logged us into; empty without."""
        self.done = False
        self._account = account
        self._network = network
        self._mask = mask
        self._offered: dict[str, str] = {}
        self._others = alternatives(account.nick, _LONGEST_BAD_NICK)
        self._tried = set[str]()
        self._welcomed = False

    def start(self) -> list[bytes]:
        """What to say first."""
        account = self._account
        first = [wire.write("CAP", "LS", "302")]
        if account.server_password:
            first.append(wire.write("PASS", account.server_password))
        return [
            *first,
            wire.write("NICK", account.nick),
            wire.write("USER", account.username, "0", "*", account.realname),
        ]

    def receive(self, line: Line) -> list[bytes]:
        """Raises a `DeliveryError`."""
        params = line.params
        match line.command:
            case "CAP" if len(params) > 2:  # noqa: PLR2004 (who, what, and about which)
                return self._capability(params)
            case "AUTHENTICATE":
                return self._authenticate()
            case "001" if params and wire.is_word(params[0]):
                self._welcomed = True
                self.nick = params[0]
            case "005":
                self._network.learn(params[1:-1])
            case "900" if len(params) > 2:  # noqa: PLR2004 (as CAP)
                self.authenticated = params[2]
            case "903" | "907":
                return [wire.write("CAP", "END")]
            case "376" | "422" if self._welcomed:
                self.done = True
            case verb if verb in _NICK_NOT_OURS and not self._welcomed:
                return self._other_nick(verb)
            case _:
                self._refused(line)
        return []

    def _refused(self, line: Line) -> None:
        """Raises a `DeliveryError` where the server does not want us."""
        said = self._mask(line.params[-1] if line.params else "")
        if line.command == "ERROR":
            raise failures.of_the_end(said)
        if line.command in _FATAL:
            reason, what = _FATAL[line.command]
            raise Broken(f"{what}: {failures.shown(said)}", reason=reason, scope=Scope.INSTANCE)

    def _other_nick(self, numeric: str) -> list[bytes]:
        self._tried.add(self.nick)
        if numeric == _NICK_BAD and not self._tried - {self._account.nick}:
            # Perhaps it is only too long; a server says how long it may be when it is too late.
            self.nick = self._account.nick[:_LONGEST_BAD_NICK]
            if self.nick not in self._tried:
                return [wire.write("NICK", self.nick)]
        for other in self._others:
            if other not in self._tried:
                self.nick = other
                return [wire.write("NICK", other)]
        raise Transient("every nick that was tried is taken or not allowed", reason="nick_taken")

    # --- capabilities ---

    def _capability(self, params: list[str]) -> list[bytes]:
        verb, names = params[1].upper(), params[-1].split()
        match verb:
            case "LS":
                self._offered |= {name: value for name, _, value in (n.partition("=") for n in names)}
                more_follow = params[2:-1] == ["*"]
                return [] if more_follow else self._request()
            case "ACK":
                given = {name for name in names if not name.startswith("-")}
                taken = {name[1:] for name in names if name.startswith("-")}
                self.capabilities = self.capabilities - taken | given
                if self._welcomed:
                    return []
                if "sasl" in given:
                    return [wire.write("AUTHENTICATE", self._account.sasl_mechanism)]
                return [wire.write("CAP", "END")]
            case "NAK" if not self._welcomed:
                if self._account.sasl_mechanism:
                    raise self._no_sasl()
                return [wire.write("CAP", "END")]
            case "DEL":
                self.capabilities -= set(names)
        return []

    def _request(self) -> list[bytes]:
        wanted = [name for name in WANTED if name in self._offered]
        mechanism = self._account.sasl_mechanism
        if mechanism:
            listed = self._offered.get("sasl")
            if listed is None or (listed and mechanism not in listed.split(",")):
                raise self._no_sasl()
            wanted.append("sasl")
        return [wire.write("CAP", "REQ", " ".join(wanted)) if wanted else wire.write("CAP", "END")]

    def _no_sasl(self) -> DeliveryError:
        return Broken(
            f"the server offers no SASL {self._account.sasl_mechanism}: use nickserv_password, or TLS",
            reason="no_sasl",
            scope=Scope.INSTANCE,
        )

    def _authenticate(self) -> list[bytes]:
        account = self._account
        if account.sasl_mechanism == "EXTERNAL":
            return [wire.write("AUTHENTICATE", "+")]
        plain = f"\0{account.sasl_user}\0{account.sasl_password}".encode()
        encoded = base64.b64encode(plain).decode()
        chunks = [encoded[i : i + _SASL_CHUNK] for i in range(0, len(encoded), _SASL_CHUNK)]
        if len(chunks[-1]) == _SASL_CHUNK:
            chunks.append("+")
        return [wire.write("AUTHENTICATE", chunk) for chunk in chunks]
