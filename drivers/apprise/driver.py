"""The I/O of an Apprise instance: every message to each of its services, in a thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from bridge.driver import Settings, Toolbox
from bridge.errors import ConfigError, DeliveryError, Indeterminate, Refused, Transient
from bridge.model import Capabilities, Finding, InstanceId, Outgoing, Receipt, TextFormat

from . import wire
from .services import Service, service_of
from .single_thread import SingleThread, StillBusy

MOST_REMEMBERED = 256
"""Messages of which it is remembered who has them already. Only one is on its way at a time."""
_PATIENCE = 15.0
_LOADING_TAKES = 60.0
"""Seconds at most; less than one as a rule, but the disk may be slow."""


@asynccontextmanager
async def open_(instance: InstanceId, given: Settings, toolbox: Toolbox) -> AsyncIterator[AppriseDriver]:
    """``given`` are valid by the schema and by `settings.check`. Raises `ConfigError`."""
    loading = SingleThread[list[Service]](f"apprise {instance}")
    try:
        services = await loading.call(partial(_load, given["urls"]), _LOADING_TAKES)
    except (ImportError, TimeoutError) as e:
        raise ConfigError(f"the library does not load: {type(e).__name__}") from None
    yield AppriseDriver(instance, services, toolbox)


def _load(urls: Sequence[str]) -> list[Service]:
    services = []
    for number, url in enumerate(urls):
        service = service_of(url)
        if service is None:
            raise ConfigError(f"urls[{number}] is no URL that Apprise understands")
        services.append(service)
    return services


class AppriseDriver:
    """A `Driver`, and nothing else: Apprise gives no ids, and brings nothing back."""

    def __init__(self, instance: InstanceId, services: Sequence[Service], toolbox: Toolbox) -> None:
        self.instance = instance
        self.capabilities = Capabilities(
            max_text=min(service.manner.max_text for service in services),
            formats=frozenset(TextFormat),
        )
        self._services = services
        self._toolbox = toolbox
        self._thread = SingleThread[list[DeliveryError]](f"apprise {instance}")
        self._taken: OrderedDict[str, set[int]] = OrderedDict()
        self._patience = toolbox.http.timeout.total or _PATIENCE

    def __repr__(self) -> str:
        return f"AppriseDriver({self.instance!r})"

    async def send(self, outgoing: Outgoing) -> Receipt:
        """
        Post it to each service that has not taken it yet. Raises a `DeliveryError`.

        A call that takes too long goes on in its thread, and what becomes of it is not forgotten: the
        next attempt finds the services that have taken the message meanwhile.
        """
        if not outgoing.text.strip():
            raise Refused("there is no text in it, and Apprise takes nothing else", reason="empty")
        taken = self._taken_by(outgoing.idempotency_key)
        try:
            failures = await self._thread.call(partial(self._post, outgoing, taken), self._patience)
        except StillBusy:
            raise Transient(
                "Apprise has not come back from the attempt before", reason="still_busy"
            ) from None
        except TimeoutError:
            raise Indeterminate("no answer in time", reason="no_answer") from None
        if failures:
            raise wire.verdict(failures, len(self._services))
        self._taken.pop(outgoing.idempotency_key, None)
        return Receipt()

    def _taken_by(self, key: str) -> set[int]:
        """Which services have it, by their place in the list; the thread writes it down."""
        taken = self._taken.setdefault(key, set())
        self._taken.move_to_end(key)
        while len(self._taken) > MOST_REMEMBERED:
            self._taken.popitem(last=False)
        return taken

    def _post(self, outgoing: Outgoing, taken: set[int]) -> list[DeliveryError]:
        """In the thread: one service after the other; one that fails keeps none of the others back."""
        failures = []
        for number, service in enumerate(self._services):
            if number in taken:
                continue
            failed = service.post(outgoing)
            if failed is None:
                taken.add(number)
            else:
                failures.append(failed)
        return failures

    async def probe(self) -> Sequence[Finding]:
        """Whether the servers answer that can be told from the URLs; tokens only a post can prove."""
        return [await self._probe(service) for service in self._services]

    async def _probe(self, service: Service) -> Finding:
        if not service.front:
            return Finding(ok=True, what=f"only a message can prove its URL: {service.name}")
        try:
            await self._toolbox.request("HEAD", service.front, headers={})
        except DeliveryError as e:
            return Finding(
                ok=False,
                what=f"the server does not answer: {service.name}: {e}",
                hint="is it running? look at the host and the port in its URL",
            )
        return Finding(
            ok=True, what=f"the server answers; only a message can prove the rest: {service.name}"
        )
