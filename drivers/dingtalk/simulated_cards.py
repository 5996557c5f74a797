"""
Interactive cards, for the simulator: created, delivered, updated.

https://open.dingtalk.com/document/orgapp/create-and-deliver-cards
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .simulated_answers import answer, object_of, refuse

_GROUP, _PERSON = "dtv1.card//im_group.", "dtv1.card//im_robot."


@dataclass(slots=True)
class Card:
    """``space`` is the open conversation id of a group, or a staff id."""

    space: str
    template: str
    values: dict[str, str]
    updates: int = 0


@dataclass(slots=True)
class SimulatedCards:
    """
    ``knows_token`` tells whether a token is good; ``templates`` are those that exist, ``spaces`` gives
    the conversations that cards can be delivered to.
    """

    knows_token: Callable[[str], bool]
    robot_code: Callable[[], str]
    spaces: Callable[[], set[str]]
    templates: set[str] = field(default_factory=lambda: {"simTemplate.schema"})
    cards: dict[str, Card] = field(default_factory=dict)

    @property
    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1.0/card/instances/createAndDeliver", self._create),
            web.put("/v1.0/card/instances", self._update),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        asked = await self._asked(request)
        if isinstance(asked, web.Response):
            return asked
        track, template = asked.get("outTrackId"), asked.get("cardTemplateId")
        if template not in self.templates:
            return refuse("param.templateNotExist", "模板不存在")
        if not isinstance(track, str) or not track:
            return refuse("invalidParameter.outTrackId", "outTrackId")
        values = _values(asked)
        if values is None:
            return refuse("invalidParameter.cardData", "cardParamMap 的值必须是字符串")
        space_id = asked.get("openSpaceId")
        space = self._space(asked, space_id if isinstance(space_id, str) else "")
        if isinstance(space, web.Response):
            return space
        delivered = space in self.spaces()
        if delivered:
            self.cards.setdefault(track, Card(space, template, values))
        kind = "IM_GROUP" if "imGroupOpenDeliverModel" in asked else "IM_ROBOT"
        result = {
            "spaceType": kind,
            "spaceId": space,
            "success": delivered,
            "carrierId": f"carrier-{track}",
            "errorMsg": "" if delivered else "chatbot is not in the conversation",
        }
        return answer({"success": True, "result": {"outTrackId": track, "deliverResults": [result]}})

    async def _update(self, request: web.Request) -> web.Response:
        asked = await self._asked(request)
        if isinstance(asked, web.Response):
            return asked
        card = self.cards.get(str(asked.get("outTrackId")))
        if card is None:
            return refuse("param.cardNotExist", "卡片不存在")
        values = _values(asked)
        if values is None:
            return refuse("invalidParameter.cardData", "cardParamMap 的值必须是字符串")
        options = asked.get("cardUpdateOptions")
        by_key = isinstance(options, dict) and options.get("updateCardDataByKey") is True
        card.values = {**card.values, **values} if by_key else values
        card.updates += 1
        return answer({"success": True, "result": True})

    async def _asked(self, request: web.Request) -> dict[str, Any] | web.Response:
        if not self.knows_token(request.headers.get("x-acs-dingtalk-access-token", "")):
            return refuse("InvalidAuthentication", "不合法的access_token")
        asked = object_of(await request.read())
        if asked is None or request.content_type != "application/json":
            return refuse("Missingbody", "body is empty")
        return asked

    def _space(self, asked: dict[str, Any], space_id: str) -> str | web.Response:
        """The conversation that is named, in either of the two ways that the documentation spells."""
        for prefix, model in ((_GROUP, "imGroupOpenDeliverModel"), (_PERSON, "imRobotOpenDeliverModel")):
            if space_id.lower().startswith(prefix):
                given = asked.get(model)
                if not isinstance(given, dict) or given.get("robotCode") != self.robot_code():
                    return refuse("invalidParameter.robotCode.auth", model)
                return space_id[len(prefix) :]
        return refuse("invalidParameter.openSpaceId", "openSpaceId")


def _values(asked: dict[str, Any]) -> dict[str, str] | None:
    inner = asked.get("cardData")
    values = inner.get("cardParamMap") if isinstance(inner, dict) else None
    if not isinstance(values, dict) or not all(isinstance(one, str) for one in values.values()):
        return None
    return values
