"""DingTalk's app robot, in front of the simulator."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

from bridge.model import ConversationId
from drivers.dingtalk import DRIVER
from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.signature import sign
from drivers.dingtalk.simulator import Simulator
from tests.contract.cases import LETTERS_AND_DIGITS, SECRET, Behaviour, Case, Stage, opened
from tests.contract.servers import closed_port

_APP_KEY = "dingsimappkey0000001"
CONVERSATION = ConversationId("cidSimGroup0000000001==")
_SEND = "/v1.0/robot/"
_POSTS = (f"{_SEND}groupMessages/send", f"{_SEND}oToMessages/batchSend")
_FAULTS = {
    Behaviour.NO: refusal(400, "contain.unsafe.url", f"not with {SECRET}"),
    Behaviour.WHO: refusal(400, "bot.stopped", f"not with {SECRET}"),
    Behaviour.BUSY: refusal(500, "system.error", f"not with {SECRET}"),
    Behaviour.LATER: Fault(
        403, {"code": "Forbidden.AccessDenied.QpsLimitForApi", "message": SECRET}, {"Retry-After": "7"}
    ),
    Behaviour.HANG_UP: Fault(reset=True),
    Behaviour.HANG: Fault(hang=True),
    Behaviour.GARBAGE: Fault(200, b"<html>Welcome to the hotel's network</html>"),
    Behaviour.HUGE_ANSWER: Fault(200, b'{"processQueryKey": "' + b"x" * (8 << 20) + b'"}'),
}

_SETTINGS = {
    "app_key": _APP_KEY,
    "app_secret": SECRET,
    "signing_secret": SECRET,
    "callback_token": SECRET,
    "callback_aes_key": f"{LETTERS_AND_DIGITS:A<43}",
    "outgoing_token": SECRET,
    "allowed_users": "*",
}


def opener(given: Mapping[str, Any]) -> Callable[[Behaviour], AbstractAsyncContextManager[Stage]]:
    """Opens an app robot with these settings, whatever its way in."""

    @asynccontextmanager
    async def open_(behaviour: Behaviour) -> AsyncIterator[Stage]:
        async with Simulator(app_key=_APP_KEY, app_secret=SECRET) as dingtalk:
            with closed_port() as port:
                base_url = dingtalk.base_url
                if behaviour is Behaviour.DOWN:
                    base_url = f"http://127.0.0.1:{port}"
                if behaviour in _FAULTS:
                    dingtalk.fail_next(_FAULTS[behaviour], path=_SEND)
                settings = {**given, "api_base_url": base_url, "oapi_base_url": base_url}
                async with opened(DRIVER, settings, behaviour) as driver:
                    yield Stage(driver, lambda: sum(call.path in _POSTS for call in dingtalk.calls))

    return open_


def _signed(body: bytes, at: datetime) -> Mapping[str, str]:
    del body  # the signature does not cover it
    timestamp = str(int(at.timestamp() * 1000))
    return {"timestamp": timestamp, "sign": sign(timestamp, SECRET)}


CASE = Case(
    settings=_SETTINGS,
    open=opener(_SETTINGS),
    conversation=CONVERSATION,
    signed=_signed,
    signature_headers=("timestamp", "sign"),
)
