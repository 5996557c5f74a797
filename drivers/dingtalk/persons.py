"""
Persons whom a rule names by ``unionId``: the staff id is asked for once.

https://open.dingtalk.com/document/orgapp/query-a-user-by-the-union-id
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING

from bridge.errors import Broken, Indeterminate, Malformed, Transient
from bridge.wild import Wild

from . import conversations, oapi

if TYPE_CHECKING:
    from bridge.model import ConversationId

    from .api import Api

PATH = "/topapi/user/getbyunionid"
_MOST = 8192


class Persons:
    """One app's; ``app_key`` stands in the link where a missing permission is applied for."""

    def __init__(self, api: Api, app_key: str) -> None:
        self._api = api
        self._app_key = app_key
        self._found: OrderedDict[str, ConversationId] = OrderedDict()

    async def known(self, conversation: ConversationId) -> ConversationId:
        """The conversation under the name by which it can be written to. Raises a `DeliveryError`."""
        union_id = conversations.union_id(conversation)
        if not union_id:
            return conversation
        found = self._found.get(union_id)
        if found is None:
            found = self._found[union_id] = conversations.person(await self._ask(union_id))
            while len(self._found) > _MOST:
                self._found.popitem(last=False)
        return found

    async def _ask(self, union_id: str) -> str:
        body = json.dumps({"unionid": union_id}).encode()
        try:
            answer = await self._api.call_old(PATH, body)
            good = oapi.success(answer.status, answer.body)
            if good is None:
                raise oapi.failure(
                    answer.status,
                    answer.headers,
                    answer.body,
                    now=self._api.now,
                    app_key=self._app_key,
                )
        except Indeterminate as e:  # nothing was posted, and asking twice does no harm
            raise Transient(str(e), reason=e.reason) from e
        try:
            return Wild(good)["result"]["userid"].identifier()
        except Malformed as e:
            raise Broken("DingTalk names no staff id for this union_id", reason="unknown_person") from e
