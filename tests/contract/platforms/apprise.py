"""Apprise, in front of a scripted receiver of its ``json://``; what it tells is only what its log says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.model import ConversationId
from drivers.apprise import DRIVER
from tests.contract.cases import SECRET, Behaviour, Case, Stage, opened
from tests.contract.servers import Says, Scripted

_TOLD = f"not with {SECRET}".encode()
_ANSWERS = {
    Behaviour.NO: Says(422, _TOLD),
    Behaviour.WHO: Says(401, _TOLD),
    Behaviour.BUSY: Says(500, _TOLD),
    Behaviour.LATER: Says(429, _TOLD, retry_after="7"),
    Behaviour.HUGE_ANSWER: Says(200, b" " * 65536, times=1024),
}


def _url(authority: str) -> str:
    return f"json://bridge:{SECRET}@{authority}/in/{SECRET}?+Authorization=Bearer%20{SECRET}"


@asynccontextmanager
async def _open(behaviour: Behaviour) -> AsyncIterator[Stage]:
    server = Scripted(behaviour, _ANSWERS.get(behaviour, Says(200)))
    async with server.running():
        settings = {"urls": [_url(server.url.removeprefix("http://"))]}
        async with opened(DRIVER, settings, behaviour) as driver:
            yield Stage(driver, lambda: server.posts)


CASE = Case(
    settings={"urls": [_url("127.0.0.1:9")]},
    open=_open,
    conversation=ConversationId("default"),
    says_when=False,
)
