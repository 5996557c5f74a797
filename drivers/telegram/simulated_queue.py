"""What has happened and is not confirmed yet: https://core.telegram.org/bots/api#getting-updates"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from .simulated_calls import Refusal, Sent, nested, whole, words

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 100
_LONGEST = 50
_BY_DEFAULT = frozenset(
    {"message", "edited_message", "channel_post", "edited_channel_post", "my_chat_member"}
)
"""Of those that this server knows: reactions come to those only who ask for them."""


class Queue:
    """One bot's updates. ``webhook`` is the URL that is called, or empty; ``polls`` counts getUpdates."""

    def __init__(self) -> None:
        self.webhook = ""
        self.secret = ""
        self.allowed: frozenset[str] = _BY_DEFAULT
        self.last_error = ""
        self.polls = 0
        self._next = 700_000_000
        self._waiting: deque[dict[str, Any]] = deque()
        self._news = asyncio.Event()
        self._poll = 0
        self._closed = False

    def add(self, kind: str, happened: Mapping[str, Any]) -> None:
        if kind in self.allowed:
            self._waiting.append({"update_id": self._next, kind: dict(happened)})
            self._next += 1
            self._wake()

    @property
    def oldest(self) -> dict[str, Any] | None:
        return self._waiting[0] if self._waiting else None

    def __len__(self) -> int:
        return len(self._waiting)

    def confirm(self, upto: int) -> None:
        while self._waiting and self._waiting[0]["update_id"] <= upto:
            self._waiting.popleft()

    def close(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    # --- methods ---

    async def get_updates(self, params: Mapping[str, Any], _files: Mapping[str, Sent]) -> object:
        if self.webhook:
            raise Refusal(
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to "
                "delete the webhook first",
                409,
            )
        self._remember(params)
        self._poll += 1
        self.polls += 1
        mine = self._poll
        self._wake()  # whoever waits already gives way
        if offset := whole(params, "offset", 0):
            self.confirm(offset - 1)
        limit = min(max(whole(params, "limit", _MOST), 1), _MOST)
        within = min(whole(params, "timeout", 0), _LONGEST)
        try:
            async with asyncio.timeout(within):
                while not self._waiting and not self._closed and mine == self._poll:
                    await self._news.wait()
        except TimeoutError:
            return []
        if mine != self._poll:
            raise Refusal(
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance "
                "is running",
                409,
            )
        return list(self._waiting)[:limit]

    async def set_webhook(self, params: Mapping[str, Any], _files: Mapping[str, Sent]) -> bool:
        self.webhook = words(params, "url")
        self.secret = words(params, "secret_token")
        self._remember(params)
        return True

    async def delete_webhook(self, _params: Mapping[str, Any], _files: Mapping[str, Sent]) -> bool:
        self.webhook = self.secret = ""
        return True

    async def get_webhook_info(
        self, _params: Mapping[str, Any], _files: Mapping[str, Sent]
    ) -> dict[str, Any]:
        info: dict[str, Any] = {
            "url": self.webhook,
            "has_custom_certificate": False,
            "pending_update_count": len(self._waiting),
        }
        if self.allowed != _BY_DEFAULT:
            info["allowed_updates"] = sorted(self.allowed)
        if self.last_error:
            info["last_error_message"] = self.last_error
        return info

    def _remember(self, params: Mapping[str, Any]) -> None:
        if "allowed_updates" in params:
            self.allowed = frozenset(map(str, nested(params, "allowed_updates", []))) or _BY_DEFAULT
