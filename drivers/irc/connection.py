"""One connection at a time, opened again and again; the driver talks to whichever there is."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from bridge.errors import Broken, DeliveryError, Transient

from . import wire
from .link import Link
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from irctokens.line import Line

    from bridge.driver import Toolbox
    from bridge.model import Inbound

    from .settings import Account

SHORTEST, LONGEST = 2.0, 120.0
"""Seconds between two attempts; networks ban who comes back too often."""
STABLE_AFTER = 60.0
"""Seconds that a connection must last for the next one to count as the first again."""
HELD_LINES = 2_000
"""Lines that wait for a journal which takes nothing: beyond, the socket is read no further …"""
MOST_LINES = 20_000
"""… unless a message of ours waits for its confirmation; beyond this, lines are lost, and counted."""
_GROWTH = 2.0


class Connection:
    """
    The state that all users of one account share. `run` keeps it connected; `session` is there while
    it is registered. What was heard waits in ``heard``, read by ``read``.
    """

    def __init__(
        self, account: Account, toolbox: Toolbox, read: Callable[[Session, Line], Inbound]
    ) -> None:
        self.session: Session | None = None
        self.encryption = ""
        self.heard: deque[Inbound] = deque()
        self.listening = False
        self.trouble: DeliveryError | None = None
        """Why there is no session, after the first attempt."""
        self._account = account
        self._toolbox = toolbox
        self._read = read
        self._link: Link | None = None
        self._changed = asyncio.Condition()
        self._shown: tuple[bool, int, int] | None = None
        self._read_again = asyncio.Event()

    # --- for its users ---

    def write(self, sent: bytes) -> None:
        """To the server, if there is one; who waits for an answer learns of the loss from the session."""
        if self._link is not None and sent:
            self._link.write(sent)
            self._read_again.set()

    def took(self) -> None:
        """Something was taken out of ``heard``."""
        self._read_again.set()

    async def ready(self, within: float) -> Session:
        """The session, if there is one within so many seconds. Raises a `DeliveryError`."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(lambda: self.session is not None or self.trouble is not None)
        except TimeoutError:
            raise Transient("the server has not greeted us yet", reason="not_connected") from None
        if self.session is not None:
            return self.session
        trouble = self.trouble
        assert trouble is not None, "waited for"
        kind = Broken if isinstance(trouble, Broken) else Transient
        raise kind(f"not connected: {trouble}", reason=trouble.reason, scope=trouble.scope) from None

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something about the connection to become so."""
        async with self._changed:
            await self._changed.wait_for(true)

    # --- its life ---

    async def run(self) -> None:
        """Until cancelled."""
        toolbox, attempt = self._toolbox, 0
        while True:
            began = toolbox.clock.monotonic()
            try:
                await self._one()
                trouble: DeliveryError = Transient("the server hung up", reason="closed")
            except DeliveryError as e:
                trouble = e
            except Exception as e:  # noqa: BLE001 (a bug that one line meets must not end the rest)
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a line of IRC could not be taken", "exception": e}
                )
                trouble = Transient("a line of IRC could not be taken", reason="failed")
            await self._tell(trouble)
            toolbox.report(f"irc_reconnect_{trouble.reason}")
            attempt = 0 if toolbox.clock.monotonic() - began >= STABLE_AFTER else attempt
            await toolbox.clock.sleep(self._wait(attempt, trouble))
            attempt += 1

    def _wait(self, attempt: int, trouble: DeliveryError) -> float:
        bound = min(SHORTEST * _GROWTH ** min(attempt + 1, 20), LONGEST)
        if isinstance(trouble, Broken):  # a wrong password does not become right in a second
            bound = LONGEST
        wait = max(SHORTEST, self._toolbox.random.uniform(bound / 2, bound))
        return max(wait, trouble.retry_after or 0.0)

    async def _one(self) -> None:
        """One connection, to its end. Raises the `DeliveryError` that ended it."""
        async with await Link.open(self._account) as link:
            clock = self._toolbox.clock
            session = Session(self._account, self._toolbox.random, self._report, clock.monotonic())
            why = "the connection was closed"
            try:
                link.write(b"".join(session.start()))
                await self._follow(link, session)
            except DeliveryError as e:
                why = str(e)
                raise
            finally:
                self._over()  # before the goodbye, which takes a moment: nobody may use it any more
                session.posts.lose(why)

    async def _follow(self, link: Link, session: Session) -> None:
        clock = self._toolbox.clock
        while True:
            await self._may_read(session)
            raw = await link.read(max(session.next_due - clock.monotonic(), 0.0))
            if raw is None:
                return
            said: list[bytes] = []
            if raw:
                line = wire.read(raw, self._account.charset)
                if line is None:
                    self._report("bad_line")
                else:
                    said = session.receive(line, clock.monotonic())
            said += session.tick(clock.monotonic())
            if said:
                link.write(b"".join(said))
            await self._keep(link, session)

    async def _keep(self, link: Link, session: Session) -> None:
        """Hand on what has changed."""
        changed = session.ready and self.session is None
        if changed:
            self.session, self._link, self.trouble = session, link, None
            self.encryption = link.encryption
            self._toolbox.show("irc_connected_since", self._toolbox.clock.now().timestamp())
        if session.heard:
            self._hear(session)
            changed = True
        standing = (session.nick_is_ours, session.channels.joined, session.channels.troubled)
        if standing != self._shown:
            self._shown = standing
            self._toolbox.show("irc_nick_is_ours", float(standing[0]))
            self._toolbox.show("irc_channels_joined", float(standing[1]))
            changed = True
        if changed:
            await self._tell(None)

    def _hear(self, session: Session) -> None:
        lines, session.heard = session.heard, []
        for line in lines:
            if not self.listening:
                self._report("not_listening")
            elif len(self.heard) >= MOST_LINES:
                self._report("not_stored")
            else:
                self.heard.append(self._read(session, line))

    async def _may_read(self, session: Session) -> None:
        """
        While the journal is full, TCP holds the server back; a message of ours that waits for its
        confirmation is read for all the same, or the journal could never empty itself.
        """
        while len(self.heard) >= HELD_LINES and not len(session.posts):
            self._read_again.clear()
            await self._read_again.wait()

    def _over(self) -> None:
        self._link, self.session, self._shown, self.encryption = None, None, None, ""
        self._toolbox.show("irc_connected_since", 0.0)
        self._toolbox.show("irc_channels_joined", 0.0)

    async def _tell(self, trouble: DeliveryError | None) -> None:
        async with self._changed:
            if trouble is not None:
                self.trouble = trouble
            self._changed.notify_all()

    def _report(self, event: str) -> None:
        self._toolbox.report(f"irc_{event}")
        if event == "let_in":  # what was held back for it need not wait for the next probe
            self._toolbox.mended()
