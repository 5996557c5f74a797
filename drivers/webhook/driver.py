"""The I/O of a webhook instance. What is on the wire, and what it means, is in `wire`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from multidict import CIMultiDict, CIMultiDictProxy

from bridge.driver import Settings, Toolbox
from bridge.errors import Broken, DeliveryError, Scope
from bridge.model import (
    Capabilities,
    Finding,
    Inbound,
    InboundRequest,
    InboundResponse,
    InstanceId,
    MessageId,
    Outgoing,
    Receipt,
    Support,
    TextFormat,
)

from . import wire
from .settings import Hook, read
from .signature import Signer, id_of

_JSON = CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json"}))


@asynccontextmanager
async def open_(instance: InstanceId, given: Settings, toolbox: Toolbox) -> AsyncIterator[WebhookDriver]:
    """``given`` are valid by the schema and by `settings.check`."""
    yield WebhookDriver(instance, read(given), toolbox)


class WebhookDriver:
    """A `Driver` that is a `Webhook` too."""

    def __init__(self, instance: InstanceId, hook: Hook, toolbox: Toolbox) -> None:
        self.instance = instance
        self.capabilities = Capabilities(
            max_text=hook.max_text,
            formats=frozenset(TextFormat),
            attachments=Support.NATIVE,
            reply=Support.NATIVE,
            mention=Support.NATIVE,
            buttons=Support.NATIVE,
        )
        self._hook = hook
        self._toolbox = toolbox
        self._signer = Signer(hook.secret) if hook.secret else None

    # --- Webhook ---

    def verify(self, request: InboundRequest) -> None:
        """Raises `Unverified`. Without a ``secret`` everybody is believed."""
        if self._signer is not None:
            self._signer.verify(request)

    def normalize(self, request: InboundRequest) -> Inbound:
        """Raises `Malformed`."""
        return wire.normalize(request, self.instance)

    def reply(
        self, request: InboundRequest, inbound: Inbound, *, now: datetime, nonce: str
    ) -> InboundResponse:
        """``{"accepted": true, "id": …}``"""
        del request, now, nonce  # other platforms' answers need them
        return InboundResponse(headers=_JSON, body=wire.acknowledgement(inbound))

    # --- Driver ---

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Post once. Raises a `DeliveryError`."""
        hook, clock = self._hook, self._toolbox.clock
        if not hook.url:
            raise Broken("this instance has no url to post to", reason="no_url", scope=Scope.INSTANCE)
        body = wire.encode(outgoing)
        webhook_id = id_of(outgoing.idempotency_key)
        signed = self._signer.headers(webhook_id, body, clock.now()) if self._signer else {}
        headers = {**hook.headers, **_JSON, "webhook-id": webhook_id, **signed}
        answer = await self._toolbox.request(hook.method, hook.url, body=body, headers=headers)
        receipt = wire.decode(answer.status, answer.headers, answer.body, now=clock.now())
        # Where the receiver gives it no name, ours is its name: by it we know it when it comes back.
        return receipt if receipt.message_id else replace(receipt, message_id=MessageId(webhook_id))

    async def probe(self) -> Sequence[Finding]:
        """Asks for the address with HEAD: any answer but "there is nothing here" will do."""
        findings = []
        if self._hook.url:
            findings.append(await self._probe_url())
        if self._signer is None:
            findings.append(
                Finding(
                    ok=False,
                    what="nothing is signed or verified, for secret is not set",
                    hint="set secret, here and at the other end",
                )
            )
        return findings

    async def _probe_url(self) -> Finding:
        try:
            answer = await self._toolbox.request("HEAD", self._hook.url, headers=self._hook.headers)
        except DeliveryError as e:
            return Finding(ok=False, what=f"url does not answer: {e}", hint="is the receiver running?")
        if answer.status in (404, 410):
            return Finding(ok=False, what=f"url answers {answer.status}", hint="check url")
        return Finding(ok=True, what=f"url answers ({answer.status} to HEAD)")
