"""
What a driver must be, and what it is given.

Protocols, not base classes: nothing is inherited by accident, and a simulator need not inherit at
all. What a platform cannot do is the default; a driver claims what it can. This and
`exchange` are the only places below the drivers that name aiohttp.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import aiohttp

from bridge.clock import Clock
from bridge.errors import Refused
from bridge.exchange import Answer, exchange
from bridge.model import (
    AddressForm,
    Capabilities,
    ConversationId,
    Finding,
    Inbound,
    InboundRequest,
    InboundResponse,
    InstanceId,
    MessageId,
    Outgoing,
    Reaction,
    Receipt,
)

Settings = Mapping[str, Any]
"""
One instance's own keys of config.json: valid by its schema, defaults filled in, secrets resolved,
``"format": "duration"`` as seconds (float), ``"format": "size"`` as bytes (int).
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is being read. ``size`` in bytes where it is known beforehand."""

    chunks: AsyncIterator[bytes]
    media_type: str = ""
    filename: str = ""
    size: int | None = None


Fetch = Callable[[str], AbstractAsyncContextManager[Opened]]
"""
Open a URL that a stranger chose: http and https only, no private address at the end of any redirect,
within limits of size and time, without credentials. Raises a `DeliveryError`, `Refused` for good.
"""


def _fetch_nothing(_url: str) -> AbstractAsyncContextManager[Opened]:
    raise Refused("this daemon fetches no files", reason="no_fetch")


@dataclass(frozen=True, slots=True)
class Toolbox:
    """
    All that a driver may use of the world.

    A driver opens no HTTP session, reads no clock, keeps no schedule of its own and writes no log.

    ``http`` is a session of this instance alone: a shared pool would let one hanging platform starve
    the others. ``random`` is seeded, so that a test can repeat a run. ``report`` counts a closed word
    under ``msgbridge_driver_events_total{instance,event}``, ``show`` sets
    ``msgbridge_driver_state{instance,name}`` (a moment is in seconds since 1970). ``mended`` says that
    what was `Broken` may work again (we were let in again, say): the core tries it at once.
    """

    http: aiohttp.ClientSession
    clock: Clock
    random: random.Random = field(default_factory=random.Random)
    report: Callable[[str], None] = lambda _event: None
    show: Callable[[str, float], None] = lambda _name, _value: None
    fetch: Fetch = _fetch_nothing
    mended: Callable[[], None] = lambda: None

    def request(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str]
    ) -> Awaitable[Answer]:
        """
        One exchange with a platform, without redirects, within the instance's ``send_timeout``.

        Raises `Transient` when the connection could not be made (nothing was sent) and
        `Indeterminate` when it broke or timed out afterwards. Neither names the URL, nor is chained
        to an error that does: it may hold a secret.
        """
        return exchange(self.http, method, url, body=body, headers=headers)


class Driver(Protocol):
    """One configured account of one platform."""

    @property
    def instance(self) -> InstanceId: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Post once. Raises a `DeliveryError`; never retries, never logs and returns."""
        ...

    async def probe(self) -> Sequence[Finding]:
        """Prove that the credentials work, without posting anything."""
        ...


@runtime_checkable
class Webhook(Protocol):
    """A platform that calls us. No I/O and no waiting in any of the three."""

    def verify(self, request: InboundRequest) -> None:
        """Who sent it? Raises `Unverified`."""
        ...

    def normalize(self, request: InboundRequest) -> Inbound:
        """Raises `Malformed`, `Forbidden`, or `Unsupported` for what is acknowledged and counted."""
        ...

    def reply(
        self, request: InboundRequest, inbound: Inbound, *, now: datetime, nonce: str
    ) -> InboundResponse:
        """The answer once everything in ``inbound`` is durable."""
        ...


Emit = Callable[[Inbound], Awaitable[None]]
"""
Returns once everything in it is durable (and counts what was ignored): only then acknowledge.

Raises `JournalError` when it could not be kept: then do not acknowledge, so that it comes again.
"""


@runtime_checkable
class Listener(Protocol):
    """A platform that pushes over a connection that we open."""

    async def listen(self, emit: Emit) -> None:
        """
        Connect, and connect again, until cancelled. Returns or raises only when cancelled, or with
        `JournalBroken` out of ``emit``; everything that the platform does is survived.
        """
        ...


@runtime_checkable
class Editor(Protocol):
    """A platform where what we posted can be changed."""

    async def edit(self, message_ids: Sequence[MessageId], outgoing: Outgoing) -> Receipt:
        """
        Make what was posted under ``message_ids`` (oldest first; some may be gone) say ``outgoing``
        instead. Raises a `DeliveryError`; the receipt's id is the one that it has from now on.
        """
        ...


@runtime_checkable
class Recaller(Protocol):
    """A platform where what we posted can be taken back."""

    async def recall(self, conversation: ConversationId, message_ids: Sequence[MessageId]) -> Receipt:
        """Take the posted parts back. Raises a `DeliveryError`; already gone is no error."""
        ...


@runtime_checkable
class Reactor(Protocol):
    """A platform where a bot can put an emoji on a message."""

    async def react(
        self, conversation: ConversationId, message_id: MessageId, reaction: Reaction
    ) -> Receipt:
        """
        Put ``reaction`` on a message that we or others posted there, or take ours back. Raises a
        `DeliveryError`: `Refused` for an emoji that the platform does not take.
        """
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A person or a conversation: ``address`` is how rules.json names it, ``title`` how people do."""

    address: Mapping[str, str]
    title: str
    detail: str = ""


@runtime_checkable
class Directory(Protocol):
    """A platform that lists people or conversations. Raises a `DeliveryError`."""

    async def users(self) -> Sequence[Entry]: ...

    async def conversations(self) -> Sequence[Entry]: ...


@runtime_checkable
class MediaSource(Protocol):
    """A platform whose attachments come as references that only it can open."""

    async def public_url(self, ref: str) -> str | None:
        """
        A URL that anybody may open for a while; None where the URL would hold a secret.

        Raises a `DeliveryError`: `Refused` for a reference that cannot be opened (any more).
        """
        ...

    def open(self, ref: str) -> AbstractAsyncContextManager[Opened]:
        """The file itself. Raises as `public_url`, when it is entered or read."""
        ...


@dataclass(frozen=True, slots=True)
class Listen:
    """Where an instance wants to be called: a port and a path."""

    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """
    Something about one instance's settings that its schema cannot say.

    ``path`` leads from the instance's settings to the place; ``warning`` does not stop the daemon.
    The texts are message ids in English, ``args`` fill their ``{names}``.
    """

    path: tuple[str | int, ...]
    code: str
    message: str
    hint: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    warning: bool = False


class Stage(Protocol):
    """A platform played on this machine, with people in it: for ``msgbridge demo``."""

    @property
    def overrides(self) -> Settings:
        """What an instance must set instead of its own to be on this stage."""
        ...

    def open_room(self, conversation: ConversationId, title: str) -> None:
        """There is such a conversation, and the bridge's robot is in it."""
        ...

    async def say(
        self, url: str, conversation: ConversationId, who: str, text: str, *, picture: bool = False
    ) -> int:
        """``who`` says it, the platform calls ``url``; the HTTP status that it is answered with."""
        ...

    async def forge(self, url: str, conversation: ConversationId) -> Mapping[str, int]:
        """Calls that must be refused: what is wrong with each, and the status of its answer."""
        ...

    def heard(self, conversation: ConversationId) -> Sequence[str]:
        """What the bridge has posted there so far."""
        ...


def _no_complaints(_settings: Settings) -> Iterable[Complaint]:
    return ()


def _unknown_address(_conversation: ConversationId) -> Mapping[str, str]:
    return {}


def _never_listens(_settings: Settings) -> Listen | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSpec:
    """
    A platform's front door: everything that the core knows of it.

    ``schema`` is the JSON Schema of one instance's own keys; ``secrets`` names those that are masked
    everywhere and may be secret references; ``addresses`` says how its conversations are written in
    rules.json, ``form_of`` the name of the address form that a conversation id belongs to,
    ``address_of`` how rules.json names it, empty where nothing can be sent there. ``stage`` plays the
    platform for an instance with these settings, where that can be done.
    """

    platform: str
    schema: Mapping[str, Any]
    secrets: frozenset[str]
    addresses: Callable[[Settings], tuple[AddressForm, ...]]
    form_of: Callable[[ConversationId], str]
    open: Callable[[InstanceId, Settings, Toolbox], AbstractAsyncContextManager[Driver]]
    address_of: Callable[[ConversationId], Mapping[str, str]] = _unknown_address
    check: Callable[[Settings], Iterable[Complaint]] = _no_complaints
    listen: Callable[[Settings], Listen | None] = _never_listens
    stage: Callable[[Settings], AbstractAsyncContextManager[Stage]] | None = None
