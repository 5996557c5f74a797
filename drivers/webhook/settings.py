"""One instance's settings: what they are, and what the schema cannot say about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yarl import URL

from bridge.driver import Complaint, Listen, Settings
from bridge.loopback import is_loopback
from bridge.model import AddressForm, ConversationId

from .signature import key_of

DEFAULT_CONVERSATION = ConversationId("default")
_KEY = "conversation"
_OURS = frozenset(
    {"connection", "content-length", "content-type", "host", "transfer-encoding", "webhook-id"}
    | {"webhook-signature", "webhook-timestamp"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """``url`` empty: only receives. ``secret`` empty: nothing is signed or verified."""

    url: str
    method: str
    headers: Mapping[str, str]
    secret: str
    listens: bool
    max_text: int


def read(settings: Settings) -> Hook:
    """``settings`` are valid by the schema and by `check`."""
    return Hook(
        url=settings.get("url") or "",
        method=settings.get("method", "POST"),
        headers=settings.get("headers", {}),
        secret=settings.get("secret") or "",
        listens=listen(settings) is not None,
        max_text=settings.get("max_text", 50_000),
    )


def listen(settings: Settings) -> Listen | None:
    """Where messages come in; None without a ``listen_port``."""
    port = settings.get("listen_port")
    return None if port is None else Listen(port, settings.get("listen_path", "/webhook"))


def _address(keys: Mapping[str, str]) -> ConversationId:
    return ConversationId(keys.get(_KEY, DEFAULT_CONVERSATION))


ADDRESSES = (AddressForm(name=_KEY, required=(), optional=(_KEY,), conversation=_address),)


def check(settings: Settings) -> Iterator[Complaint]:
    """What one key cannot know of another, or a pattern of an address."""
    url, secret = settings.get("url"), settings.get("secret")
    if url:
        yield from _check_url(url)
    elif listen(settings) is None:
        yield Complaint(
            path=(),
            code="webhook-idle",
            message="neither url nor listen_port is set: nothing can go out or come in",
            hint='set "url" to send, "listen_port" to receive, or both',
        )
    yield from _check_headers(settings.get("headers", {}))
    if secret:
        yield from _check_secret(secret)
    elif listen(settings) is not None:
        yield Complaint(
            path=(),
            code="webhook-unverified",
            message="secret is not set: anybody who finds the address can send messages",
            hint='set "secret", and sign what you post by Standard Webhooks',
            warning=True,
        )
    elif url:
        yield Complaint(
            path=(),
            code="webhook-unsigned",
            message="secret is not set: the receiver cannot tell our posts from anybody else's",
            hint='set "secret" to what the receiver verifies with',
            warning=True,
        )


def _check_secret(secret: str) -> Iterator[Complaint]:
    try:
        key_of(secret)
    except ValueError:
        yield Complaint(
            path=("secret",),
            code="bad-secret",
            message="secret begins with whsec_, but no base64 follows",
            hint="copy it again; a text of your own must not begin with whsec_",
        )


def _check_headers(headers: Mapping[str, str]) -> Iterator[Complaint]:
    for name, value in headers.items():
        if name.lower() in _OURS:
            yield Complaint(
                path=("headers", name),
                code="reserved-header",
                message="the header {name} is set by msgbridge itself",
                hint="remove it",
                args={"name": name},
            )
        elif not (value.isascii() and value.isprintable()):
            yield Complaint(
                path=("headers", name),
                code="bad-header",
                message="the header {name} holds what no HTTP header can hold",
                hint="printable ASCII only, on one line",
                args={"name": name},
            )


def _check_url(text: str) -> Iterator[Complaint]:
    try:
        url = URL(text)
        whole = text.isprintable() and " " not in text and url.host and url.scheme in ("http", "https")
    except ValueError:
        whole = False
    if not whole:
        yield Complaint(
            path=("url",),
            code="bad-url",
            message="url is not an http or https URL",
            hint='like "https://example.com/in"',
        )
    elif url.user or url.password:
        yield Complaint(
            path=("url",),
            code="bad-url",
            message="url holds a user name or password",
            hint='send them as an Authorization in "headers"',
        )
    elif url.scheme == "http" and not is_loopback(url.host or ""):
        yield Complaint(
            path=("url",),
            code="insecure-url",
            message="url sends messages in the clear, so http:// is for this machine only",
            hint="write https://",
        )
