"""
``python -m bench.stream_clients``: our Stream client and the official ones meet the same gateway.

Ours is the real daemon with its journal; theirs a small bridge that posts each message to the same
place in its handler. Needs the environments that ``make oracle`` makes.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.stream_stage import OFFICIAL, OURS, RESEND_AFTER, Stage, stage

BURST = 10_000
ROUNDS = 5
MISCHIEF = 5.0
"""Seconds that a trouble lasts which ends by itself."""
_SETTLE = 2 * RESEND_AFTER + 5.0


@dataclass(frozen=True, slots=True)
class Row:
    """``recovery`` in seconds, from the end of the trouble until a new message is relayed."""

    scenario: str
    client: str
    lost: int
    doubled: int
    recovery: float
    note: str = ""


async def clean_closes(it: Stage) -> tuple[float, str]:
    """Every connection is closed, as WebSockets are closed, as soon as it stands."""
    gateway = it.gateway
    connection = await gateway.connection()
    before = len(gateway.opens)
    gateway.close_at_once = True
    for _ in range(5):
        await it.say(to=connection)
    await connection.close()
    await asyncio.sleep(MISCHIEF)
    opens = len(gateway.opens) - before
    gateway.close_at_once = False
    return await _until_relayed(it), f"{opens} connections asked for in {MISCHIEF:.0f} s"


async def black_hole(it: Stage) -> tuple[float, str]:
    """Nothing is closed and nothing comes any more; found out three seconds after the last message."""
    connection = await it.gateway.connection()
    await asyncio.sleep(3.0)
    connection.deaf = connection.leaving = True
    return await _until_relayed(it), ""


async def no_json(it: Stage) -> tuple[float, str]:
    """A frame that is not JSON, with messages right before and behind it."""
    connection = await it.gateway.connection()
    for _ in range(5):
        await it.say(to=connection)
    await connection.send("this is not JSON")
    for _ in range(5):
        await it.say(to=connection)
    return await _until_relayed(it), ""


async def disconnect(it: Stage) -> tuple[float, str]:
    """The gateway announces the end, with messages on their way before and behind."""
    connection = await it.gateway.connection()
    await asyncio.sleep(1.5)
    for _ in range(20):
        await it.say(to=connection)
    await it.gateway.disconnect(connection)
    for _ in range(20):
        await it.say(to=connection)
    return await _until_relayed(it), ""


async def handler_fails(it: Stage) -> tuple[float, str]:
    """Where messages are relayed to answers 503 for a while."""
    it.down = True
    said = []
    for _ in range(10):
        said.append(await it.say())
        await asyncio.sleep(MISCHIEF / 10)
    it.down = False
    began = time.monotonic()
    try:
        await it.arrived(*said, within=_SETTLE)
    except TimeoutError:
        return float("inf"), ""
    return time.monotonic() - began, ""


async def burst(it: Stage) -> tuple[float, str]:
    """Ten thousand messages as fast as they can be written; over when all are acknowledged."""
    before = len(it.gateway.acks)
    began = time.monotonic()
    for _ in range(BURST):
        await it.say()
    await it.gateway.until(lambda now: len(now.acks) - before >= BURST, within=300.0)
    acked = time.monotonic() - began
    await it.arrived(*it.sent, within=300.0)
    relayed = time.monotonic() - began
    return acked, f"all relayed after {relayed:.1f} s, {it.overtaken} overtaken by a later one"


_ALONE = "10,000-message burst"
_TITLES = {
    True: f"What is not acknowledged is sent again after {RESEND_AFTER:.0f} s",
    False: "Every message is sent once",
}
SCENARIOS: dict[str, Callable[[Stage], Awaitable[tuple[float, str]]]] = {
    "clean-close loop": clean_closes,
    "black-holed TCP": black_hole,
    "non-JSON frame": no_json,
    "disconnect frame": disconnect,
    "handler failure": handler_fails,
    _ALONE: burst,
}


async def _until_relayed(it: Stage) -> float:
    began = time.monotonic()
    async with asyncio.timeout(180.0):
        await it.probed()
    return time.monotonic() - began


async def play(scenario: str, client: str, folder: Path, *, resends: bool) -> Row:
    """One client meets one trouble; what is on its way gets the time to come again, and arrive."""
    name = f"{scenario}-{client}-{resends}".replace(" ", "-")
    async with stage(client, folder / name, resends=resends) as it:
        recovery, note = await SCENARIOS[scenario](it)
        with suppress(TimeoutError):  # that is what `lost` is for
            await it.arrived(*it.sent, within=_SETTLE if resends else 5.0)
        await asyncio.sleep(RESEND_AFTER + 4.0 if resends and it.gateway.unacked else 1.0)
        return Row(scenario, client, it.lost, it.doubled, recovery, note)


def table(rows: list[Row]) -> str:
    lines = [
        "| trouble | client | lost | duplicated | time to recover | besides |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        recovery = "never" if row.recovery == float("inf") else f"{row.recovery:.1f} s"
        cells = (row.scenario, row.client, row.lost, row.doubled, recovery, row.note)
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


async def main(clients: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for resends in (True, False):
            print(f"\n### {_TITLES[resends]}\n", flush=True)
            print(table(await all_of(clients, Path(directory), resends=resends)), flush=True)


async def all_of(clients: Sequence[str], folder: Path, *, resends: bool) -> list[Row]:
    """
    Most of the time everybody waits, so that is done together, in rounds; the burst is for each alone.
    """
    rounds: list[list[Row]] = []
    for number in range(ROUNDS):
        async with asyncio.TaskGroup() as tasks:
            plays = [
                tasks.create_task(play(scenario, client, folder / str(number), resends=resends))
                for scenario in SCENARIOS
                if scenario != _ALONE
                for client in clients
            ]
        rounds.append([one.result() for one in plays])
    rows = [summed_up(same) for same in zip(*rounds, strict=True)]
    if resends:
        rows.extend([await play(_ALONE, client, folder, resends=True) for client in clients])
    return rows


def summed_up(same: Sequence[Row]) -> Row:
    """The worst of what was lost and doubled, the median of the times."""
    middle = sorted(same, key=lambda row: row.recovery)[len(same) // 2]
    return replace(middle, lost=max(row.lost for row in same), doubled=max(row.doubled for row in same))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or (OURS, *OFFICIAL)))
