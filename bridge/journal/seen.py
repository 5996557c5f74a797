"""Which conversations of an instance the journal knows: read from what was accepted and planned."""

import sqlite3
from dataclasses import dataclass

from bridge.journal.codec import Unreadable, checksum, decode
from bridge.model import ConversationId, Envelope

LOOKED_AT = 20_000
"""Messages of the instance that are looked at, the latest first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """
    ``title`` is the latest that was known, for a direct chat the person's name. ``messages`` came
    from there among those looked at, the last at ``last_at`` (seconds since 1970); 0 for a
    conversation that was only written to.
    """

    conversation: ConversationId
    title: str = ""
    direct: bool = False
    messages: int = 0
    last_at: float = 0.0


def seen_conversations(db: sqlite3.Connection, instance: str) -> list[Seen]:
    """The latest first; then those that were only written to. Damaged rows are passed over."""
    found: dict[ConversationId, Seen] = {}
    for seq, accepted_at, body, expected in db.execute(
        "SELECT seq, accepted_at, body, checksum FROM messages WHERE instance = ? "
        "ORDER BY seq DESC LIMIT ?",
        (instance, LOOKED_AT),
    ):
        envelope = _envelope(seq, body, expected)
        if envelope is None:
            continue
        conversation = envelope.source.conversation
        known = found.get(conversation) or Seen(conversation, "", envelope.direct, 0, accepted_at)
        title = known.title or (
            envelope.sender.display_name if envelope.direct else envelope.conversation_title
        )
        found[conversation] = Seen(
            conversation, title, envelope.direct, known.messages + 1, known.last_at
        )
    for (conversation,) in db.execute(
        "SELECT conversation FROM places WHERE instance = ? ORDER BY id", (instance,)
    ):
        found.setdefault(conversation, Seen(conversation))
    return list(found.values())


def _envelope(seq: int, body: object, expected: int) -> Envelope | None:
    if not isinstance(body, bytes) or checksum(body, seq) != expected:
        return None
    try:
        return decode(body)
    except Unreadable:
        return None
