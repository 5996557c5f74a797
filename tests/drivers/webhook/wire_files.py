"""Wire files: what scripts send us and what we send them, each beside what it must become."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multidict import CIMultiDict

from bridge.model import (
    Attachment,
    AttachmentKind,
    Button,
    Inbound,
    InboundRequest,
    Mention,
    Outgoing,
    Sender,
    TextFormat,
)
from tests.builders import an_outgoing
from tests.clock import NOON
from tests.drivers.pruned import pruned

HERE = Path(__file__).parent


def wire(name: str) -> Any:
    """The JSON of one file in this folder."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def names(folder: str) -> list[str]:
    return sorted(
        path.stem for path in (HERE / folder).glob("*.json") if not path.name.endswith(".expected.json")
    )


def a_request(body: bytes | dict[str, Any] | list[Any], **headers: str) -> InboundRequest:
    """A post as the ingress hands it on; ``webhook_id`` becomes ``webhook-id``."""
    return InboundRequest(
        method="POST",
        path="/webhook",
        query=CIMultiDict(),
        headers=CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}),
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        remote="127.0.0.1",
        received_at=NOON,
    )


def outgoing_of(described: dict[str, Any]) -> Outgoing:
    """An outbound wire file as what the core hands to the driver."""
    fields = dict(described)
    sender = fields.pop("sender", None)
    return an_outgoing(
        fields.pop("text"),
        to=f"there/{fields.pop('conversation', 'default')}",
        key=fields.pop("idempotency_key"),
        format=TextFormat(fields.pop("format", "plain")),
        sender=sender and Sender(**sender),
        attachments=tuple(
            Attachment(**{**item, "kind": AttachmentKind(item["kind"])})
            for item in fields.pop("attachments", ())
        ),
        buttons=tuple(Button(**item) for item in fields.pop("buttons", ())),
        mentions=tuple(Mention(**item) for item in fields.pop("mentions", ())),
        **fields,
    )


def readable(inbound: Inbound) -> Any:
    """``inbound`` as JSON, without what is empty."""
    return pruned(asdict(inbound))
