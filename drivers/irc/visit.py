"""A short connection of its own: for who asks about an account without running it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.errors import Transient

from . import wire
from .link import Link
from .session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.driver import Toolbox

    from .settings import Account

_WITHIN = 20.0


class Visit:
    """A registered connection that joins nothing and posts nothing."""

    def __init__(self, link: Link, session: Session, toolbox: Toolbox) -> None:
        self.session = session
        self.encryption = link.encryption
        self._link = link
        self._clock = toolbox.clock

    async def follow(self, last: str) -> None:
        """Read until a line whose command is ``last``. Raises a `DeliveryError`."""
        session, clock = self.session, self._clock
        until = clock.monotonic() + _WITHIN
        while (left := until - clock.monotonic()) > 0:
            raw = await self._link.read(left)
            if raw is None:
                raise Transient("the server hung up", reason="closed")
            if not raw or (line := wire.read(raw)) is None:
                continue
            was_ready = session.ready
            self._link.write(b"".join(session.receive(line, clock.monotonic())))
            if line.command == last or (last == "ready" and session.ready and not was_ready):
                return
        raise Transient("the server did not answer in time", reason="no_answer")

    async def names(self, channel: str) -> None:
        """Fill in who is in ``channel``, as far as the server tells strangers."""
        self.session.channels.want(channel, 0.0).due = None
        self._link.write(wire.write("NAMES", channel))
        await self.follow("366")


@asynccontextmanager
async def visit(account: Account, toolbox: Toolbox) -> AsyncIterator[Visit]:
    """Raises a `DeliveryError` where it cannot be made."""
    alone = replace(account, channels=(), channel_keys={}, nickserv_password="")
    async with await Link.open(account) as link:
        now = toolbox.clock.monotonic()
        session = Session(alone, toolbox.random, lambda _event: None, now)
        link.write(b"".join(session.start()))
        here = Visit(link, session, toolbox)
        await here.follow("ready")
        yield here
