"""Blocking calls, one at a time, in threads that nobody must wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class StillBusy(Exception):
    """The call before has not come back; this one was not begun."""


class SingleThread(Generic[T]):
    """
    A call that hangs keeps its thread, and the turn: there is never a second thread. The threads are
    daemons (those of `asyncio.to_thread` are not): the end of the process does not wait for them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = asyncio.Lock()

    async def call(self, work: Callable[[], T], within: float) -> T:
        """
        What ``work`` returns or raises. Raises `StillBusy`, or TimeoutError when it did not end
        ``within`` so many seconds: then, and when this is cancelled, it goes on in its thread.
        """
        began = False
        try:
            async with asyncio.timeout(within):
                await self._turn.acquire()
                began = True
                return await self._begin(work)
        except TimeoutError:
            if not began:
                raise StillBusy from None
            raise

    def _begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def end(result: Callable[[], T]) -> None:
            self._turn.release()
            if done.done():  # nobody waits any more
                return
            try:
                done.set_result(result())
            except Exception as e:  # noqa: BLE001 (whatever the work raised is its caller's)
                done.set_exception(e)

        def run() -> None:
            result = _outcome(work)
            with suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(end, result)

        try:
            threading.Thread(target=run, name=self._name, daemon=True).start()
        except RuntimeError:  # no more threads on this machine
            self._turn.release()
            raise
        return done


def _outcome(work: Callable[[], T]) -> Callable[[], T]:
    """Does it now; what is returned says it again: the result, or the error."""
    try:
        result = work()
    except Exception as e:  # noqa: BLE001 (kept for the caller, who is in another thread)
        error = e
    else:
        return lambda: result

    def failed() -> T:
        raise error

    return failed
