"""Which message at one end is which at the other."""

import sqlite3
from collections.abc import Iterator

from bridge.journal.names import Names, event_name, post_name
from bridge.journal.rows import envelope
from bridge.model import ConversationRef, Envelope, MessageId


def translate(
    db: sqlite3.Connection,
    names: Names,
    source: ConversationRef,
    message_id: MessageId,
    destination: ConversationRef,
) -> MessageId | None:
    """
    The id at ``destination`` of what is ``message_id`` at ``source``, whoever wrote it there.

    Of a message that was posted in parts it is the first part's, of one that was edited the newest.
    """
    newest: tuple[MessageId, ...] = ()
    for seq, routes, said in _messages(db, names, source, message_id):
        if said.source == destination:
            return said.message.id
        newest = _posted(db, seq, routes, destination) or newest
    return newest[0] if newest else None


def copies(
    db: sqlite3.Connection,
    names: Names,
    source: ConversationRef,
    message_id: MessageId,
    destination: ConversationRef,
) -> tuple[MessageId, ...]:
    """As `Journal.copies`."""
    found: dict[MessageId, None] = {}
    for seq, routes, _ in _messages(db, names, source, message_id):
        found.update(dict.fromkeys(_posted(db, seq, routes, destination)))
    return tuple(found)


def _posted(
    db: sqlite3.Connection, seq: int, routes: int, destination: ConversationRef
) -> tuple[MessageId, ...]:
    """Under which ids message ``seq`` was posted there, part by part."""
    return tuple(
        MessageId(message_id)
        for (message_id,) in db.execute(
            "SELECT message_id FROM deliveries d "
            "JOIN places p ON p.id = d.place JOIN links l ON l.delivery = d.seq "
            "WHERE d.seq BETWEEN ? AND ? AND p.instance = ? AND p.conversation = ? "
            "ORDER BY l.part, l.message_id",
            (seq + 1, seq + routes, destination.instance, destination.conversation),
        ).fetchall()
    )


def _messages(
    db: sqlite3.Connection, names: Names, source: ConversationRef, message_id: MessageId
) -> Iterator[tuple[int, int, Envelope]]:
    """What ``message_id`` can be: a post of ours, a message written there, or an event about it."""
    posted, written = post_name(source, message_id), event_name(source.instance, message_id)
    found = names.find([posted, written])
    candidates = [
        *db.execute(
            "SELECT m.seq, m.routes FROM deliveries d JOIN messages m ON m.seq = d.message "
            "WHERE d.seq = ?",
            (found.get(posted),),
        ).fetchall(),
        *db.execute("SELECT seq, routes FROM messages WHERE seq = ?", (found.get(written),)).fetchall(),
        *db.execute(
            "SELECT seq, routes FROM messages WHERE instance = ? AND message_id = ? ORDER BY seq",
            (source.instance, message_id),
        ).fetchall(),
    ]
    for seq, routes in candidates:
        said = envelope(db, seq)
        if said and (posted in found or (said.source == source and said.message.id == message_id)):
            yield seq, routes, said
