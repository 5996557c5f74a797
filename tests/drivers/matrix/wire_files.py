"""Wire files: events of rooms and what they become, messages and the events that we post."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge.errors import Malformed
from bridge.model import (
    Attachment,
    AttachmentKind,
    ConversationId,
    ConversationRef,
    InstanceId,
    Mention,
    MessageId,
    TextFormat,
    UserId,
)
from bridge.wild import Wild
from drivers.matrix import inbound, outbound
from tests.builders import an_outgoing
from tests.clock import NOON
from tests.drivers.pruned import EMPTY_OR_FALSE, pruned

HERE = Path(__file__).parent
NAMES = {"@ada:hs.test": "Ada", "@eve:hs.test": "Eve"}
KNOWN = {
    "$first": inbound.Said("@ada:hs.test", "Ada", "the first words"),
    "$ours": inbound.Said("@bridge:hs.test", "Bridge", "Li: hello"),
    "$thumb": inbound.Said("@ada:hs.test", target="$first", emoji="👍"),
}


def wire(name: str) -> Any:
    """The JSON of one file in this folder."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def names(folder: str) -> list[str]:
    return sorted(
        path.stem for path in (HERE / folder).glob("*.json") if not path.name.endswith(".expected.json")
    )


def heard(event: Any) -> Any:
    """What an event of the team's room becomes for @bridge:hs.test, as JSON without what is empty."""
    here = inbound.Here(
        source=ConversationRef(InstanceId("hs"), ConversationId("!team:hs.test")),
        user_id="@bridge:hs.test",
        now=NOON,
        names=NAMES,
        known=KNOWN,
        title="The team",
    )
    try:
        return pruned(asdict(inbound.normalize(Wild(event), here)), EMPTY_OR_FALSE)
    except Malformed as e:
        return {"malformed": str(e)}


def said(described: dict[str, Any]) -> Any:
    """The content of the event that a message becomes."""
    if "emoji" in described:
        return outbound.reaction(MessageId(described["target"]), described["emoji"])
    reply_to = described.get("reply_to")
    outgoing = an_outgoing(
        described.get("text", ""),
        format=TextFormat(described.get("format", "plain")),
        mentions=tuple(Mention(UserId(one)) for one in described.get("mentions", ())),
        reply_to=MessageId(reply_to) if reply_to else None,
    )
    if "target" in described:
        return outbound.edit(outgoing, "m.text", MessageId(described["target"]))
    if given := described.get("attachment"):
        attachment = Attachment(AttachmentKind(given["kind"]), filename=given.get("filename", ""))
        return outbound.media(attachment, given["mxc"], outgoing, given["size"], given["media_type"])
    return outbound.message(outgoing, described.get("msgtype", "m.text"))
