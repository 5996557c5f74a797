"""
Persons by ``unionId``, for the simulator.

https://open.dingtalk.com/document/orgapp/query-a-user-by-the-union-id
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from .simulated_answers import answer, object_of


@dataclass(slots=True)
class SimulatedPersons:
    """``knows_token`` tells whether a token is good; ``staff_ids`` are by union id."""

    knows_token: Callable[[str], bool]
    staff_ids: dict[str, str] = field(default_factory=lambda: {"simUnion0001": "manager1001"})

    @property
    def routes(self) -> list[web.RouteDef]:
        return [web.post("/topapi/user/getbyunionid", self._find)]

    async def _find(self, request: web.Request) -> web.Response:
        if not self.knows_token(request.query.get("access_token", "")):
            return _answer(40014, "不合法的access_token")
        asked = object_of(await request.read())
        union_id = asked.get("unionid") if asked is not None else None
        if not isinstance(union_id, str) or not union_id:
            return _answer(40035, "缺少参数 unionid")
        staff_id = self.staff_ids.get(union_id)
        if staff_id is None:
            return _answer(60121, "找不到该用户")
        return _answer(0, "ok", result={"contact_type": 0, "userid": staff_id})


def _answer(errcode: int, errmsg: str, **more: object) -> web.Response:
    return answer({"errcode": errcode, "errmsg": errmsg, "request_id": "sim", **more})
