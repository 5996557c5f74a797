"""
The files of a journal are damaged, and a real daemon meets them: it says so in its log, in a metric
and by its exit code, sends nothing that was not written so, and a salvage saves what is intact.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.bridge_files import Bridge
from bench.ports import free_port
from bench.process import Subject
from bench.wire import get
from bridge.clock import SystemClock
from bridge.journal.salvage import Report, salvage
from tests.faults.daemon import Daemon
from tests.faults.judge import Verdict, judge
from tests.faults.platform import Mood, Platform
from tests.faults.scenarios import Length, Scenario
from tests.faults.senders import Sender
from tests.faults.small_disk import small_disk
from tests.faults.stage import SENDERS, Result, Stage, running
from tests.faults.strace import why_not
from tests.faults.sweep import bytes_to_flip, leave_behind, pages_to_zero, try_flips, try_zeros

_EACH = 12
_SIZE = 256 << 20
_NOBODY = 65534
_HUMBLY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
_A_FEW = 10
_FLIPS, _FLIPS_SHORT = 150, 8
_SEED = 7
_LOOKS_EVERY = 0.05
_IO_ERROR = 74
_HURTS_WITHIN = 15.0
_SETTLES_WITHIN = 20.0
_FILLS_THE_LOG = 200
"""Messages of each sender, after which the log has been copied into the database."""


@dataclass(frozen=True, slots=True)
class Case:
    """
    One damage to a data directory. The daemon ends with 74 and says ``dies``, or it starts, logs the
    event ``logs`` and counts in ``metric``.
    """

    name: str
    damage: Callable[[Path], None]
    dies: str = ""
    logs: str = ""
    metric: str = ""
    salvages: bool = True
    humbly: bool = False
    """Without root's right to open everything."""


def _flip(path: Path, around: bytes, *, last: bool = True) -> None:
    content = bytearray(path.read_bytes())
    content[content.rindex(around) if last else content.index(around)] ^= 1
    path.write_bytes(content)


def _wal(folder: Path) -> Path:
    return folder / "journal.db-wal"


def _flip_in_wal(folder: Path) -> None:
    content = bytearray(_wal(folder).read_bytes())
    frame = 32 + 3 * (24 + 4096) + 2000
    content[frame] ^= 16
    _wal(folder).write_bytes(content)


def _cut_wal(folder: Path) -> None:
    os.truncate(_wal(folder), 32 + 5 * (24 + 4096) + 100)


def _settled(folder: Path) -> Path:
    """The database, with everything in it."""
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return folder / "journal.db"


def _flip_in_body(folder: Path) -> None:
    _flip(_settled(folder), b"s03-00000")


def _zero_a_page(folder: Path) -> None:
    path = _settled(folder)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"s05-00000") // 4096 * 4096
    content[at : at + 4096] = bytes(4096)
    path.write_bytes(content)


def _cut_the_file(folder: Path) -> None:
    path = _settled(folder)
    os.truncate(path, path.stat().st_size // 8192 * 4096)


def _garbage(folder: Path) -> None:
    path = _settled(folder)
    path.write_bytes(b"\x5a\xa5" * (path.stat().st_size // 2))


def _newer(folder: Path) -> None:
    with closing(sqlite3.connect(_settled(folder))) as db:
        db.execute("PRAGMA user_version = 99")


def _of_somebody_else(folder: Path) -> None:
    os.chown(_settled(folder), _NOBODY, _NOBODY)


def _closed(folder: Path) -> None:
    _settled(folder).chmod(0o000)


CASES = (
    Case("flip in the WAL", _flip_in_wal, logs="journal.rows_lost", metric="rows_lost_total"),
    Case("WAL cut off", _cut_wal, logs="journal.rows_lost", metric="rows_lost_total"),
    Case("WAL deleted", lambda f: _wal(f).unlink(), logs="journal.rows_lost", metric="rows_lost_total"),
    Case("flip in a body", _flip_in_body, logs="journal.damage_found", metric="rows_damaged_total"),
    Case("page of zeros", _zero_a_page, dies="journal salvage"),
    Case("half a file", _cut_the_file, dies="is damaged"),
    Case("garbage", _garbage, dies="is not a journal"),
    Case("of a newer version", _newer, dies="newer msgbridge"),
    Case("of another user", _of_somebody_else, dies="owner and mode", humbly=True),
    Case("no rights", _closed, dies="owner and mode", humbly=True),
)


@dataclass(slots=True)
class Tally:
    """What became of all cases."""

    promised: int = 0
    arrived: int = 0
    wrong: int = 0
    saved: int = 0
    played: list[str] = field(default_factory=list)


async def damage_is_loud(directory: Path, _: Length) -> Result:
    """Ten kinds of damage at the start, and three while it runs: told, and what is intact is saved."""
    tally, complaints = Tally(), list[str]()
    async with _stage(directory) as stage:
        template = await _leave_a_backlog(stage)
        for case in CASES:
            for complaint in await _play(stage, template, case, tally):
                complaints.append(f"{case.name}: {complaint}")
        for complaint in await _while_it_runs(stage, template):
            complaints.append(complaint)
    verdict = Verdict(tally.promised, tally.arrived, 0, tally.wrong, 0, 0, 0, 0)
    notes = f"{len(tally.played)} damages told; {tally.saved} of {tally.promised} messages salvaged"
    return Result("damaged journal", verdict, 0.0, tuple(complaints), notes)


async def read_only_disk(directory: Path, _: Length) -> Result:
    """The file system is read-only at the start: it says so and ends with 74; later all goes out."""
    bridge = Bridge(directory, free_port(), free_port())
    with small_disk(bridge.directory / "data", _SIZE) as disk:
        async with _stage(directory, bridge) as stage:
            await _leave_a_backlog(stage)
            disk.remount("ro")
            status, said = await _dies(stage)
            stage.expect(status == _IO_ERROR, f"it ended with {status} instead of 74")
            stage.expect("ead-only" in said or "cannot be written" in said, f"it said only: {said}")
            disk.remount("rw")
            stage.platform.mood = Mood.WELL
            await stage.daemon.start()
            return await stage.curtain("read-only disk", "told at the start; all went out later")


async def _leave_a_backlog(stage: Stage) -> Path:
    """Messages wait in the database and in its WAL, and the process is dead; a copy of its directory."""
    stage.platform.mood = Mood.THROTTLES
    async with stage.load(count=_EACH, pause=0.0):
        written = await stage.until_written(_EACH * len(stage.senders), seconds=30.0)
        stage.expect(written, "the messages were not answered 200")
    await stage.daemon.kill()
    folder = stage.daemon.bridge.directory / "data"
    template = stage.daemon.bridge.directory / "template"
    shutil.copytree(folder, template, ignore=shutil.ignore_patterns("*.sock", "*.ballast", "*-shm"))
    return template


async def _play(stage: Stage, template: Path, case: Case, tally: Tally) -> list[str]:
    """What was not as it must be."""
    folder, promised = _again(stage, template), len(stage.ledger)
    case.damage(folder)
    tally.promised += promised
    tally.played.append(case.name)
    complaints: list[str] = []
    wrong, saved = _salvaged(folder, stage, complaints if case.salvages else [])
    tally.wrong += wrong
    tally.saved += saved
    if case.dies:
        status, said = await _dies(stage, under=_HUMBLY if case.humbly else ())
        if status != _IO_ERROR:
            complaints.append(f"it ended with {status} instead of 74")
        if case.dies not in said:
            complaints.append(f"it did not say {case.dies!r}: {said[-300:]}")
        return complaints
    stage.platform.mood = Mood.WELL
    await stage.daemon.start()
    await _until(lambda: stage.daemon.bridge.waiting() == 0, _SETTLES_WITHIN)
    told = await _until(lambda: case.logs in stage.daemon.bridge.log.read_text("utf-8"), 5.0)
    if not told:
        complaints.append(f"the log has no {case.logs}")
    port = stage.daemon.bridge.status_port
    _, page = await get(port, "/metrics")
    counted = re.search(rb"^msgbridge_journal_%b ([0-9.e+]+)" % case.metric.encode(), page, re.MULTILINE)
    if not counted or float(counted[1]) <= 0:
        complaints.append(f"the metric {case.metric} says nothing")
    _, page = await get(port, "/")
    if b"storage fails" not in page and b"damaged rows" not in page:
        complaints.append("the status page says nothing")
    await stage.daemon.terminate()
    verdict = judge(stage.ledger, stage.platform.posts)
    tally.arrived += verdict.arrived
    tally.wrong += verdict.altered + verdict.spurious + verdict.disordered + verdict.doubled
    return complaints


def _again(stage: Stage, template: Path) -> Path:
    """The directory as it was before all damage; nothing said and nothing sent."""
    folder = stage.daemon.bridge.directory / "data"
    shutil.rmtree(folder)
    shutil.copytree(template, folder)
    folder.chmod(0o700)
    stage.daemon.bridge.log.write_bytes(b"")
    stage.platform.mood = Mood.THROTTLES
    stage.platform.posts.clear()
    stage.platform.texts.clear()
    return folder


def _salvaged(folder: Path, stage: Stage, complaints: list[str]) -> tuple[int, int]:
    """How many messages a salvage got wrong, and how many it saved; the damaged files are not changed."""
    target = folder.parent / "saved" / "journal.db"
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir()
    report: Report = salvage(folder / "journal.db", target, clock=SystemClock())
    with closing(sqlite3.connect(target)) as db:
        bodies = [body for (body,) in db.execute("SELECT body FROM messages")]
    texts = {json.loads(body)[1][8] for body in bodies}
    known = {sent.text for sent in stage.ledger.values()}
    missing = len(known - texts)
    if report.whole and missing:
        complaints.append(f"the salvage says that nothing is missing, but {missing} messages are")
    return len(texts - known), len(texts & known)


async def _dies(stage: Stage, *, under: tuple[str, ...] = ()) -> tuple[int, str]:
    """Its exit status at the start, and what it said; 0 if it was ready instead."""
    process = stage.daemon.begin(under=under)
    try:
        status = await process.ended(seconds=_HURTS_WITHIN)
    except TimeoutError:
        status = 0
        await stage.daemon.end()
    return status, stage.daemon.bridge.log.read_text("utf-8")


async def _while_it_runs(stage: Stage, template: Path) -> list[str]:
    """The disk fails under a running daemon: 503, or no answer at all, then 74; later all goes out."""
    if reason := why_not():
        return [f"while it runs: {reason}"]
    complaints = []
    for name, call, error, suffix, count in (
        ("read-only while it runs", "pwrite64", "EROFS", None, 4),
        ("an fsync of the log fails", "fdatasync", "EIO", "-wal", 4),
        ("an fsync of the database fails", "fdatasync", "EIO", "", _FILLS_THE_LOG),
    ):
        _again(stage, template)
        stage.platform.mood = Mood.WELL
        await stage.daemon.start()
        assert stage.daemon.process is not None
        before = set(stage.ledger)
        journal = stage.daemon.bridge.journal
        file = None if suffix is None else journal.with_name(journal.name + suffix)
        with _failing(stage.daemon.process, call, error, file):
            async with stage.load(count=count, pause=0.01):
                try:
                    status = await stage.daemon.process.ended(seconds=_HURTS_WITHIN)
                except TimeoutError:
                    status = 0
        said = stage.daemon.bridge.log.read_text("utf-8")
        if status != _IO_ERROR:
            complaints.append(f"{name}: it ended with {status} instead of 74")
        if "the storage failed" not in said:
            complaints.append(f"{name}: it did not say why: {said[-300:]}")
        answered = [key for key in set(stage.ledger) - before if stage.ledger[key].answered]
        await stage.daemon.start()
        promised = {sent.text for sent in stage.ledger.values() if sent.answered}
        if not await stage.until_taken(promised, seconds=_SETTLES_WITHIN):
            complaints.append(f"{name}: {len(answered)} were answered, and not all arrived")
        await stage.daemon.terminate()
        for key in set(stage.ledger) - before:
            del stage.ledger[key]
    return complaints


@contextmanager
def _failing(process: Subject, call: str, error: str, file: Path | None) -> Iterator[None]:
    """Every such call of the process fails, on that file if one is named."""
    tracer = subprocess.Popen(
        [
            *("strace", "-f", "-q", "-p", str(process.pid), "-o", "/dev/null"),
            *("-e", f"trace={call}", "-e", f"inject={call}:error={error}"),
            *(() if file is None else ("-P", str(file))),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)


async def one_byte_anywhere(directory: Path, length: Length) -> Result:
    """One byte flipped in the database or its WAL, or one page zeroed: never wrong, never silent."""
    count = _FLIPS_SHORT if length.kills < _A_FEW else _FLIPS
    left = await leave_behind(directory, 60)
    flips = await try_flips(left, bytes_to_flip(left, count, _SEED), directory / "scratch")
    zeros = await try_zeros(left, pages_to_zero(left), directory / "scratch")
    complaints = [f"not told: {where}" for where in (*flips.silent_at, *zeros.silent_at)]
    if not flips.clean or not zeros.clean:
        complaints.append(f"{flips}; {zeros}")
    promised, saved = flips.promised + zeros.promised, flips.salvaged_waiting + zeros.salvaged_waiting
    wrong, silent = flips.wrong + zeros.wrong, flips.silent + zeros.silent
    notes = (
        f"{flips.trials} flips and {zeros.trials} pages; harmless {flips.unharmed + zeros.unharmed}, told "
        f"{flips.told + zeros.told}, not opened {flips.refused + zeros.refused}; {saved / promised:.1%} of "
        f"what waited was salvaged"
    )
    verdict = Verdict(promised, saved, silent, wrong, 0, 0, 0, 0)
    return Result("one byte damaged", verdict, 0.0, tuple(complaints), notes)


@asynccontextmanager
async def _stage(directory: Path, bridge: Bridge | None = None) -> AsyncIterator[Stage]:
    bridge = bridge or Bridge(directory, free_port(), free_port())
    platform = Platform(free_port(), longest_answer=0.0)
    bridge.write(sink_port=platform.port, pairs=[(n, n) for n in range(SENDERS)])
    stage = Stage(platform, Daemon(bridge), recovery_within=30.0)
    stage.senders = [Sender(n, bridge.listen_port, stage.ledger, stubborn=False) for n in range(SENDERS)]
    async with running(stage):
        yield stage


async def _until(claim: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_LOOKS_EVERY)
    return True


LONG_ONLY: dict[str, Scenario] = {
    "damage": damage_is_loud,
    "one-byte": one_byte_anywhere,
    "read-only": read_only_disk,
}
"""Shorter forms are tests of their own."""
