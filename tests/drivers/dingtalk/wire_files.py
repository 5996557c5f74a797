"""Wire files: what DingTalk sends and takes, each beside what it must become."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from multidict import CIMultiDict

from bridge.model import Inbound, InboundRequest, InstanceId
from drivers.dingtalk.callback import Account
from tests.drivers.pruned import pruned

HERE = Path(__file__).parent
RECEIVED_AT = datetime(2025, 10, 9, 8, 53, 21, tzinfo=UTC)
INSTANCE = InstanceId("dt")
ACCOUNT = Account(INSTANCE, "dingsimappkey0000001")


def wire(name: str) -> Any:
    """The JSON of one file in this folder."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def inbound_names() -> list[str]:
    bodies = (HERE / "inbound").glob("*.json")
    return sorted(p.stem for p in bodies if not p.name.endswith(".expected.json"))


def a_request(body: bytes | dict[str, Any] | list[Any], **headers: str) -> InboundRequest:
    """A callback as the ingress hands it on."""
    return InboundRequest(
        method="POST",
        path="/dingtalk/event",
        query=CIMultiDict(),
        headers=CIMultiDict(headers),
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        remote="127.0.0.1",
        received_at=RECEIVED_AT,
    )


def readable(inbound: Inbound) -> dict[str, Any]:
    """``inbound`` as JSON, without what is empty."""
    return pruned(asdict(inbound))
