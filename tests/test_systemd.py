"""The unit that people install."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent / "systemd" / "msgbridge.service"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed here")
def test_the_unit_is_as_closed_as_a_bridge_can_be():
    """Exposure at most 1.1: what is left is the network, which a bridge needs."""
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=11", UNIT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 0 == judged.returncode, judged.stdout


def test_the_unit_does_not_restart_on_wrong_files():
    """Exit code 78 is for an operator, not for another try."""
    unit = UNIT.read_text()

    for line in ("Type=notify", "RestartPreventExitStatus=78", "StateDirectory=msgbridge"):
        assert line in unit.splitlines()
