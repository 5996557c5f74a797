"""Attachments that only their source can open become links that anybody can, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from bridge.clock import Clock
from bridge.driver import Driver, MediaSource
from bridge.errors import DeliveryError
from bridge.model import Attachment, Envelope, InstanceId
from bridge.render import Resolved
from bridge.retry import few_times

LONGEST_WAIT = 30.0
"""Seconds that a lane waits for one attachment before a note takes its place."""


async def resolve(
    envelope: Envelope, drivers: Mapping[InstanceId, Driver], clock: Clock
) -> tuple[Resolved, ...]:
    """Every attachment with a URL, or with a note that says why it has none. Never raises."""
    source = drivers.get(envelope.source.instance)
    return tuple(
        [await _resolve(attachment, source, clock) for attachment in envelope.message.attachments]
    )


async def _resolve(attachment: Attachment, source: Driver | None, clock: Clock) -> Resolved:
    if attachment.url:
        return Resolved(attachment)
    if not isinstance(source, MediaSource):
        return Resolved(attachment, "its source cannot be asked")
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            url = await few_times(lambda: source.public_url(attachment.ref), clock)
    except DeliveryError as e:
        return Resolved(attachment, str(e))
    except TimeoutError:
        return Resolved(attachment, "its source does not answer")
    if not url or urlsplit(url).scheme not in ("http", "https"):
        return Resolved(attachment, "its source has no link for others")
    return Resolved(replace(attachment, url=url))
