"""
Telegram is asked what happened, and answers when something did.

An update is confirmed by asking for those behind it, which is done when it is durable and never
before; until then Telegram keeps it, for 24 hours. https://core.telegram.org/bots/api#getupdates
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.errors import (
    Broken,
    DeliveryError,
    IngressError,
    JournalBroken,
    JournalError,
    JournalFull,
    Malformed,
)
from bridge.model import Inbound

from .failures import Conflict
from .updates import ALLOWED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.driver import Emit, Toolbox
    from bridge.wild import Wild

    from .api import Api

WAIT = 30
"""Seconds that Telegram may keep us waiting; routers forget a connection that is silent for longer."""
_SHORTEST, _LONGEST = 1.0, 60.0
_FULL = 5.0
_GROWN = 10


class Polling:
    """
    Asks for the updates of one bot. ``read`` may raise an `IngressError`; ``greet`` is called before
    updates are read.
    """

    def __init__(
        self,
        api: Api,
        toolbox: Toolbox,
        read: Callable[[Wild], Inbound],
        greet: Callable[[], Awaitable[None]],
    ) -> None:
        self.trouble: DeliveryError | None = None
        """Why nothing came when it was last asked."""
        self._api = api
        self._toolbox = toolbox
        self._read = read
        self._greet = greet

    async def listen(self, emit: Emit) -> None:
        """Until cancelled; raises `JournalBroken` only."""
        clock = self._toolbox.clock
        offset = failed = 0
        while True:
            try:
                updates = await self._api.updates(offset, ALLOWED, WAIT)
            except DeliveryError as e:
                failed += 1
                self._complain(e)
                await clock.sleep(max(self._wait(failed), min(e.retry_after or 0.0, 300.0)))
                continue
            if isinstance(self.trouble, Broken):
                self._toolbox.mended()
            self.trouble = None
            self._toolbox.show("telegram_polled_at", clock.now().timestamp())
            await self._greet()
            taken = 0
            try:
                for update in updates:
                    taken = await self._take(update, emit) or taken
            except JournalBroken:
                raise
            except JournalError as e:
                self._toolbox.report("telegram_journal_full")
                offset = taken or offset
                await clock.sleep(min(e.retry_after, _FULL) if isinstance(e, JournalFull) else _FULL)
                continue
            some = any(True for _ in updates)
            failed = failed + 1 if some and not taken else 0
            if failed:
                await clock.sleep(self._wait(failed))
            # After a week of silence Telegram begins to count anew, so an old number is not kept: what is
            # not there to be confirmed is confirmed already.
            offset = taken

    async def _take(self, update: Wild, emit: Emit) -> int:
        """The number to ask for next; 0 for what has none. Returns when it is durable."""
        try:
            number = update["update_id"].number()
        except Malformed:
            self._toolbox.report("telegram_bad_update")
            return 0
        await emit(self._understood(update))
        return number + 1

    def _understood(self, update: Wild) -> Inbound:
        try:
            return self._read(update)
        except IngressError as e:
            self._toolbox.report("telegram_bad_update")
            return Inbound(ignored=type(e).__name__.lower())
        except Exception as e:  # noqa: BLE001 (a bug that one update meets must not end all the others)
            asyncio.get_running_loop().call_exception_handler(
                {"message": "an update of Telegram could not be taken", "exception": e}
            )
            self._toolbox.report("telegram_failed")
            return Inbound(ignored="bug")

    def _complain(self, error: DeliveryError) -> None:
        self.trouble = error
        match error:
            case Conflict():
                self._toolbox.report("telegram_conflict")
            case Broken():
                self._toolbox.report("telegram_refused")
            case _:
                self._toolbox.report("telegram_unreachable")

    def _wait(self, failed: int) -> float:
        """Anything up to a bound that doubles: many bridges do not come back as one."""
        bound = min(_LONGEST, _SHORTEST * 2 ** min(failed, _GROWN))
        return max(_SHORTEST, self._toolbox.random.uniform(0.0, bound))
