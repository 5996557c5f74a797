"""Wire files: lines that servers send and what they become, messages and the lines that we send."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge.model import InstanceId, Mention, MessageId, TextFormat, UserId
from drivers.irc import inbound, outbound, settings
from drivers.irc import wire as irc
from drivers.irc.network import Network
from drivers.irc.posts import Posts
from tests.builders import a_sender, an_outgoing
from tests.clock import NOON
from tests.drivers.pruned import EMPTY_OR_FALSE, pruned

HERE = Path(__file__).parent
GIVEN = {"host": "127.0.0.1", "nick": "bridge", "tls": False}


def wire(name: str) -> Any:
    """The JSON of one file in this folder."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def names(folder: str) -> list[str]:
    return sorted(
        path.stem for path in (HERE / folder).glob("*.json") if not path.name.endswith(".expected.json")
    )


def heard(line: str) -> Any:
    """What a line becomes when our nick is ``bridge``, as JSON without what is empty."""
    parsed = irc.read(line.encode())
    assert parsed is not None
    return pruned(
        asdict(
            inbound.normalize(
                parsed,
                instance=InstanceId("net"),
                network=Network(),
                nick="bridge",
                now=NOON,
                ids=inbound.Ids("start"),
            )
        ),
        EMPTY_OR_FALSE,
    )


def said(described: dict[str, Any]) -> list[str]:
    """The lines that a message becomes on a server with message tags, without labels and PING."""
    account = settings.read({**GIVEN, **described.get("settings", {})})
    sender = described.get("sender")
    outgoing = an_outgoing(
        described["text"],
        to=f"net/{described.get('to', '#team')}",
        format=TextFormat(described.get("format", "plain")),
        sender=a_sender(sender) if sender else None,
        mentions=tuple(Mention(UserId(nick)) for nick in described.get("mentions", ())),
    )
    target = settings.target_of(outgoing.destination.conversation)
    verb = outbound.verb_of(account)
    room = irc.room(verb, "bridge!msgbridge@127.0.0.1", target)
    texts = outbound.texts(outgoing, account, room, described.get("nicks", ()))
    reply_to = described.get("reply_to")
    posts = Posts(str.lower, str)
    _, sent = posts.write(verb, target, texts, reply_to and MessageId(reply_to))
    *lines, ping, rest = sent.decode().split("\r\n")
    assert ping.startswith("PING "), ping
    assert rest == ""
    return lines
