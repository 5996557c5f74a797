"""DingTalk's group robot, in front of the simulator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.model import ConversationId
from drivers.dingtalk import DRIVER
from drivers.dingtalk.faults import Fault
from drivers.dingtalk.simulator import Simulator
from tests.contract.cases import SECRET, Behaviour, Case, Stage, opened
from tests.contract.servers import closed_port

_SEND = "/robot/send"
_FAULTS = {
    Behaviour.NO: Fault(200, {"errcode": 430104, "errmsg": f"not with {SECRET}"}),
    Behaviour.WHO: Fault(200, {"errcode": "400101", "errmsg": f"not with {SECRET}"}),
    Behaviour.BUSY: Fault(200, {"errcode": -1, "errmsg": f"not with {SECRET}"}),
    Behaviour.LATER: Fault(200, {"errcode": 130101, "errmsg": SECRET}, {"Retry-After": "7"}),
    Behaviour.HANG_UP: Fault(reset=True),
    Behaviour.HANG: Fault(hang=True),
    Behaviour.GARBAGE: Fault(200, b"<html>Welcome to the hotel's network</html>"),
    Behaviour.HUGE_ANSWER: Fault(200, b'{"errcode": 0, "errmsg": "' + b"x" * (8 << 20) + b'"}'),
}

_SETTINGS = {
    "webhook_url": f"https://oapi.dingtalk.com{_SEND}?access_token={SECRET}",
    "sign_secret": f"SEC{SECRET}",
    "keyword": "Ada",
}


@asynccontextmanager
async def _open(behaviour: Behaviour) -> AsyncIterator[Stage]:
    async with Simulator() as dingtalk:
        dingtalk.webhooks.add(SECRET, secret=f"SEC{SECRET}", keywords=("Ada",))
        with closed_port() as port:
            base_url = dingtalk.base_url
            if behaviour is Behaviour.DOWN:
                base_url = f"http://127.0.0.1:{port}"
            if behaviour in _FAULTS:
                dingtalk.fail_next(_FAULTS[behaviour], path=_SEND)
            settings = {**_SETTINGS, "webhook_url": f"{base_url}{_SEND}?access_token={SECRET}"}
            async with opened(DRIVER, settings, behaviour) as driver:
                yield Stage(driver, lambda: sum(call.path.startswith(_SEND) for call in dingtalk.calls))


CASE = Case(settings=_SETTINGS, open=_open, conversation=ConversationId("default"))
