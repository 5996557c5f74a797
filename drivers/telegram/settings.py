"""One instance's settings: what they are, and what the schema cannot say about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.driver import Complaint, Listen
from bridge.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.driver import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """``receive`` is poll, webhook or none; ``base_url`` has no slash at its end."""

    token: str
    base_url: str
    receive: str
    webhook_secret: str
    listen_path: str
    link_previews: bool
    language: str

    @property
    def id(self) -> str:
        """The bot's own number, which a token begins with."""
        return self.token.partition(":")[0]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no server may make us repeat, the longest first."""
        given = (self.token, self.token.partition(":")[2], self.webhook_secret)
        return tuple(sorted(filter(None, given), key=len, reverse=True))


def read(settings: Settings) -> Bot:
    """``settings`` are valid by the schema and by `check`."""
    return Bot(
        token=settings["token"],
        base_url=settings.get("base_url", "https://api.telegram.org").rstrip("/"),
        receive=settings.get("receive", "poll"),
        webhook_secret=settings.get("webhook_secret") or "",
        listen_path=_path(settings),
        link_previews=settings.get("link_previews", False),
        language=settings.get("language", "en"),
    )


def _path(settings: Settings) -> str:
    return str(settings.get("listen_path", "/telegram/update"))


def listen(settings: Settings) -> Listen | None:
    """Where Telegram calls this instance; None where it is asked, or where nothing is heard."""
    if settings.get("receive", "poll") != "webhook":
        return None
    return Listen(settings.get("listen_port", 8084), _path(settings))


def check(settings: Settings) -> Iterator[Complaint]:
    """What one key cannot know of another, or a pattern of an address."""
    yield from _check_url(settings.get("base_url", "https://api.telegram.org"))
    webhook = settings.get("receive", "poll") == "webhook"
    if webhook and not settings.get("webhook_secret"):
        yield Complaint(
            path=("webhook_secret",),
            code="webhook-unverified",
            message="webhook_secret is not set: anybody who finds the address could send messages",
            hint="make one up (A-Z, a-z, 0-9, _ and -), and give it to setWebhook as secret_token",
        )
    if not webhook and settings.get("webhook_secret"):
        yield Complaint(
            path=("webhook_secret",),
            code="no-webhook",
            message="webhook_secret is set, but Telegram is not to call us",
            hint='set "receive": "webhook", or remove webhook_secret',
            warning=True,
        )


def _check_url(url: str) -> Iterator[Complaint]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        yield Complaint(
            path=("base_url",),
            code="bad-url",
            message="base_url is not an http or https URL",
            hint="the default is Telegram's own; another is for a Bot API server of yours",
        )
    elif parts.username is not None or parts.query or parts.fragment:
        yield Complaint(
            path=("base_url",),
            code="bad-url",
            message="base_url may have a scheme, a host, a port and a path, and nothing else",
        )
    elif parts.scheme == "http" and not is_loopback(host):
        yield Complaint(
            path=("base_url",),
            code="insecure-url",
            message="base_url gets the token, so http:// is for this machine only",
            hint="write https://",
        )
