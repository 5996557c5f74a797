"""
What systemd is told (``Type=notify``): https://www.freedesktop.org/software/systemd/man/sd_notify.html

Outside systemd ``NOTIFY_SOCKET`` is not set and nothing is sent.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping


def notify(state: str, environ: Mapping[str, str]) -> None:
    """Send ``state``, like ``READY=1``. A supervisor that cannot be reached is no reason to fail."""
    path = environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return
