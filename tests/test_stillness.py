"""What a process that stood still makes of the time."""

import asyncio
import socket
import time

import pytest

from bridge.stillness import PatientLoop

_LATE = 0.1
_LIMIT = 0.2


async def _answered_in_time(pause: float, *, answer: bool = True) -> bool:
    """
    Whether an answer is read that came in the middle of a pause of ours, which is longer than the
    limit for it.
    """
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    with theirs:

        def stand_still() -> None:
            if answer:
                theirs.send(b"yes")
            time.sleep(pause)

        asyncio.get_running_loop().call_later(0.01, stand_still)
        try:
            async with asyncio.timeout(_LIMIT):
                return await reader.read(3) == b"yes"
        except TimeoutError:
            return False
        finally:
            writer.close()


def _run(loop_factory, pause, **more):
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_answered_in_time(pause, **more))


@pytest.mark.real_time
def test_an_answer_that_came_while_we_stood_still_is_no_lost_answer():
    """It is read before anybody looks at the limit; asyncio's own loop gives it up."""
    assert _run(lambda: PatientLoop(_LATE), 2 * _LIMIT)
    assert not _run(asyncio.SelectorEventLoop, 2 * _LIMIT)


@pytest.mark.real_time
def test_a_limit_that_is_over_is_over():
    """Without an answer the wait ends, however long we stood still before."""
    assert not _run(lambda: PatientLoop(_LATE), 2 * _LIMIT, answer=False)


@pytest.mark.real_time
def test_a_pause_in_the_middle_of_waiting_counts_for_nothing():
    """The clock of the loop goes on where it was."""

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        time.sleep(3 * _LATE)
        await asyncio.sleep(0)
        return loop.time() - began

    with asyncio.Runner(loop_factory=lambda: PatientLoop(_LATE)) as runner:
        assert runner.run(scenario()) < _LATE
