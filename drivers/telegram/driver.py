"""A Telegram bot: what it sends, and how it hears."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from bridge.errors import DeliveryError, Malformed, Unverified
from bridge.model import Capabilities, InboundResponse, RateLimit, Support, TextFormat

from . import probes, updates
from .api import Api
from .memory import Moves, Topics
from .outbox import Outbox
from .polling import Polling
from .said import MAX_TEXT, measure
from .settings import read
from .updates import Updates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from bridge.driver import Driver, Emit, Opened, Settings, Toolbox
    from bridge.model import (
        ConversationId,
        Finding,
        Inbound,
        InboundRequest,
        InstanceId,
        MessageId,
        Outgoing,
        Reaction,
        Receipt,
    )
    from bridge.wild import Wild

    from .settings import Bot

RATE = RateLimit(30, 1.0)
"""Of a bot in all; of one chat it is 20 a minute, which Telegram says by 429.
https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this"""
_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 (the name of the header, not the secret)
_TAKEN = InboundResponse(headers=CIMultiDictProxy(CIMultiDict()))


class TelegramDriver:
    """
    A `Driver` that is an `Editor`, a `Recaller`, a `Reactor` and a `MediaSource` too: all of a bot but
    the way in, which each kind adds; with ``"receive": "none"`` it only sends.
    """

    capabilities = Capabilities(
        max_text=MAX_TEXT,
        measure=measure,
        formats=frozenset(TextFormat),
        attachments=Support.NATIVE,
        reply=Support.NATIVE,
        edit=Support.NATIVE,
        recall=Support.NATIVE,
        mention=Support.NATIVE,
        reaction=Support.NATIVE,
        rate_limit=RATE,
    )

    def __init__(self, instance: InstanceId, bot: Bot, toolbox: Toolbox) -> None:
        self.instance = instance
        self._bot = bot
        self._toolbox = toolbox
        self._api = Api(bot, toolbox)
        self._moves = Moves(toolbox.report)
        topics = Topics()
        self._updates = Updates(instance, bot.id, self._moves, topics, mended=toolbox.mended)
        self._outbox = Outbox(self._api, toolbox, self._moves, topics, self._is_called, bot)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.instance!r})"

    async def learn_name(self) -> None:
        """By which ``@name`` people call the bot. Until it is known, such a call is missed; no more."""
        if not self._updates.username:
            with suppress(DeliveryError):
                self._is_called(await self._api.ask("getMe", {}))

    def _is_called(self, user: Wild) -> None:
        with suppress(Malformed):
            self._updates.username = user["username"].name("") or self._updates.username

    # --- Driver ---

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Raises a `DeliveryError`."""
        return await self._outbox.send(outgoing)

    async def edit(self, message_ids: Sequence[MessageId], outgoing: Outgoing) -> Receipt:
        """Raises a `DeliveryError`."""
        return await self._outbox.edit(message_ids, outgoing)

    async def recall(self, conversation: ConversationId, message_ids: Sequence[MessageId]) -> Receipt:
        """Within 48 hours. Raises a `DeliveryError`."""
        del conversation  # a message's name says where it stands
        return await self._outbox.recall(message_ids)

    async def react(
        self, conversation: ConversationId, message_id: MessageId, reaction: Reaction
    ) -> Receipt:
        """Raises a `DeliveryError`."""
        del conversation
        return await self._outbox.react(message_id, reaction)

    async def probe(self) -> Sequence[Finding]:
        """The token, what the bot may hear, and who gets its updates."""
        return await probes.probe(self._api, self._bot, self._moves, self._trouble())

    def _trouble(self) -> DeliveryError | None:
        """Why nothing is heard just now."""
        return None

    # --- MediaSource ---

    async def public_url(self, ref: str) -> None:
        """None: the URL of a file has the bot's token in it."""
        del ref

    def open(self, ref: str) -> AbstractAsyncContextManager[Opened]:
        """``ref`` is a ``file_id``."""
        return self._api.file(ref)


class PollingBot(TelegramDriver):
    """A `Driver` that is a `Listener` too."""

    def __init__(self, instance: InstanceId, bot: Bot, toolbox: Toolbox) -> None:
        super().__init__(instance, bot, toolbox)
        self._polling = Polling(self._api, toolbox, self._understand, self.learn_name)

    def _understand(self, update: Wild) -> Inbound:
        return self._updates.normalize(update, self._toolbox.clock.now())

    async def listen(self, emit: Emit) -> None:
        """Until cancelled; raises `JournalBroken` only."""
        await self._polling.listen(emit)

    def _trouble(self) -> DeliveryError | None:
        return self._polling.trouble


class WebhookBot(TelegramDriver):
    """A `Driver` that is a `Webhook` too. https://core.telegram.org/bots/api#setwebhook"""

    def verify(self, request: InboundRequest) -> None:
        """Raises `Unverified`."""
        given = request.headers.getall(_SECRET_HEADER, [])
        wanted = self._bot.webhook_secret.encode()
        right = [hmac.compare_digest(one.encode("utf-8", "replace"), wanted) for one in given]
        if right != [True] or not wanted:
            raise Unverified("the secret token is missing or wrong")

    def normalize(self, request: InboundRequest) -> Inbound:
        """Raises `Malformed`."""
        return self._updates.normalize(updates.read(request.body), request.received_at)

    def reply(
        self, request: InboundRequest, inbound: Inbound, *, now: datetime, nonce: str
    ) -> InboundResponse:
        """Nothing but 200: what there is to say is sent later, by a lane."""
        del request, inbound, now, nonce
        return _TAKEN


_BY_WAY_IN = {"poll": PollingBot, "webhook": WebhookBot, "none": TelegramDriver}


@asynccontextmanager
async def open_(instance: InstanceId, given: Settings, toolbox: Toolbox) -> AsyncIterator[Driver]:
    """``given`` are valid by the schema and by `settings.check`."""
    bot = read(given)
    driver = _BY_WAY_IN[bot.receive](instance, bot, toolbox)
    if bot.receive != "webhook":
        yield driver
        return
    asking = asyncio.create_task(driver.learn_name(), name=f"telegram {instance}")
    try:
        yield driver
    finally:
        asking.cancel()
        await asyncio.wait([asking])
