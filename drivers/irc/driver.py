"""An IRC account: a connection that stays, and what is sent and heard over it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bridge.driver import Entry
from bridge.errors import (
    Broken,
    DeliveryError,
    Indeterminate,
    JournalBroken,
    JournalError,
    JournalFull,
    Refused,
    Transient,
)
from bridge.model import (
    Capabilities,
    Finding,
    Inbound,
    RateLimit,
    Receipt,
    Support,
    TextFormat,
)

from . import inbound, outbound, probes, wire
from .connection import Connection
from .settings import read, target_of
from .visit import visit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from irctokens.line import Line

    from bridge.driver import Emit, Settings, Toolbox
    from bridge.model import InstanceId, Outgoing

    from .session import Session
    from .settings import Account

RATE = RateLimit(5, 10.0)
"""
What a server of the old school takes without cutting us off: a message costs two seconds, ten may be
owed. https://www.rfc-editor.org/rfc/rfc2813#section-5.8
"""
_JOIN_WITHIN = 10.0
_CONFIRM_WITHIN = 8.0
"""Seconds that a confirmation has at least, also where connecting took most of ``send_timeout``."""
_LONGEST_WAIT = 5.0
_NO_TARGET = frozenset(" ,\0\r\n\x07")


@asynccontextmanager
async def open_(instance: InstanceId, given: Settings, toolbox: Toolbox) -> AsyncIterator[IrcDriver]:
    """``given`` are valid by the schema and by `settings.check`."""
    driver = IrcDriver(instance, read(given), toolbox)
    try:
        yield driver
    finally:
        await driver.close()


class IrcDriver:
    """
    A `Driver` that is a `Listener` and a `Directory` too. It connects when it is first needed, and
    stays connected from then on.
    """

    def __init__(self, instance: InstanceId, account: Account, toolbox: Toolbox) -> None:
        self.instance = instance
        self.capabilities = Capabilities(
            max_text=wire.MAX_TEXT,
            measure=wire.measure,
            formats=frozenset(TextFormat),
            reply=Support.NATIVE if account.reply_tags else Support.FALLBACK,
            mention=Support.NATIVE,
            one_line=True,
            rate_limit=RATE,
        )
        self._account = account
        self._toolbox = toolbox
        started = f"{int(toolbox.clock.now().timestamp() * 1000):x}{toolbox.random.getrandbits(32):08x}"
        self._ids = inbound.Ids(started)
        self._connection = Connection(account, toolbox, self._heard)
        self._staying: asyncio.Task[None] | None = None
        self._users = 0
        self._heard_enough = False
        self._patience = toolbox.http.timeout.total or 15.0

    def __repr__(self) -> str:
        return f"IrcDriver({self.instance!r})"

    async def close(self) -> None:
        """Say goodbye. What is sent later opens another connection."""
        staying, self._staying = self._staying, None
        if staying is not None:
            staying.cancel()
            await asyncio.wait([staying])

    def _connect(self) -> None:
        """Be connected from now on. One task that every user of the connection shares."""
        if self._staying is None:
            self._staying = asyncio.create_task(self._connection.run(), name=f"irc {self.instance}")

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[None]:
        """After the end of listening the connection lasts as long as a message is on its way."""
        self._users += 1
        try:
            self._connect()
            yield
        finally:
            self._users -= 1
            if not self._users and self._heard_enough:
                await self.close()

    # --- Driver ---

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Returns when the server has confirmed it. Raises a `DeliveryError`."""
        async with self._in_use():
            return await self._send(outgoing)

    async def _send(self, outgoing: Outgoing) -> Receipt:
        target = target_of(outgoing.destination.conversation)
        if not target or _NO_TARGET & set(target) or target[0] in ":-":
            raise Refused("that is neither a channel nor a nick", reason="bad_target")
        clock = self._toolbox.clock
        deadline = clock.monotonic() + self._patience
        session = await self._connection.ready(self._patience)
        nicks: dict[str, str] = {}
        if session.network.is_channel(target):
            members = await self._enter(session, target, max(deadline - clock.monotonic(), 0.0))
            # Our own nick may be an English word, and nobody is called by it.
            us = session.network.fold(session.nick)
            nicks = {nick: name for nick, name in members.items() if nick != us}
        elif "." in target or "!" in target or "*" in target:
            raise Refused("that is neither a channel nor a nick", reason="bad_target")
        verb = outbound.verb_of(self._account)
        room = wire.room(verb, session.prefix, target)
        said = outbound.texts(outgoing, self._account, room, nicks, session.network.fold)
        if not said:
            raise Refused("nothing is left of it that IRC can say", reason="empty")
        untagged = outgoing.reply_to and "message-tags" not in session.capabilities
        notes = ("what it answers is not shown: the server has no message-tags",) if untagged else ()
        post, sent = session.post(verb, target, said, outgoing.reply_to)
        try:
            left = deadline - clock.monotonic()
            async with asyncio.timeout(max(left, min(self._patience, _CONFIRM_WITHIN))):
                self._connection.write(sent)
                return Receipt(await post.done, notes)
        except TimeoutError:
            raise Indeterminate("the server did not confirm it in time", reason="no_answer") from None
        finally:
            session.posts.forget(post)

    async def _enter(self, session: Session, name: str, within: float) -> dict[str, str]:
        """Who is in the channel, once we are. Raises a `DeliveryError`."""
        now = self._toolbox.clock.monotonic()
        channel = session.channels.want(name, now)
        if not channel.joined:
            self._connection.write(b"".join(session.channels.tick(now)))
            try:
                async with asyncio.timeout(min(_JOIN_WITHIN, within)):
                    await self._connection.until(
                        lambda: (
                            channel.joined
                            or channel.trouble is not None
                            or self._connection.session is not session
                        )
                    )
            except TimeoutError:
                raise Transient(f"not in {name} yet", reason="not_in_channel") from None
        if self._connection.session is not session:
            raise Transient("the connection was lost", reason="not_connected")
        if trouble := channel.trouble:
            kind = Broken if isinstance(trouble, Broken) else Transient
            raise kind(str(trouble), reason=trouble.reason)
        return channel.members

    async def probe(self) -> Sequence[Finding]:
        """What the connection is like; beside a running bridge, what a short visit shows."""
        if (session := self._connection.session) is not None:
            return probes.connected(session, self._connection.encryption, self._account)
        try:
            async with visit(self._account, self._toolbox) as here:
                return probes.visited(here.session, here.encryption, self._account)
        except DeliveryError as e:
            return (probes.failed(e),)

    # --- Listener ---

    async def listen(self, emit: Emit) -> None:
        """Until cancelled; raises `JournalBroken` only."""
        connection = self._connection
        connection.listening, self._heard_enough = True, False
        async with self._in_use():
            try:
                while True:
                    await connection.until(lambda: connection.heard)
                    await self._keep(emit, connection.heard[0])
                    connection.heard.popleft()
                    connection.took()
            finally:
                connection.listening, self._heard_enough = False, True

    async def _keep(self, emit: Emit, heard: Inbound) -> None:
        """Until it is durable: IRC says everything once."""
        while True:
            try:
                return await emit(heard)
            except JournalBroken:
                raise
            except JournalError as e:
                self._toolbox.report("irc_journal_full")
                wait = e.retry_after if isinstance(e, JournalFull) else _LONGEST_WAIT
                await self._toolbox.clock.sleep(min(wait, _LONGEST_WAIT))

    def _heard(self, session: Session, line: Line) -> Inbound:
        return inbound.normalize(
            line,
            instance=self.instance,
            network=session.network,
            nick=session.nick,
            now=self._toolbox.clock.now(),
            ids=self._ids,
        )

    # --- Directory ---

    async def users(self) -> Sequence[Entry]:
        """Who is in the channels. Raises a `DeliveryError`."""
        if (session := self._connection.session) is not None:
            return probes.users(session)
        async with visit(self._account, self._toolbox) as here:
            for channel in self._account.channels:
                await here.names(channel)
            return probes.users(here.session)

    async def conversations(self) -> Sequence[Entry]:
        """The channels that we are in; while not connected, those of the settings."""
        if (session := self._connection.session) is not None:
            return [
                Entry({"channel": channel.name}, channel.name, channel.topic)
                for channel in session.channels
                if channel.joined
            ]
        return [Entry({"channel": name}, name) for name in self._account.channels]
