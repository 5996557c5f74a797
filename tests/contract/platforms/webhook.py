"""The generic webhook, in front of a scripted receiver that tells what it was told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from bridge.model import ConversationId
from drivers.webhook import DRIVER
from drivers.webhook.signature import Signer
from tests.contract.cases import SECRET, Behaviour, Case, Stage, opened
from tests.contract.servers import Says, Scripted

_TOLD = f'{{"error": "not with {SECRET}", "id": "theirs-1"}}'.encode()
_ANSWERS = {
    Behaviour.NO: Says(422, _TOLD),
    Behaviour.WHO: Says(401, _TOLD),
    Behaviour.BUSY: Says(500, _TOLD),
    Behaviour.LATER: Says(429, _TOLD, retry_after="7"),
    Behaviour.HUGE_ANSWER: Says(200, b" " * 65536, times=1024),
}
_FINE = Says(200, b'{"id": "theirs-1"}')

_SETTINGS = {
    "url": f"https://example.com/in?token={SECRET}",
    "headers": {"Authorization": f"Bearer {SECRET}"},
    "secret": SECRET,
    "listen_port": 8083,
}


@asynccontextmanager
async def _open(behaviour: Behaviour) -> AsyncIterator[Stage]:
    server = Scripted(behaviour, _ANSWERS.get(behaviour, _FINE))
    async with server.running():
        settings = {**_SETTINGS, "url": f"{server.url}/in?token={SECRET}"}
        async with opened(DRIVER, settings, behaviour) as driver:
            yield Stage(driver, lambda: server.posts)


def _signed(body: bytes, at: datetime) -> Mapping[str, str]:
    # A body that is not UTF-8 cannot be signed at all.
    return Signer(SECRET).headers("msg-1", body.decode(errors="replace").encode(), at)


CASE = Case(
    settings=_SETTINGS,
    open=_open,
    conversation=ConversationId("default"),
    signed=_signed,
    signature_headers=("webhook-id", "webhook-timestamp", "webhook-signature"),
)
