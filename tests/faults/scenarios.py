"""
What may happen to a bridge, each as one play on the `Stage`.

Every scenario takes a directory of its own and a `Length`, is bounded in time, and leaves nothing
running.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench.callbacks import destination
from tests.faults.crowd import CROWD, crowd
from tests.faults.platform import Mood
from tests.faults.stage import EXIT_WITHIN, SENDERS, Result, Stage, set_up


@dataclass(frozen=True, slots=True)
class Length:
    """
    How long the faults last (``outage``), when a hanging send ends (``send_timeout``), how long
    the senders ``pause`` after each message and how much time ``recovery`` may take, all in
    seconds. ``senders`` write while the daemon is killed or stopped. The retry schedule is fixed
    (1, 2, 5, 15 … s), so a short outage is over by the third attempt.
    """

    kills: int
    outage: float
    send_timeout: float
    stops: int
    pause: float
    recovery: float
    senders: int


LONG = Length(
    kills=200, outage=15.0, send_timeout=5.0, stops=50, pause=0.02, recovery=60.0, senders=CROWD
)
SHORT = Length(kills=4, outage=2.0, send_timeout=1.0, stops=1, pause=0.03, recovery=20.0, senders=SENDERS)

_SLOW = 0.1

Scenario = Callable[[Path, Length], Awaitable[Result]]


async def kill_9_under_load(directory: Path, length: Length) -> Result:
    """The daemon dies without a word again and again, while all write, each for two groups."""
    chance = random.Random(9)
    slowest = 0.0
    async with crowd(directory, recovery_within=length.recovery, size=length.senders) as stage:
        # The far end is slower than the near end, so every kill finds messages waiting and in flight.
        stage.platform.longest_answer = _SLOW
        async with stage.load(pause=_SLOW / 4):
            for _ in range(length.kills):
                await asyncio.sleep(chance.uniform(0.0, 0.2))
                more = stage.answered() + chance.randrange(1, 60)
                going = await stage.until_written(more, seconds=10.0)
                stage.expect(going, "hardly anything was accepted for 10 s after a restart")
                slowest = max(slowest, await stage.restart_after_kill())
            await asyncio.sleep(0.3)
        stage.platform.longest_answer = 0.01
        return await stage.curtain(
            f"kill -9, {length.kills} times", f"ready again within {slowest:.2f} s"
        )


async def destination_refuses(directory: Path, length: Length) -> Result:
    """Nobody listens where the messages must go."""
    async with set_up(directory, recovery_within=length.recovery) as stage:
        async with stage.load(pause=length.pause):
            await asyncio.sleep(0.5)
            stage.platform.refuse()
            await asyncio.sleep(length.outage)
            await stage.platform.open()
            await asyncio.sleep(0.5)
        return await stage.curtain(f"connections refused for {length.outage:g} s")


async def destination_errs(directory: Path, length: Length) -> Result:
    """The platform answers 500 to everything."""
    return await _in_a_mood(Mood.ERRORS, directory, length)


async def destination_throttles(directory: Path, length: Length) -> Result:
    """The platform answers 429 with Retry-After."""
    return await _in_a_mood(Mood.THROTTLES, directory, length)


async def destination_hangs(directory: Path, length: Length) -> Result:
    """The platform accepts connections and never answers."""
    return await _in_a_mood(Mood.HANGS, directory, length)


async def _in_a_mood(mood: Mood, directory: Path, length: Length) -> Result:
    async with set_up(
        directory, recovery_within=length.recovery, send_timeout=length.send_timeout
    ) as stage:
        async with stage.load(pause=length.pause):
            await asyncio.sleep(0.5)
            stage.platform.mood = mood
            await asyncio.sleep(length.outage)
            stage.platform.mood = Mood.WELL
            await asyncio.sleep(0.5)
        stage.expect(stage.platform.turned_away > 0, "the fault never met a message")
        notes = f"{stage.platform.turned_away} sends met it"
        return await stage.curtain(f"{mood} for {length.outage:g} s", notes)


async def answers_are_lost(directory: Path, length: Length) -> Result:
    """The platform takes a message and hangs up: it arrived, and the bridge cannot know."""
    async with set_up(
        directory, recovery_within=length.recovery, send_timeout=length.send_timeout
    ) as stage:
        async with stage.load(pause=length.pause):
            await asyncio.sleep(0.5)
            stage.platform.mood = Mood.SWALLOWS
            await asyncio.sleep(0.5)
            stage.platform.mood = Mood.WELL
            await asyncio.sleep(0.5)
        lost = stage.platform.swallowed.total()
        stage.expect(lost > 0, "the fault never met a message")
        return await stage.curtain("answers lost for 0.5 s", f"{lost} answers lost")


async def one_hangs_others_settle(directory: Path, length: Length) -> Result:
    """One group hangs; everything for the fifteen others is settled before its first answer."""
    each = 30
    async with set_up(directory, recovery_within=length.recovery) as stage:
        silent = destination(0)
        stage.platform.hanging.add(silent)
        async with stage.load(count=each, pause=length.pause):
            everything = len(stage.senders) * each
            written = await stage.until_written(everything, seconds=10.0)
            stage.expect(written, "not every message was answered 200 while one group hung")
        refusals = sum(sender.refusals for sender in stage.senders)
        stage.expect(refusals == 0, f"the ingress refused {refusals} requests")
        others = {sent.text for sent in stage.ledger.values() if sent.conversation != silent}
        settled = await stage.until_taken(others, seconds=10.0) and await _waits(stage, each)
        stage.expect(settled, "the other groups' messages did not settle while one group hung")
        early = sum(post.conversation == silent for post in stage.platform.posts)
        stage.expect(early == 0, "the hanging group was answered too early to prove anything")
        stage.platform.release()
        return await stage.curtain("one group hangs", f"{len(others)} others settled meanwhile")


async def _waits(stage: Stage, count: int) -> bool:
    """Whether, within 5 s, no more than ``count`` deliveries wait in the journal."""
    for _ in range(100):
        if stage.daemon.bridge.waiting() <= count:
            return True
        await asyncio.sleep(0.05)
    return False


async def sigterm_under_load(directory: Path, length: Length) -> Result:
    """An orderly stop in the middle of everything loses nothing and doubles nothing."""
    slowest = 0.0
    async with crowd(directory, recovery_within=length.recovery, size=length.senders) as stage:
        stage.platform.longest_answer = _SLOW
        async with stage.load(pause=_SLOW / 4):
            for _ in range(length.stops):
                await asyncio.sleep(0.3)
                status, seconds = await stage.daemon.terminate()
                slowest = max(slowest, seconds)
                stage.expect(status == 0, f"SIGTERM under load ended it with status {status}")
                await stage.daemon.start()
            await asyncio.sleep(0.3)
        stage.expect(slowest <= EXIT_WITHIN, f"SIGTERM under load took {slowest:.1f} s")
        return await stage.curtain(f"SIGTERM, {length.stops} times", f"gone within {slowest:.2f} s")


SCENARIOS: dict[str, Scenario] = {
    "kill": kill_9_under_load,
    "refused": destination_refuses,
    "errors": destination_errs,
    "throttled": destination_throttles,
    "hanging": destination_hangs,
    "lost-answers": answers_are_lost,
    "isolation": one_hangs_others_settle,
    "sigterm": sigterm_under_load,
}
