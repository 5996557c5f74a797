"""What the homeserver shows of an account: that it works, its rooms, the people there."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from bridge.driver import Entry
from bridge.errors import DeliveryError
from bridge.model import Finding
from bridge.wild import clean_name

from . import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api
    from .login import Login
    from .rooms import Rooms
    from .settings import Account

_MOST_ROOMS = 200
_MOST_ROOMS_OF_PEOPLE = 50
_MOST_PEOPLE = 2000


class Visit:
    """Questions that post nothing."""

    def __init__(self, account: Account, api: Api, login: Login, rooms: Rooms) -> None:
        self._account = account
        self._api = api
        self._login = login
        self._rooms = rooms

    async def findings(self) -> Sequence[Finding]:
        """The account, and the rooms of the settings. Raises nothing."""
        try:
            user_id = await self._login.proven()
            await self._rooms.learn_joined()
        except DeliveryError as e:
            return (
                Finding(
                    ok=False,
                    what=f"no login to Matrix: {e}",
                    hint="look at homeserver_url, and at access_token or user_id and password",
                ),
            )
        rooms = [await self._room(name) for name in self._account.rooms]
        return (Finding(ok=True, what=f"logged in to Matrix: {clean_name(user_id)}"), *rooms)

    async def _room(self, name: str) -> Finding:
        try:
            room_id = await self._rooms.resolved(name)
            if room_id in self._rooms.joined:
                await self._rooms.enter(self._rooms.conversation_of(room_id))
                return Finding(ok=True, what=f"in the room: {clean_name(name)}")
        except DeliveryError as e:
            return Finding(
                ok=False,
                what=f"the room cannot be used: {clean_name(name)}: {e}",
                hint="is its name right, may the bot in, and is it unencrypted?",
            )
        return Finding(
            ok=False,
            what=f"not in the room: {clean_name(name)}",
            hint="invite the bot, and start the bridge: it joins the rooms of its settings",
        )

    async def conversations(self) -> Sequence[Entry]:
        """The rooms that we are in. Raises a `DeliveryError`."""
        await self._login.known(visiting=True)
        await self._rooms.learn_joined()
        await self._rooms.learn_aliases()
        found = []
        for room_id in islice(sorted(self._rooms.joined), _MOST_ROOMS):
            conversation = self._rooms.conversation_of(room_id)
            title = await self._rooms.title_of(room_id)
            found.append(Entry(settings.address_of(conversation), title or conversation))
        return found

    async def users(self) -> Sequence[Entry]:
        """
        Who is in these rooms, but ourselves. Raises a `DeliveryError`.

        https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3roomsroomidmembers
        """
        await self._login.known(visiting=True)
        await self._rooms.learn_joined()
        people: dict[str, str] = {}
        for room_id in islice(sorted(self._rooms.joined), _MOST_ROOMS_OF_PEOPLE):
            for user_id, name in await self._rooms.members(room_id):
                if user_id != self._login.user_id and len(people) < _MOST_PEOPLE:
                    people[user_id] = name
        return [Entry({"user_id": user_id}, name or user_id) for user_id, name in sorted(people.items())]
