"""Real servers on loopback: InspIRCd and ngIRCd as Debian has them, each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_MODULES = (
    "ircv3", "cap", "ircv3_ctctags", "ircv3_msgid", "ircv3_servertime", "ircv3_echomessage",
    "ircv3_labeledresponse", "ircv3_batch", "ircv3_accounttag", "ircv3_chghost", "namesx", "uhnames",
    "botmode", "blockcolor", "sasl", "services_account", "censor",
)  # fmt: skip


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def program(name: str) -> str:
    """Where it is; skips the test where it is not."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install {name}")
    return found


@dataclass
class Server:
    """``kind`` is ``inspircd`` or ``ngircd``. It can be killed and started again on the same port."""

    kind: str
    folder: Path
    port: int = field(default_factory=free_port)
    tls_port: int = 0
    modules: tuple[str, ...] = _MODULES
    commands_a_second: int = 50
    """What InspIRCd takes once forty commands are owed; Debian's own configuration says 1."""
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = self._inspircd() if self.kind == "inspircd" else self._ngircd()
        self._process = subprocess.Popen(
            arguments, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 10
        while time.monotonic() < until:
            assert self._process.poll() is None, f"{self.kind} ended at once: {' '.join(arguments)}"
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(f"{self.kind} does not listen")

    def kill(self) -> None:
        """As machines fail."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _inspircd(self) -> list[str]:
        tls = ""
        if self.tls_port:
            tls = f"""
<module name="ssl_gnutls">
<sslprofile name="here" provider="gnutls" certfile="{self.folder}/server.pem" keyfile="{self.folder}/server.key">
<bind address="127.0.0.1" port="{self.tls_port}" type="clients" sslprofile="here">"""
        modules = "\n".join(f'<module name="{name}">' for name in self.modules)
        (self.folder / "inspircd.conf").write_text(f"""
<server name="irc.test" description="test" network="TestNet" id="1AA">
<admin name="a" nick="a" email="a@irc.test">
<bind address="127.0.0.1" port="{self.port}" type="clients">{tls}
<connect name="all" allow="*" timeout="20" pingfreq="120" threshold="40" commandrate="{self.commands_a_second * 1000}" fakelag="yes"
 softsendq="262144" hardsendq="1048576" recvq="8192" localmax="100" globalmax="100" resolvehostnames="no" useident="no">
<badword text="verbotenwort" replace="">
<channels users="50" opers="50"> <dns server="127.0.0.1" timeout="1"> <files motd="{self.folder}/motd">
<options prefixquit="" defaultmodes="not" casemapping="rfc1459"> <performance softlimit="1024">
<limits maxnick="30" maxuser="10" maxhost="64"> <log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="{self.folder}/log">
<sasl target="services.test" requiressl="no">
<path configdir="{self.folder}" datadir="{self.folder}" logdir="{self.folder}" runtimedir="{self.folder}">
{modules}
""")
        (self.folder / "motd").write_text("hello\n")
        root = ["--runasroot"] if os.geteuid() == 0 else []
        conf = str(self.folder / "inspircd.conf")
        return [program("inspircd"), "--config", conf, "--nofork", "--nopid", *root]

    def _ngircd(self) -> list[str]:
        tls = ""
        if self.tls_port:
            tls = f"""
[SSL]
CertFile = {self.folder}/server.pem
KeyFile = {self.folder}/server.key
Ports = {self.tls_port}
"""
        (self.folder / "ngircd.conf").write_text(f"""
[Global]
Name = irc.test
Info = test
Listen = 127.0.0.1
Ports = {self.port}
MotdPhrase = hello
[Limits]
MaxConnections = 100
MaxConnectionsIP = 0
MaxJoins = 50
MaxPenaltyTime = 0
PingTimeout = 120
[Options]
DNS = no
Ident = no
PAM = no
{tls}
""")
        return [program("ngircd"), "-n", "-f", str(self.folder / "ngircd.conf")]


@contextmanager
def running(kind: str, folder: Path, **more: object) -> Iterator[Server]:
    """A server of a test's own."""
    program(kind)
    server = Server(kind, folder, **more)  # type: ignore[arg-type]
    try:
        server.start()
        yield server
    finally:
        server.kill()
