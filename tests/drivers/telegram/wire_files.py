"""Wire files: updates and what they become, messages and the parameters that we send."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge.model import InstanceId, Mention, MessageId, TextFormat, UserId
from drivers.telegram import posts, said, updates
from drivers.telegram.conversations import chat_of, topic_of
from drivers.telegram.memory import Moves, Topics
from tests.builders import an_outgoing
from tests.clock import NOON
from tests.drivers.pruned import EMPTY_OR_FALSE, pruned

HERE = Path(__file__).parent
BOT_ID = "123456789"


def wire(name: str) -> Any:
    """The JSON of one file in this folder."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def names(folder: str) -> list[str]:
    return sorted(
        path.stem for path in (HERE / folder).glob("*.json") if not path.name.endswith(".expected.json")
    )


def a_reader() -> updates.Updates:
    return updates.Updates(InstanceId("tg"), BOT_ID, Moves(), Topics(), "bridge_bot")


def heard(update: Any, reader: updates.Updates | None = None) -> Any:
    """What an update becomes, as JSON without what is empty."""
    read = updates.read(json.dumps(update).encode())
    return pruned(asdict((reader or a_reader()).normalize(read, NOON)), EMPTY_OR_FALSE)


def spoken(described: dict[str, Any]) -> dict[str, Any]:
    """The parameters of ``sendMessage`` that a message becomes."""
    outgoing = an_outgoing(
        described["text"],
        to=f"tg/{described.get('to', '-1001234567890')}",
        format=TextFormat(described.get("format", "plain")),
        mentions=tuple(Mention(UserId(one)) for one in described.get("mentions", ())),
        reply_to=MessageId(described["reply_to"]) if "reply_to" in described else None,
    )
    conversation = outgoing.destination.conversation
    previews = described.get("settings", {}).get("link_previews", False)
    return {
        **posts.place(chat_of(conversation), topic_of(conversation), outgoing.reply_to),
        **posts.text(said.said(outgoing), previews=previews),
    }
