"""
Listening: what happens in the rooms, in order, each thing once it is durable.

The homeserver is asked for what happened since the last look (``/sync``). The token of the next look is
taken when everything of this one is kept, and put aside on the homeserver soon after; what is read again
after a crash, the journal knows. https://spec.matrix.org/v1.16/client-server-api/#syncing
"""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.errors import (
    Broken,
    DeliveryError,
    JournalBroken,
    JournalError,
    JournalFull,
    Malformed,
    Refused,
    Transient,
)
from bridge.model import Inbound

from . import happened
from .api import Path
from .store import Bookmark, Store

if TYPE_CHECKING:
    from bridge.driver import Emit, Toolbox

    from .api import Api
    from .happened import Happened, InRoom, Invitation
    from .login import Login
    from .reader import Reader
    from .rooms import Rooms

LOOK = 25.0
"""Seconds that the homeserver may wait for something to happen."""
_GRACE = 2.0
_SAVE_EVERY = 10.0
_LONGEST_WAIT = 60.0
_PATIENCE_WITH_JOURNAL = 5.0
_JOIN_EVERY = 300.0
_MOST_INVITATIONS = 100


class Listening:
    """One run of `Listener.listen`."""

    def __init__(
        self,
        toolbox: Toolbox,
        api: Api,
        login: Login,
        rooms: Rooms,
        reader: Reader,
        store: Store,
        emit: Emit,
    ) -> None:
        self._toolbox = toolbox
        self._api = api
        self._login = login
        self._rooms = rooms
        self._reader = reader
        self._emit = emit
        self._store = store
        self._bookmark = Bookmark()
        self._lost = False
        """The homeserver does not know the token that we had."""
        self._limit = happened.PER_ROOM
        self._dirty = False
        self._saved_at = -math.inf
        self._joined_at = -math.inf
        self._outside = False
        """Of a room of the settings."""
        self._invitations: dict[str, Invitation] = {}
        self._kept: set[str] = set()
        """Events of the look that is worked on which are durable already."""

    async def run(self) -> None:
        """Until cancelled; raises `JournalBroken` only."""
        troubles = 0
        began = False
        try:
            while True:
                try:
                    if not began:
                        await self._login.again(self._begin)
                        began = True
                    await self._login.again(self._look)
                    troubles = 0
                except DeliveryError as e:
                    self._toolbox.show("matrix_connected_since", 0.0)
                    self._toolbox.report(f"matrix_trouble_{e.reason}")
                    began = began and not self._lost
                    await self._toolbox.clock.sleep(self._wait(troubles, e))
                    troubles += 1
        finally:
            await self._say_goodbye()

    def _wait(self, troubles: int, error: DeliveryError) -> float:
        wait = min(2.0 ** min(troubles, 6), _LONGEST_WAIT) * self._toolbox.random.uniform(0.8, 1.2)
        return max(wait, min(error.retry_after or 0.0, 300.0))

    async def _begin(self) -> None:
        """Where we left off; the first time, now. Raises a `DeliveryError`."""
        user_id = await self._login.known()
        self._bookmark = await self._store.load(user_id)
        await self._rooms.learn_joined()
        await self._join()
        if self._lost or not self._bookmark.since:
            self._bookmark.since = ""
            first = await self._ask(0.0, 1)
            for one in first.rooms:
                self._rooms.learn(self._rooms.of(one.room_id), one.state)
            self._note_invitations(first)
            self._bookmark.since, self._lost = first.next, False
            await self._save()
        self._toolbox.show("matrix_connected_since", self._toolbox.clock.now().timestamp())

    async def _look(self) -> None:
        """Raises a `DeliveryError`, and then the next look begins where this one did."""
        await self._accept_invitations()
        if self._outside and self._toolbox.clock.monotonic() >= self._joined_at + _JOIN_EVERY:
            await self._join()
        look = await self._ask(_SAVE_EVERY if self._dirty else LOOK, self._limit)
        for room_id in look.left:
            if room_id in self._rooms.joined:
                self._rooms.joined.discard(room_id)
                self._toolbox.report("matrix_put_out")
        for one in look.rooms:
            self._rooms.joined.add(one.room_id)
            await self._take(one)
        self._note_invitations(look)
        self._bookmark.since = look.next
        self._kept.clear()
        self._dirty = self._dirty or bool(look.rooms or look.invitations or look.left)
        if self._dirty and self._toolbox.clock.monotonic() >= self._saved_at + _SAVE_EVERY:
            await self._save()

    async def _join(self) -> None:
        """The rooms of the settings."""
        troubles = await self._rooms.join_named()
        for trouble in troubles.values():
            self._toolbox.report(f"matrix_not_joined_{trouble.reason}")
        self._outside = bool(troubles)
        self._joined_at = self._toolbox.clock.monotonic()

    async def _ask(self, wait: float, limit: int) -> Happened:
        query = {"filter": json.dumps(happened.sync_filter(limit)), "timeout": str(int(wait * 1000))}
        if self._bookmark.since:
            query["since"] = self._bookmark.since
        try:
            found = await self._api.read(Path.v3.sync, query, wait)
            look = happened.read(found.said, self._login.user_id)
        except Refused as e:
            self._lost = bool(self._bookmark.since)  # it is of another homeserver, or of an older state
            raise Refused(str(e), reason="lost_place" if self._lost else e.reason) from None
        except Malformed as e:
            raise Refused(str(e), reason="bad_answer") from None
        except Transient as e:
            if e.reason == "huge_answer":
                self._limit = max(self._limit // 4, 1)
            raise
        self._limit = happened.PER_ROOM
        return look

    # --- what happened in a room ---

    async def _take(self, one: InRoom) -> None:
        """Everything of it, in order; each is durable before the next is looked at."""
        user_id, room = self._login.user_id, self._rooms.of(one.room_id)
        self._rooms.learn(room, one.state)
        events, joined = happened.since_our_join(one.events, user_id)
        if one.before and not joined:
            events = (*await self._reader.gap(room, one.before, self._bookmark.since), *events)
        direct = one.room_id in self._bookmark.direct
        for event in events:
            self._rooms.learn(room, (event,))
            event_id = event["event_id"].text("") if event["event_id"].is_text else ""
            if event_id in self._kept:
                continue
            found = await self._reader.understood(event, room, direct=direct)
            if found.ignored == "encrypted":
                room.encrypted = True
                self._toolbox.report("matrix_encrypted")
            if found.envelopes or found.ignored not in ("our_own", "state"):
                await self._keep(found)
            self._kept.add(event_id)

    async def _keep(self, found: Inbound) -> None:
        """Until it is durable."""
        while True:
            try:
                return await self._emit(found)
            except JournalBroken:
                raise
            except JournalError as e:
                self._toolbox.report("matrix_journal_full")
                wait = e.retry_after if isinstance(e, JournalFull) else _PATIENCE_WITH_JOURNAL
                await self._toolbox.clock.sleep(min(wait, _PATIENCE_WITH_JOURNAL))

    # --- invitations ---

    def _note_invitations(self, look: Happened) -> None:
        for one in look.invitations:
            if len(self._invitations) < _MOST_INVITATIONS:
                self._invitations[one.room_id] = one

    async def _accept_invitations(self) -> None:
        """Raises a `DeliveryError` where the homeserver cannot be asked now; the next look does it."""
        for room_id, one in list(self._invitations.items()):
            if self._rooms.welcomes(room_id, one.inviter):
                try:
                    await self._rooms.join(room_id)
                except (Broken, Refused) as e:
                    self._toolbox.report(f"matrix_not_joined_{e.reason}")
                else:
                    if one.direct and room_id not in self._bookmark.direct:
                        self._bookmark.direct.append(room_id)
                        self._dirty = True
            else:
                self._toolbox.report("matrix_invitation_ignored")
            del self._invitations[room_id]

    # --- how far we are ---

    async def _save(self) -> None:
        await self._store.save(self._login.user_id, self._bookmark)
        self._dirty = False
        self._saved_at = self._toolbox.clock.monotonic()

    async def _say_goodbye(self) -> None:
        self._toolbox.show("matrix_connected_since", 0.0)
        if self._dirty:
            with suppress(DeliveryError, TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await self._save()
