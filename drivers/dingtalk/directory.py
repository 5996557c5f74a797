"""
Who is in the organization: the people of every department that the app may see.

https://open.dingtalk.com/document/orgapp/queries-the-simple-information-of-a-department-user,
https://open.dingtalk.com/document/orgapp/obtain-the-department-list-v2
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from bridge.driver import Entry
from bridge.errors import DeliveryError, Malformed, Refused, Throttled
from bridge.wild import Wild

from . import oapi
from .conversations import PERSON_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.clock import Clock

    from .api import Api

PERSONS_PATH = "/topapi/user/listsimple"
DEPARTMENTS_PATH = "/topapi/v2/department/listsub"

_ROOT = 1
_PAGE = 100
_MOST_PERSONS = 20_000
_MOST_DEPARTMENTS = 2_000
_TRIES = 5
_LONGEST_PAUSE = 60.0
"""Seconds that a limit is waited for; what takes longer (a ban, a monthly quota) is an error."""
_MAX_NAME = 100


class Directory:
    """One app's view; ``app_key`` stands in the link where a missing permission is applied for."""

    def __init__(self, api: Api, clock: Clock, app_key: str) -> None:
        self._api = api
        self._clock = clock
        self._app_key = app_key

    async def users(self) -> Sequence[Entry]:
        """
        Everybody once, under the first department that names them, in the order of departments.

        Raises a `DeliveryError`: `Broken` for a missing permission, with its name and a link;
        `Refused` for more than 20,000 people or 2,000 departments, or an answer that is none.
        """
        try:
            return await self._users()
        except Malformed as e:
            raise Refused(f"DingTalk's answer is not a directory: {e}", reason="bad_answer") from e

    async def _users(self) -> Sequence[Entry]:
        found: dict[str, Entry] = {}
        seen = {_ROOT}
        waiting = deque([(_ROOT, "")])
        while waiting:
            department, title = waiting.popleft()
            async for person in self._persons(department):
                user_id = person["userid"].identifier()
                name = person["name"].name("")[:_MAX_NAME]
                found.setdefault(user_id, Entry({PERSON_KEY: user_id}, name, title))
                if len(found) > _MOST_PERSONS:
                    raise Refused(f"more than {_MOST_PERSONS} people", reason="too_many")
            for inner in await self._ask(DEPARTMENTS_PATH, {"dept_id": department}):
                number = inner["dept_id"].number()
                if number in seen:
                    continue
                seen.add(number)
                if len(seen) > _MOST_DEPARTMENTS:
                    raise Refused(f"more than {_MOST_DEPARTMENTS} departments", reason="too_many")
                waiting.append((number, inner["name"].name("")[:_MAX_NAME]))
        return tuple(found.values())

    async def _persons(self, department: int) -> AsyncIterator[Wild]:
        cursor = 0
        while True:
            asked = {"dept_id": department, "cursor": cursor, "size": _PAGE}
            page = await self._ask(PERSONS_PATH, asked)
            for person in page["list"]:
                yield person
            if not page["has_more"].flag():
                return
            following = page["next_cursor"].number()
            if following <= cursor:
                raise Refused("DingTalk's pages go round in circles", reason="bad_answer")
            cursor = following

    async def _ask(self, path: str, body: dict[str, Any]) -> Wild:
        """The ``result`` of a good answer. Patient: many small calls meet the limit of 20 a second."""
        failure: DeliveryError | None = None
        for _ in range(_TRIES):
            answer = await self._api.call_old(path, json.dumps(body).encode())
            found = oapi.success(answer.status, answer.body)
            if found is not None:
                return Wild(found)["result"]
            failure = oapi.failure(
                answer.status, answer.headers, answer.body, now=self._api.now, app_key=self._app_key
            )
            pause = failure.retry_after or 1.0
            if not isinstance(failure, Throttled) or pause > _LONGEST_PAUSE:
                raise failure
            await self._clock.sleep(pause)
        assert failure is not None
        raise failure
