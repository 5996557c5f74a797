"""
Which row bears a name: what was accepted before, and what we posted ourselves.

Names are as good as random, so keeping a table sorted by them would touch one page for each. Half of
a commit's cost was that. So a new name is appended to the table ``fresh`` and kept in memory, and
only when some thousand have gathered are they sorted into the table ``names``, all at once.
"""

import hashlib
import sqlite3
from collections.abc import Sequence

from bridge.journal import bulk
from bridge.model import ConversationRef

GATHER = 4096
"""Names that are gathered before they are sorted in."""


def event_name(instance: str, event_id: str) -> bytes:
    """The dedupe key of an event. 128 bits: two events never share one."""
    return hashlib.blake2b(f"event\0{instance}\0{event_id}".encode(), digest_size=16).digest()


def post_name(where: ConversationRef, message_id: str) -> bytes:
    """The name of a message that we posted."""
    name = f"post\0{where.instance}\0{where.conversation}\0{message_id}"
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


class Names:
    """A message's seq by its event's name, a delivery's by the names of its posts."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._fresh: dict[bytes, int] = {}
        self._unwritten: list[bytes | int] = []
        self.reload()

    def reload(self) -> None:
        """As the file has it: after opening, and after a rollback."""
        self._fresh = dict(self._db.execute("SELECT name, seq FROM fresh ORDER BY rowid DESC"))
        self._unwritten = []

    def find(self, names: Sequence[bytes]) -> dict[bytes, int]:
        """Those of ``names`` that are known."""
        found: dict[bytes, int] = {}
        sorted_in = []
        for name in names:
            seq = self._fresh.get(name)
            if seq is None:
                sorted_in.append(name)
            else:
                found[name] = seq
        found.update(bulk.select(self._db, "SELECT name, seq FROM names WHERE name IN", sorted_in))
        return found

    def add(self, name: bytes, seq: int) -> None:
        """The first to bear a name keeps it. Not in the file before `write`."""
        if self._fresh.setdefault(name, seq) == seq:
            self._unwritten += (name, seq)

    def write(self) -> None:
        """Put what was added into the file."""
        bulk.insert(self._db, "INSERT INTO fresh (name, seq) VALUES ", 2, self._unwritten)
        self._unwritten = []
        if len(self._fresh) >= GATHER:
            self.sort_in()

    def sort_in(self) -> None:
        """Empty what has gathered into the sorted table."""
        self._db.execute("INSERT OR IGNORE INTO names SELECT name, seq FROM fresh ORDER BY name, rowid")
        self._db.execute("DELETE FROM fresh")
        self._fresh = {}

    def remove(self, names: Sequence[tuple[bytes, int]]) -> None:
        """Forget these names of these rows."""
        if self._fresh:
            self.sort_in()
        self._db.executemany("DELETE FROM names WHERE name = ? AND seq = ?", names)
