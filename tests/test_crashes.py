"""Dying at the worst places, and proof that nothing is answered before it is on the disk."""

import asyncio

import pytest

from tests.faults import armed, crashes, fsync, strace
from tests.faults.points import POINTS, find
from tests.faults.scenarios import SHORT
from tests.faults.trace import calls_in, evidence, frames_in


@pytest.mark.real_time
def test_every_promise_is_kept_when_it_dies_at_a_named_point(tmp_path) -> None:
    """
    Between commit and answer, in the middle of a mark, behind one, and in the recovery from that.
    """
    result = asyncio.run(asyncio.wait_for(crashes.die_at(crashes.FEW, tmp_path, SHORT), 60.0))

    assert result.passed, "\n".join([f"{result.name}: {result.verdict}", *result.complaints])


@pytest.mark.parametrize("name", POINTS)
def test_a_named_point_is_a_function_of_the_program(name) -> None:
    """
    A point whose function was renamed would never be reached.
    """
    owner, attribute = find(POINTS[name].target)

    assert callable(getattr(owner, attribute))


@pytest.mark.parametrize(
    "target",
    ["bridge.journal.storehouse:Store", "bridge.journal.store:Shop.finish", "bridge.delivery:GRACE",
     "bridge.journal.store:Store.end"],
)  # fmt: skip
def test_a_point_that_is_gone_is_named(target) -> None:
    """
    Renaming a function breaks loudly, and says where the table is.
    """
    with pytest.raises(LookupError, match=r"tests/faults/points\.py names " + target):
        find(target)


def test_nothing_runs_armed_at_an_unknown_point(capsys) -> None:
    """
    A daemon that runs on unharmed would look like one that survived.
    """
    assert armed.run(["no such point", "1", "--", "run"]) == 70
    assert "cannot be armed" in capsys.readouterr().err


@pytest.mark.full
def test_every_answer_follows_the_sync_of_its_commit(tmp_path) -> None:
    """
    By HTTP and by Stream: what the kernel was asked, in its order.
    """
    if reason := strace.why_not():
        pytest.skip(reason)

    result = asyncio.run(asyncio.wait_for(fsync.watched(tmp_path, 100), 120.0))

    assert result.passed, "\n".join([str(result.verdict), *result.complaints])


WAL, HTTP, STREAM = (
    "</d/journal.db-wal>",
    "<TCP:[127.0.0.1:80->127.0.0.1:9]>",
    "<TCP:[127.0.0.1:9->1.1.1.1:80]>",
)
READ = rf'1 recvfrom(7{HTTP}, "POST / HTTP/1.1\r\n\r\nmsga01-000001==", 262144, 0, NULL, NULL) = 35'
HEAD = rf'2 pwrite64(9{WAL}, "\0\0\0\1\0\0\0\7{"." * 16}", 24, 0) = 24'
HALF = rf'2 pwrite64(9{WAL}, "\0\0\0\1\0\0\0\0{"." * 16}", 24, 0) = 24'
PAGE = rf'2 pwrite64(9{WAL}, "\r\0msga01-000001==", 17, 24) = 17'
SYNC = f"2 fdatasync(9{WAL}) = 0"
SYNC_BEGINS = f"2 fdatasync(9{WAL} <unfinished ...>"
SYNC_ENDS = "2 <... fdatasync resumed>) = 0"
SYNC_FAILS = f"2 fdatasync(9{WAL}) = -1 EIO (Input/output error)"
OTHER_SYNC = "2 fdatasync(8</d/journal.db>) = 0"
TAKEN = rf'1 sendto(7{HTTP}, "HTTP/1.1 200 OK\r\n\r\n", 19, 0, NULL, 0) = 19'
REFUSED = rf'1 sendto(7{HTTP}, "HTTP/1.1 503 No\r\n\r\n", 19, 0, NULL, 0) = 19'


@pytest.mark.parametrize(
    ("lines", "shown", "why"),
    [
        ([READ, HEAD, PAGE, SYNC, TAKEN], 1, ""),
        ([READ, HEAD, PAGE, SYNC_BEGINS, SYNC_ENDS, TAKEN], 1, ""),
        ([READ, HALF, PAGE, HEAD, SYNC, TAKEN], 1, ""),
        ([READ, HEAD, PAGE, REFUSED], 0, ""),
        ([READ, TAKEN, HEAD, PAGE, SYNC], 0, "before the sync of its commit had ended"),
        ([READ, HEAD, PAGE, SYNC_BEGINS, TAKEN, SYNC_ENDS], 0, "before the sync of its commit had ended"),
        ([READ, HEAD, SYNC, PAGE, TAKEN], 0, "no sync of a commit followed"),
        ([READ, HEAD, SYNC_BEGINS, PAGE, SYNC_ENDS, TAKEN], 0, "no sync of a commit followed"),
        ([READ, HALF, PAGE, SYNC, TAKEN], 0, "no sync of a commit followed"),
        ([READ, HEAD, PAGE, SYNC_FAILS, TAKEN], 0, "no sync of a commit followed"),
        ([READ, HEAD, PAGE, OTHER_SYNC, TAKEN], 0, "no sync of a commit followed"),
        ([READ, TAKEN], 0, "never written"),
        ([HEAD, PAGE, SYNC, READ, TAKEN], 0, "the id is not new"),
    ],
)  # fmt: skip
def test_the_trace_is_judged_by_order(lines, shown, why) -> None:
    """
    Only read, written, committed, synced, answered, in this order, is proof.
    """
    found = evidence(calls_in(lines))

    assert (found.requests, found.frames) == (shown, 0)
    assert [reason for _, reason in found.unshown if why in reason] == [r for _, r in found.unshown]
    assert bool(found.unshown) is bool(why)


def frame(payload: bytes, mask: bytes = b"") -> str:
    """As strace shows it."""
    head = bytes([0x81, len(payload) | (0x80 if mask else 0)])
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else payload
    return "".join(f"\\{byte:03o}" for byte in head + mask + masked)


OPENED = rf'1 recvfrom(6{STREAM}, "HTTP/1.1 101 Switching Protocols\r\n\r\n", 262144, 0, NULL, NULL) = 36'
COMES = frame(b'{"headers":{"messageId":"f1"},"data":"msga01-000001=="}')
SAID_YES = frame(b'{"code":200,"headers":{"messageId":"f1"}}', b"\1\2\3\4")
SAID_NO = frame(b'{"code":500,"headers":{"messageId":"f1"}}', b"\1\2\3\4")
HEARD = f'1 recvfrom(6{STREAM}, "{COMES}", 262144, 0, NULL, NULL) = {len(COMES) // 4}'
ACKED = f'1 sendto(6{STREAM}, "{SAID_YES}", 1, 0, NULL, 0) = {len(SAID_YES) // 4}'
NACKED = f'1 sendto(6{STREAM}, "{SAID_NO}", 1, 0, NULL, 0) = {len(SAID_NO) // 4}'


@pytest.mark.parametrize(
    ("lines", "shown", "unshown"),
    [
        ([OPENED, HEARD, HEAD, PAGE, SYNC, ACKED], 1, 0),
        ([OPENED, HEARD, HEAD, PAGE, ACKED, SYNC], 0, 1),
        ([OPENED, HEARD, NACKED], 0, 0),
    ],
)
def test_frames_are_judged_as_requests_are(lines, shown, unshown) -> None:
    """
    An acknowledgement promises as much as a 200 does.
    """
    found = evidence(calls_in(lines))

    assert (found.requests, found.frames, len(found.unshown)) == (0, shown, unshown)


@pytest.mark.parametrize("length", [0, 5, 125, 126, 70_000])
def test_frames_are_cut_where_they_end(length) -> None:
    """
    A read may hold one frame and the half of another.
    """
    payload = b"x" * length
    if length < 126:
        head = bytes([0x81, length])
    elif length < 65_536:
        head = bytes([0x81, 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([0x81, 127]) + length.to_bytes(8, "big")
    whole = head + payload

    assert frames_in(whole + whole[:1]) == ([payload], whole[:1])
