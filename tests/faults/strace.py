"""Whether strace may be used here, and a death inside a system call: where no function of ours is."""

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TRIED_FOR = 10.0

# -D: the tracer is a grandchild, and our child is the program itself, with its pid and exit status.
BESIDE = ("strace", "-D", "-f", "-q")


@dataclass(frozen=True, slots=True)
class Call:
    """The ``nth`` ``name`` on the journal's file with this ``suffix``."""

    name: str
    suffix: str
    nth: int


CALLS: dict[str, Call] = {
    "the database's page 3 of the checkpoint at a start": Call("pwrite64", "", 3),
    "the database's fsync at a start": Call("fdatasync", "", 1),
    "the log is cut short at a start": Call("ftruncate", "-wal", 1),
    "the log's 40th write, between a frame's head and its page": Call("pwrite64", "-wal", 40),
    "the log's 10th fsync": Call("fdatasync", "-wal", 10),
}
CHECKPOINT = Call("pwrite64", "", 20)
"""After an orderly stop nothing is copied at the start, so it falls into a checkpoint under load."""


@cache
def why_not() -> str:
    """Why nothing can be traced here, and the way out; empty where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed: apt-get install strace"
    tried = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"],
        capture_output=True,
        text=True,
        timeout=_TRIED_FOR,
        check=False,
    )
    if tried.returncode:
        return f"strace may not trace here (needs ptrace): {tried.stderr.strip()[-200:]}"
    return ""


def deadly(call: Call, journal: Path) -> list[str]:
    """The command that becomes the program, which dies when it makes this call."""
    inject = f"inject={call.name}:signal=SIGKILL:when={call.nth}"
    file = journal.with_name(journal.name + call.suffix)
    return [*BESIDE, "-o", "/dev/null", "-P", str(file), "-e", f"trace={call.name}", "-e", inject]
