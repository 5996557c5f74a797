"""What systemd hears."""

import socket

import pytest

from bridge.notify import notify


@pytest.mark.parametrize("abstract", [False, True])
def test_a_state_reaches_the_supervisor(tmp_path, abstract):
    """Over a path and over an abstract address, which systemd writes with an @."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind("\0" + name if abstract else name)
        notify("READY=1", {"NOTIFY_SOCKET": "@" + name if abstract else name})
        supervisor.settimeout(5)

        assert b"READY=1" == supervisor.recv(100)


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/x"}])
def test_without_a_supervisor_nothing_happens(environ):
    notify("READY=1", environ)
