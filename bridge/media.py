"""Attachments that only their source can open become links that anybody can, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import structlog

from bridge.clock import Clock
from bridge.driver import Driver, MediaSource
from bridge.errors import DeliveryError
from bridge.media_links import MediaLinks
from bridge.model import Attachment, Envelope, InstanceId
from bridge.render import Resolved
from bridge.retry import few_times

log = structlog.get_logger()

LONGEST_WAIT = 30.0
"""Seconds that a lane waits for the attachments of one message before notes take their place."""

_SPARED = 5.0
"""Seconds of these that are left to ask for the source's own links, when a file does not come."""


async def resolve(
    envelope: Envelope,
    drivers: Mapping[InstanceId, Driver],
    clock: Clock,
    links: MediaLinks | None = None,
) -> tuple[Resolved, ...]:
    """
    Every attachment with a URL, or with a note that says why it has none. Never raises.

    With ``links`` the URL is that of a copy which the bridge keeps; without, and where there can be
    no copy, it is the one that the source gives.
    """
    source = drivers.get(envelope.source.instance)
    deadline = asyncio.get_running_loop().time() + LONGEST_WAIT
    resolved = []
    for attachment in envelope.message.attachments:
        if attachment.url:
            resolved.append(Resolved(attachment))
        elif not isinstance(source, MediaSource):
            resolved.append(Resolved(attachment, "its source cannot be asked"))
        else:
            asked = _Asked(source, envelope.source.instance, clock, deadline)
            resolved.append(await asked.resolve(attachment, links))
    return tuple(resolved)


class _Asked:
    """A source that is asked for a file until ``deadline``, in the loop's time."""

    def __init__(self, source: MediaSource, instance: InstanceId, clock: Clock, deadline: float) -> None:
        self._source = source
        self._instance = instance
        self._clock = clock
        self._deadline = deadline

    async def resolve(self, attachment: Attachment, links: MediaLinks | None) -> Resolved:
        if links is None:
            return await self._ask(attachment, "its source has no link for others")
        try:
            return Resolved(await self._copy(attachment, links))
        except DeliveryError as e:
            why = str(e)
        except TimeoutError:
            why = "its source takes too long"
        log.warning("attachment.not_copied", instance=self._instance, why=why)
        return await self._ask(attachment, why)

    async def _copy(self, attachment: Attachment, links: MediaLinks) -> Attachment:
        """Raises a `DeliveryError`, TimeoutError."""
        async with asyncio.timeout_at(self._deadline - _SPARED):
            url, kept = await links.link(attachment, self._source, self._instance)
        return replace(
            attachment, url=url, filename=kept.name, media_type=kept.media_type, size=kept.size
        )

    async def _ask(self, attachment: Attachment, why_none: str) -> Resolved:
        """With the source's own link, or the note why there is none."""
        try:
            async with asyncio.timeout_at(self._deadline):
                url = await few_times(lambda: self._source.public_url(attachment.ref), self._clock)
        except DeliveryError as e:
            return Resolved(attachment, str(e))
        except TimeoutError:
            return Resolved(attachment, "its source does not answer")
        if not url or urlsplit(url).scheme not in ("http", "https"):
            return Resolved(attachment, why_none)
        return Resolved(replace(attachment, url=url))
