"""A Telegram bot that Telegram calls, in front of the simulator."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

from bridge.model import ConversationId
from drivers.telegram import DRIVER
from drivers.telegram.simulator import Fault, Simulator, refusal
from drivers.telegram.updates import ALLOWED
from tests.contract.cases import SECRET, Behaviour, Case, Stage, opened
from tests.contract.servers import closed_port

TOKEN = f"123456789:{SECRET}"
GROUP = -1001234567890
CONVERSATION = ConversationId(str(GROUP))
_TOLD = f"not with {SECRET}"
_FAULTS = {
    Behaviour.NO: refusal(400, f"Bad Request: message is too long, {_TOLD}"),
    Behaviour.WHO: refusal(403, f"Forbidden: bot was kicked from the supergroup chat, {_TOLD}"),
    Behaviour.BUSY: refusal(500, f"Internal Server Error: {_TOLD}"),
    Behaviour.LATER: refusal(429, f"Too Many Requests: retry after 7, {_TOLD}", retry_after=7),
    Behaviour.HANG_UP: Fault(reset=True),
    Behaviour.HANG: Fault(hang=True),
    Behaviour.GARBAGE: Fault(200, b"<html>Welcome to the hotel's network</html>"),
    Behaviour.HUGE_ANSWER: Fault(200, b'{"ok": true, "result": "' + b"x" * (8 << 20) + b'"}'),
}


def opener(given: Mapping[str, Any]) -> Callable[[Behaviour], AbstractAsyncContextManager[Stage]]:
    """Opens a bot with these settings, whatever its way in."""

    @asynccontextmanager
    async def open_(behaviour: Behaviour) -> AsyncIterator[Stage]:
        async with Simulator(token=TOKEN) as telegram:
            telegram.chats.open(GROUP)
            if given.get("receive") == "webhook":
                telegram.queue.webhook = "https://bridge.example.com/telegram/update"
                telegram.queue.allowed = frozenset(ALLOWED)
            with closed_port() as port:
                base_url = telegram.base_url
                if behaviour is Behaviour.DOWN:
                    base_url = f"http://127.0.0.1:{port}"
                if behaviour in _FAULTS:
                    telegram.fail_next(_FAULTS[behaviour])
                async with opened(DRIVER, {**given, "base_url": base_url}, behaviour) as driver:
                    yield Stage(
                        driver,
                        lambda: sum(call.method.startswith("send") for call in telegram.calls),
                    )

    return open_


def _signed(body: bytes, at: datetime) -> Mapping[str, str]:
    del body, at  # Telegram shows the same word every time
    return {"X-Telegram-Bot-Api-Secret-Token": SECRET}


_SETTINGS = {"token": TOKEN, "receive": "webhook", "webhook_secret": SECRET}

CASE = Case(
    settings=_SETTINGS,
    open=opener(_SETTINGS),
    conversation=CONVERSATION,
    signed=_signed,
    signature_headers=("X-Telegram-Bot-Api-Secret-Token",),
)
