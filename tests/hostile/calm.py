"""What must hold in the house after whatever came in."""

import re
from collections import Counter
from pathlib import Path

from tests.hostile.house import CANARY, SECRETS

MOST_KINDS = 40
"""Events with their reasons: a closed list, whatever strangers send."""
_OWN = frozenset(
    {
        "message.accepted",
        "delivery.sent",
        "delivery.died",
        "destination.suspended",
        "operator.acted",
        "config.reloaded",
    }
)
"""Lines that a message leaves which was taken; everything else is bounded by time."""


def log_is_calm(house, start, seconds):
    """No traceback, no secret, no text of a message; of each kind no more lines than seconds."""
    written = house.log.getvalue()[start:]
    assert "Traceback" not in written, written
    assert not [secret for secret in SECRETS if secret in written]
    assert CANARY not in written
    assert not re.search(r"news \d+\.", written)
    lines = [line for line in house.lines(start) if line["event"] not in _OWN]
    assert not [line for line in lines if line["event"] == "library.logged"], lines
    kinds = Counter((line["event"], line.get("reason")) for line in lines)
    assert len(kinds) <= MOST_KINDS, kinds
    many = {kind: count for kind, count in kinds.items() if count > seconds + 2}
    assert not many, f"in {seconds:.1f} s: {many}"


def peak_memory(*, fresh=False):
    """KiB that this process had in memory at most; ``fresh`` begins to count anew."""
    if fresh:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1))
