"""
``python -m tests.faults.armed POINT NTH -- run …``: msgbridge, and it kills itself at a named point.

POINT is a name of the table in `points`, NTH which passage is deadly. Exit 70 when the table does not
fit the program any more.
"""

import sys

from bridge import housekeeping
from bridge.cli import main
from tests.faults.points import POINTS, arm

_EX_SOFTWARE = 70


def run(arguments: list[str]) -> int:
    name, nth, dashes, *command = arguments
    if dashes != "--":
        sys.stderr.write(f"{__doc__}\n")
        return _EX_SOFTWARE
    try:
        arm(POINTS[name], int(nth))
        # Pruning comes a minute after the start; a test has no minute.
        vars(housekeeping)["FIRST_PRUNE"]
        housekeeping.FIRST_PRUNE = 1.0
    except LookupError as e:
        sys.stderr.write(f"cannot be armed: {e}\n")
        return _EX_SOFTWARE
    return main(command)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
