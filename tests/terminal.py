"""The real program at a terminal of its own, as a person sees it."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from contextlib import contextmanager

from tests.daemon import ROOT

COLUMNS, ROWS = 100, 50
WITHIN = 30.0
"""Seconds that any one thing may take."""

_OPEN_FILES = 4096
"""The limit that many distributions set is lower, and the doctor would complain of it."""
_LIMITED = ("/bin/sh", "-c", f'ulimit -S -n {_OPEN_FILES} && exec "$@"', "sh")
_OURS = ("NO_COLOR", "COLUMNS", "LINES", "DT_APP_SECRET", "STATE_DIRECTORY")
"""What would change what the commands print, and may be set where the tests run."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """What stands on the screen, line ends as ``\\n``, and a keyboard."""

    def __init__(self, process, ours):
        self.process = process
        self._ours = ours
        self._said = b""

    @property
    def screen(self):
        return self._said.decode(errors="replace").replace("\r\n", "\n")

    @property
    def plain(self):
        """The screen without colours."""
        return _COLOUR.sub("", self.screen)

    def until(self, holds):
        """Read on until ``holds(self)``; fails when it takes too long or the program ends before."""
        deadline = time.monotonic() + WITHIN
        while not holds(self):
            assert time.monotonic() < deadline, self.screen
            assert self._more(), f"it ended before: {self.screen}"

    def answer(self, text):
        """Type it once a question stands there."""
        self.until(lambda one: one.screen.endswith(": "))
        os.write(self._ours, text.encode() + b"\n")
        # Without an echo (a secret) there is the end of the line all the same.
        before = len(self._said)
        self.until(lambda one: len(one._said) > before)

    def stop(self):
        """As Ctrl-C does; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self):
        """Read to the end of the program; its exit code."""
        deadline = time.monotonic() + WITHIN
        while self._more():
            assert time.monotonic() < deadline, self.screen
        return self.process.wait(WITHIN)

    def _more(self):
        """Read what comes within a second; False at the end of the program."""
        if not select.select([self._ours], [], [], 1)[0]:
            return True
        try:
            got = os.read(self._ours, 65536)
        except OSError:  # what Linux says when the other end is closed
            return False
        self._said += got
        return bool(got)


@contextmanager
def at_a_terminal(*arguments, folder, environ=None):
    """``msgbridge …`` in ``folder``; nothing of it is left running."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (ROWS, COLUMNS))
    process = subprocess.Popen(
        [*_LIMITED, sys.executable, "-m", "bridge", *map(str, arguments)],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name not in _OURS},
            "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **(environ or {}),
        },
        stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,  # else a question for a secret goes to the terminal of who runs the tests
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(WITHIN)
        os.close(ours)


def with_a_clock(folder):
    """A PATH with a ``timedatectl`` that says yes: how the machine keeps its time is not our matter."""
    program = folder / "bin" / "timedatectl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho yes\n")
    program.chmod(0o755)
    return str(program.parent)


def shown(*arguments, folder, environ=None):
    """A command that ends by itself: its terminal, and its exit code."""
    with at_a_terminal(*arguments, folder=folder, environ=environ) as terminal:
        return terminal, terminal.end()
