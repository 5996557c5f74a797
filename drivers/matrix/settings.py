"""One instance's settings: what they are, and what the schema cannot say about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yarl import URL

from bridge.driver import Complaint, Settings
from bridge.loopback import is_loopback
from bridge.model import AddressForm, ConversationId

ANYBODY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    ``access_token``, or ``user_id`` and ``password``. ``invites_from`` names people, homeservers, or
    `ANYBODY`; ``msgtype`` is ``m.text`` or ``m.notice``.
    """

    homeserver_url: str
    access_token: str
    user_id: str
    password: str
    device_id: str
    rooms: tuple[str, ...]
    invites_from: frozenset[str]
    msgtype: str

    def welcomes(self, inviter: str) -> bool:
        """Whether an invitation from that person is accepted whatever the room."""
        server = inviter.partition(":")[2]
        return bool(server) and not self.invites_from.isdisjoint({inviter, server, ANYBODY})


def read(settings: Settings) -> Account:
    """``settings`` are valid by the schema and by `check`."""
    return Account(
        homeserver_url=settings["homeserver_url"].rstrip("/"),
        access_token=settings.get("access_token") or "",
        user_id=settings.get("user_id") or "",
        password=settings.get("password") or "",
        device_id=settings.get("device_id", "MSGBRIDGE"),
        rooms=tuple(dict.fromkeys(settings.get("rooms", ()))),
        invites_from=frozenset(settings.get("invites_from", ())),
        msgtype=f"m.{settings.get('send_as', 'text')}",
    )


# --- addresses --------------------------------------------------------------------------------------


def form_of(conversation: ConversationId) -> str:
    """The name of its address form."""
    return "room_alias" if conversation.startswith("#") else "room_id"


def address_of(conversation: ConversationId) -> Mapping[str, str]:
    """How rules.json names it."""
    return {form_of(conversation): conversation}


def _prefixed(sign: str, given: str) -> ConversationId:
    return ConversationId(given if given.startswith(sign) else sign + given)


ADDRESSES = (
    AddressForm(
        name="room_id",
        required=("room_id",),
        conversation=lambda keys: _prefixed("!", keys["room_id"]),
    ),
    AddressForm(
        name="room_alias",
        required=("room_alias",),
        conversation=lambda keys: _prefixed("#", keys["room_alias"]),
    ),
)


# --- what the schema cannot say ---------------------------------------------------------------------


def check(settings: Settings) -> Iterator[Complaint]:
    """What one key cannot know of another, or a pattern of a URL."""
    yield from _check_url(settings["homeserver_url"])
    yield from _check_login(settings)
    if ANYBODY in settings.get("invites_from", ()):
        yield Complaint(
            path=("invites_from",),
            code="matrix-open-door",
            message="anybody on any homeserver can take the bot into a room of theirs",
            hint="a rule from all rooms lets strangers write into your chats; name people or homeservers",
            warning=True,
        )


def _check_login(settings: Settings) -> Iterator[Complaint]:
    by_password = bool(settings.get("password"))
    if bool(settings.get("access_token")) == by_password:
        yield Complaint(
            path=(),
            code="matrix-login",
            message="exactly one of access_token and password is needed",
            hint='set "access_token", or "user_id" and "password"',
        )
    elif by_password and not settings.get("user_id"):
        yield Complaint(
            path=("password",),
            code="matrix-login",
            message="the password has no user_id",
            hint='set "user_id" to the whole id, like "@bridge:example.com"',
        )


def _check_url(text: str) -> Iterator[Complaint]:
    try:
        url = URL(text)
        whole = text.isprintable() and " " not in text and url.host and url.scheme in ("http", "https")
    except ValueError:
        whole = False
    if not whole or url.query or url.fragment or url.user or url.password:
        yield Complaint(
            path=("homeserver_url",),
            code="bad-url",
            message="homeserver_url is not the URL of a homeserver",
            hint='like "https://matrix.example.com"',
        )
    elif url.scheme == "http" and not is_loopback(url.host or ""):
        yield Complaint(
            path=("homeserver_url",),
            code="insecure-url",
            message="homeserver_url sends messages in the clear, so http:// is for this machine only",
            hint="write https://",
        )
