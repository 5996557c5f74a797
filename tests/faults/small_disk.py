"""A small disk of our own, in memory, that can be filled to the last byte and emptied again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_FILLER = "filler"


class CannotMount(Exception):
    """This machine does not let us: it takes root, and a kernel that allows it."""


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """Mounted at ``path``."""

    path: Path

    @property
    def room(self) -> int:
        """Free bytes."""
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize

    def fill(self, *, spare: int = 0) -> None:
        """Leave ``spare`` bytes, whatever is being written meanwhile."""
        file = os.open(self.path / _FILLER, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            step = 1 << 30
            while step >= os.sysconf("SC_PAGE_SIZE") and self.room > spare:
                try:
                    size = os.fstat(file).st_size
                    os.posix_fallocate(file, size, min(step, self.room - spare))
                except OSError:
                    step //= 2
        finally:
            os.close(file)

    def free(self) -> None:
        """Take the filling away."""
        (self.path / _FILLER).unlink(missing_ok=True)

    def remount(self, how: str) -> None:
        """``ro`` or ``rw``. Raises `CannotMount`, also while something is open for writing."""
        _run("mount", "-o", f"remount,{how}", str(self.path))


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[SmallDisk]:
    """A disk of ``size`` bytes at ``path``, gone at the end. Raises `CannotMount`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(path))
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a process that has not quite ended must not leave a mount behind.
        _run("umount", "-l", str(path))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError as e:
        raise CannotMount(f"not run: {command[0]}: {e}") from e
    if done.returncode:
        raise CannotMount(f"not run: needs root, and leave to mount: {done.stderr.strip()}")
