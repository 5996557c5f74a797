"""What a connection shows of an account. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.driver import Entry
from bridge.model import Finding
from bridge.wild import clean_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.errors import DeliveryError

    from .session import Session
    from .settings import Account


def failed(error: DeliveryError) -> Finding:
    return Finding(
        ok=False,
        what=f"no connection to IRC: {error}",
        hint="look at host, port and tls, and at the passwords; is there a firewall in between?",
    )


def connected(session: Session, encryption: str, account: Account) -> Sequence[Finding]:
    """Of the connection that carries messages."""
    return (*visited(session, encryption, account), *_nick(session, account), *_channels(session))


def visited(session: Session, encryption: str, account: Account) -> Sequence[Finding]:
    """Of any connection; a visitor has another nick while the bridge runs, and that is no fault."""
    return (
        Finding(ok=True, what=f"IRC greets us: {clean_name(session.network.name) or account.host}"),
        *_encryption(encryption, account),
        *_login(session, account),
    )


def _encryption(encryption: str, account: Account) -> Iterator[Finding]:
    if not account.tls:
        return
    if account.tls_verify or account.tls_fingerprint:
        yield Finding(ok=True, what=f"encrypted, and the server is verified: {encryption}")
    else:
        yield Finding(
            ok=False,
            what="the connection is encrypted, but anybody on the way can pose as the server",
            hint="set tls_fingerprint or tls_ca_file instead of switching tls_verify off",
        )


def _login(session: Session, account: Account) -> Iterator[Finding]:
    if account.sasl_mechanism:
        yield Finding(
            ok=True, what=f"SASL logged us in: {clean_name(session.login) or account.sasl_user}"
        )


def _nick(session: Session, account: Account) -> Iterator[Finding]:
    if not session.nick_is_ours:
        yield Finding(
            ok=False,
            what=f"the nick is taken by somebody else: {account.nick}",
            hint="it is taken back when it is free; register it, and log in with SASL",
        )


def _channels(session: Session) -> Iterator[Finding]:
    for channel in session.channels:
        if channel.joined:
            yield Finding(ok=True, what=f"in the channel: {clean_name(channel.name)}")
        elif channel.trouble is not None:
            yield Finding(
                ok=False,
                what=f"not in a channel: {channel.trouble}",
                hint="somebody of that channel can help: a ban, an invitation, a key, or voice",
            )


def users(session: Session) -> Sequence[Entry]:
    """Everybody in the channels that this session knows, but ourselves."""
    seen: dict[str, list[str]] = {}
    for channel in session.channels:
        for nick in channel.members.values():
            seen.setdefault(nick, []).append(channel.name)
    return [
        Entry({"nick": nick}, nick, ", ".join(sorted(channels)))
        for nick, channels in sorted(seen.items())
        if not session.is_us(nick)
    ]
