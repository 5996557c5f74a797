"""One instance's settings: what they are, and what the schema cannot say about them."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.driver import Complaint, Settings
from bridge.loopback import is_loopback
from bridge.model import AddressForm, ConversationId

from .network import lowered

TLS_PORT, PLAIN_PORT = 6697, 6667
_PRIVATE = "nick:"
_TYPES = "#&+!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    Where to connect, and as whom. ``sasl_mechanism`` is PLAIN, EXTERNAL, or empty for none; ``pings`` is
    never, typed or always; ``send_as`` is message, notice or action.
    """

    host: str
    port: int
    tls: bool
    tls_verify: bool
    tls_ca_file: str
    tls_fingerprint: str
    tls_cert_file: str
    tls_key_file: str
    nick: str
    username: str
    realname: str
    server_password: str
    sasl_mechanism: str
    sasl_user: str
    sasl_password: str
    nickserv_password: str
    channels: tuple[str, ...]
    channel_keys: Mapping[str, str]
    formatting: bool
    send_as: str
    pings: str
    reply_tags: bool
    charset: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a server may not make us repeat, the longest first."""
        given = (self.server_password, self.sasl_password, self.nickserv_password)
        return tuple(sorted({s for s in (*given, *self.channel_keys.values()) if s}, key=len)[::-1])


def read(settings: Settings) -> Account:
    """``settings`` are valid by the schema and by `check`."""
    tls = settings.get("tls", True)
    nick = settings["nick"]
    password = settings.get("sasl_password") or ""
    keys = {channel_of(name): key for name, key in settings.get("channel_keys", {}).items()}
    named = [channel_of(name) for name in settings.get("channels", ())]
    return Account(
        host=settings["host"],
        port=settings.get("port") or (TLS_PORT if tls else PLAIN_PORT),
        tls=tls,
        tls_verify=settings.get("tls_verify", True),
        tls_ca_file=settings.get("tls_ca_file") or "",
        tls_fingerprint=(settings.get("tls_fingerprint") or "").replace(":", "").lower(),
        tls_cert_file=settings.get("tls_cert_file") or "",
        tls_key_file=settings.get("tls_key_file") or "",
        nick=nick,
        username=settings.get("username") or "msgbridge",
        realname=settings.get("realname") or "msgbridge",
        server_password=settings.get("server_password") or "",
        sasl_mechanism="EXTERNAL" if settings.get("sasl_external") else "PLAIN" if password else "",
        sasl_user=settings.get("sasl_user") or nick,
        sasl_password=password,
        nickserv_password=settings.get("nickserv_password") or "",
        channels=tuple(dict.fromkeys((*named, *keys))),
        channel_keys=keys,
        formatting=settings.get("formatting", True),
        send_as=settings.get("send_as", "message"),
        pings=settings.get("pings", "never"),
        reply_tags=settings.get("reply_tags", False),
        charset=settings.get("charset", "latin-1"),
    )


# --- addresses --------------------------------------------------------------------------------------


def channel_of(name: str) -> str:
    """A channel by its whole name, in small letters; without a sign in front it is a ``#`` channel."""
    return lowered(name if name[:1] in _TYPES else f"#{name}")


def conversation_of(nick: str) -> ConversationId:
    """The direct conversation with the person of this nick."""
    return ConversationId(_PRIVATE + lowered(nick))


def target_of(conversation: ConversationId) -> str:
    """Whom to send to: a channel, or a nick."""
    return conversation.removeprefix(_PRIVATE)


def form_of(conversation: ConversationId) -> str:
    """The name of its address form."""
    return "nick" if conversation.startswith(_PRIVATE) else "channel"


def address_of(conversation: ConversationId) -> Mapping[str, str]:
    """How rules.json names it."""
    return {form_of(conversation): target_of(conversation)}


ADDRESSES = (
    AddressForm(
        name="channel",
        required=("channel",),
        conversation=lambda keys: ConversationId(channel_of(keys["channel"])),
    ),
    AddressForm(
        name="nick",
        required=("nick",),
        conversation=lambda keys: conversation_of(keys["nick"]),
    ),
)


# --- what the schema cannot say ---------------------------------------------------------------------


def check(settings: Settings) -> Iterator[Complaint]:
    """What one key cannot know of another."""
    yield from _check_secrets_in_the_clear(settings)
    yield from _check_tls(settings)
    if settings.get("sasl_user") and not (settings.get("sasl_password") or settings.get("sasl_external")):
        yield Complaint(
            path=("sasl_user",),
            code="sasl-without-password",
            message="sasl_user is set, but there is no sasl_password: nobody is logged in",
            hint='set "sasl_password", or "sasl_external" with a client certificate',
        )
    if settings.get("sasl_external") and not settings.get("tls_cert_file"):
        yield Complaint(
            path=("sasl_external",),
            code="sasl-without-certificate",
            message="sasl_external shows a client certificate, and there is none",
            hint='set "tls_cert_file" (and "tls_key_file", where the key is in a file of its own)',
        )
    try:
        codecs.lookup(settings.get("charset", "latin-1"))
    except (LookupError, ValueError):
        yield Complaint(
            path=("charset",),
            code="unknown-charset",
            message="charset is no encoding that Python knows",
            hint='like "gb18030" or "latin-1"; UTF-8 is always tried first',
        )
    if not settings.get("channels") and not settings.get("channel_keys"):
        yield Complaint(
            path=("channels",),
            code="no-channels",
            message="channels names none: only direct messages will be heard",
            hint='name those to be bridged, like "channels": ["#team"]',
            warning=True,
        )


def _check_secrets_in_the_clear(settings: Settings) -> Iterator[Complaint]:
    if settings.get("tls", True) or is_loopback(settings.get("host", "")):
        return
    given = [
        key for key in ("server_password", "sasl_password", "nickserv_password") if settings.get(key)
    ]
    for key in given:
        yield Complaint(
            path=(key,),
            code="password-in-the-clear",
            message="{key} goes over the network in the clear, for tls is off",
            hint='set "tls": true; most servers take it on port 6697',
            args={"key": key},
            warning=True,
        )
    if not given:
        yield Complaint(
            path=("tls",),
            code="no-tls",
            message="everything that is said goes over the network in the clear, for tls is off",
            hint='set "tls": true; most servers take it on port 6697',
            warning=True,
        )


def _check_tls(settings: Settings) -> Iterator[Complaint]:
    if settings.get("tls", True):
        verified = settings.get("tls_verify", True) or settings.get("tls_fingerprint")
        if not verified and not is_loopback(settings.get("host", "")):
            yield Complaint(
                path=("tls_verify",),
                code="tls-unverified",
                message="tls_verify is off: anybody on the way can pose as the server",
                hint='set "tls_fingerprint" for a self-signed certificate, or "tls_ca_file"',
                warning=True,
            )
        return
    for key in ("tls_ca_file", "tls_fingerprint", "tls_cert_file", "tls_key_file"):
        if settings.get(key):
            yield Complaint(
                path=(key,),
                code="tls-off",
                message="{key} means nothing while tls is off",
                hint='set "tls": true, or remove it',
                args={"key": key},
            )
