"""The two files of a bridge under test: one DingTalk account that hears, one that speaks."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.callbacks import PATH, ROBOT_CODE, SIGNING_SECRET, destination, source
from bridge.journal.schema import NUMBER_OF
from bridge.model import Status

_NOBODY_ELSE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Bridge:
    """Where a bridge under test keeps its files and listens; ``command`` starts it."""

    directory: Path
    listen_port: int
    status_port: int

    @property
    def command(self) -> list[str]:
        config, rules = self.directory / "config.json", self.directory / "rules.json"
        return ["bridge", "run", "--config", str(config), "--rules", str(rules)]

    @property
    def log(self) -> Path:
        return self.directory / "stderr.log"

    @property
    def journal(self) -> Path:
        return self.directory / "data" / "journal.db"

    def waiting(self) -> int:
        """Deliveries that wait in the journal, running bridge or not."""
        return self._read("SELECT count(*) FROM deliveries WHERE status = ?", NUMBER_OF[Status.WAITING])

    def unsent(self) -> int:
        """Deliveries that were planned, but are not booked as sent, by rows or by the tally of old."""
        number = NUMBER_OF[Status.SENT]
        sent = self._read("SELECT count(*) FROM deliveries WHERE status = ?", number)
        forgotten = self._read("SELECT ifnull(sum(count), 0) FROM pruned WHERE status = ?", number)
        return self._read("SELECT planned FROM counters") - sent - forgotten

    def _read(self, query: str, *values: int) -> int:
        # Read-only and beside the daemon: the harness believes the disk, not what the daemon says.
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True, timeout=10.0)) as db:
            (number,) = db.execute(query, values).fetchone()
        return int(number)

    def write(
        self,
        *,
        sink_port: int,
        pairs: Iterable[tuple[int, int]],
        send_timeout: float = 15.0,
        second_port: int | None = None,
        others: Mapping[str, Any] = _NOBODY_ELSE,
    ) -> None:
        """
        Write config.json and rules.json: one rule for each pair of source and destination group.

        With a ``second_port`` every second pair goes out by an account of its own, to a platform there;
        ``others`` are accounts of other platforms. ``send_timeout`` in seconds. Texts go
        out as they came, and no message counts as late, so that a judge can compare byte for byte.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        base_url = f"http://127.0.0.1:{sink_port}"
        config: dict[str, Any] = {
            "global": {
                "data_dir": str(self.directory / "data"),
                "http": {"host": "127.0.0.1"},
                "log": {"level": "warning"},
                "status": {"host": "127.0.0.1", "port": self.status_port},
                "delivery": {"late_after": "24h"},
            },
            "dingtalk": {
                "src": {
                    **_account("src", base_url),
                    "allowed_users": "*",
                    "signing_secret": SIGNING_SECRET,
                    "listen_port": self.listen_port,
                    "listen_path": PATH,
                },
                "dst": {
                    **_account("dst", base_url),
                    "receive": "none",
                    "send_timeout": f"{send_timeout:g}s",
                },
            },
        }
        config |= others
        accounts = ["dst"]
        if second_port is not None:
            accounts.append("dst2")
            config["dingtalk"]["dst2"] = {
                **_account("dst2", f"http://127.0.0.1:{second_port}"),
                "receive": "none",
                "send_timeout": f"{send_timeout:g}s",
            }
        rules = {"rules": [_forward(*pair, accounts[pair[1] % len(accounts)]) for pair in pairs]}
        (self.directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (self.directory / "rules.json").write_text(json.dumps(rules), encoding="utf-8")


def _account(name: str, base_url: str) -> dict[str, Any]:
    return {
        "app_key": f"dingbench{name}",
        "app_secret": f"bench-app-secret-{name}-0123456789",
        "robot_code": ROBOT_CODE,
        "api_base_url": base_url,
    }


def _forward(heard: int, told: int, by: str) -> dict[str, Any]:
    return {
        "id": f"pair-{heard}-{told}",
        "type": "forward",
        "from": {"src": {"open_conversation_id": source(heard)}},
        "to": {by: {"open_conversation_id": destination(told)}},
        "msg": {"msg_format": "{msg}"},
    }
