"""Matrix with an access token, in front of a small homeserver; a real one is in test_matrix_synapse.py."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiohttp import web

from bridge.model import ConversationId
from drivers.matrix import DRIVER
from tests.contract.cases import SECRET, Behaviour, Case, Stage, opened
from tests.contract.servers import closed_port
from tests.drivers.matrix.homeserver import Homeserver, refusal

CONVERSATION = ConversationId("!team:hs.test")
_TOLD = f"not with {SECRET}"
_SEND = "/send/"


def _fault(behaviour: Behaviour) -> web.StreamResponse | None:
    """What is said of a post; None hangs up."""
    match behaviour:
        case Behaviour.NO:
            return refusal(413, "M_TOO_LARGE", _TOLD)
        case Behaviour.WHO:
            return refusal(403, "M_FORBIDDEN", _TOLD)
        case Behaviour.BUSY:
            return refusal(500, "M_UNKNOWN", _TOLD)
        case Behaviour.LATER:
            return refusal(429, "M_LIMIT_EXCEEDED", _TOLD, retry_after_ms=7000)
        case Behaviour.GARBAGE:
            return web.Response(body=b"<html>Welcome to the hotel's network</html>")
        case Behaviour.HUGE_ANSWER:
            return web.Response(body=b'{"event_id": "' + b"x" * (8 << 20) + b'"}')
    return None


_FAULTY = frozenset(Behaviour) - {Behaviour.FINE, Behaviour.DOWN, Behaviour.HANG}


def opener(given: Mapping[str, Any]) -> Callable[[Behaviour], AbstractAsyncContextManager[Stage]]:
    """Opens an account with these settings."""

    @asynccontextmanager
    async def open_(behaviour: Behaviour) -> AsyncIterator[Stage]:
        async with Homeserver(token=SECRET, password=SECRET).running() as server:
            server.room(CONVERSATION)
            if behaviour in _FAULTY:
                server.faults.append((_SEND, _fault(behaviour)))
            server.hold = _SEND if behaviour is Behaviour.HANG else ""
            with closed_port() as closed:
                url = f"http://127.0.0.1:{closed}" if behaviour is Behaviour.DOWN else server.url
                async with opened(DRIVER, {**given, "homeserver_url": url}, behaviour) as driver:
                    yield Stage(driver, lambda: server.posts)

    return open_


_SETTINGS = {
    "homeserver_url": "https://matrix.example.com",
    "access_token": SECRET,
    "rooms": [CONVERSATION],
}

CASE = Case(settings=_SETTINGS, open=opener(_SETTINGS), conversation=CONVERSATION)
