"""DingTalk played for a demo: the simulator, with people who write in its groups."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from bridge.driver import Settings
from bridge.model import ConversationId

from .callback_bodies import Chat
from .simulator import Simulator

_PICTURE = "simPicture+/="
_STALE = timedelta(minutes=10)


@asynccontextmanager
async def open_stage(settings: Settings) -> AsyncIterator[DingTalkStage]:
    """The simulator takes the instance's own keys, so that these need no override."""
    async with Simulator(app_key=settings["app_key"], app_secret=settings["app_secret"]) as simulator:
        simulator.robot_code = settings["robot_code"] or settings["app_key"]
        yield DingTalkStage(simulator)


@dataclass(frozen=True, slots=True)
class DingTalkStage:
    """Implements `bridge.driver.Stage`."""

    simulator: Simulator
    titles: dict[ConversationId, str] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    @property
    def overrides(self) -> Settings:
        return {
            "api_base_url": self.simulator.base_url,
            "oapi_base_url": self.simulator.base_url,
        }

    def open_room(self, conversation: ConversationId, title: str) -> None:
        self.simulator.groups.add(conversation)
        self.titles[conversation] = title

    async def say(
        self, url: str, conversation: ConversationId, who: str, text: str, *, picture: bool = False
    ) -> int:
        now = datetime.now(UTC)
        status, _ = await self.simulator.post_event(
            url, self._body(conversation, who, text, now, picture=picture), now=now
        )
        return status

    async def forge(self, url: str, conversation: ConversationId) -> Mapping[str, int]:
        now = datetime.now(UTC)
        body = self._body(conversation, "Mallory", "let me in", now)
        unsigned, _ = await self.simulator.post_event(url, body, now=now, secret=None)
        stale, _ = await self.simulator.post_event(url, body, now=now - _STALE)
        return {"unsigned": unsigned, "stale": stale}

    def heard(self, conversation: ConversationId) -> Sequence[str]:
        return [one.text for one in self.simulator.received if one.group == conversation]

    def _body(
        self,
        conversation: ConversationId,
        who: str,
        text: str,
        now: datetime,
        *,
        picture: bool = False,
    ) -> Mapping[str, object]:
        chat = Chat(
            robot_code=self.simulator.robot_code,
            conversation_id=conversation,
            nick=who,
            title=self.titles.get(conversation, ""),
        )
        number, at_ms = next(self._numbers), int(now.timestamp() * 1000)
        name = f"msgDemo{number}=="
        if picture:
            return chat.picture(_PICTURE, message_id=name, at_ms=at_ms)
        return chat.text(text, message_id=name, at_ms=at_ms)
