"""
The directory of the older API, for the simulator: departments, people, and permissions to see them.

https://open.dingtalk.com/document/orgapp/queries-the-simple-information-of-a-department-user
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

_LARGEST_PAGE = 100
_APPLY = "https://open-dev.dingtalk.com/appscope/apply?content="


@dataclass(slots=True)
class Department:
    name: str
    parent: int
    members: dict[str, str] = field(default_factory=dict)
    """Names by user id, in order; direct members only."""


def _example() -> dict[int, Department]:
    return {
        1: Department("仿真公司", 0, {"manager1001": "张三"}),
        2: Department("研发", 1, {"user1002": "李四", "manager1001": "张三"}),
    }


@dataclass(slots=True)
class SimulatedDirectory:
    """
    ``knows_token`` tells whether a token is good, ``app_key`` stands in links. ``missing`` are the
    permissions that the app has not; ``hidden`` the departments that it may not see.
    """

    knows_token: Callable[[str], bool]
    app_key: str
    departments: dict[int, Department] = field(default_factory=_example)
    missing: set[str] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)

    @property
    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/topapi/user/listsimple", self._list_persons),
            web.post("/topapi/v2/department/listsub", self._list_departments),
        ]

    async def _list_persons(self, request: web.Request) -> web.Response:
        asked = await self._asked(request, "qyapi_get_department_member")
        if isinstance(asked, web.Response):
            return asked
        cursor, size = asked.get("cursor"), asked.get("size")
        if type(cursor) is not int or cursor < 0:
            return _refuse(40068, "不合法的偏移量")
        if type(size) is not int or not 1 <= size <= _LARGEST_PAGE:
            return _refuse(40069, "不合法的分页大小")
        members = list(self.departments[asked["dept_id"]].members.items())
        page = members[cursor : cursor + size]
        more = cursor + size < len(members)
        result: dict[str, Any] = {"has_more": more, "list": [{"userid": u, "name": n} for u, n in page]}
        if more:
            result["next_cursor"] = cursor + size
        return _answer({"errcode": 0, "errmsg": "ok", "result": result})

    async def _list_departments(self, request: web.Request) -> web.Response:
        asked = await self._asked(request, "qyapi_get_department_list")
        if isinstance(asked, web.Response):
            return asked
        inner = [
            {"dept_id": number, "name": one.name, "parent_id": one.parent}
            for number, one in self.departments.items()
            if one.parent == asked["dept_id"]
        ]
        return _answer({"errcode": 0, "errmsg": "ok", "result": inner})

    async def _asked(self, request: web.Request, permission: str) -> dict[str, Any] | web.Response:
        """The request's object with a department that exists, or the refusal that it gets."""
        if not self.knows_token(request.query.get("access_token", "")):
            return _refuse(40014, "不合法的access_token")
        if permission in self.missing:
            said = (
                f"ding talk error[subcode=60011,submsg=应用尚未开通所需的权限：[{permission}]，"
                f"点击链接申请并开通即可：{_APPLY}{self.app_key}%23{permission}, "
                f"{{requiredScopes=[{permission}]}}]"
            )
            return _refuse(88, said)
        try:
            asked = json.loads(await request.read())
            department = asked["dept_id"]
        except (ValueError, TypeError, KeyError):
            return _refuse(40035, "缺少参数 dept_id")
        if type(department) is not int or department not in self.departments:
            return _refuse(60003, "部门不存在")
        if department in self.hidden:
            return _refuse(50004, "企业部门不在授权范围")
        return dict(asked)


def _refuse(errcode: int, errmsg: str) -> web.Response:
    return _answer({"errcode": errcode, "errmsg": errmsg, "request_id": "sim"})


def _answer(value: object) -> web.Response:
    return web.Response(
        body=json.dumps(value, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json;charset=utf-8"},
    )
