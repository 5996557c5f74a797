"""
How far the bridge has read, kept by the homeserver in the account's own data: it outlives any restart,
without a file of ours. https://spec.matrix.org/v1.16/client-server-api/#client-config
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.errors import Broken

from .api import Method, Path

if TYPE_CHECKING:
    from bridge.model import InstanceId

    from .api import Api, PathBuilder

_TYPE = "org.msgbridge.read"
_MOST_DIRECT = 1000


@dataclass(slots=True)
class Bookmark:
    """``since`` is a sync token, empty before the first; ``direct`` are rooms of two."""

    since: str = ""
    direct: list[str] = field(default_factory=list)


class Store:
    """The bookmark of one instance. Every method raises a `DeliveryError`."""

    def __init__(self, instance: InstanceId, api: Api) -> None:
        self._instance = instance
        self._api = api

    def _path(self, user_id: str) -> PathBuilder:
        return Path.v3.user[user_id].account_data[f"{_TYPE}.{self._instance}"]

    async def load(self, user_id: str) -> Bookmark:
        """An empty one where there is none yet."""
        try:
            said = await self._api.ask(Method.GET, self._path(user_id))
        except Broken as e:
            if e.reason == "not_found":
                return Bookmark()
            raise
        since = said["since"].text("") if said["since"].is_text else ""
        return Bookmark(since, [one.text("") for one in said["direct"] if one.is_text])

    async def save(self, user_id: str, bookmark: Bookmark) -> None:
        kept = {"since": bookmark.since, "direct": bookmark.direct[-_MOST_DIRECT:]}
        await self._api.ask(Method.PUT, self._path(user_id), kept)
