"""Free ports below the range that the kernel gives to outgoing connections."""

import random
import socket

_FIRST, _LAST = 15_000, 32_000


def free_port() -> int:
    """
    A port of 127.0.0.1 that nothing listens on.

    Not taken from the ephemeral range: a subject that is killed and started again must find its port
    free, and no outgoing connection may have borrowed it meanwhile.
    """
    for _ in range(1000):
        port = random.randrange(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port between {_FIRST} and {_LAST}")
