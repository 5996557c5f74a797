"""Events of a room, with what one must ask about them before they can be understood."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from bridge.errors import Broken, DeliveryError, Malformed, Refused, Scope
from bridge.model import ConversationRef, Inbound
from bridge.wild import Wild

from . import happened, inbound
from .api import Method, Path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.driver import Toolbox
    from bridge.model import InstanceId

    from .api import Api
    from .inbound import Said
    from .login import Login
    from .memory import Memory
    from .rooms import Room, Rooms

MOST_PAGES = 20
"""Of a gap; what is further back is counted as not read."""


class Reader:
    """Reads for one account; ``known`` is what it remembers of events, by event id."""

    def __init__(
        self,
        instance: InstanceId,
        toolbox: Toolbox,
        api: Api,
        login: Login,
        rooms: Rooms,
        known: Memory[Said],
    ) -> None:
        self._instance = instance
        self._toolbox = toolbox
        self._api = api
        self._login = login
        self._rooms = rooms
        self._known = known

    async def understood(self, event: Wild, room: Room, *, direct: bool) -> Inbound:
        """Raises a `DeliveryError` where the homeserver cannot be asked about it."""
        try:
            return await self._understood(event, room, direct=direct)
        except Malformed:
            return Inbound(ignored="malformed")
        except DeliveryError:
            raise
        except Exception as e:  # noqa: BLE001 (a bug that one event meets must not end all the others)
            asyncio.get_running_loop().call_exception_handler(
                {"message": "an event of a Matrix room could not be understood", "exception": e}
            )
            return Inbound(ignored="failed")

    async def _understood(self, event: Wild, room: Room, *, direct: bool) -> Inbound:
        """Raises `Malformed`, and a `DeliveryError` where the homeserver cannot be asked about it."""
        user_id = self._login.user_id
        if event["sender"].identifier() != user_id and (asked := inbound.about(event)):
            await self._remember(asked, room)
        names = {user: name for user in _people(event) if (name := room.names.get(user))}
        known = {
            asked: said
            for asked in (inbound.about(event), inbound.redacted(event))
            if (said := self._known.get(asked))
        }
        if (said := inbound.remembered(event, names)) is not None:
            self._known.keep(event["event_id"].identifier(), said)
        here = inbound.Here(
            source=ConversationRef(self._instance, self._rooms.conversation_of(room.room_id)),
            user_id=user_id,
            now=self._toolbox.clock.now(),
            names=names,
            known=known,
            title="" if event.has("state_key") else await self._rooms.title_of(room.room_id),
            direct=direct,
        )
        return inbound.normalize(event, here)

    async def _remember(self, event_id: str, room: Room) -> None:
        """What another event speaks of, from the homeserver if need be. Raises a `DeliveryError`."""
        if event_id in self._known:
            return
        try:
            event = await self._api.ask(Method.GET, Path.v3.rooms[room.room_id].event[event_id])
            sender = event["sender"].text("")
            names = {sender: name} if (name := room.names.get(sender)) else {}
            said = inbound.remembered(event, names)
        except (Broken, Refused, Malformed):
            return
        if said is not None:
            self._known.keep(event_id, said)

    async def gap(self, room: Room, before: str, since: str) -> Sequence[Wild]:
        """
        What happened between the token ``since`` and ``before``, oldest first. Raises a `DeliveryError`.

        https://spec.matrix.org/v1.16/client-server-api/#syncing, "limited"
        """
        found: list[Wild] = []
        size = 0
        query = {"dir": "b", "to": since, "limit": str(happened.PER_ROOM)}
        path = Path.v3.rooms[room.room_id].messages
        query["filter"] = json.dumps(happened.ROOM_FILTER)
        for _ in range(MOST_PAGES):
            try:
                answer = await self._api.read(path, {**query, "from": before})
            except (Broken, Refused) as e:
                if e.scope is Scope.INSTANCE:
                    raise
                break
            page = Wild(answer.said)
            size += answer.size
            self._rooms.learn(room, page["state"])
            events = tuple(page["chunk"])
            newer, joined = happened.since_our_join(events[::-1], self._login.user_id)
            found += newer[::-1]
            end = page["end"].text("") if page["end"].is_text else ""
            if joined or not end or end == before:
                return found[::-1]
            if size > self._api.most_at_once:
                break
            before = end
        self._toolbox.report("matrix_gap_not_read")
        return found[::-1]


def _people(event: Wild) -> Sequence[str]:
    """Whom it speaks of."""
    named = [event["sender"], *list(event["content"]["m.mentions"]["user_ids"])[:50]]
    return [one.text() for one in named if one.is_text]
